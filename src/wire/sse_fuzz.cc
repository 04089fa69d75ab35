// Any bytes as a stream: cut anywhere it gives the events of the whole, and those events written give themselves. The
// first four bytes choose the cuts and the limit.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "wire/sse.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<std::pair<std::string, std::string>> events;
  bool ok = true;
  bool at_rest = true;
  bool operator==(const Outcome&) const = default;
};

template <class NextSize>
Outcome feed(std::string_view bytes, size_t limit, NextSize next_size) {
  Outcome out;
  SseParser parser(limit);
  while (!bytes.empty() && out.ok) {
    const size_t size = std::min(next_size(), bytes.size());
    const std::string piece(bytes.substr(0, size));  // a copy of its own, so that a read beyond it is seen
    bytes.remove_prefix(size);
    auto fed = parser.feed(piece, [&](const SseEvent& event) -> Result<void> {
      CHECK(event.event.size() <= limit && event.data.size() <= limit + 1, "an event beyond the limit");
      CHECK(event.event.find_first_of("\r\n") == std::string_view::npos &&
                event.data.find('\r') == std::string_view::npos,
            "a line break within a line");
      out.events.emplace_back(event.event, event.data);
      return {};
    });
    out.ok = fed.ok();
  }
  out.at_rest = !out.ok || parser.at_rest();
  return out;
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 4) return 0;
  SeededRandom random(data[0] | data[1] << 8);
  const size_t piece_max = data[2] % 16 + 1, limit = data[3] < 128 ? 16 << 20 : data[3] - 128;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 4), size - 4);

  const Outcome whole = feed(bytes, limit, [&] { return bytes.size(); });
  CHECK(whole == feed(bytes, limit, [] { return size_t{1}; }), "byte by byte differs from whole");
  CHECK(whole == feed(bytes, limit, [&] { return static_cast<size_t>(random.below(piece_max + 1)); }),
        "pieces differ from whole");

  std::string written;
  for (const auto& [event, text] : whole.events) append_sse(written, event, text);
  const Outcome again = feed(written, 16 << 20, [&] { return written.size(); });
  CHECK(again.ok && again.at_rest && again.events == whole.events, "what was written differs");
  return 0;
}
