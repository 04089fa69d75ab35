#pragma once
// SocketStream: a Stream over one TCP connection of an EpollLoop, with or without TLS. Inside http only.
//
// The kernel tells of changes once (edge triggered), and what it told is kept in three flags, so that a read that
// nothing has come for and a watch for the peer's leaving cost no system call: a read that brought less than there was
// room for has emptied the socket, and the next one waits for the kernel's word before it tries.

#include <openssl/ssl.h>

#include <coroutine>
#include <memory>
#include <string>

#include "async/epoll_loop.h"
#include "http/network.h"

namespace perdure {

// A coroutine that waits on a descriptor: until somebody finishes it, or its deadline has come.
class SocketWait {
 public:
  enum class End : uint8_t { kReady, kLate, kInterrupted };
  SocketWait(Loop& loop, SocketWait*& slot, Deadline deadline)
      : loop_(loop), slot_(slot), timer_(loop, &SocketWait::late, this), deadline_(deadline) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  End await_resume() const { return end_; }

  // Takes it out of its slot; resume() is then owed.
  void finish(End end);
  void resume() { handle_.resume(); }
  void finish_soon(End end);

 private:
  static void late(void* self);
  Loop& loop_;
  SocketWait*& slot_;
  Timer timer_;
  Deadline deadline_;
  std::coroutine_handle<> handle_;
  End end_ = End::kReady;
};

class SocketStream final : public Stream, private EpollLoop::Watcher {
 public:
  // Owns `descriptor`, which does not block.
  SocketStream(EpollLoop& loop, int descriptor, std::string peer);
  ~SocketStream() override;

  Result<void> watch() { return loop_.watch(descriptor_, *this); }
  // After a connect() that is under way. kUnavailable with the kernel's reason; kDeadline; kCancelled by interrupt().
  Task<Result<void>> connected(Deadline deadline);

  // From now on what is read and written is what TLS carries. Before anything is.
  void secure(SSL_CTX* context, bool server);
  SSL* ssl() { return tls_.get(); }
  Task<Result<void>> handshake(Deadline deadline);

  Task<Result<size_t>> read_some(std::span<char> into, Deadline deadline) override;
  Task<Result<void>> write_all(std::string_view bytes, Deadline deadline) override;
  Task<void> shutdown(Deadline deadline) override;
  void abort() override;
  void interrupt() override;
  void watch_peer(Cancellation* gone) override;
  std::string peer() const override { return peer_; }

  // What TLS reads and writes through: like recv() and send(), and minds the flags.
  ssize_t receive(void* into, size_t size);
  ssize_t transmit(const void* bytes, size_t size);

 private:
  struct TlsFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  void ready(uint32_t events) override;
  void close();
  // Waits until a step that said it would block may be tried again.
  SocketWait wait(SocketWait*& slot, bool for_output, Deadline deadline);
  // What OpenSSL wants after a call that gave `result`. False: nothing more; the call has failed or ended.
  bool wants_more(int result, bool& output);
  Error failure(SocketWait::End end, std::string reason) const;
  static Error aborted() { return {Code::kCancelled, "the connection was aborted"}; }

  EpollLoop& loop_;
  int descriptor_;
  // What the kernel has said and no call has disproved since.
  bool readable_ = false, writable_ = true, ended_ = false;
  bool aborted_ = false;
  bool secured_ = false, handshaking_ = false, server_ = false;
  // TLS may have to write in order to read, and the other way round.
  bool reader_wants_output_ = false, writer_wants_input_ = false;
  SocketWait* reading_ = nullptr;
  SocketWait* writing_ = nullptr;
  Cancellation* watch_ = nullptr;
  std::unique_ptr<SSL, TlsFree> tls_;
  Notifier handshake_over_;
  std::string peer_;
};

}  // namespace perdure
