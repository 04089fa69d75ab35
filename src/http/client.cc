#include "http/client.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/check.h"
#include "base/spare_text.h"
#include "http/input_buffer.h"
#include "http/message_parser.h"
#include "http/message_writer.h"
#include "http/spare_headers.h"

namespace perdure {
namespace {

constexpr size_t kCopiedMax = 64 << 10;

// Connections with equal keys serve each other's requests.
struct PoolKey {
  bool tls = false;
  Address address;
  std::string proxy;
  std::string ca_file;
  auto operator<=>(const PoolKey&) const = default;
};

struct ClientConnection {
  explicit ClientConnection(size_t header_bytes_max) : parser(MessageParser::Kind::kAnswer, header_bytes_max) {}
  std::optional<Cancellation> gone;  // the peer has ended it while it was idle
  std::unique_ptr<Stream> stream;
  InputBuffer input;
  MessageParser parser;  // of the answer that is being read
  Instant idle_since{};
  bool reused = false;
};
using ConnectionPtr = std::unique_ptr<ClientConnection>;

Error cancelled_error() { return {Code::kCancelled, "the call was cancelled"}; }
Error cut_error() { return {Code::kUnavailable, "the connection ended within the answer"}; }

// Connections with equal keys, and how another one is made.
struct Pool {
  PoolKey key;
  Url url;
  std::optional<Url> proxy;
  std::vector<ConnectionPtr> idle;
};

}  // namespace

struct PreparedCall {
  std::string head;  // up to where Content-Length goes
  std::string authority;
  bool with_length;  // also of an empty body
  bool repeatable;   // may happen twice
  MessageParser::Kind kind;
  std::shared_ptr<Pool> pool;
};

struct HttpClient::Impl {
  Loop& loop;
  Network& network;
  ProxyRules proxies;
  HttpClientLimits limits;
  bool closed = false;  // the client is gone; answers that end now close their connections
  std::map<PoolKey, std::shared_ptr<Pool>> pools;
  SpareHeaders spare_headers;  // of answers that are done
  Timer sweep;

  Impl(Loop& l, Network& n, ProxyRules p, HttpClientLimits li)
      : loop(l),
        network(n),
        proxies(std::move(p)),
        limits(li),
        sweep(l, [](void* self) { static_cast<Impl*>(self)->close_old(); }, this) {}

  std::shared_ptr<Pool> pool_of(const HttpCall& call, std::optional<Url> proxy) {
    PoolKey key{call.url.tls, call.url.address,
                proxy ? (proxy->tls ? "https://" : "http://") + proxy->authority() : std::string(), call.ca_file};
    if (proxy && !call.url.tls) key.address = proxy->address;  // one connection to a proxy serves every http host
    std::shared_ptr<Pool>& pool = pools[key];
    if (!pool)
      pool =
          std::make_shared<Pool>(Pool{.key = std::move(key), .url = call.url, .proxy = std::move(proxy), .idle = {}});
    return pool;
  }
  ConnectionPtr take_idle(Pool& pool) {
    // The youngest is the likeliest to live.
    while (!pool.idle.empty() && pool.idle.back()->gone->requested()) pool.idle.pop_back();
    if (pool.idle.empty()) return nullptr;
    if (pool.idle.back()->idle_since + limits.idle_time <= loop.now()) {
      pool.idle.clear();
      return nullptr;
    }
    ConnectionPtr taken = std::move(pool.idle.back());
    pool.idle.pop_back();
    taken->stream->watch_peer(nullptr);
    taken->reused = true;
    return taken;
  }
  void put_idle(Pool& pool, ConnectionPtr connection) {
    if (closed || limits.idle_per_host_max == 0) return;
    connection->idle_since = loop.now();
    connection->input.settle();
    if (!connection->gone) connection->gone.emplace(loop);
    connection->stream->watch_peer(&*connection->gone);
    if (pool.idle.size() >= limits.idle_per_host_max) pool.idle.erase(pool.idle.begin());
    pool.idle.push_back(std::move(connection));
    if (!sweep.armed()) sweep.arm(loop.now() + limits.idle_time);
  }
  void close_old() {
    Instant oldest = Instant::max();
    for (auto it = pools.begin(); it != pools.end();) {
      auto& those = it->second->idle;
      std::erase_if(those, [this](const ConnectionPtr& c) { return c->idle_since + limits.idle_time <= loop.now(); });
      for (const auto& connection : those) oldest = std::min(oldest, connection->idle_since);
      it = those.empty() && it->second.use_count() == 1 ? pools.erase(it) : std::next(it);
    }
    if (oldest != Instant::max()) sweep.arm(oldest + limits.idle_time);
  }

