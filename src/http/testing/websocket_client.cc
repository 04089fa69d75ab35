#include "http/testing/websocket_client.h"

namespace perdure {

Task<bool> WebSocketClient::connect(Network& network, Address to, std::string target, Fields headers) {
  Result<std::unique_ptr<Stream>> stream =
      co_await network.connect(std::move(to), {}, deadline_in(loop_, std::chrono::seconds(60)));
  if (!stream.ok()) co_return false;
  stream_ = *std::move(stream);
  std::string out = "GET " + target +
                    " HTTP/1.1\r\nHost: host\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (const auto& [name, value] : headers) out.append(name).append(": ").append(value).append("\r\n");
  out += "\r\n";
  if (!co_await send_bytes(std::move(out))) co_return false;
  char piece[4096];
  while (input_.find("\r\n\r\n") == std::string::npos) {
    Result<size_t> got = co_await stream_->read_some(piece, deadline_in(loop_, std::chrono::seconds(60)));
    if (!got.ok() || *got == 0) co_return false;
    input_.append(piece, *got);
  }
  size_t end = input_.find("\r\n\r\n") + 4;
  head = input_.substr(0, end);
  input_.erase(0, end);
  co_return head.starts_with("HTTP/1.1 101 ") &&
      head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos;
}

Task<bool> WebSocketClient::send(std::string text) { return send_frame(WebSocketOpcode::kText, std::move(text)); }

Task<bool> WebSocketClient::send_frame(WebSocketOpcode opcode, std::string payload) {
  std::string frame;
  std::array<unsigned char, 4> mask{};
  loop_.random().fill(mask);
  append_websocket_frame(frame, opcode, payload, &mask);
  co_return co_await send_bytes(std::move(frame));
}

Task<bool> WebSocketClient::send_bytes(std::string bytes) {
  Result<void> written = co_await stream_->write_all(bytes, deadline_in(loop_, std::chrono::seconds(60)));
  co_return written.ok();
}

Task<std::string> WebSocketClient::next(Duration patience) {
  Deadline deadline = deadline_in(loop_, patience);
  char piece[4096];
  while (close_code == 0 && !ended) {
    std::string_view bytes = input_;
    std::optional<WebSocketEvent> event = reader_.next(bytes);
    input_.erase(0, input_.size() - bytes.size());
    if (event) {
      switch (event->kind) {
        case WebSocketEvent::Kind::kText:
          co_return std::move(event->data);
        case WebSocketEvent::Kind::kPing:
          ++pings;
          if (answer_pings) (void)co_await send_frame(WebSocketOpcode::kPong, std::move(event->data));
          break;
        case WebSocketEvent::Kind::kClose:
          close_code = event->close_code;
          close_reason = std::move(event->data);
          break;
        default:
          break;
      }
      continue;
    }
    if (reader_.failed()) {
      ended = true;
      co_return "PROTOCOL VIOLATION: " + std::string(reader_.problem());
    }
    Result<size_t> got = co_await stream_->read_some(piece, deadline);
    if (!got.ok() && got.error().code == Code::kDeadline) co_return std::string();
    if (!got.ok() || *got == 0) {
      ended = true;
    } else {
      input_.append(piece, *got);
    }
  }
  co_return std::string();
}

Task<void> WebSocketClient::close(int code) {
  (void)co_await send_frame(WebSocketOpcode::kClose, websocket_close_payload(code, ""));
  while (close_code == 0 && !ended) (void)co_await next();
  co_await stream_->shutdown(deadline_in(loop_, std::chrono::seconds(5)));
}

void WebSocketClient::abort() {
  if (stream_) stream_->abort();
}

}  // namespace perdure
