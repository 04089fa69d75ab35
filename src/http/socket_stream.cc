#include "http/socket_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "http/tls_context.h"

namespace perdure {
namespace {

constexpr size_t kScrapBytes = 16 << 10;
constexpr size_t kTlsPieceMax = 1 << 20;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }
Error kernel_error() { return {Code::kUnavailable, std::strerror(errno)}; }

// OpenSSL's way to the socket: its own does not keep SIGPIPE away, and knows nothing of the flags.
int bio_read(BIO* bio, char* into, size_t size, size_t* got) {
  BIO_clear_retry_flags(bio);
  ssize_t n = static_cast<SocketStream*>(BIO_get_data(bio))->receive(into, size);
  *got = n > 0 ? static_cast<size_t>(n) : 0;
  if (n < 0 && would_block()) BIO_set_retry_read(bio);
  return n > 0 ? 1 : 0;
}
int bio_write(BIO* bio, const char* bytes, size_t size, size_t* put) {
  BIO_clear_retry_flags(bio);
  ssize_t n = static_cast<SocketStream*>(BIO_get_data(bio))->transmit(bytes, size);
  *put = n > 0 ? static_cast<size_t>(n) : 0;
  if (n < 0 && would_block()) BIO_set_retry_write(bio);
  return n > 0 ? 1 : 0;
}
long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "perdure socket");
    CHECK(made != nullptr, "OpenSSL has no room");
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

}  // namespace

void SocketWait::await_suspend(std::coroutine_handle<> handle) {
  CHECK(slot_ == nullptr, "a second operation of a kind on a stream");
  slot_ = this;
  handle_ = handle;
  timer_.arm(deadline_.at);
}

void SocketWait::finish(End end) {
  slot_ = nullptr;
  timer_.cancel();
  end_ = end;
}

void SocketWait::finish_soon(End end) {
  finish(end);
  loop_.resume_soon(handle_);
}

void SocketWait::late(void* context) {
  auto* self = static_cast<SocketWait*>(context);
  self->finish(End::kLate);
  self->resume();
}

SocketStream::SocketStream(EpollLoop& loop, int descriptor, std::string peer)
    : loop_(loop), descriptor_(descriptor), handshake_over_(loop), peer_(std::move(peer)) {
  int on = 1;
  (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

SocketStream::~SocketStream() {
  CHECK(reading_ == nullptr && writing_ == nullptr, "a stream died under a pending operation");
  if (!aborted_) close();
}

void SocketStream::ready(uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ended_ = true;
  if (ended_ || (events & EPOLLIN) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  // All are taken before one goes on: whoever still waits keeps the stream alive.
  auto take = [](SocketWait* wait, bool goes_on) -> SocketWait* {
    if (wait == nullptr || !goes_on) return nullptr;
    wait->finish(SocketWait::End::kReady);
    return wait;
  };
  SocketWait* reader = take(reading_, readable_ || (reader_wants_output_ && writable_));
  SocketWait* writer = take(writing_, writable_ || (writer_wants_input_ && readable_));
  if (ended_ && watch_ != nullptr) std::exchange(watch_, nullptr)->request();
  for (SocketWait* each : {reader, writer})
    if (each != nullptr) each->resume();
}

ssize_t SocketStream::receive(void* into, size_t size) {
  if (!readable_) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t n = 0;
  do n = ::recv(descriptor_, into, size, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    // Less than there was room for: that was all. An end that is known is still to be read.
    if (static_cast<size_t>(n) < size && !ended_) readable_ = false;
  } else if (n < 0 && would_block()) {
    readable_ = false;
  } else {
    ended_ = true;
  }
  return n;
}

ssize_t SocketStream::transmit(const void* bytes, size_t size) {
  ssize_t n = 0;
  do n = ::send(descriptor_, bytes, size, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0 && would_block()) writable_ = false;
  return n;
}

SocketWait SocketStream::wait(SocketWait*& slot, bool for_output, Deadline deadline) {
  if (&slot == &reading_) reader_wants_output_ = for_output;
  if (&slot == &writing_) writer_wants_input_ = !for_output;
  return {loop_, slot, deadline};
}

Error SocketStream::failure(SocketWait::End end, std::string reason) const {
  if (end == SocketWait::End::kLate) return {Code::kDeadline, "the connection took too long"};
  if (end == SocketWait::End::kInterrupted || aborted_) return {Code::kCancelled, "the operation was ended"};
  return {Code::kUnavailable, std::move(reason)};
}

Task<Result<void>> SocketStream::connected(Deadline deadline) {
  writable_ = false;
  SocketWait::End end = co_await wait(reading_, true, deadline);
  if (end != SocketWait::End::kReady) co_return failure(end, "");
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) co_return kernel_error();
  if (error != 0) co_return Error{Code::kUnavailable, std::strerror(error)};
  co_return Result<void>();
}

Task<Result<size_t>> SocketStream::read_some(std::span<char> into, Deadline deadline) {
  if (aborted_) co_return aborted();
  if (tls_ && !secured_) CO_TRY_VOID(co_await handshake(deadline));
  for (;;) {
    if (aborted_) co_return aborted();
    bool output = false;
    if (tls_) {
      ERR_clear_error();
      int n = SSL_read(tls_.get(), into.data(), static_cast<int>(std::min(into.size(), kTlsPieceMax)));
      if (n > 0) co_return static_cast<size_t>(n);
      if (SSL_get_error(tls_.get(), n) == SSL_ERROR_ZERO_RETURN) co_return size_t{0};
      if (!wants_more(n, output)) co_return Error{Code::kUnavailable, "TLS: " + last_ssl_error()};
    } else {
      ssize_t n = receive(into.data(), into.size());
      if (n >= 0) co_return static_cast<size_t>(n);
      if (!would_block()) co_return kernel_error();
    }
    SocketWait::End end = co_await wait(reading_, output, deadline);
    if (end != SocketWait::End::kReady) co_return failure(end, "");
  }
}

Task<Result<void>> SocketStream::write_all(std::string_view bytes, Deadline deadline) {
  if (aborted_) co_return aborted();
  if (tls_ && !secured_) CO_TRY_VOID(co_await handshake(deadline));
  const size_t all = bytes.size();
  while (!bytes.empty()) {
    if (aborted_) co_return aborted();
    bool output = true;
    ssize_t n = 0;
    if (tls_) {
      ERR_clear_error();
      n = SSL_write(tls_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kTlsPieceMax)));
      if (n <= 0 && !wants_more(static_cast<int>(n), output))
        co_return Error{Code::kUnavailable, "TLS: " + last_ssl_error()};
    } else {
      n = transmit(bytes.data(), bytes.size());
      if (n < 0 && !would_block()) {
        Error error = kernel_error();
        if (bytes.size() == all) error.reason = kNothingWritten;
        co_return error;
      }
    }
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    SocketWait::End end = co_await wait(writing_, output, deadline);
    if (end != SocketWait::End::kReady) co_return failure(end, "");
  }
  co_return Result<void>();
}

