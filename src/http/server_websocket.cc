#include "http/server_websocket.h"

#include "base/check.h"
#include "http/message_writer.h"
#include "wire/websocket.h"

namespace perdure {
namespace {

// Whether a comma-separated field holds `token`, in any of its lines.
bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  for (const auto& [field, value] : headers.fields()) {
    if (!equal_ignoring_case(field, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
      while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
      if (equal_ignoring_case(one, token)) return true;
    }
  }
  return false;
}

class ServerWebSocket final : public WebSocket {
 public:
  ServerWebSocket(WebSocketHost host, WebSocketLimits limits)
      : host_(host),
        limits_(limits),
        reader_(WebSocketReader::Side::kServer, limits.message_bytes_max),
        held_(host.bytes_total),
        heard_(host.loop.now()),
        alarm_(host.loop, &ServerWebSocket::ring, this),
        turn_(host.loop) {}

  Task<Result<WebSocketMessage>> receive() override {
    for (;;) {
      if (woken_) {
        woken_ = false;
        co_return Error{Code::kCancelled, "woken"};
      }
      if (!open()) co_return closed_error();
      std::string_view bytes = host_.input.view();
      const size_t there = bytes.size();
      std::optional<WebSocketEvent> event = reader_.next(bytes);
      host_.input.consume(there - bytes.size());
      held_.set(reader_.bytes_held());
      if (reader_.failed()) {
        std::string problem(reader_.problem());
        co_await say_close(reader_.close_code(), problem);
        co_return Error{Code::kInvalid, problem};
      }
      if (!event && host_.bytes_total > host_.bytes_total_max) {
        co_await say_close(kWsTryAgainLater, "too many messages at once");
        co_return Error{Code::kOverloaded, "too many messages at once", "", "server_overloaded"};
      }
      if (!event) {
        CO_TRY_VOID(co_await read());
        continue;
      }
      switch (event->kind) {
        case WebSocketEvent::Kind::kText: {
          WebSocketMessage message{std::move(event->data), BytesHeld(host_.bytes_total)};
          message.held.set(message.text.size());
          host_.input.settle();
          co_return message;
        }
        case WebSocketEvent::Kind::kBinary:
          co_await say_close(kWsUnsupportedData, "messages are text");
          co_return Error{Code::kInvalid, "a binary message"};
        case WebSocketEvent::Kind::kPing: {
          Result<void> answered = co_await put(WebSocketOpcode::kPong, event->data);
          if (!answered.ok()) co_return std::move(answered).error();
          break;
        }
        case WebSocketEvent::Kind::kPong:
          break;
        case WebSocketEvent::Kind::kClose:
          peer_closed_ = true;
          co_await say_close(event->close_code == kWsNoCode ? kWsNormal : event->close_code, "");
          co_return closed_error();
      }
    }
  }

  Task<Result<void>> send(std::string_view text) override {
    if (!open()) co_return closed_error();
    co_return co_await put(WebSocketOpcode::kText, text);
  }

  void wake() override {
    woken_ = true;
    host_.stream.interrupt();
  }

  Task<void> close(int code, std::string_view reason) override {
    co_await say_close(code, reason);
    Deadline until = deadline_in(host_.loop, limits_.close_time);
    while (!peer_closed_ && !broken_ && !reader_.failed()) {
      std::string_view bytes = host_.input.view();
      const size_t there = bytes.size();
      std::optional<WebSocketEvent> event = reader_.next(bytes);
      host_.input.consume(there - bytes.size());
      held_.set(reader_.bytes_held());
      if (event) {
        peer_closed_ = event->kind == WebSocketEvent::Kind::kClose;
        continue;
      }
      Result<size_t> got = co_await host_.stream.read_some(host_.input.space(), until);
      if (!got.ok() || *got == 0) co_return;
      host_.input.commit(*got);
    }
  }

  void abort() override {
    broken_ = true;
    host_.stream.abort();
  }
  bool open() const override { return !broken_ && !close_sent_ && !peer_closed_; }
  Cancellation& stopping() override { return host_.stopping; }

