#include "http/server.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/spare_text.h"
#include "http/content_decoding.h"
#include "http/input_buffer.h"
#include "http/message_parser.h"
#include "http/message_writer.h"
#include "http/request_target.h"
#include "http/server_websocket.h"
#include "http/spare_headers.h"

namespace perdure {
namespace {

constexpr Duration kLinger = std::chrono::seconds(2);  // for a client that still sends what is already refused
constexpr size_t kHeadRoomMax = 4 << 10;               // of an idle connection
constexpr size_t kRefusedAtOnceMax = 100;              // connections beyond the limit that are still told why

struct Connection;

struct Refusal {
  int status;
  std::string message;
};

}  // namespace

struct HttpServer::Impl {
  Loop& loop;
  std::unique_ptr<Listener> listener;
  HttpHandler& handler;
  HttpServerLimits limits;
  Log log;
  Cancellation stopping;
  Notifier connection_ended;
  TaskGroup tasks;
  std::set<Connection*> connections;
  size_t body_bytes_total = 0;
  SpareHeaders spare_headers;  // of replies that are done
  int64_t date_second = -1;
  std::string date_field;
  bool started = false;

  Impl(Loop& l, std::unique_ptr<Listener> li, HttpHandler& h, HttpServerLimits li2, Log lo)
      : loop(l),
        listener(std::move(li)),
        handler(h),
        limits(li2),
        log(std::move(lo)),
        stopping(l),
        connection_ended(l),
        tasks(l) {}

  Task<void> accept_all();
  Task<void> serve(std::unique_ptr<Stream> stream, bool over_limit);
  Task<void> serve_requests(Connection& connection);
  Task<std::optional<Refusal>> read_head(Connection& connection, MessageParser& parser);
  Task<std::optional<Refusal>> read_body(Connection& connection, MessageParser& parser, HttpRequest& request);
  Task<bool> handle(Connection& connection, HttpRequest& request, bool http_1_0, bool keep_alive);
  Task<void> refuse(Connection& connection, const HttpRequest& request, Refusal refusal);
  const std::string& date();
};

namespace {

struct Connection {
  std::unique_ptr<Stream> stream;
  InputBuffer input;
  std::string peer;
  bool idle = false;     // nothing of a request has come yet
  bool closing = false;  // gone without an answer: nothing to say to the peer
  Cancellation* gone = nullptr;
  size_t body_bytes = 0;  // counted in the server's total
};

class Reply final : public HttpReply {
 public:
  Reply(HttpServer::Impl& server, Connection& connection, bool head_only, bool http_1_0, bool keep_alive)
      : server_(server),
        connection_(connection),
        stream_(*connection.stream),
        head_only_(head_only),
        http_1_0_(http_1_0),
        keep_alive_(keep_alive),
        gone_(server.loop) {
    connection_.gone = &gone_;
    server.spare_headers.lend(headers);
  }
  ~Reply() override {
    server_.spare_headers.keep(std::move(headers));
    connection_.gone = nullptr;
    if (watched_) stream_.watch_peer(nullptr);
  }

  Task<Result<void>> send(int status, std::string_view content_type, std::string_view body) override {
    CHECK(!begun_, "a second reply to one request");
    begun_ = ended_ = true;
    std::string out = SpareText::take(256 + body.size());
    append_head(out, status, content_type);
    if (has_body(status)) {
      out += "Content-Length: ";
      append_number(out, body.size());
      out += "\r\n";
    }
    out += "\r\n";
    if (has_body(status) && !head_only_) out += body;
    Result<void> sent = co_await put(out);
    SpareText::give(std::move(out));
    co_return sent;
  }

  Task<Result<void>> begin(int status, std::string_view content_type) override {
    CHECK(!begun_, "a second reply to one request");
    begun_ = true;
    bodyless_ = head_only_ || !has_body(status);
    // HTTP/1.0 knows no chunks: the body lasts until the connection ends.
    if (http_1_0_) keep_alive_ = false;
    std::string out;
    append_head(out, status, content_type);
    if (!http_1_0_ && has_body(status)) out += "Transfer-Encoding: chunked\r\n";
    out += "\r\n";
    co_return co_await put(out);
  }