  Task<Result<ConnectionPtr>> connect(const Pool& pool, Deadline deadline, Cancellation* cancel);
  Task<Result<void>> open_tunnel(ClientConnection& connection, const Url& url, Deadline deadline, Cancellation* cancel);
};

namespace {

// RFC 9110, 9.2.2; and a key by which the server knows a repetition.
bool may_happen_twice(const HttpCall& call) {
  static constexpr std::string_view kIdempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  return std::ranges::find(kIdempotent, call.method) != std::end(kIdempotent) || call.headers.has("idempotency-key");
}

Result<std::string> render_head(const HttpCall& call, bool absolute_form) {
  if (!is_token(call.method)) return Error{Code::kInvalid, "the method is not a token"};
  const std::string& path = call.url.path;
  if (path.empty() || path[0] != '/' ||
      std::any_of(path.begin(), path.end(), [](unsigned char c) { return c <= 32 || c == 127; }))
    return Error{Code::kInvalid, "the path must begin with / and hold no white space"};
  std::string out;
  out.reserve(512);
  out += call.method;
  out += ' ';
  if (absolute_form) out += "http://" + call.url.authority();
  out += path;
  out += " HTTP/1.1\r\n";
  if (!call.headers.has("host")) append_field(out, "Host", call.url.authority());
  if (!call.headers.has("accept-encoding")) out += "Accept-Encoding: identity\r\n";
  for (const auto& [name, value] : call.headers.fields()) {
    if (!is_token(name) || !is_header_value(value))
      return Error{Code::kInvalid, "a header holds characters that it must not"};
    if (!is_framing_field(name)) append_field(out, name, value);
  }
  return out;
}

// Reads until the head of the final answer is there; interim ones (1xx) are passed over. `heard`: a byte of an answer
// came.
Task<Result<void>> read_head(ClientConnection& connection, MessageParser::Kind kind, Deadline deadline, bool& heard) {
  MessageParser& parser = connection.parser;
  parser.restart(kind);
  std::string none;
  int interim = 0;
  for (;;) {
    connection.input.consume(parser.put(connection.input.view(), none));
    heard = heard || parser.touched();
    if (parser.state() == MessageParser::State::kFailed)
      co_return Error{Code::kCorrupt, "the answer is not HTTP/1.1: " + std::string(parser.problem())};
    if (parser.state() != MessageParser::State::kHead) {
      int status = parser.head().status;
      if (status >= 200) co_return Result<void>();
      if (status == 101 || ++interim > 16) co_return Error{Code::kCorrupt, "an interim answer that nobody asked for"};
      parser.restart(kind);
      continue;
    }
    Result<size_t> got = co_await connection.stream->read_some(connection.input.space(), deadline);
    if (!got.ok()) co_return std::move(got).error();
    if (got.value() == 0) {
      if (!heard) co_return Error{Code::kUnavailable, "the connection ended before an answer"};
      co_return cut_error();
    }
    connection.input.commit(got.value());
  }
}

class Answer final : public HttpAnswer {
 public:
  Answer(std::shared_ptr<HttpClient::Impl> client, std::shared_ptr<Pool> pool, ConnectionPtr connection, bool reusable,
         Cancellation* cancel)
      : client_(std::move(client)),
        pool_(std::move(pool)),
        connection_(std::move(connection)),
        reusable_(reusable && connection_->parser.head().keep_alive),
        hook_(cancel, [this] {
          cancelled_ = true;
          if (connection_) connection_->stream->abort();
        }) {
    MessageHead& head = connection_->parser.head();
    status = head.status;
    headers = std::move(head.headers);
    client_->spare_headers.lend(head.headers);
    if (connection_->parser.state() == MessageParser::State::kDone) settle();
  }
  ~Answer() override {
    abort();
    client_->spare_headers.keep(std::move(headers));
  }

