#include "http/asio_network.h"

#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <coroutine>
#include <cstring>
#include <map>
#include <optional>

#include "base/check.h"
#include "http/tls_context.h"

namespace perdure {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// One asynchronous Asio operation, awaited. `start` hands the operation a handler; cancel() ends this operation and no
// other one of the same socket. The handler runs within AsioLoop::run(), so Loop::current() is set when the coroutine
// goes on.
struct Outcome {
  error_code error;
  size_t bytes = 0;
  bool late = false;
  bool interrupted = false;
};

class OperationBase {
 public:
  void interrupt() {
    outcome_.interrupted = true;
    signal_.emit(asio::cancellation_type::terminal);
  }

 protected:
  OperationBase(Loop& loop, OperationBase*& slot, Deadline deadline)
      : slot_(slot), timer_(loop, &OperationBase::late, this), deadline_(deadline) {}
  static void late(void* context) {
    auto* self = static_cast<OperationBase*>(context);
    self->outcome_.late = true;
    self->signal_.emit(asio::cancellation_type::terminal);
  }
  OperationBase*& slot_;
  Timer timer_;
  Deadline deadline_;
  asio::cancellation_signal signal_;
  std::coroutine_handle<> handle_;
  Outcome outcome_;
};

template <class Start>
class Operation : public OperationBase {
 public:
  Operation(Loop& loop, OperationBase*& slot, Deadline deadline, Start start)
      : OperationBase(loop, slot, deadline), start_(std::move(start)) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    CHECK(slot_ == nullptr, "a second operation of a kind on a stream");
    slot_ = this;
    handle_ = handle;
    timer_.arm(deadline_.at);
    start_(asio::bind_cancellation_slot(signal_.slot(), [this](const error_code& error, size_t bytes = 0) {
      outcome_.error = error;
      outcome_.bytes = bytes;
      timer_.cancel();
      slot_ = nullptr;
      handle_.resume();
    }));
  }
  Outcome await_resume() const { return outcome_; }

 private:
  Start start_;
};
template <class Start>
Operation<Start> operation(Loop& loop, OperationBase*& slot, Deadline deadline, Start start) {
  return Operation<Start>(loop, slot, deadline, std::move(start));
}