  Task<Result<void>> write(std::string_view bytes) override {
    CHECK(begun_ && !ended_, "write() outside of begin()..finish()");
    // An empty chunk would be the end.
    if (bytes.empty() || bodyless_) co_return broken_ ? Result<void>(gone_error()) : Result<void>();
    if (http_1_0_) co_return co_await put(bytes);
    static constexpr char kHex[] = "0123456789abcdef";
    char size[20];
    char* at = size + sizeof size;
    *--at = '\n';
    *--at = '\r';
    for (size_t n = bytes.size(); n > 0; n >>= 4) *--at = kHex[n & 15];
    chunk_.clear();
    chunk_.append(at, size + sizeof size);
    chunk_ += bytes;
    chunk_ += "\r\n";
    co_return co_await put(chunk_);
  }

  Task<Result<void>> finish() override {
    CHECK(begun_ && !ended_, "finish() outside of begin()");
    if (broken_) co_return gone_error();
    ended_ = true;
    if (bodyless_ || http_1_0_) co_return Result<void>();
    co_return co_await put("0\r\n\r\n");
  }

  Task<Result<std::unique_ptr<WebSocket>>> upgrade(const HttpRequest& request, WebSocketLimits limits) override {
    CHECK(!begun_ && !watched_, "a handshake was answered before");
    std::string accept;
    if (http_1_0_) co_return Error{Code::kInvalid, "WebSocket needs HTTP/1.1", "", "upgrade_required"};
    if (std::optional<Error> problem = check_websocket_handshake(request, accept)) co_return std::move(*problem);
    begun_ = ended_ = true;
    std::string out;
    append_status_line(out, 101);
    out += server_.date();
    for (const auto& [name, value] : headers.fields())
      if (!is_framing_field(name)) append_field(out, name, value);
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    append_field(out, "Sec-WebSocket-Accept", accept);
    out += "\r\n";
    keep_alive_ = false;
    CO_TRY_VOID(co_await put(out));
    limits.message_bytes_max = std::min(limits.message_bytes_max, server_.limits.body_bytes_max);
    limits.write_time = server_.limits.write_time;
    co_return server_websocket({.loop = server_.loop,
                                .stream = stream_,
                                .input = connection_.input,
                                .stopping = server_.stopping,
                                .bytes_total = server_.body_bytes_total,
                                .bytes_total_max = server_.limits.body_bytes_total_max},
                               limits);
  }

  void abort() override {
    broken_ = true;
    stream_.abort();
  }
  bool begun() const override { return begun_; }

  Cancellation& gone() override {
    // Watching costs a little, so only handlers that ask have it.
    if (!watched_ && !broken_) {
      watched_ = true;
      stream_.watch_peer(&gone_);
    }
    return gone_;
  }

  bool ended() const { return ended_; }
  bool broken() const { return broken_; }
  bool keep_alive() const { return keep_alive_; }
  void close_after() { keep_alive_ = false; }

 private:
  static bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }
  static Error gone_error() { return {Code::kCancelled, "the client is gone"}; }

  void append_head(std::string& out, int status, std::string_view content_type) {
    append_status_line(out, status);
    out += server_.date();
    if (!content_type.empty()) append_field(out, "Content-Type", content_type);
    for (const auto& [name, value] : headers.fields()) {
      if (equal_ignoring_case(name, "connection") && equal_ignoring_case(value, "close")) keep_alive_ = false;
      if (!is_framing_field(name)) append_field(out, name, value);
    }
    if (server_.stopping.requested()) keep_alive_ = false;
    if (!keep_alive_)
      out += "Connection: close\r\n";
    else if (http_1_0_)
      out += "Connection: keep-alive\r\n";
  }

