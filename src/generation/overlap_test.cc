#include "generation/overlap.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

std::string continue_with(std::string held, std::string_view text, size_t piece = 1) {
  OverlapTrimmer trimmer(held);
  std::string shown;
  for (size_t i = 0; i < text.size(); i += piece) shown += trimmer.feed(text.substr(i, piece));
  return held + shown + trimmer.finish();
}

constexpr std::string_view kAnswer =
    "The first supplier began this sentence, naïve as it was; the second one ended it — without a seam anybody could "
    "see.";

TEST(OverlapTrimmer, EveryCutAndEveryOverlapGivesTheWholeAnswer) {
  for (size_t cut = 1; cut < kAnswer.size(); ++cut) {
    if ((static_cast<unsigned char>(kAnswer[cut]) & 0xc0) == 0x80) continue;
    for (size_t from = 0; from <= cut; ++from) {
      size_t overlap = cut - from;
      if (overlap != 0 && overlap < OverlapTrimmer::kOverlapMin && from != 0) continue;
      if ((static_cast<unsigned char>(kAnswer[from]) & 0xc0) == 0x80) continue;
      EXPECT_EQ(continue_with(std::string(kAnswer.substr(0, cut)), kAnswer.substr(from), 1 + cut % 5), kAnswer)
          << "cut " << cut << " from " << from;
    }
  }
}

TEST(OverlapTrimmer, ShortRepetitionIsChance) { EXPECT_EQ(continue_with("ha ha ", "ha ha!"), "ha ha ha ha!"); }

TEST(OverlapTrimmer, HoldsNothingBackOnceDecided) {
  OverlapTrimmer trimmer("abcdefghijkl");
  EXPECT_EQ(trimmer.feed("x"), "x");
  EXPECT_TRUE(trimmer.decided());
}

TEST(OverlapTrimmer, ARepetitionThatEndsAddsNothing) {
  EXPECT_EQ(continue_with("one two three four", "two three four"), "one two three four");
}

TEST(OverlapTrimmer, EmptyContinuationAddsNothing) { EXPECT_EQ(continue_with("all said.", ""), "all said."); }

}  // namespace
}  // namespace perdure
