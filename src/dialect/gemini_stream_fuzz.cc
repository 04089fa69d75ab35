// Any bytes as a supplier's stream: cut anywhere it gives the pieces of the whole, and calls begin before their
// arguments, which are JSON objects. Any bytes as a schema: what comes out is JSON. The first two bytes choose the
// cuts.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/gemini_schema.h"
#include "dialect/gemini_upstream.h"
#include "dialect/testing/cut_anywhere.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const CutOutcome whole = CutAnywhere(data, []() -> std::unique_ptr<AnswerParser> {
                             return gemini_upstream()->stream_parser();
                           }).check(bytes);
  int calls = 0;
  for (const Piece& piece : whole.pieces) {
    calls += piece.kind == Piece::Kind::kToolCall;
    if (piece.kind != Piece::Kind::kToolArguments) continue;
    CHECK(piece.index == calls - 1, "arguments behind another call");
    auto arguments = json::Document::parse(piece.text);
    CHECK(arguments.ok() && arguments->root().is_object(), "arguments are no object");
  }
  const auto dialect = gemini_upstream();
  (void)dialect->parse_answer(std::string(bytes)).ok();
  (void)dialect->parse_error(500, bytes.substr(0, 4), bytes);
  if (auto schema = json::Document::parse(std::string(bytes)); schema.ok()) {
    auto text = json::Document::parse(gemini_schema(schema->root(), data[0] % 2 == 0).text);
    CHECK(text.ok() && text->root().is_object(), "a schema that is no JSON object");
  }
  return 0;
}
