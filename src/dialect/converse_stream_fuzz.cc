// Events as a supplier might send them, and any bytes behind them: cut anywhere the stream gives the pieces of the
// whole, and calls begin before their arguments. The input is a list of events: a byte that chooses the name, two that
// give the payload's length, the payload; 0xff ends it, and the rest is sent as it is. The first two bytes choose the
// cuts.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialect/converse_upstream.h"
#include "dialect/testing/cut_anywhere.h"
#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

std::string stream_of(std::string_view input) {
  constexpr std::string_view kNames[] = {"messageStart",     "contentBlockStart",  "contentBlockDelta",
                                         "contentBlockStop", "messageStop",        "metadata",
                                         "somethingNew",     "throttlingException"};
  std::string out;
  while (input.size() >= 3 && input[0] != '\xff') {
    const std::string_view name = kNames[static_cast<unsigned char>(input[0]) % std::size(kNames)];
    const size_t size =
        static_cast<size_t>(static_cast<unsigned char>(input[1]) << 8 | static_cast<unsigned char>(input[2]));
    const std::string_view payload = input.substr(3, size);
    input.remove_prefix(3 + payload.size());
    const bool exception = name.ends_with("Exception");
    const AwsHeader headers[] = {{.name = exception ? ":exception-type" : ":event-type", .bytes = name},
                                 {.name = ":message-type", .bytes = exception ? "exception" : "event"}};
    CHECK(append_aws_message(out, headers, payload).ok(), "an event that cannot be written");
  }
  if (input.starts_with('\xff')) out += input.substr(1);
  return out;
}

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string bytes = stream_of(input);
  const CutOutcome whole = CutAnywhere(data, []() -> std::unique_ptr<AnswerParser> {
                             return converse_upstream()->stream_parser();
                           }).check(bytes);
  int finishes = 0;
  for (const Piece& piece : whole.pieces) {
    if (piece.kind == Piece::Kind::kOpaque) CHECK(!piece.text.empty(), "an opaque block of nothing");
    finishes += piece.kind == Piece::Kind::kFinish;
  }
  CHECK(finishes <= 1, "finished twice");
  const auto dialect = converse_upstream();
  (void)dialect->parse_answer(std::string(input)).ok();
  (void)dialect->parse_error(500, input.substr(0, 4), input);
  return 0;
}
