// Any bytes as a Messages supplier's stream: cut anywhere it gives the pieces of the whole, and calls begin before
// their arguments. The first two bytes choose the cuts.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/messages_upstream.h"
#include "dialect/testing/cut_anywhere.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const CutOutcome whole = CutAnywhere(data, []() -> std::unique_ptr<AnswerParser> {
                             return std::make_unique<MessagesStreamParser>();
                           }).check(bytes);
  int starts = 0, finishes = 0;
  for (const Piece& piece : whole.pieces) {
    starts += piece.kind == Piece::Kind::kStarted;
    finishes += piece.kind == Piece::Kind::kFinish;
    CHECK(starts == 1, "something before the start, or a second one");
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
