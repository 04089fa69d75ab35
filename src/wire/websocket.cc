#include "wire/websocket.h"

#include <openssl/evp.h>

#include <algorithm>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kControlMax = 125;  // 5.5

bool is_control(WebSocketOpcode opcode) { return (static_cast<uint8_t>(opcode) & 8) != 0; }

bool is_known(uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

// Codes that may stand in a frame (7.4.1, 7.4.2).
bool may_be_sent(int code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

void WebSocketReader::fail(int code, std::string_view problem) {
  close_code_ = code;
  problem_ = problem;
  message_ = std::string();
}

// True: the header is complete.
bool WebSocketReader::take_header(std::string_view& input) {
  size_t wanted = 2;
  for (;;) {
    if (header_bytes_ >= 2) {
      size_t length = header_[1] & 0x7f;
      wanted = 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + ((header_[1] & 0x80) != 0 ? 4 : 0);
    }
    if (header_bytes_ == wanted) return true;
    if (input.empty()) return false;
    header_[header_bytes_++] = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
  }
}

void WebSocketReader::check_header() {
  final_ = (header_[0] & 0x80) != 0;
  const uint8_t opcode = header_[0] & 0x0f;
  const bool masked = (header_[1] & 0x80) != 0;
  size_t at = 2;
  payload_left_ = header_[1] & 0x7f;
  if (payload_left_ >= 126) {
    const size_t bytes = payload_left_ == 126 ? 2 : 8;
    const uint64_t least = bytes == 2 ? 126 : 65536;
    payload_left_ = 0;
    for (size_t i = 0; i < bytes; ++i) payload_left_ = payload_left_ << 8 | header_[at++];
    if (payload_left_ < least || payload_left_ >> 63 != 0) return fail(kWsProtocolError, "a length in the wrong form");
  }
  if ((header_[0] & 0x70) != 0) return fail(kWsProtocolError, "a reserved bit is set");
  if (!is_known(opcode)) return fail(kWsProtocolError, "an opcode that is not known");
  opcode_ = static_cast<WebSocketOpcode>(opcode);
  if (masked != (side_ == Side::kServer))
    return fail(kWsProtocolError, masked ? "a masked frame from a server" : "a frame that is not masked");
  if (masked) std::copy_n(header_.begin() + static_cast<ptrdiff_t>(at), 4, mask_.begin());
  mask_at_ = 0;
  if (is_control(opcode_)) {
    if (!final_) return fail(kWsProtocolError, "a control frame in fragments");
    if (payload_left_ > kControlMax) return fail(kWsProtocolError, "a control frame that is too long");
    control_.clear();
    return;
  }
  const bool begins = opcode_ != WebSocketOpcode::kContinuation;
  if (begins && in_message_) return fail(kWsProtocolError, "a message within a message");
  if (!begins && !in_message_) return fail(kWsProtocolError, "a continuation of nothing");
  if (begins) {
    in_message_ = true;
    binary_ = opcode_ == WebSocketOpcode::kBinary;
  }
  if (payload_left_ > message_bytes_max_ - message_.size()) return fail(kWsTooBig, "the message is too large");
}

std::optional<WebSocketEvent> WebSocketReader::closed() {
  WebSocketEvent event{.kind = WebSocketEvent::Kind::kClose, .data = {}};
  if (control_.size() == 1) {
    fail(kWsProtocolError, "a close frame with half a code");
    return std::nullopt;
  }
  if (control_.size() >= 2) {
    event.close_code = static_cast<unsigned char>(control_[0]) << 8 | static_cast<unsigned char>(control_[1]);
    event.data = control_.substr(2);
    if (!may_be_sent(event.close_code)) {
      fail(kWsProtocolError, "a close code that may not be sent");
      return std::nullopt;
    }
    if (!json::valid_utf8(event.data)) {
      fail(kWsInvalidData, "a close reason that is not UTF-8");
      return std::nullopt;
    }
  }
  closed_ = true;
  return event;
}

std::optional<WebSocketEvent> WebSocketReader::frame_is_whole() {
  in_payload_ = false;
  header_bytes_ = 0;
  switch (opcode_) {
    case WebSocketOpcode::kPing:
      return WebSocketEvent{.kind = WebSocketEvent::Kind::kPing, .data = std::move(control_)};
    case WebSocketOpcode::kPong:
      return WebSocketEvent{.kind = WebSocketEvent::Kind::kPong, .data = std::move(control_)};
    case WebSocketOpcode::kClose:
      return closed();
    default:
      break;
  }
  if (!final_) return std::nullopt;
  in_message_ = false;
  if (!binary_ && !json::valid_utf8(message_)) {
    fail(kWsInvalidData, "text that is not UTF-8");
    return std::nullopt;
  }
  WebSocketEvent event{.kind = binary_ ? WebSocketEvent::Kind::kBinary : WebSocketEvent::Kind::kText, .data = {}};
  event.data = std::move(message_);
  message_ = std::string();
  return event;
}

std::optional<WebSocketEvent> WebSocketReader::next(std::string_view& input) {
  while (!failed() && !closed_) {
    if (!in_payload_) {
      if (!take_header(input)) return std::nullopt;
      check_header();
      if (failed()) return std::nullopt;
      in_payload_ = true;
    }
    std::string& into = is_control(opcode_) ? control_ : message_;
    const size_t take = static_cast<size_t>(std::min<uint64_t>(payload_left_, input.size()));
    const size_t from = into.size();
    into.append(input.substr(0, take));
    input.remove_prefix(take);
    payload_left_ -= take;
    if (side_ == Side::kServer) {
      for (size_t i = from; i < into.size(); ++i) into[i] = static_cast<char>(into[i] ^ mask_[mask_at_++ & 3]);
    }
    if (payload_left_ > 0) return std::nullopt;
    if (std::optional<WebSocketEvent> event = frame_is_whole()) return event;
  }
  return std::nullopt;
}

void append_websocket_frame(std::string& out, WebSocketOpcode opcode, std::string_view payload,
                            const std::array<unsigned char, 4>* mask) {
  out += static_cast<char>(0x80 | static_cast<uint8_t>(opcode));
  const int masked = mask != nullptr ? 0x80 : 0;
  const uint64_t size = payload.size();
  if (size < 126) {
    out += static_cast<char>(masked | static_cast<int>(size));
  } else {
    const int bytes = size < 65536 ? 2 : 8;
    out += static_cast<char>(masked | (bytes == 2 ? 126 : 127));
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  }
  if (mask == nullptr) {
    out += payload;
    return;
  }
  out.append(reinterpret_cast<const char*>(mask->data()), mask->size());
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ (*mask)[i & 3]);
}

std::string websocket_close_payload(int code, std::string_view reason) {
  reason = reason.substr(0, kControlMax - 2);
  while (!json::valid_utf8(reason)) reason.remove_suffix(1);
  std::string out;
  out += static_cast<char>(code >> 8);
  out += static_cast<char>(code);
  return out.append(reason);
}

std::string websocket_accept(std::string_view key) {
  static constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  if (key.size() != 24 || !key.ends_with("==")) return {};
  unsigned char decoded[18];
  const auto* source = reinterpret_cast<const unsigned char*>(key.data());
  if (EVP_DecodeBlock(decoded, source, static_cast<int>(key.size())) != 18) return {};
  std::string text(key);
  text += kGuid;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) != 1) return {};
  unsigned char encoded[32];
  const int length = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded), static_cast<size_t>(length)};
}

}  // namespace perdure