  Task<Result<void>> put(std::string_view bytes) {
    if (broken_) co_return gone_error();
    Result<void> written = co_await stream_.write_all(bytes, deadline_in(server_.loop, server_.limits.write_time));
    if (!written.ok()) broken_ = true;
    co_return written;
  }

  HttpServer::Impl& server_;
  Connection& connection_;
  Stream& stream_;
  bool head_only_, http_1_0_, keep_alive_;
  bool begun_ = false, ended_ = false, broken_ = false, bodyless_ = false;
  bool watched_ = false;
  std::string chunk_;
  Cancellation gone_;
};

}  // namespace

const std::string& HttpServer::Impl::date() {
  int64_t second = unix_seconds(loop.wall());
  if (second != date_second) {
    date_second = second;
    date_field = "Date: " + http_date(second) + "\r\n";
  }
  return date_field;
}

Task<void> HttpServer::Impl::accept_all() {
  while (!stopping.requested()) {
    auto accepted = co_await listener->accept();
    if (!accepted.ok()) {
      if (accepted.error().code == Code::kCancelled) co_return;
      // Out of file descriptors, most often: others must close first.
      log.warn("http.accept_failed", {{"error", accepted.error().message}});
      (void)co_await stopping.wait(deadline_in(loop, std::chrono::milliseconds(100)));
      continue;
    }
    if (connections.size() >= limits.connections_max + kRefusedAtOnceMax) {
      accepted.value()->abort();
      continue;
    }
    tasks.spawn(serve(std::move(accepted).value(), connections.size() >= limits.connections_max));
  }
}

Task<void> HttpServer::Impl::serve(std::unique_ptr<Stream> stream, bool over_limit) {
  Connection connection;
  connection.stream = std::move(stream);
  connection.peer = connection.stream->peer();
  connections.insert(&connection);
  if (over_limit) {
    HttpRequest nothing;
    nothing.peer = connection.peer;
    co_await refuse(connection, nothing, {503, "too many connections"});
  } else {
    co_await serve_requests(connection);
  }
  connections.erase(&connection);
  connection_ended.notify_all();
}

Task<void> HttpServer::Impl::serve_requests(Connection& connection) {
  Stream& stream = *connection.stream;
  MessageParser parser(MessageParser::Kind::kRequest, limits.header_bytes_max);
  HttpRequest request;
  request.peer = connection.peer;
  while (!stopping.requested()) {
    std::optional<Refusal> refusal = co_await read_head(connection, parser);
    if (connection.closing) break;
    bool http_1_0 = parser.head().http_1_0, keep_alive = parser.head().keep_alive;
    std::swap(request.method, parser.head().method);
    std::swap(request.target, parser.head().target);
    std::swap(request.headers, parser.head().headers);
    if (!refusal && !parse_request_target(request.target, request.path, request.query))
      refusal = Refusal{400, "the request target is malformed"};
    if (!refusal) refusal = co_await read_body(connection, parser, request);
    bool go_on = false;
    if (connection.closing) {
    } else if (refusal) {
      co_await refuse(connection, request, std::move(*refusal));
      connection.closing = true;
    } else {
      go_on = co_await handle(connection, request, http_1_0, keep_alive);
    }
    body_bytes_total -= std::exchange(connection.body_bytes, 0);
    if (!go_on) break;
    connection.input.settle();
    // The room of a usual request is kept for the next one.
    parser.restart(MessageParser::Kind::kRequest);
    if (request.headers.room() + request.target.capacity() > kHeadRoomMax) {
      request.headers = Headers();
      request.target = request.path = std::string();
    }
    request.path.clear();
    request.query.clear();
    SpareText::give(std::exchange(request.body, {}));
  }
  if (!connection.closing)
    co_await stream.shutdown(deadline_in(loop, stopping.requested() ? Duration::zero() : kLinger));
}

