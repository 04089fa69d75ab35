// Events as a supplier might send them, and any bytes behind them: cut anywhere the stream gives the pieces of the
// whole, and calls begin before their arguments. The input is a list of events: a byte that chooses the name, two that
// give the payload's length, the payload; 0xff ends it, and the rest is sent as it is. The first two bytes choose the
// cuts.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "dialect/converse_upstream.h"
#include "wire/aws_event_stream.h"

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
  const auto dialect = converse_upstream();
  const auto parser = dialect->stream_parser();
  while (!bytes.empty() && out.ok) {
    const size_t size = std::min(next_size(), bytes.size());
    out.ok = parser->feed(std::string(bytes.substr(0, size)), out.pieces).ok();
    bytes.remove_prefix(size);
  }
  out.whole = out.ok && parser->end().ok();
  out.done = out.ok && parser->done();
  return out;
}

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
  SeededRandom random(data[0]);
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string bytes = stream_of(input);
  const Outcome whole = feed(bytes, [&] { return bytes.size(); });
  CHECK(whole == feed(bytes, [] { return size_t{1}; }), "byte by byte differs from whole");
  CHECK(whole == feed(bytes, [&] { return static_cast<size_t>(random.below(data[1] % 32 + 2)); }),
        "pieces differ from whole");
  int calls = 0, finishes = 0;
  for (const Piece& piece : whole.pieces) {
    if (piece.kind == Piece::Kind::kToolCall)
      CHECK(piece.index == calls++ && !piece.name.empty(), "calls out of order or without a name");
    if (piece.kind == Piece::Kind::kToolArguments)
      CHECK(piece.index < calls && !piece.text.empty(), "arguments before their call");
    if (piece.kind == Piece::Kind::kOpaque) CHECK(!piece.text.empty(), "an opaque block of nothing");
    finishes += piece.kind == Piece::Kind::kFinish;
  }
  CHECK(finishes <= 1, "finished twice");
  const auto dialect = converse_upstream();
  (void)dialect->parse_answer(std::string(input)).ok();
  (void)dialect->parse_error(500, input.substr(0, 4), input);
  return 0;
}
