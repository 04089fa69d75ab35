#pragma once
// WebSocket frames (RFC 6455), without I/O: what arrives becomes whole messages and control frames, what is said
// becomes frames. No extensions. Cutting the bytes anywhere changes nothing.
//
// Strict: a violation is final, and close_code() says what the peer is to be told. A side that reads as the server
// wants every frame masked, one that reads as a client wants none masked (5.1).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdure {

enum class WebSocketOpcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Codes of close frames (7.4.1).
inline constexpr int kWsNormal = 1000, kWsGoingAway = 1001, kWsProtocolError = 1002, kWsUnsupportedData = 1003,
                     kWsNoCode = 1005, kWsInvalidData = 1007, kWsPolicy = 1008, kWsTooBig = 1009, kWsInternal = 1011,
                     kWsTryAgainLater = 1013;

struct WebSocketEvent {
  enum class Kind : uint8_t { kText, kBinary, kPing, kPong, kClose };
  Kind kind = Kind::kText;
  std::string data;  // of a message, whole; of a ping or pong; the reason of a close
  int close_code = kWsNoCode;
};

class WebSocketReader {
 public:
  enum class Side { kServer, kClient };
  WebSocketReader(Side side, size_t message_bytes_max) : side_(side), message_bytes_max_(message_bytes_max) {}

  // Takes bytes from the front of `input` until something is whole. Nothing: it wants more bytes, or it failed.
  // After a close nothing more is taken.
  std::optional<WebSocketEvent> next(std::string_view& input);

  bool failed() const { return !problem_.empty(); }
  int close_code() const { return close_code_; }  // when failed
  std::string_view problem() const { return problem_; }
  size_t bytes_held() const { return message_.size(); }  // of a message that is not whole yet

 private:
  bool take_header(std::string_view& input);
  void check_header();
  std::optional<WebSocketEvent> frame_is_whole();
  std::optional<WebSocketEvent> closed();
  void fail(int code, std::string_view problem);

  Side side_;
  size_t message_bytes_max_;
  std::array<unsigned char, 14> header_{};
  size_t header_bytes_ = 0;
  bool in_payload_ = false;  // the header is complete
  bool final_ = false;
  WebSocketOpcode opcode_ = WebSocketOpcode::kText;
  uint64_t payload_left_ = 0;
  std::array<unsigned char, 4> mask_{};
  size_t mask_at_ = 0;
  bool in_message_ = false;  // fragments of one have come, or its first frame is being read
  bool binary_ = false;
  std::string message_, control_;
  bool closed_ = false;
  int close_code_ = 0;
  std::string_view problem_;
};

// One whole frame. A client masks, with four random bytes; a server does not.
void append_websocket_frame(std::string& out, WebSocketOpcode opcode, std::string_view payload,
                            const std::array<unsigned char, 4>* mask = nullptr);
// The payload of a close frame; `reason` is cut to what fits, at a character's end.
std::string websocket_close_payload(int code, std::string_view reason);

// Sec-WebSocket-Accept for a Sec-WebSocket-Key (4.2.2); empty when the key is not 16 bytes in base64.
std::string websocket_accept(std::string_view key);

}  // namespace perdure