Task<std::optional<Refusal>> HttpServer::Impl::read_head(Connection& connection, MessageParser& parser) {
  std::string none;
  Deadline deadline = deadline_in(loop, limits.idle_time);
  bool header_clock = false;
  for (;;) {
    connection.input.consume(parser.put(connection.input.view(), none));
    if (parser.state() == MessageParser::State::kFailed)
      co_return Refusal{parser.refusal(), std::string(parser.problem())};
    if (parser.state() != MessageParser::State::kHead) co_return std::nullopt;
    if (parser.touched() && !header_clock) {
      header_clock = true;
      deadline = deadline_in(loop, limits.header_time);
    }
    connection.idle = !parser.touched();
    Result<size_t> got = co_await connection.stream->read_some(connection.input.space(), deadline);
    connection.idle = false;
    if (got.ok() && got.value() > 0) {
      connection.input.commit(got.value());
      continue;
    }
    if (got.ok()) {
      // The end between requests is the usual one; within a head there is nobody left who waits for an answer.
      if (parser.touched()) connection.closing = true;
      if (!parser.touched()) {
        co_await connection.stream->shutdown({loop.now()});
        connection.closing = true;
      }
      co_return std::nullopt;
    }
    if (got.error().code == Code::kDeadline && parser.touched()) co_return Refusal{408, "the header took too long"};
    if (got.error().code == Code::kDeadline || got.error().code == Code::kCancelled)
      co_await connection.stream->shutdown({loop.now()});
    connection.closing = true;
    co_return std::nullopt;
  }
}

Task<std::optional<Refusal>> HttpServer::Impl::read_body(Connection& connection, MessageParser& parser,
                                                         HttpRequest& request) {
  const MessageHead& head = parser.head();
  if (request.headers.has("expect") && !equal_ignoring_case(request.header("expect"), "100-continue"))
    co_return Refusal{417, "the only expectation understood is 100-continue"};
  if (parser.state() == MessageParser::State::kDone) co_return std::nullopt;
  if (head.content_length && *head.content_length > limits.body_bytes_max)
    co_return Refusal{413, "the body is too large"};
  auto decoder = make_content_decoder(request.header("content-encoding"));
  if (!decoder.ok()) co_return Refusal{415, decoder.error().message};
  if (head.content_length &&
      *head.content_length > limits.body_bytes_total_max - std::min(body_bytes_total, limits.body_bytes_total_max))
    co_return Refusal{503, "too many request bodies at once"};
  if (request.headers.has("expect") && connection.input.view().empty() && !head.http_1_0) {
    auto written =
        co_await connection.stream->write_all("HTTP/1.1 100 Continue\r\n\r\n", deadline_in(loop, limits.write_time));
    if (!written.ok()) {
      connection.closing = true;
      co_return std::nullopt;
    }
  }
  Deadline deadline = deadline_in(loop, limits.body_time);
  std::string encoded;
  size_t encoded_bytes = 0;
  if (!decoder.value() && head.content_length)
    request.body = SpareText::take(std::min<size_t>(*head.content_length, 1 << 20));
  for (;;) {
    if (decoder.value()) {
      encoded.clear();
      connection.input.consume(parser.put(connection.input.view(), encoded));
      encoded_bytes += encoded.size();
      if (encoded_bytes > limits.body_bytes_max) co_return Refusal{413, "the body is too large"};
      size_t size_max = std::min(limits.body_bytes_max,
                                 request.body.size() + (limits.body_bytes_total_max -
                                                        std::min(body_bytes_total, limits.body_bytes_total_max)));
      auto decoded = decoder.value()->put(encoded, request.body, size_max);
      if (!decoded.ok() && decoded.error().code == Code::kOverloaded && size_max < limits.body_bytes_max)
        co_return Refusal{503, "too many request bodies at once"};
      if (!decoded.ok())
        co_return Refusal{decoded.error().code == Code::kOverloaded ? 413 : 400, decoded.error().message};
    } else {
      connection.input.consume(parser.put(connection.input.view(), request.body));
    }
    body_bytes_total += request.body.size() - connection.body_bytes;
    connection.body_bytes = request.body.size();
    if (parser.state() == MessageParser::State::kFailed)
      co_return Refusal{parser.refusal(), std::string(parser.problem())};
    if (request.body.size() > limits.body_bytes_max) co_return Refusal{413, "the body is too large"};
    if (body_bytes_total > limits.body_bytes_total_max) co_return Refusal{503, "too many request bodies at once"};
    if (parser.state() == MessageParser::State::kDone) {
      if (!decoder.value()) co_return std::nullopt;
      auto ended = decoder.value()->end();
      if (!ended.ok()) co_return Refusal{400, ended.error().message};
      co_return std::nullopt;
    }
    Result<size_t> got = co_await connection.stream->read_some(connection.input.space(), deadline);
    if (!got.ok() && got.error().code == Code::kDeadline) co_return Refusal{408, "the body took too long"};
    if (!got.ok() || got.value() == 0) {
      connection.closing = true;
      co_return std::nullopt;
    }
    connection.input.commit(got.value());
  }
}

