#pragma once
// CutAnywhere: bytes of a fuzz driver as a supplier's stream. Cut anywhere, they give the pieces of the whole; and
// calls begin, in order and with a name, before their arguments. The first two bytes of the driver's input choose the
// cuts.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "dialect/upstream.h"

namespace perdure {

struct CutOutcome {
  std::vector<Piece> pieces;
  bool ok = true, whole = false, done = false;
  bool operator==(const CutOutcome&) const = default;
};

class CutAnywhere {
 public:
  CutAnywhere(const uint8_t* data, std::unique_ptr<AnswerParser> (*make)())
      : random_(data[0]), pieces_max_(data[1] % 32 + 2), make_(make) {}

  CutOutcome check(std::string_view bytes) {
    CutOutcome whole = feed(bytes, [&] { return bytes.size(); });
    CHECK(whole == feed(bytes, [] { return size_t{1}; }), "byte by byte differs from whole");
    CHECK(whole == feed(bytes, [&] { return static_cast<size_t>(random_.below(pieces_max_)); }),
          "pieces differ from whole");
    int calls = 0;
    for (const Piece& piece : whole.pieces) {
      if (piece.kind == Piece::Kind::kToolCall)
        CHECK(piece.index == calls++ && !piece.name.empty(), "calls out of order or without a name");
      if (piece.kind == Piece::Kind::kToolArguments)
        CHECK(piece.index < calls && !piece.text.empty(), "arguments before their call");
    }
    return whole;
  }

 private:
  template <class NextSize>
  CutOutcome feed(std::string_view bytes, NextSize next_size) {
    CutOutcome out;
    const std::unique_ptr<AnswerParser> parser = make_();
    while (!bytes.empty() && out.ok) {
      const size_t size = std::min(next_size(), bytes.size());
      out.ok = parser->feed(std::string(bytes.substr(0, size)), out.pieces).ok();
      bytes.remove_prefix(size);
    }
    out.whole = out.ok && parser->end().ok();
    out.done = out.ok && parser->done();
    return out;
  }
  SeededRandom random_;
  uint64_t pieces_max_;
  std::unique_ptr<AnswerParser> (*make_)();
};

}  // namespace perdure
