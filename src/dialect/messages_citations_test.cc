#include "dialect/messages_citations.h"

#include <gtest/gtest.h>

#include <string>

namespace perdure {
namespace {

TEST(MessagesCitations, CharactersAreCountedHoweverLongTheText) {
  EXPECT_EQ(characters_in(""), 0u);
  for (size_t size : {1, 2, 254, 255, 256, 700}) {
    EXPECT_EQ(characters_in(std::string(size, 'a')), size);
    std::string text;
    for (size_t i = 0; i < size; ++i) text += i % 3 == 0 ? "é" : i % 3 == 1 ? "€" : "😀";
    EXPECT_EQ(characters_in(text), size);
  }
}

}  // namespace
}  // namespace perdure
