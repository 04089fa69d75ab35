#include "generation/language.h"

#include <gtest/gtest.h>

#include <string>

namespace perdure {
namespace {

TEST(Language, IsToldByCommonWords) {
  EXPECT_EQ(language_of("The ships that they saw were not of this world, and it was late."), Language::kEnglish);
  EXPECT_EQ(language_of("Die Schiffe, DIE sie sahen, waren nicht von dieser Welt, UND ES wird spät."),
            Language::kGerman);
  EXPECT_EQ(language_of("Les navires que nous avons vus étaient dans le port, et ils sont partis avec le vent."),
            Language::kFrench);
  EXPECT_EQ(language_of("Los barcos que vimos no son de este mundo, y también hasta aquí se ve la luz."),
            Language::kSpanish);
  EXPECT_EQ(language_of("Questo è il porto della nave, e anche quando piove non è molto sicuro."), Language::kItalian);
  EXPECT_EQ(language_of("Os navios não são do mundo, e também muito longe do porto quando isso acontece."),
            Language::kPortuguese);
  EXPECT_EQ(language_of("Het schip dat wij zagen is niet van deze wereld, maar ook nog niet het einde."),
            Language::kDutch);
  EXPECT_EQ(language_of("Корабли ушли в море."), Language::kRussian);
  EXPECT_EQ(language_of("船はもう港を出ました。"), Language::kJapanese);
}

TEST(Language, WhatIsNoWordOfItsOwnSaysNothing) {
  EXPECT_EQ(language_of(""), Language::kUnknown);
  EXPECT_EQ(language_of("the and"), Language::kUnknown) << "two words are an accident";
  EXPECT_EQ(language_of("bal100 kem101 zot102, theand ofthe andthat"), Language::kUnknown) << "parts of words";
  EXPECT_EQ(language_of("supercalifragilistic thethethethethe wouldwouldwouldwould"), Language::kUnknown);
  EXPECT_EQ(language_of("the and that / der die das"), Language::kUnknown) << "of two as much";
  EXPECT_EQ(language_of("x" + std::string(5000, ' ') + "the and that was"), Language::kEnglish) << "its end counts";
}

}  // namespace
}  // namespace perdure
