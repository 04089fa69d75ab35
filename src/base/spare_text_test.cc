#include "base/spare_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace perdure {
namespace {

TEST(SpareText, GivesTheSameRoomAgainAndEmpty) {
  if (!SpareText::kKeeps) GTEST_SKIP() << "under a sanitizer nothing is kept";
  std::string text = SpareText::take(100);
  EXPECT_GE(text.capacity(), 100u);
  text = "what was said";
  text.reserve(SpareText::kLeast);
  const char* room = text.data();
  SpareText::give(std::move(text));
  std::string again = SpareText::take(1000);
  EXPECT_EQ(again.data(), room);
  EXPECT_TRUE(again.empty());
  EXPECT_NE(SpareText::take(1000).data(), room) << "it is given out once";
}

TEST(SpareText, KeepsNeitherSmallNorLargeNorWithoutEnd) {
  std::string small = "short", large(SpareText::kMost * 2, 'x');
  SpareText::give(std::move(small));
  SpareText::give(std::move(large));
  std::vector<std::string> many;
  for (size_t i = 0; i < SpareText::kKept * 2; ++i) many.push_back(std::string(SpareText::kLeast, 'x'));
  for (std::string& each : many) SpareText::give(std::move(each));
  size_t with_room = 0;
  for (size_t i = 0; i < SpareText::kKept * 2; ++i) {
    std::string text = SpareText::take(0);
    EXPECT_TRUE(text.empty());
    EXPECT_LE(text.capacity(), SpareText::kMost);
    if (text.capacity() >= SpareText::kLeast) ++with_room;
  }
  EXPECT_EQ(with_room, SpareText::kKeeps ? SpareText::kKept : 0u);
}

TEST(SpareText, TakesRoomForWhatIsLarge) { EXPECT_GE(SpareText::take(1 << 20).capacity(), size_t{1} << 20); }

}  // namespace
}  // namespace perdure
