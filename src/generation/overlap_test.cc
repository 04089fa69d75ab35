#include "generation/overlap.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

size_t repeated(std::string_view held, std::string_view text, size_t piece = 1, size_t from = std::string_view::npos) {
  OverlapFinder finder(held, from);
  for (size_t i = 0; i < text.size() && !finder.decided(); i += piece) finder.feed(text.substr(i, piece));
  finder.end();
  return finder.repeated();
}

TEST(OverlapFinder, the_longest_repetition_wins) {
  EXPECT_EQ(repeated("one two three four", "three four five"), 10u);
  EXPECT_EQ(repeated("one two three four", "one two three four five"), 18u);
  EXPECT_EQ(repeated("one two three four", " five"), 0u);
}

TEST(OverlapFinder, short_repetitions_are_chance_unless_they_are_all) {
  EXPECT_EQ(repeated("ha ha ", "ha ha!"), 0u);
  EXPECT_EQ(repeated("ha", "ha, he said"), 2u);
}

TEST(OverlapFinder, white_space_equals_white_space) {
  EXPECT_EQ(repeated("one two three four", "two\nthree\n\nfour and five"), 15u);
  EXPECT_EQ(repeated("one two three four ", "three four\n\nfive"), 12u)
      << "all white space at the seam is the held one's";
  EXPECT_EQ(repeated("one two three four ", "three four  five"), 11u) << "what is beyond the held white space is new";
  EXPECT_EQ(repeated("one two three four", "threefour five"), 0u);
}

TEST(OverlapFinder, a_text_that_ends_within_a_repetition_says_nothing_new) {
  EXPECT_EQ(repeated("one two three four", "two three f"), 11u);
}

TEST(OverlapFinder, begins_where_it_is_told) {
  EXPECT_EQ(repeated("a = 1\nb =", "b = 2", 1, 6), 3u);
  EXPECT_EQ(repeated("a = 1\nb =", "a = 1", 1, 6), 0u);
  EXPECT_EQ(repeated("a = 1\n", "a = 1", 1, 6), 0u);
}

TEST(OverlapFinder, says_when_a_text_is_repetitive) {
  OverlapFinder finder("again and again and again and ");
  finder.feed("again and again and so on");
  EXPECT_TRUE(finder.decided());
  EXPECT_TRUE(finder.ambiguous());
}

TEST(OverlapFinder, decides_at_the_first_byte_that_fits_nothing) {
  OverlapFinder finder("abcdefghijkl");
  finder.feed("x");
  EXPECT_TRUE(finder.decided());
  EXPECT_EQ(finder.repeated(), 0u);
}

}  // namespace
}  // namespace perdure
