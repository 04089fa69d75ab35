#include "http/socket_network.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "base/check.h"
#include "http/socket_stream.h"
#include "http/tls_context.h"

namespace perdure {
namespace {

// An address and port as the kernel takes them.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  int port() const {
    return ntohs(family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                                      : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }
};

std::string to_text(const Endpoint& endpoint) {
  char host[NI_MAXHOST] = "?";
  (void)::getnameinfo(endpoint.address(), endpoint.size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  std::string text = endpoint.family() == AF_INET6 ? "[" + std::string(host) + "]" : std::string(host);
  return text + ":" + std::to_string(endpoint.port());
}

// The addresses of a host; with AI_NUMERICHOST only what it says itself, which does not block.
void look_up(const std::string& host, int port, int flags, std::vector<Endpoint>& endpoints, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    problem = ::gai_strerror(code);
    return;
  }
  for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Endpoint endpoint;
    if (each->ai_addrlen > sizeof endpoint.storage) continue;
    std::memcpy(&endpoint.storage, each->ai_addr, each->ai_addrlen);
    endpoint.size = each->ai_addrlen;
    endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
}

class SocketListener final : public Listener, private EpollLoop::Watcher {
 public:
  SocketListener(EpollLoop& loop, int descriptor, int port, std::optional<ReloadingServerContext> tls)
      : loop_(loop), descriptor_(descriptor), port_(port), tls_(std::move(tls)) {}
  ~SocketListener() override {
    CHECK(accepting_ == nullptr, "a listener died under a pending accept");
    close();
  }
  Result<void> watch() { return loop_.watch(descriptor_, *this); }

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    for (;;) {
      if (descriptor_ < 0) co_return Error{Code::kCancelled, "the listener is closed"};
      if (!ready_) {
        (void)co_await SocketWait(loop_, accepting_, Deadline::never());
        continue;
      }
      Endpoint from;
      from.size = sizeof from.storage;
      int accepted = ::accept4(descriptor_, from.address(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) ready_ = false;
        // These end when others close theirs; whatever else is wrong is wrong with that connection alone.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
          co_return Error{Code::kUnavailable, std::strerror(errno)};
        continue;
      }
      auto stream = std::make_unique<SocketStream>(loop_, accepted, to_text(from));
      if (tls_) stream->secure(tls_->get(loop_.now()), true);
      CO_TRY_VOID(stream->watch());
      co_return std::unique_ptr<Stream>(std::move(stream));
    }
  }
  void close() override {
    if (descriptor_ < 0) return;
    loop_.forget(*this);
    ::close(descriptor_);
    descriptor_ = -1;
    if (accepting_ != nullptr) accepting_->finish_soon(SocketWait::End::kInterrupted);
  }
  int port() const override { return port_; }

 private:
  void ready(uint32_t) override {
    ready_ = true;
    if (SocketWait* wait = accepting_; wait != nullptr) {
      wait->finish(SocketWait::End::kReady);
      wait->resume();
    }
  }
  EpollLoop& loop_;
  int descriptor_, port_;
  std::optional<ReloadingServerContext> tls_;
  bool ready_ = false;
  SocketWait* accepting_ = nullptr;
};

// The answer of a resolution, shared between the coroutine, which may leave at its deadline, and the resolver's thread.
struct Resolution {
  explicit Resolution(Loop& loop) : changed(loop) {}
  Notifier changed;
  bool done = false;
  std::string problem;
  std::vector<Endpoint> endpoints;
};