 private:
  static Error closed_error() { return {Code::kUnavailable, "the connection is closed"}; }

  static void ring(void* self) {
    auto* me = static_cast<ServerWebSocket*>(self);
    me->rang_ = true;
    me->host_.stream.interrupt();
  }

  // Some bytes more, or a ping where none came for long.
  Task<Result<void>> read() {
    rang_ = false;
    alarm_.arm(pinged_ ? *pinged_ + limits_.pong_within : heard_ + limits_.ping_after);
    Result<size_t> got = co_await host_.stream.read_some(host_.input.space(), Deadline::never());
    alarm_.cancel();
    if (got.ok() && *got > 0) {
      host_.input.commit(*got);
      heard_ = host_.loop.now();
      pinged_.reset();
      co_return Result<void>();
    }
    if (got.ok()) {
      broken_ = true;
      co_return Error{Code::kUnavailable, "the peer ended the connection without a close"};
    }
    if (woken_ && !broken_) co_return Result<void>();
    if (!rang_ || broken_ || got.error().code != Code::kCancelled) {
      broken_ = true;
      co_return std::move(got).error();
    }
    if (pinged_) {
      abort();
      co_return Error{Code::kUnavailable, "the peer does not answer"};
    }
    pinged_ = host_.loop.now();
    co_return co_await put(WebSocketOpcode::kPing, "");
  }

  Task<void> say_close(int code, std::string_view reason) {
    if (close_sent_ || broken_) co_return;
    close_sent_ = true;
    std::string payload = websocket_close_payload(code, reason);
    (void)co_await put(WebSocketOpcode::kClose, payload);
  }

  // Frames go out one after another, in the order in which they were asked for.
  Task<Result<void>> put(WebSocketOpcode opcode, std::string_view payload) {
    const uint64_t mine = next_turn_++;
    while (mine != serving_) (void)co_await turn_.wait();
    Result<void> written;
    if (broken_) {
      written = closed_error();
    } else {
      frame_.clear();
      append_websocket_frame(frame_, opcode, payload);
      written = co_await host_.stream.write_all(frame_, deadline_in(host_.loop, limits_.write_time));
      if (frame_.capacity() > kFrameKept) frame_ = std::string();
      if (!written.ok()) abort();
    }
    ++serving_;
    turn_.notify_all();
    co_return written;
  }

  static constexpr size_t kFrameKept = 16 << 10;
  WebSocketHost host_;
  WebSocketLimits limits_;
  WebSocketReader reader_;
  BytesHeld held_;
  std::string frame_;
  Instant heard_;
  std::optional<Instant> pinged_;  // and nothing was heard since
  Timer alarm_;
  Notifier turn_;
  uint64_t next_turn_ = 0, serving_ = 0;
  bool rang_ = false, woken_ = false;
  bool broken_ = false, close_sent_ = false, peer_closed_ = false;
};

}  // namespace

std::optional<Error> check_websocket_handshake(const HttpRequest& request, std::string& accept) {
  if (request.method != "GET" || !has_token(request.headers, "connection", "upgrade") ||
      !has_token(request.headers, "upgrade", "websocket"))
    return Error{Code::kInvalid,
                 "this is no WebSocket handshake: it needs 'Connection: Upgrade' and 'Upgrade: websocket'", "",
                 "upgrade_required"};
  if (request.header("sec-websocket-version") != "13")
    return Error{Code::kInvalid, "the WebSocket version must be 13", "Sec-WebSocket-Version", "upgrade_required"};
  accept = websocket_accept(request.header("sec-websocket-key"));
  if (accept.empty()) return Error{Code::kInvalid, "Sec-WebSocket-Key must be 16 bytes in base64", "Sec-WebSocket-Key"};
  return std::nullopt;
}

std::unique_ptr<WebSocket> server_websocket(WebSocketHost host, WebSocketLimits limits) {
  return std::make_unique<ServerWebSocket>(host, limits);
}

}  // namespace perdure
