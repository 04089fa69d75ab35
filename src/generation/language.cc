#include "generation/language.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace perdure {
namespace {

constexpr size_t kLooked = 4096;

struct Words {
  Language language;
  std::string_view words;  // each between blanks
};

// Words that are common in one of these languages and rare in the others.
constexpr std::array<Words, 7> kWords = {{
    {Language::kEnglish,
     " the and of to is that it for was with as are this be at from have not by you which they his her what there can "
     "would their will when more about your into could "},
    {Language::kGerman,
     " der die das und ist nicht ein eine mit auf für sich dem den auch von wird sind einer oder wie nach bei aber "
     "noch "
     "über werden haben wenn nur dann weiter immer wieder dort später "},
    {Language::kFrench,
     " le les et est une dans qui que pour pas des du au sur avec ce il elle sont plus par mais nous vous cette ou "
     "être "
     "aux leur ses même suite voici "},
    {Language::kSpanish,
     " el los las y es una que en por con para se del como más pero sus le ya este sí porque esta entre cuando muy sin "
     "sobre también hasta aquí "},
    {Language::kItalian,
     " il gli e è una che di per con non sono della del dei nel alla più anche come questo ma se lo ha quando dalla "
     "molto essere ecco "},
    {Language::kPortuguese,
     " o os as e é uma que em por com para não do da dos das no na mais como mas ao ele sua ou quando muito também são "
     "isso aqui "},
    {Language::kDutch,
     " de het een en van is dat niet op te zijn voor met die er aan ook maar om uit bij nog naar dan wordt werd heeft "
     "hier "},
}};

constexpr size_t kWordMax = 14;  // bytes; of those above none is longer

// Who has a word, by its number in kWords: a set of bits. Made once, and looked up for each word of a text: an answer
// that changes hands is read while its client waits.
const std::unordered_map<std::string_view, uint8_t>& dictionary() {
  static const std::unordered_map<std::string_view, uint8_t> kDictionary = [] {
    std::unordered_map<std::string_view, uint8_t> out;
    for (size_t k = 0; k < kWords.size(); ++k) {
      std::string_view rest = kWords[k].words;
      while (!rest.empty()) {
        size_t blank = rest.find(' ');
        if (blank > 0) out[rest.substr(0, blank)] |= static_cast<uint8_t>(1 << k);
        rest.remove_prefix(blank + 1);
      }
    }
    return out;
  }();
  return kDictionary;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<uint8_t>(c) >= 0x80; }

Language by_script(std::string_view text) {
  size_t han = 0, kana = 0, hangul = 0, cyrillic = 0, latin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<uint8_t>(text[i]);
    auto next = [&](size_t k) { return i + k < text.size() ? static_cast<uint8_t>(text[i + k]) : uint8_t{0}; };
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) ++latin;
    if (c == 0xd0 || c == 0xd1) ++cyrillic;
    if (c == 0xe3 && (next(1) == 0x81 || next(1) == 0x82 || next(1) == 0x83)) ++kana;
    if (c >= 0xe4 && c <= 0xe9) ++han;
    if (c >= 0xea && c <= 0xed && !(c == 0xed && next(1) >= 0xa0)) ++hangul;
  }
  size_t most = std::max({han + kana, hangul, cyrillic});
  if (most < 4 || most * 3 < latin) return Language::kUnknown;
  if (most == hangul) return Language::kKorean;
  if (most == cyrillic) return Language::kRussian;
  return kana * 8 > han ? Language::kJapanese : Language::kChinese;
}

}  // namespace

Language language_of(std::string_view text) {
  if (text.size() > kLooked) text.remove_prefix(text.size() - kLooked);
  if (Language script = by_script(text); script != Language::kUnknown) return script;
  const auto& words = dictionary();
  std::array<size_t, kWords.size()> hits{};
  for (size_t at = 0; at < text.size();) {
    if (!is_letter(text[at])) {
      ++at;
      continue;
    }
    std::array<char, kWordMax> word;
    size_t size = 0;
    for (; at < text.size() && is_letter(text[at]); ++at, ++size) {
      char c = text[at];
      if (size < kWordMax) word[size] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (size > kWordMax) continue;
    auto found = words.find(std::string_view(word.data(), size));
    if (found == words.end()) continue;
    for (size_t k = 0; k < kWords.size(); ++k) hits[k] += found->second >> k & 1;
  }
  size_t best = 0, second = 0;
  for (size_t k = 1; k < hits.size(); ++k)
    if (hits[k] > hits[best]) best = k;
  for (size_t k = 0; k < hits.size(); ++k)
    if (k != best) second = std::max(second, hits[k]);
  return hits[best] >= 3 && hits[best] >= 2 * second ? kWords[best].language : Language::kUnknown;
}

}  // namespace perdure
