// Any bytes as a Messages supplier's stream: cut anywhere it gives the pieces of the whole, and calls begin before
// their arguments. The first two bytes choose the cuts.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "dialect/messages_upstream.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<Piece> pieces;
  bool ok = true, whole = false, done = false;
  bool operator==(const Outcome&) const = default;
};

template <class NextSize>
Outcome feed(std::string_view bytes, NextSize next_size) {
  Outcome out;
  MessagesStreamParser parser;
  while (!bytes.empty() && out.ok) {
    const size_t size = std::min(next_size(), bytes.size());
    out.ok = parser.feed(std::string(bytes.substr(0, size)), out.pieces).ok();
    bytes.remove_prefix(size);
  }
  out.whole = out.ok && parser.end().ok();
  out.done = parser.done();
  return out;
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  SeededRandom random(data[0]);
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const Outcome whole = feed(bytes, [&] { return bytes.size(); });
  CHECK(whole == feed(bytes, [] { return size_t{1}; }), "byte by byte differs from whole");
  CHECK(whole == feed(bytes, [&] { return static_cast<size_t>(random.below(data[1] % 32 + 2)); }),
        "pieces differ from whole");
  int calls = 0, starts = 0, finishes = 0;
  for (const Piece& piece : whole.pieces) {
    starts += piece.kind == Piece::Kind::kStarted;
    finishes += piece.kind == Piece::Kind::kFinish;
    CHECK(starts == 1, "something before the start, or a second one");
    if (piece.kind == Piece::Kind::kToolCall)
      CHECK(piece.index == calls++ && !piece.name.empty(), "calls out of order or without a name");
    if (piece.kind == Piece::Kind::kToolArguments)
      CHECK(piece.index < calls && !piece.text.empty(), "arguments before their call");
    if (piece.kind == Piece::Kind::kOpaque)
      CHECK(!piece.text.empty() && piece.opaque != OpaqueKind::kNone, "an opaque block that is none");
    if (piece.kind == Piece::Kind::kAnnotation) {
      auto annotation = json::Document::parse(piece.text);
      CHECK(annotation.ok() && annotation->root().is_object(), "an annotation that is no object");
    }
  }
  CHECK(finishes <= 1 && (!whole.whole || finishes == 1), "a whole answer finishes once");
  (void)parse_messages_answer(std::string(bytes)).ok();
  (void)parse_messages_count(std::string(bytes)).ok();
  (void)parse_messages_error(500, bytes.substr(0, 4), bytes);
  return 0;
}