Task<void> SocketStream::shutdown(Deadline deadline) {
  if (aborted_) co_return;
  if (tls_ && secured_) {
    // As if the peer's close_notify had come already: ours is sent and nothing is waited for, so that the end of the
    // connection follows at once. What the peer still sends is dropped anyway.
    SSL_set_shutdown(tls_.get(), SSL_get_shutdown(tls_.get()) | SSL_RECEIVED_SHUTDOWN);
    for (bool output = true;;) {
      ERR_clear_error();
      int done = SSL_shutdown(tls_.get());
      if (done >= 0 || !wants_more(done, output)) break;
      SocketWait::End end = co_await wait(writing_, output, deadline);
      if (end != SocketWait::End::kReady) break;
    }
    ERR_clear_error();
    if (aborted_) co_return;
  }
  bool open = ::shutdown(descriptor_, SHUT_WR) == 0;
  auto scrap = std::make_unique_for_overwrite<char[]>(open ? kScrapBytes : 0);
  while (open && !aborted_ && deadline.at > loop_.now()) {
    ssize_t n = receive(scrap.get(), kScrapBytes);
    if (n > 0) continue;
    if (n == 0 || !would_block()) break;
    SocketWait::End end = co_await wait(reading_, false, deadline);
    if (end != SocketWait::End::kReady) break;
  }
  if (!aborted_) close();
}

void SocketStream::close() {
  aborted_ = true;
  loop_.forget(*this);
  ::close(descriptor_);
  descriptor_ = -1;
}

void SocketStream::abort() {
  if (aborted_) return;
  linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
  watch_ = nullptr;
  for (SocketWait* each : {reading_, writing_})
    if (each != nullptr) each->finish_soon(SocketWait::End::kInterrupted);
}

void SocketStream::interrupt() {
  if (reading_ != nullptr) reading_->finish_soon(SocketWait::End::kInterrupted);
}

void SocketStream::watch_peer(Cancellation* gone) {
  watch_ = aborted_ ? nullptr : gone;
  if (ended_ && watch_ != nullptr) std::exchange(watch_, nullptr)->request();
}

// --- TLS

void SocketStream::secure(SSL_CTX* context, bool server) {
  server_ = server;
  tls_.reset(SSL_new(context));
  CHECK(tls_ != nullptr, "OpenSSL has no room");
  BIO* bio = BIO_new(bio_method());
  CHECK(bio != nullptr, "OpenSSL has no room");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);
  // What is to be written may move while it waits. Several records are read at once.
  SSL_set_mode(tls_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_read_ahead(tls_.get(), 1);
  server ? SSL_set_accept_state(tls_.get()) : SSL_set_connect_state(tls_.get());
}

bool SocketStream::wants_more(int result, bool& output) {
  int wish = SSL_get_error(tls_.get(), result);
  output = wish == SSL_ERROR_WANT_WRITE;
  return wish == SSL_ERROR_WANT_READ || wish == SSL_ERROR_WANT_WRITE;
}

Task<Result<void>> SocketStream::handshake(Deadline deadline) {
  // A read and a write may both come first; one of them does the work.
  while (handshaking_)
    if (!co_await handshake_over_.wait(deadline)) co_return Error{Code::kDeadline, "the TLS handshake took too long"};
  if (aborted_) co_return aborted();
  if (secured_) co_return Result<void>();
  handshaking_ = true;
  std::optional<Error> failed;
  for (;;) {
    ERR_clear_error();
    int done = SSL_do_handshake(tls_.get());
    if (done == 1) break;
    bool output = false;
    if (!wants_more(done, output)) {
      std::string reason = last_ssl_error();
      if (long verdict = SSL_get_verify_result(tls_.get()); verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
      failed = Error{Code::kUnavailable, "TLS handshake: " + reason};
      break;
    }
    SocketWait::End end = co_await wait(reading_, output, deadline);
    if (end != SocketWait::End::kReady || aborted_) {
      failed = failure(end, "TLS handshake");
      break;
    }
  }
  handshaking_ = false;
  handshake_over_.notify_all();
  if (failed) {
    if (!aborted_) close();
    co_return *std::move(failed);
  }
  secured_ = true;
  co_return Result<void>();
}

}  // namespace perdure
