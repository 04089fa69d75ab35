#include "generation/new_beginning.h"

#include <gtest/gtest.h>

#include "generation/seam.h"

namespace perdure {
namespace {

using Kind = NewBeginning::Kind;
constexpr std::string_view kHeld = "The lighthouse keeper is very important. He has to keep an eye";

Kind kind_of(std::string_view text, std::string_view held = kHeld) {
  return new_beginning_of(held, text, Language::kEnglish, true).kind;
}

TEST(NewBeginning, WhatGoesOnIsNone) {
  EXPECT_EQ(kind_of(" on all the ships that pass."), Kind::kNone);
  EXPECT_EQ(kind_of("s open at night."), Kind::kNone);
  EXPECT_EQ(kind_of("Script is a language.", "He writes Java"), Kind::kNone);
  EXPECT_EQ(kind_of(" I wrote that.", kHeld), Kind::kNone);
  EXPECT_EQ(kind_of("The next one is red.", "That is all. "), Kind::kNone);
}

TEST(NewBeginning, ANewSentenceInAWordIsARunIn) {
  EXPECT_EQ(kind_of("I have to write a story about the last message."), Kind::kRunIn);
  EXPECT_EQ(kind_of("I'm so sorry for the confusion."), Kind::kRunIn);
  EXPECT_EQ(kind_of("The sun began to set."), Kind::kRunIn);
}

TEST(NewBeginning, OurOwnWordsAreAnEcho) {
  EXPECT_EQ(kind_of("Write only what comes next, without an introduction.", "Mix well. Then add"), Kind::kEcho);
  EXPECT_EQ(kind_of("Your last message broke off in the middle. Go on exactly where it stops.", "one, two,"),
            Kind::kEcho);
}

TEST(NewBeginning, AStartOverWithAWordInFrontIsReworded) {
  constexpr std::string_view held =
      "Rain is a liquid, which means it can be easily moved. It forms when water condenses on the";
  NewBeginning found =
      new_beginning_of(held, "The rain is a liquid, which means it can be moved.", Language::kEnglish, true);
  EXPECT_EQ(found.kind, Kind::kReworded);
  EXPECT_EQ(found.size, 5u);
}

TEST(NewBeginning, WaitsForWhatDecides) {
  auto unclear = [](std::string_view text) {
    return new_beginning_of(kHeld, text, Language::kEnglish, false).kind == Kind::kUnclear;
  };
  EXPECT_TRUE(unclear("I"));
  EXPECT_TRUE(unclear("Th"));
  EXPECT_FALSE(unclear("Xy"));
  EXPECT_FALSE(unclear(" on"));
}

// In the seam: given up, or mended.
TEST(NewBeginning, TheSeamGivesUpARunIn) {
  Seam seam{std::string(kHeld), false, Language::kEnglish};
  Result<std::string> shown = seam.feed("I have to write a story.");
  ASSERT_FALSE(shown.ok());
  EXPECT_EQ(shown.error().reason, "seam_new_beginning");
}

TEST(NewBeginning, TheSeamGivesUpAnEcho) {
  Seam seam("Mix well with your", false, Language::kEnglish);
  Result<std::string> shown = seam.feed("Write only what comes next, without an introduction and without a remark.");
  ASSERT_FALSE(shown.ok());
  EXPECT_EQ(shown.error().reason, "seam_new_beginning");
}

TEST(NewBeginning, TheSeamDropsARewordedStartOver) {
  const std::string held = "Rain is a liquid, which means it can be easily moved. It forms when water condenses on the";
  Seam seam(held, false, Language::kEnglish);
  const std::string text = "The rain" + held.substr(4) + " ground and rises.";
  std::string shown;
  for (char c : text) {
    Result<std::string> more = seam.feed(std::string_view(&c, 1));
    ASSERT_TRUE(more.ok()) << more.error().message;
    shown += *more;
  }
  shown += *seam.finish();
  EXPECT_EQ(shown, " ground and rises.");
}

TEST(NewBeginning, CodeIsLeftAlone) {
  Seam seam("```js\nlet get", false, Language::kEnglish);
  Result<std::string> shown = seam.feed("It = 1;\nfoo();\n");
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(*shown, "It = 1;\nfoo();\n");
}

}  // namespace
}  // namespace perdure
