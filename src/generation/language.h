#pragma once
// Which language a text is in, as far as its commonest words or its script tell. Pure, and modest: a short or mixed
// text is kUnknown.

#include <string_view>

namespace perdure {

enum class Language : unsigned char {
  kUnknown,
  kEnglish,
  kGerman,
  kFrench,
  kSpanish,
  kItalian,
  kPortuguese,
  kDutch,
  kRussian,
  kChinese,
  kJapanese,
  kKorean,
};

// Looks at the last `kLooked` bytes.
Language language_of(std::string_view text);

}  // namespace perdure
