#include "generation/preface.h"

#include <algorithm>
#include <array>
#include <string>

namespace perdure {
namespace {

constexpr size_t kLooked = 200;

struct Opener {
  std::string_view words;
  Language language;
  bool refuses;  // rather than announces
};

// In lower case; a text counts only with one of the stems behind its opener.
constexpr std::array kOpeners = {
    Opener{"sure", Language::kEnglish, false},          Opener{"of course", Language::kEnglish, false},
    Opener{"certainly", Language::kEnglish, false},     Opener{"absolutely", Language::kEnglish, false},
    Opener{"okay", Language::kEnglish, false},          Opener{"ok,", Language::kEnglish, false},
    Opener{"here is", Language::kEnglish, false},       Opener{"here's", Language::kEnglish, false},
    Opener{"here are", Language::kEnglish, false},      Opener{"continuing", Language::kEnglish, false},
    Opener{"continued", Language::kEnglish, false},     Opener{"picking up", Language::kEnglish, false},
    Opener{"apologies", Language::kEnglish, false},     Opener{"sorry about", Language::kEnglish, false},
    Opener{"sorry for", Language::kEnglish, false},     Opener{"i apologize", Language::kEnglish, false},
    Opener{"i'll continue", Language::kEnglish, false}, Opener{"let me continue", Language::kEnglish, false},
    Opener{"hier ist", Language::kGerman, false},       Opener{"natürlich", Language::kGerman, false},
    Opener{"gerne", Language::kGerman, false},          Opener{"klar", Language::kGerman, false},
    Opener{"hier geht", Language::kGerman, false},      Opener{"voici", Language::kFrench, false},
    Opener{"bien sûr", Language::kFrench, false},       Opener{"aquí", Language::kSpanish, false},
    Opener{"claro", Language::kSpanish, false},         Opener{"por supuesto", Language::kSpanish, false},
    Opener{"certo", Language::kItalian, false},         Opener{"ecco", Language::kItalian, false},
    Opener{"i'm sorry", Language::kEnglish, true},      Opener{"i am sorry", Language::kEnglish, true},
    Opener{"sorry, but", Language::kEnglish, true},     Opener{"sorry, i", Language::kEnglish, true},
    Opener{"i can't", Language::kEnglish, true},        Opener{"i cannot", Language::kEnglish, true},
    Opener{"i'm unable", Language::kEnglish, true},     Opener{"i am unable", Language::kEnglish, true},
    Opener{"i'm not able", Language::kEnglish, true},   Opener{"unfortunately, i", Language::kEnglish, true},
    Opener{"es tut mir leid", Language::kGerman, true}, Opener{"tut mir leid", Language::kGerman, true},
    Opener{"ich kann", Language::kGerman, true},        Opener{"je suis désolé", Language::kFrench, true},
    Opener{"je ne peux", Language::kFrench, true},      Opener{"lo siento", Language::kSpanish, true},
    Opener{"no puedo", Language::kSpanish, true},       Opener{"mi dispiace", Language::kItalian, true},
};
constexpr std::array<std::string_view, 20> kAnnounces = {"rest",   "continu",   "left off",   "stopped", "broke off",
                                                         "remain", "interrupt", "picking up", "cut off", "fortsetz",
                                                         "weiter", "rest ist",  "suite",      "reste",   "reprend",
                                                         "contin", "sigue",     "resto",      "segui",   "next part"};
constexpr std::array<std::string_view, 18> kRefuses = {
    "can't",    "cannot",    "can not",   "unable", "not able",  "won't",        "don't have",  "nicht",     "ne peux",
    "no puedo", "non posso", "no access", "désolé", "unmöglich", "you can only", "you have to", "confusion", "message"};

std::string lowered(std::string_view text) {
  std::string out;
  for (char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  // The typographic apostrophe is an apostrophe.
  for (size_t at = 0; (at = out.find("\xe2\x80\x99", at)) != std::string::npos;) out.replace(at, 3, "'");
  return out;
}

template <size_t N>
bool any_in(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

// The end of the announcement in `text`: behind its colon, or its line, with the white space that belongs to it.
size_t end_of_announcement(std::string_view text) {
  size_t end = text.find_first_of(":\n");
  if (end == std::string_view::npos) return 0;
  // The sentence that announces may be the second: "Of course! Picking up where it stopped:"
  if (text[end] == ':') ++end;
  if (end < text.size() && text[end] == ' ') return end + 1;
  for (int lines = 0; lines < 2 && end < text.size() && text[end] == '\n'; ++lines) ++end;
  return end;
}

}  // namespace

Preface preface_of(std::string_view text, bool ended) {
  std::string low = lowered(text.substr(0, kLooked));
  // Half of a typographic apostrophe.
  if (!ended && (low.ends_with("\xe2") || low.ends_with("\xe2\x80"))) low.resize(low.rfind('\xe2'));
  for (const Opener& opener : kOpeners) {
    if (low.size() < opener.words.size() && opener.words.starts_with(low) && !ended)
      return {.kind = Preface::Kind::kUnclear};
  }
  const Opener* found = nullptr;
  for (const Opener& opener : kOpeners)
    if (low.starts_with(opener.words)) found = &opener;
  if (found == nullptr) return {};
  bool whole = ended || text.size() >= kLooked;
  if (found->refuses) {
    size_t sentence = low.find_first_of(".\n!", found->words.size());
    std::string_view first = std::string_view(low).substr(0, sentence);
    if (any_in(first, kRefuses) && (sentence != std::string::npos || whole))
      return {Preface::Kind::kRefusal, 0, found->language};
    if (sentence == std::string::npos && !whole) return {.kind = Preface::Kind::kUnclear};
    return {};
  }
  size_t stop = text.substr(0, kLooked).find_first_of(":\n");
  if (stop == std::string_view::npos) return whole ? Preface{} : Preface{.kind = Preface::Kind::kUnclear};
  if (!any_in(std::string_view(low).substr(0, stop), kAnnounces)) return {};
  // White space behind it may still be coming.
  size_t size = end_of_announcement(text);
  bool open = size == text.size() || (text[size - 1] == '\n' && size - stop < 3 && size == text.size());
  if (open && !ended) return {.kind = Preface::Kind::kUnclear};
  return {Preface::Kind::kPreface, size, found->language};
}

}  // namespace perdure
