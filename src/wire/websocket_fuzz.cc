// Any bytes as frames: cut anywhere they give the events of the whole, within the limits; and what came, written again,
// reads the same. The first two bytes choose the cuts and the limit.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "wire/json.h"
#include "wire/websocket.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<WebSocketEvent> events;
  int failed = 0;
};

template <class NextSize>
Outcome feed(std::string_view bytes, size_t limit, WebSocketReader::Side side, NextSize next_size) {
  Outcome out;
  WebSocketReader reader(side, limit);
  while (!bytes.empty() && !reader.failed()) {
    const std::string piece(bytes.substr(0, std::min(next_size(), bytes.size())));  // so that a read beyond it is seen
    bytes.remove_prefix(piece.size());
    std::string_view left = piece;
    while (std::optional<WebSocketEvent> event = reader.next(left)) {
      CHECK(event->data.size() <= std::max<size_t>(limit, 125), "an event beyond the limit");
      out.events.push_back(std::move(*event));
    }
    CHECK(reader.bytes_held() <= limit, "more is held than a message may have");
    const bool closed = !out.events.empty() && out.events.back().kind == WebSocketEvent::Kind::kClose;
    if (closed) break;
    CHECK(left.empty() || reader.failed(), "bytes were left without a reason");
  }
  out.failed = reader.failed() ? reader.close_code() : 0;
  return out;
}

void check_same(const Outcome& a, const Outcome& b) {
  CHECK(a.failed == b.failed && a.events.size() == b.events.size(), "pieces differ from the whole");
  for (size_t i = 0; i < a.events.size(); ++i)
    CHECK(a.events[i].kind == b.events[i].kind && a.events[i].data == b.events[i].data &&
              a.events[i].close_code == b.events[i].close_code,
          "an event differs");
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  SeededRandom random(data[0]);
  const auto side = (data[0] & 1) != 0 ? WebSocketReader::Side::kClient : WebSocketReader::Side::kServer;
  const size_t limit = data[1] < 128 ? 1 << 20 : size_t{data[1]} - 128;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);

  const Outcome whole = feed(bytes, limit, side, [&] { return bytes.size(); });
  check_same(whole, feed(bytes, limit, side, [] { return size_t{1}; }));
  check_same(whole, feed(bytes, limit, side, [&] { return static_cast<size_t>(1 + random.below(16)); }));

  std::string again;
  const std::array<unsigned char, 4> mask{data[0], data[1], 7, 0};
  for (const WebSocketEvent& event : whole.events) {
    using Kind = WebSocketEvent::Kind;
    const auto opcode = event.kind == Kind::kText     ? WebSocketOpcode::kText
                        : event.kind == Kind::kBinary ? WebSocketOpcode::kBinary
                        : event.kind == Kind::kPing   ? WebSocketOpcode::kPing
                        : event.kind == Kind::kPong   ? WebSocketOpcode::kPong
                                                      : WebSocketOpcode::kClose;
    const bool bare_close = event.kind == Kind::kClose && event.close_code == kWsNoCode;
    const std::string payload = event.kind != Kind::kClose ? event.data
                                : bare_close               ? std::string()
                                                           : websocket_close_payload(event.close_code, event.data);
    if (event.kind == Kind::kText) CHECK(json::valid_utf8(event.data), "text that is not UTF-8");
    append_websocket_frame(again, opcode, payload, side == WebSocketReader::Side::kServer ? &mask : nullptr);
  }
  Outcome second = feed(again, limit, side, [&] { return again.size() + 1; });
  second.failed = whole.failed;
  check_same(whole, second);
  return 0;
}
