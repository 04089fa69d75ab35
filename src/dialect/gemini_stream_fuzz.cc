// Any bytes as a supplier's stream: cut anywhere it gives the pieces of the whole, and calls begin before their
// arguments, which are JSON objects. Any bytes as a schema: what comes out is JSON. The first two bytes choose the
// cuts.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "dialect/gemini_schema.h"
#include "dialect/gemini_upstream.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<Piece> pieces;
  bool ok = true, whole = false;
  bool operator==(const Outcome&) const = default;
};

template <class NextSize>
Outcome feed(std::string_view bytes, NextSize next_size) {
  Outcome out;
  const auto parser = gemini_upstream()->stream_parser();
  while (!bytes.empty() && out.ok) {
    const size_t size = std::min(next_size(), bytes.size());
    out.ok = parser->feed(std::string(bytes.substr(0, size)), out.pieces).ok();
    bytes.remove_prefix(size);
  }
  out.whole = out.ok && parser->end().ok();
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
  int calls = 0;
  for (const Piece& piece : whole.pieces) {
    if (piece.kind == Piece::Kind::kToolCall)
      CHECK(piece.index == calls++ && !piece.name.empty(), "calls out of order or without a name");
    if (piece.kind != Piece::Kind::kToolArguments) continue;
    CHECK(piece.index == calls - 1, "arguments before their call");
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