std::string to_text(const tcp::endpoint& endpoint) {
  std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

using Tls = asio::ssl::stream<tcp::socket&>;

// ssl::stream takes its SSL_CTX from an ssl::context, which owns a reference.
std::unique_ptr<Tls> make_tls(tcp::socket& socket, SSL_CTX* context) {
  SSL_CTX_up_ref(context);
  asio::ssl::context holder(context);
  return std::make_unique<Tls>(socket, holder);
}

class AsioStream final : public Stream {
 public:
  AsioStream(AsioLoop& loop, tcp::socket socket, std::string peer)
      : loop_(loop), socket_(std::move(socket)), peer_(std::move(peer)), handshake_over_(loop) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }
  ~AsioStream() override {
    CHECK(reading_ == nullptr && writing_ == nullptr && !watching_, "a stream died under a pending operation");
  }

  void secure(SSL_CTX* context, Tls::handshake_type side) {
    tls_ = make_tls(socket_, context);
    side_ = side;
  }
  SSL* ssl() { return tls_->native_handle(); }

  Task<Result<void>> handshake(Deadline deadline) {
    // A read and a write may both come first; one of them does the work.
    while (handshaking_)
      if (!co_await handshake_over_.wait(deadline)) co_return Error{Code::kDeadline, "the TLS handshake took too long"};
    if (aborted_) co_return aborted();
    if (secured_) co_return Result<void>();
    handshaking_ = true;
    Outcome outcome = co_await operation(loop_, reading_, deadline,
                                         [this](auto handler) { tls_->async_handshake(side_, std::move(handler)); });
    handshaking_ = false;
    handshake_over_.notify_all();
    if (outcome.error) {
      std::string reason = outcome.error.message();
      if (long verdict = SSL_get_verify_result(ssl()); verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
      Error error = failure(outcome, "TLS handshake: " + reason);
      if (!aborted_) close();
      co_return error;
    }
    secured_ = true;
    co_return Result<void>();
  }

  Task<Result<size_t>> read_some(std::span<char> into, Deadline deadline) override {
    if (aborted_) co_return aborted();
    if (tls_ && !secured_) CO_TRY_VOID(co_await handshake(deadline));
    auto target = asio::buffer(into.data(), into.size());
    Outcome outcome = co_await operation(loop_, reading_, deadline, [this, target](auto handler) {
      if (tls_)
        tls_->async_read_some(target, std::move(handler));
      else
        socket_.async_read_some(target, std::move(handler));
    });
    if (outcome.bytes > 0) co_return outcome.bytes;
    if (outcome.error == asio::error::eof) co_return size_t{0};
    if (outcome.error) co_return failure(outcome, outcome.error.message());
    co_return outcome.bytes;
  }

  Task<Result<void>> write_all(std::string_view bytes, Deadline deadline) override {
    if (aborted_) co_return aborted();
    if (tls_ && !secured_) CO_TRY_VOID(co_await handshake(deadline));
    if (!tls_) {
      // The usual case takes one system call and no suspension.
      error_code error;
      size_t n = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
      if (error && error != asio::error::would_block && error != asio::error::try_again)
        co_return Error{Code::kUnavailable, error.message()};
      if (!error) bytes.remove_prefix(n);
      if (bytes.empty()) co_return Result<void>();
    }
    auto source = asio::buffer(bytes.data(), bytes.size());
    Outcome outcome = co_await operation(loop_, writing_, deadline, [this, source](auto handler) {
      if (tls_)
        asio::async_write(*tls_, source, std::move(handler));
      else
        asio::async_write(socket_, source, std::move(handler));
    });
    if (outcome.error) co_return failure(outcome, outcome.error.message());
    co_return Result<void>();
  }

  Task<void> shutdown(Deadline deadline) override {
    if (aborted_) co_return;
    if (tls_ && secured_) {
      // As if the peer's close_notify had come already: ours is sent and nothing is waited for, so that the end of the
      // connection follows at once. What the peer still sends is dropped anyway.
      SSL_set_shutdown(ssl(), SSL_get_shutdown(ssl()) | SSL_RECEIVED_SHUTDOWN);
      (void)co_await operation(loop_, writing_, deadline,
                               [this](auto handler) { tls_->async_shutdown(std::move(handler)); });
      if (aborted_) co_return;
    }
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    auto scrap = std::make_unique_for_overwrite<char[]>(kScrapBytes);
    while (!ignored && !aborted_ && deadline.at > loop_.now()) {
      Outcome outcome = co_await operation(loop_, reading_, deadline, [this, &scrap](auto handler) {
        socket_.async_read_some(asio::buffer(scrap.get(), kScrapBytes), std::move(handler));
      });
      if (outcome.error) break;
    }
    if (!aborted_) close();
  }

  void abort() override {
    if (aborted_) return;
    error_code ignored;
    if (socket_.is_open()) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    close();
    if (watch_pause_ != nullptr) watch_pause_->notify_all();
  }

  void interrupt() override {
    if (watch_pause_ != nullptr) {
      watch_ended_ = true;
      watch_pause_->notify_all();
    }
    if (reading_ != nullptr) {
      watch_ended_ = true;
      reading_->interrupt();
    }
  }

  Task<bool> wait_peer_closed(Deadline deadline) override {
    if (aborted_) co_return true;
    CHECK(!watching_, "two watchers of one stream");
    watching_ = true;
    watch_ended_ = false;
    bool closed = co_await watch(deadline);
    watching_ = false;
    co_return closed;
  }

  std::string peer() const override { return peer_; }

 private:
  static constexpr size_t kScrapBytes = 16 << 10;

  Task<bool> watch(Deadline deadline) {
    char peeked = 0;
    Outcome outcome = co_await operation(loop_, reading_, deadline, [this, &peeked](auto handler) {
      socket_.async_receive(asio::buffer(&peeked, 1), tcp::socket::message_peek, std::move(handler));
    });
    if (aborted_) co_return true;
    if (outcome.error == asio::error::operation_aborted) co_return false;
    if (outcome.error) co_return true;
    // Bytes wait in front of a possible end. They stay where they are; whether the end has come is asked now and then.
    Notifier pause(loop_);
    for (;;) {
      if (peer_ended()) co_return true;
      if (watch_ended_ || loop_.now() >= deadline.at) co_return false;
      watch_pause_ = &pause;
      (void)co_await pause.wait(deadline.sooner(deadline_in(loop_, std::chrono::milliseconds(250))));
      watch_pause_ = nullptr;
      if (aborted_) co_return true;
    }
  }
  bool peer_ended() {
    pollfd query{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&query, 1, 0) > 0 && (query.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  void close() {
    aborted_ = true;
    error_code ignored;
    socket_.close(ignored);
  }
  static Error aborted() { return {Code::kCancelled, "the connection was aborted"}; }
  Error failure(const Outcome& outcome, std::string reason) const {
    if (outcome.late) return {Code::kDeadline, "the connection took too long"};
    if (outcome.interrupted || aborted_) return {Code::kCancelled, "the operation was ended"};
    return {Code::kUnavailable, std::move(reason)};
  }

  AsioLoop& loop_;
  tcp::socket socket_;
  std::string peer_;
  std::unique_ptr<Tls> tls_;
  Tls::handshake_type side_ = Tls::client;
  bool secured_ = false, handshaking_ = false, aborted_ = false;
  bool watching_ = false, watch_ended_ = false;
  OperationBase* reading_ = nullptr;
  OperationBase* writing_ = nullptr;
  Notifier* watch_pause_ = nullptr;
  Notifier handshake_over_;
};

class AsioListener final : public Listener {
 public:
  AsioListener(AsioLoop& loop, tcp::acceptor acceptor, std::optional<ReloadingServerContext> tls)
      : loop_(loop), acceptor_(std::move(acceptor)), tls_(std::move(tls)), port_(acceptor_.local_endpoint().port()) {}
  ~AsioListener() override { CHECK(accepting_ == nullptr, "a listener died under a pending accept"); }

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    if (closed_) co_return Error{Code::kCancelled, "the listener is closed"};
    tcp::socket socket(loop_.context());
    Outcome outcome = co_await operation(loop_, accepting_, Deadline::never(), [this, &socket](auto handler) {
      acceptor_.async_accept(socket, std::move(handler));
    });
    if (closed_) co_return Error{Code::kCancelled, "the listener is closed"};
    if (outcome.error) co_return Error{Code::kUnavailable, outcome.error.message()};
    error_code error;
    tcp::endpoint from = socket.remote_endpoint(error);
    auto stream = std::make_unique<AsioStream>(loop_, std::move(socket), error ? std::string("gone") : to_text(from));
    if (tls_) stream->secure(tls_->get(loop_.now()), Tls::server);
    co_return std::unique_ptr<Stream>(std::move(stream));
  }
  void close() override {
    closed_ = true;
    error_code ignored;
    acceptor_.close(ignored);
  }
  int port() const override { return port_; }

 private:
  AsioLoop& loop_;
  tcp::acceptor acceptor_;
  std::optional<ReloadingServerContext> tls_;
  int port_;
  bool closed_ = false;
  OperationBase* accepting_ = nullptr;
};

// The answer of a resolution, shared between the coroutine, which may leave at its deadline, and the resolver's thread.
struct Resolution {
  explicit Resolution(Loop& loop) : changed(loop) {}
  Notifier changed;
  bool done = false;
  std::string problem;
  std::vector<tcp::endpoint> endpoints;
};

void resolve_blocking(const Address& to, std::vector<tcp::endpoint>& endpoints, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (int code = ::getaddrinfo(to.host.c_str(), nullptr, &hints, &found); code != 0) {
    problem = ::gai_strerror(code);
    return;
  }
  for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
    tcp::endpoint endpoint;
    if (each->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), each->ai_addr, each->ai_addrlen);
    endpoint.resize(each->ai_addrlen);
    endpoint.port(static_cast<unsigned short>(to.port));
    endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
}

class AsioNetwork final : public Network {
 public:
  AsioNetwork(AsioLoop& loop, JobRunner& resolver) : loop_(loop), resolver_(resolver) {}

  Task<Result<std::unique_ptr<Stream>>> connect(Address to, ConnectOptions options, Deadline deadline) override {
    if (to.port <= 0 || to.port > 65535) co_return Error{Code::kInvalid, "a port must be between 1 and 65535"};
    CO_TRY(std::vector<tcp::endpoint> endpoints, co_await resolve(to, options.cancel, deadline));
    Error last{Code::kUnavailable, "no address"};
    for (size_t i = 0; i < endpoints.size(); ++i) {
      // Each address but the last gets a share of the time, so that a dead one does not take it all.
      Deadline mine = deadline;
      if (deadline.at != Instant::max() && i + 1 < endpoints.size())
        mine = {loop_.now() + (deadline.at - loop_.now()) / static_cast<int64_t>(endpoints.size() - i)};
      tcp::socket socket(loop_.context());
      OperationBase* connecting = nullptr;
      std::optional<Cancellation::Hook> hook;
      hook.emplace(options.cancel, [&connecting] {
        if (connecting != nullptr) connecting->interrupt();
      });
      if (options.cancel != nullptr && options.cancel->requested())
        co_return Error{Code::kCancelled, "connecting was cancelled"};
      Outcome outcome = co_await operation(loop_, connecting, mine, [&socket, &endpoints, i](auto handler) {
        socket.async_connect(endpoints[i], std::move(handler));
      });
      hook.reset();
      if (options.cancel != nullptr && options.cancel->requested())
        co_return Error{Code::kCancelled, "connecting was cancelled"};
      if (!outcome.error) {
        std::unique_ptr<Stream> stream = std::make_unique<AsioStream>(loop_, std::move(socket), to_text(endpoints[i]));
        if (!options.tls) co_return std::move(stream);
        if (options.server_name.empty()) options.server_name = to.host;
        co_return co_await start_tls(std::move(stream), std::move(options), deadline);
      }
      if (outcome.late)
        last = {Code::kDeadline, "connecting took too long"};
      else
        last = {Code::kUnavailable, outcome.error.message()};
      last = std::move(last).with_context(to_text(endpoints[i]));
      if (loop_.now() >= deadline.at) break;
    }
    co_return std::move(last);
  }

  Task<Result<std::unique_ptr<Stream>>> start_tls(std::unique_ptr<Stream> stream, ConnectOptions options,
                                                  Deadline deadline) override {
    auto* secured = dynamic_cast<AsioStream*>(stream.get());
    CHECK(secured != nullptr, "a stream of another network");
    CO_TRY(SSL_CTX * context, client_context(options.ca_file));
    secured->secure(context, Tls::client);
    CO_TRY_VOID(expect_server(secured->ssl(), options.server_name));
    std::optional<Cancellation::Hook> hook;
    hook.emplace(options.cancel, [secured] { secured->abort(); });
    Result<void> shaken = co_await secured->handshake(deadline);
    hook.reset();
    if (!shaken.ok()) co_return std::move(shaken).error().with_context(options.server_name);
    co_return std::move(stream);
  }

  Result<std::unique_ptr<Listener>> listen(Address at, const ServerTls* tls, bool shared) override {
    error_code error;
    asio::ip::address address =
        at.host.empty() ? asio::ip::address(asio::ip::address_v6::any()) : asio::ip::make_address(at.host, error);
    if (at.host == "localhost") {
      address = asio::ip::address_v4::loopback();
      error = {};
    }
    auto failure = [&at](std::string why) {
      return Error{Code::kInvalid, "listen on " + at.host + ":" + std::to_string(at.port) + ": " + std::move(why)};
    };
    if (error) return failure("not an address");
    if (at.port < 0 || at.port > 65535) return failure("not a port");
    std::optional<ReloadingServerContext> context;
    if (tls != nullptr) {
      TRY(auto made, ReloadingServerContext::make(*tls, loop_.now()));
      context = std::move(made);
    }
    tcp::acceptor acceptor(loop_.context());
    tcp::endpoint endpoint(address, static_cast<unsigned short>(at.port));
    acceptor.open(endpoint.protocol(), error);
    if (error && at.host.empty()) {  // a machine without IPv6
      endpoint = tcp::endpoint(asio::ip::address_v4::any(), endpoint.port());
      acceptor.open(endpoint.protocol(), error);
    } else if (!error && at.host.empty()) {
      acceptor.set_option(asio::ip::v6_only(false), error);
    }
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && shared) {
      int on = 1;
      if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        error = error_code(errno, boost::system::system_category());
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(4096, error);
    if (error) return failure(error.message());
    return std::unique_ptr<Listener>(std::make_unique<AsioListener>(loop_, std::move(acceptor), std::move(context)));
  }

 private:
  struct ClientContext {
    SslContext context;
    FileStamp stamp;
  };

  Task<Result<std::vector<tcp::endpoint>>> resolve(const Address& to, Cancellation* cancel, Deadline deadline) {
    error_code error;
    asio::ip::address literal = asio::ip::make_address(to.host, error);
    if (!error) co_return std::vector<tcp::endpoint>{tcp::endpoint(literal, static_cast<unsigned short>(to.port))};
    auto resolution = std::make_shared<Resolution>(loop_);
    resolver_.submit([&loop = loop_, resolution, to] {
      std::vector<tcp::endpoint> endpoints;
      std::string problem;
      resolve_blocking(to, endpoints, problem);
      loop.post([resolution, endpoints = std::move(endpoints), problem = std::move(problem)]() mutable {
        resolution->endpoints = std::move(endpoints);
        resolution->problem = std::move(problem);
        resolution->done = true;
        resolution->changed.notify_all();
      });
    });
    Cancellation::Hook hook(cancel, [&resolution] { resolution->changed.notify_all(); });
    while (!resolution->done) {
      if (cancel != nullptr && cancel->requested()) co_return Error{Code::kCancelled, "connecting was cancelled"};
      if (!co_await resolution->changed.wait(deadline))
        co_return Error{Code::kDeadline, "resolving " + to.host + " took too long"};
    }
    if (resolution->endpoints.empty())
      co_return Error{Code::kUnavailable, "resolving " + to.host + ": " +
                                              (resolution->problem.empty() ? "no address" : resolution->problem)};
    co_return std::move(resolution->endpoints);
  }

  Result<SSL_CTX*> client_context(const std::string& ca_file) {
    FileStamp stamp = ca_file.empty() ? FileStamp{} : FileStamp::of(ca_file);
    auto known = contexts_.find(ca_file);
    if (known != contexts_.end() && known->second.stamp == stamp) return known->second.context.get();
    auto made = make_client_context(ca_file);
    if (!made.ok()) {
      if (known != contexts_.end()) return known->second.context.get();
      return std::move(made).error();
    }
    auto& entry = contexts_[ca_file];
    entry = {std::move(made).value(), stamp};
    return entry.context.get();
  }

  AsioLoop& loop_;
  JobRunner& resolver_;
  std::map<std::string, ClientContext> contexts_;
};

}  // namespace

std::unique_ptr<Network> asio_network(AsioLoop& loop, JobRunner& resolver) {
  return std::make_unique<AsioNetwork>(loop, resolver);
}

}  // namespace perdure