// A socket that listens; -1 with errno. Closed again where a step fails.
int open_listener(const Endpoint& at, bool both_families, bool shared) {
  int made = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) return -1;
  int on = 1, off = 0;
  bool good = ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              (!both_families || ::setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
              (!shared || ::setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
              ::bind(made, at.address(), at.size) == 0 && ::listen(made, 4096) == 0;
  if (good) return made;
  int why = errno;
  ::close(made);
  errno = why;
  return -1;
}

class SocketNetwork final : public Network {
 public:
  SocketNetwork(EpollLoop& loop, JobRunner& resolver) : loop_(loop), resolver_(resolver) {}

  Task<Result<std::unique_ptr<Stream>>> connect(Address to, ConnectOptions options, Deadline deadline) override {
    if (to.port <= 0 || to.port > 65535) co_return Error{Code::kInvalid, "a port must be between 1 and 65535"};
    CO_TRY(std::vector<Endpoint> endpoints, co_await resolve(to, options.cancel, deadline));
    Error last{Code::kUnavailable, "no address"};
    for (size_t i = 0; i < endpoints.size(); ++i) {
      // Each address but the last gets a share of the time, so that a dead one does not take it all.
      Deadline mine = deadline;
      if (deadline.at != Instant::max() && i + 1 < endpoints.size())
        mine = {loop_.now() + (deadline.at - loop_.now()) / static_cast<int64_t>(endpoints.size() - i)};
      if (options.cancel != nullptr && options.cancel->requested())
        co_return Error{Code::kCancelled, "connecting was cancelled"};
      Result<std::unique_ptr<Stream>> made = co_await connect_to(endpoints[i], options.cancel, mine);
      if (options.cancel != nullptr && options.cancel->requested())
        co_return Error{Code::kCancelled, "connecting was cancelled"};
      if (made.ok()) {
        if (!options.tls) co_return *std::move(made);
        if (options.server_name.empty()) options.server_name = to.host;
        co_return co_await start_tls(*std::move(made), std::move(options), deadline);
      }
      last = made.error().code == Code::kDeadline ? Error{Code::kDeadline, "connecting took too long"}
                                                  : std::move(made).error();
      last = std::move(last).with_context(to_text(endpoints[i]));
      if (loop_.now() >= deadline.at) break;
    }
    co_return std::move(last);
  }

  Task<Result<std::unique_ptr<Stream>>> start_tls(std::unique_ptr<Stream> stream, ConnectOptions options,
                                                  Deadline deadline) override {
    auto* secured = dynamic_cast<SocketStream*>(stream.get());
    CHECK(secured != nullptr, "a stream of another network");
    CO_TRY(SSL_CTX * context, client_context(options.ca_file));
    secured->secure(context, false);
    CO_TRY_VOID(expect_server(secured->ssl(), options.server_name));
    std::optional<Cancellation::Hook> hook;
    hook.emplace(options.cancel, [secured] { secured->abort(); });
    Result<void> shaken = co_await secured->handshake(deadline);
    hook.reset();
    if (!shaken.ok()) co_return std::move(shaken).error().with_context(options.server_name);
    co_return std::move(stream);
  }

  Result<std::unique_ptr<Listener>> listen(Address at, const ServerTls* tls, bool shared) override {
    auto failure = [&at](std::string why) {
      return Error{Code::kInvalid, "listen on " + at.host + ":" + std::to_string(at.port) + ": " + std::move(why)};
    };
    if (at.port < 0 || at.port > 65535) return failure("not a port");
    std::optional<ReloadingServerContext> context;
    bool anywhere = at.host.empty();
    std::string host = anywhere ? "::" : at.host == "localhost" ? "127.0.0.1" : at.host;
    std::vector<Endpoint> endpoints;
    std::string problem;
    look_up(host, at.port, AI_NUMERICHOST | AI_PASSIVE, endpoints, problem);
    if (endpoints.empty()) return failure("not an address");
    if (tls != nullptr) {
      TRY(auto made, ReloadingServerContext::make(*tls, loop_.now()));
      context = std::move(made);
    }
    int descriptor = open_listener(endpoints[0], anywhere, shared);
    if (descriptor < 0 && anywhere && errno == EAFNOSUPPORT) {  // a machine without IPv6
      endpoints.clear();
      look_up("0.0.0.0", at.port, AI_NUMERICHOST | AI_PASSIVE, endpoints, problem);
      descriptor = open_listener(endpoints.at(0), false, shared);
    }
    if (descriptor < 0) return failure(std::strerror(errno));
    Endpoint bound;
    bound.size = sizeof bound.storage;
    (void)::getsockname(descriptor, bound.address(), &bound.size);
    auto listener = std::make_unique<SocketListener>(loop_, descriptor, bound.port(), std::move(context));
    TRY_VOID(listener->watch());
    return std::unique_ptr<Listener>(std::move(listener));
  }

 private:
  struct ClientContext {
    SslContext context;
    FileStamp stamp;
  };

  Task<Result<std::unique_ptr<Stream>>> connect_to(const Endpoint& endpoint, Cancellation* cancel, Deadline deadline) {
    int descriptor = ::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) co_return Error{Code::kUnavailable, std::strerror(errno)};
    auto stream = std::make_unique<SocketStream>(loop_, descriptor, to_text(endpoint));
    bool connected = ::connect(descriptor, endpoint.address(), endpoint.size) == 0;
    if (!connected && errno != EINPROGRESS) co_return Error{Code::kUnavailable, std::strerror(errno)};
    // Only now: a socket that has not been connected is told of as hung up.
    CO_TRY_VOID(stream->watch());
    if (!connected) {
      Cancellation::Hook hook(cancel, [&stream] { stream->interrupt(); });
      CO_TRY_VOID(co_await stream->connected(deadline));
    }
    co_return std::unique_ptr<Stream>(std::move(stream));
  }

  Task<Result<std::vector<Endpoint>>> resolve(const Address& to, Cancellation* cancel, Deadline deadline) {
    std::vector<Endpoint> literal;
    std::string not_one;
    look_up(to.host, to.port, AI_NUMERICHOST, literal, not_one);
    if (!literal.empty()) co_return std::move(literal);
    auto resolution = std::make_shared<Resolution>(loop_);
    resolver_.submit([&loop = loop_, resolution, to] {
      std::vector<Endpoint> endpoints;
      std::string problem;
      look_up(to.host, to.port, AI_ADDRCONFIG, endpoints, problem);
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

  EpollLoop& loop_;
  JobRunner& resolver_;
  std::map<std::string, ClientContext> contexts_;
};

}  // namespace

std::unique_ptr<Network> socket_network(EpollLoop& loop, JobRunner& resolver) {
  return std::make_unique<SocketNetwork>(loop, resolver);
}

}  // namespace perdure