  Task<Result<bool>> read(std::string& into, Deadline deadline) override {
    if (done_) co_return false;
    size_t before = into.size();
    MessageParser& parser = connection_->parser;
    for (;;) {
      if (cancelled_) co_return cancelled_error();
      std::string_view arrived = connection_->input.view();
      connection_->input.consume(parser.put(arrived.substr(0, kReadBytesMax), into));
      if (parser.state() == MessageParser::State::kFailed)
        co_return fail({Code::kCorrupt, "the answer's body is not valid HTTP/1.1"});
      if (parser.state() == MessageParser::State::kDone) settle();
      if (into.size() > before) co_return true;
      if (done_) co_return false;
      Result<size_t> got = co_await connection_->stream->read_some(connection_->input.space(), deadline);
      if (cancelled_) co_return cancelled_error();
      if (!got.ok()) {
        if (got.error().code == Code::kUnavailable) co_return fail(cut_error());
        co_return fail(std::move(got).error());
      }
      if (got.value() > 0) {
        connection_->input.commit(got.value());
        continue;
      }
      parser.put_end();
      reusable_ = false;
      if (parser.state() != MessageParser::State::kDone) co_return fail(cut_error());
      settle();
      co_return false;
    }
  }
  void abort() override {
    if (!connection_ || done_) return;
    cancelled_ = true;
    // A read may be pending: the stream then ends it, and stays until the Answer dies.
    connection_->stream->abort();
  }

 private:
  static constexpr size_t kReadBytesMax = 64 << 10;

  Error fail(Error error) {
    connection_->stream->abort();
    reusable_ = false;
    return error;
  }
  void settle() {
    done_ = true;
    // Bytes behind the answer belong to nobody: such a connection is not trusted again.
    if (reusable_ && connection_->input.view().empty()) client_->put_idle(*pool_, std::move(connection_));
    connection_.reset();
  }

