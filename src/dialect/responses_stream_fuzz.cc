// Any bytes as a supplier's stream of the Responses dialect: cut anywhere it gives the pieces of the whole, calls begin
// before their arguments, and nothing comes after the finish. The first two bytes choose the cuts.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/responses_upstream.h"
#include "dialect/testing/cut_anywhere.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const CutOutcome whole =
      CutAnywhere(data, []() -> std::unique_ptr<AnswerParser> { return responses_stream_parser(); }).check(bytes);
  bool finished = false;
  for (const Piece& piece : whole.pieces) {
    CHECK(!finished, "something comes after the finish");
    finished = piece.kind == Piece::Kind::kFinish;
  }
  CHECK(whole.whole == finished || !whole.ok, "whole without a finish");
  (void)parse_responses_answer(std::string(bytes)).ok();
  (void)parse_responses_error(500, bytes.substr(0, 4), bytes);
  return 0;
}
