#pragma once
// Network: byte streams, from sockets in production (socket_network.h) and from memory in deterministic simulation
// (sim_network.h). Everything above (HTTP server and client, providers, gateway) sees only these interfaces.
//
// A Stream lives on one Loop. At most one read and one write may be pending at a time. abort() ends both at once with
// kCancelled. A deadline ends an operation with kDeadline: after a read's, the stream can still be written and shut
// down (to say why); after a write's, it is good only for abort(). A Stream must not be destroyed while an operation is
// pending.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "async/loop.h"
#include "async/task.h"
#include "async/wait.h"
#include "base/result.h"

namespace perdure {

// The reason of write_all()'s kUnavailable when it is known that not a byte left: the connection had been broken before.
inline constexpr std::string_view kNothingWritten = "nothing_written";

class Stream {
 public:
  virtual ~Stream() = default;
  // Bytes read; 0 when the peer has ended its side in good order (with TLS: after close_notify).
  virtual Task<Result<size_t>> read_some(std::span<char> into, Deadline deadline) = 0;
  // All of `bytes` or an error. `bytes` must live until the Task ends. Waits for the peer: this is the backpressure.
  // Ends without suspending when the peer's window has room. A failure may come after some of them were sent, unless its
  // reason is kNothingWritten.
  virtual Task<Result<void>> write_all(std::string_view bytes, Deadline deadline) = 0;
  // Ends our side in good order, waits until the peer has ended its own (dropping what still arrives, so that what was
  // written is not lost to a reset) or until the deadline, then closes.
  virtual Task<void> shutdown(Deadline deadline) = 0;
  // Breaks the connection; the peer sees a reset, not an end.
  virtual void abort() = 0;
  // Ends a pending read_some() with kCancelled. No bytes are lost, the stream stays usable. Does nothing when none is
  // pending.
  virtual void interrupt() = 0;
  // From now on requests `gone` as soon as the peer has ended its side or broken the connection, which it may have done
  // before; null: no more. For noticing that a client has left while nothing is read from it. Takes no bytes, and does
  // not tell of our own abort(). `gone` must live until it is replaced or the stream dies.
  virtual void watch_peer(Cancellation* gone) = 0;
  virtual std::string peer() const = 0;  // "127.0.0.1:5123", for logs
};

class Listener {
 public:
  virtual ~Listener() = default;
  // kCancelled after close().
  virtual Task<Result<std::unique_ptr<Stream>>> accept() = 0;
  virtual void close() = 0;
  virtual int port() const = 0;
};

struct Address {
  std::string host;  // name, IPv4 or IPv6 without brackets
  int port = 0;
  auto operator<=>(const Address&) const = default;
};

// How a listener or a connection is secured; files are read again when their content changes (certificate reload).
struct ServerTls {
  std::string certificate_file, key_file;
};
struct ConnectOptions {
  bool tls = false;
  std::string server_name;         // for SNI and verification; empty: the address's host
  std::string ca_file = {};        // empty: the system's
  Cancellation* cancel = nullptr;  // ends connect() and start_tls() with kCancelled
};

class Network {
 public:
  virtual ~Network() = default;
  // Resolves off the loop (every time: the resolver caches), tries the addresses in order, IPv6 included.
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Address to, ConnectOptions options, Deadline deadline) = 0;
  // Secures a connection that is already there, as a client: what follows a proxy's CONNECT. `options.server_name` must
  // be set.
  virtual Task<Result<std::unique_ptr<Stream>>> start_tls(std::unique_ptr<Stream> stream, ConnectOptions options,
                                                          Deadline deadline) = 0;
  // Port 0 takes any free one. With `shared`, several loops may listen on one port (SO_REUSEPORT).
  virtual Result<std::unique_ptr<Listener>> listen(Address at, const ServerTls* tls, bool shared) = 0;
};

}  // namespace perdure