  std::shared_ptr<HttpClient::Impl> client_;
  std::shared_ptr<Pool> pool_;
  ConnectionPtr connection_;
  bool reusable_;
  bool done_ = false, cancelled_ = false;
  Cancellation::Hook hook_;
};

}  // namespace

Task<Result<void>> HttpClient::Impl::open_tunnel(ClientConnection& connection, const Url& url, Deadline deadline,
                                                 Cancellation* cancel) {
  Cancellation::Hook hook(cancel, [&connection] { connection.stream->abort(); });
  std::string host = url.address.host.find(':') != std::string::npos ? "[" + url.address.host + "]" : url.address.host;
  host += ":" + std::to_string(url.address.port);
  std::string request = "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  CO_TRY_VOID(co_await connection.stream->write_all(request, deadline));
  bool heard = false;
  CO_TRY_VOID(co_await read_head(connection, MessageParser::Kind::kAnswerWithoutBody, deadline, heard));
  if (int status = connection.parser.head().status; status / 100 != 2)
    co_return Error{Code::kUnavailable, "the proxy refused the tunnel with status " + std::to_string(status)};
  if (!connection.input.view().empty()) co_return Error{Code::kCorrupt, "the proxy sent bytes ahead of the tunnel"};
  co_return Result<void>();
}

Task<Result<ConnectionPtr>> HttpClient::Impl::connect(const Pool& pool, Deadline deadline, Cancellation* cancel) {
  deadline = deadline.sooner(deadline_in(loop, limits.connect_time));
  auto connection = std::make_unique<ClientConnection>(limits.header_bytes_max);
  const Url& url = pool.url;
  const std::optional<Url>& proxy = pool.proxy;
  ConnectOptions secure{.tls = url.tls,
                        .server_name = url.tls ? url.address.host : std::string(),
                        .ca_file = pool.key.ca_file,
                        .cancel = cancel};
  if (!proxy) {
    CO_TRY(connection->stream, co_await network.connect(url.address, secure, deadline));
    co_return std::move(connection);
  }
  if (proxy->address.host.empty()) co_return Error{Code::kInvalid, "the proxy's URL is not valid"};
  if (url.tls && proxy->tls) co_return Error{Code::kInvalid, "https through an https proxy is not supported"};
  ConnectOptions to_proxy{
      .tls = proxy->tls, .server_name = proxy->tls ? proxy->address.host : std::string(), .cancel = cancel};
  CO_TRY(connection->stream, co_await network.connect(proxy->address, to_proxy, deadline));
  if (url.tls) {
    auto opened = co_await open_tunnel(*connection, url, deadline, cancel);
    if (!opened.ok()) co_return std::move(opened).error();
    CO_TRY(connection->stream, co_await network.start_tls(std::move(connection->stream), secure, deadline));
  }
  co_return std::move(connection);
}

HttpClient::HttpClient(Loop& loop, Network& network, ProxyRules proxies, HttpClientLimits limits)
    : impl_(std::make_shared<Impl>(loop, network, std::move(proxies), limits)) {}

HttpClient::~HttpClient() {
  impl_->closed = true;
  close_idle();
}

void HttpClient::close_idle() {
  for (auto& [key, pool] : impl_->pools) pool->idle.clear();
  impl_->sweep.cancel();
}

Result<std::shared_ptr<const PreparedCall>> HttpClient::prepare(const HttpCall& call) {
  std::optional<Url> proxy = impl_->proxies.proxy_for(call.url);
  TRY(std::string head, render_head(call, proxy && !call.url.tls));
  PreparedCall made{
      .head = std::move(head),
      .authority = call.url.authority(),
      .with_length = call.method == "POST" || call.method == "PUT" || call.method == "PATCH",
      .repeatable = may_happen_twice(call),
      .kind = call.method == "HEAD" ? MessageParser::Kind::kAnswerWithoutBody : MessageParser::Kind::kAnswer,
      .pool = impl_->pool_of(call, std::move(proxy)),
  };
  return std::make_shared<const PreparedCall>(std::move(made));
}

Task<Result<std::unique_ptr<HttpAnswer>>> HttpClient::send(HttpCall call, Deadline deadline, Cancellation* cancel) {
  CO_TRY(std::shared_ptr<const PreparedCall> prepared, prepare(call));
  co_return co_await send(std::move(prepared), call.body, deadline, cancel);
}

Task<Result<std::unique_ptr<HttpAnswer>>> HttpClient::send(std::shared_ptr<const PreparedCall> call,
                                                           std::string_view body, Deadline deadline,
                                                           Cancellation* cancel) {
  std::shared_ptr<Impl> impl = impl_;
  // A large body is not copied behind its head.
  const bool apart = body.size() > kCopiedMax;
  std::string request = SpareText::take(call->head.size() + 48 + (apart ? 0 : body.size()));
  request += call->head;
  if (call->with_length || !body.empty()) {
    request += "Content-Length: ";
    append_number(request, body.size());
    request += "\r\n";
  }
  request += "\r\n";
  if (!apart) request += body;
  for (bool fresh = false;; fresh = true) {
    if (cancel != nullptr && cancel->requested()) co_return cancelled_error();
    ConnectionPtr connection = fresh ? nullptr : impl->take_idle(*call->pool);
    if (!connection) {
      Result<ConnectionPtr> made = co_await impl->connect(*call->pool, deadline, cancel);
      if (!made.ok()) {
        if (cancel != nullptr && cancel->requested()) co_return cancelled_error();
        co_return std::move(made).error().with_context(call->authority);
      }
      connection = std::move(made).value();
    }
    bool heard = false, whole_request = true, unsent = false;
    Error error;
    bool answered = false;
    {
      Cancellation::Hook hook(cancel, [&connection] { connection->stream->abort(); });
      Result<void> written = co_await connection->stream->write_all(request, deadline);
      unsent = !written.ok() && std::exchange(written.error().reason, {}) == kNothingWritten;
      if (written.ok() && apart) written = co_await connection->stream->write_all(body, deadline);
      bool may_answer = written.ok();
      Deadline patience = deadline;
      if (!written.ok() && written.error().code == Code::kUnavailable) {
        // A server that refuses a request early answers and closes while it is still being written.
        may_answer = true;
        whole_request = false;
        patience = deadline.sooner(deadline_in(impl->loop, std::chrono::seconds(1)));
      }
      if (may_answer) {
        Result<void> head = co_await read_head(*connection, call->kind, patience, heard);
        answered = head.ok();
        if (!answered) error = whole_request ? std::move(head).error() : std::move(written).error();
      } else {
        error = std::move(written).error();
      }
    }
    if (cancel != nullptr && cancel->requested()) co_return cancelled_error();
    if (answered) {
      SpareText::give(std::move(request));
      co_return std::unique_ptr<HttpAnswer>(
          std::make_unique<Answer>(impl, call->pool, std::move(connection), whole_request, cancel));
    }
    bool stale = connection->reused && !heard && error.code == Code::kUnavailable;
    connection.reset();
    if (!stale || !(unsent || call->repeatable)) co_return std::move(error).with_context(call->authority);
    // Its siblings went idle with it or before it, and whatever ended it has most likely ended them.
    call->pool->idle.clear();
  }
}

}  // namespace perdure