Task<bool> HttpServer::Impl::handle(Connection& connection, HttpRequest& request, bool http_1_0, bool keep_alive) {
  Reply reply(*this, connection, request.method == "HEAD", http_1_0, keep_alive);
  std::string thrown;
  try {
    co_await handler.handle(request, reply);
  } catch (const std::exception& exception) {
    thrown = exception.what();
    if (thrown.empty()) thrown = "without a reason";
  }
  if (!thrown.empty()) log.error("http.handler_threw", {{"path", request.path}, {"error", thrown}});
  if (!reply.begun() && !reply.broken()) {
    if (thrown.empty()) log.error("http.no_reply", {{"path", request.path}});
    std::string body = handler.refuse(request, 500, "the request was not answered");
    reply.headers = {};
    (void)co_await reply.send(500, "application/json", body);
  } else if (!reply.ended()) {
    // Without its ending the stream must not look whole.
    reply.abort();
  }
  if (reply.broken()) connection.closing = true;
  co_return !reply.broken() && reply.keep_alive();
}

Task<void> HttpServer::Impl::refuse(Connection& connection, const HttpRequest& request, Refusal refusal) {
  log.debug("http.refused", {{"status", refusal.status}, {"peer", connection.peer}, {"reason", refusal.message}});
  std::string body = handler.refuse(request, refusal.status, refusal.message);
  Reply reply(*this, connection, request.method == "HEAD", false, false);
  if (refusal.status == 503) reply.headers.add("Retry-After", "1");
  auto sent = co_await reply.send(refusal.status, "application/json", body);
  if (sent.ok())
    co_await connection.stream->shutdown(deadline_in(loop, stopping.requested() ? Duration::zero() : kLinger));
}

HttpServer::HttpServer(Loop& loop, std::unique_ptr<Listener> listener, HttpHandler& handler, HttpServerLimits limits,
                       Log log)
    : impl_(std::make_unique<Impl>(loop, std::move(listener), handler, limits, std::move(log))) {}
HttpServer::~HttpServer() = default;

void HttpServer::start() {
  CHECK(!impl_->started, "a server starts once");
  impl_->started = true;
  impl_->tasks.spawn(impl_->accept_all());
}

Task<void> HttpServer::stop(Deadline deadline) {
  Impl& impl = *impl_;
  impl.stopping.request();
  impl.listener->close();
  for (Connection* connection : impl.connections)
    if (connection->idle) connection->stream->interrupt();
  while (!impl.connections.empty())
    if (!co_await impl.connection_ended.wait(deadline)) break;
  for (Connection* connection : impl.connections) {
    connection->stream->abort();
    if (connection->gone != nullptr) connection->gone->request();
  }
  co_await impl.tasks.join();
}

int HttpServer::port() const { return impl_->listener->port(); }
size_t HttpServer::connections() const { return impl_->connections.size(); }

}  // namespace perdure
