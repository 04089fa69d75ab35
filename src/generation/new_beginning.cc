#include "generation/new_beginning.h"

#include <algorithm>
#include <array>

#include "generation/continuation_words.h"

namespace perdure {
namespace {

constexpr size_t kLooked = 200;
constexpr size_t kEchoWords = 5;  // in a row
constexpr size_t kRepeated = 24;  // bytes of it that must be the same

// With which a sentence begins, and hardly ever the second half of a word.
constexpr std::array<std::string_view, 46> kStarters = {
    "I",    "The",   "This", "That", "It",    "You",  "We",   "He",   "She",    "They", "My",    "Your",
    "Here", "There", "In",   "To",   "Write", "Once", "One",  "Dear", "Please", "Sure", "A",     "An",
    "And",  "But",   "So",   "Je",   "Le",    "La",   "Les",  "Il",   "Elle",   "Une",  "Voici", "Der",
    "Die",  "Das",   "Ich",  "Es",   "Ein",   "Eine", "Hier", "El",   "Los",    "Yo"};
constexpr std::array<std::string_view, 6> kLeads = {"The ", "A ", "An ", "And ", "So ", "But "};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
char lowered(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// The next word of `text` from `at` on, which is moved behind it; letters of other scripts are part of words.
std::string_view word(std::string_view text, size_t& at) {
  auto part = [](char c) { return is_letter(c) || static_cast<unsigned char>(c) >= 0x80 || c == '\''; };
  while (at < text.size() && !part(text[at])) ++at;
  size_t begin = at;
  while (at < text.size() && part(text[at])) ++at;
  return text.substr(begin, at - begin);
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lowered(x) == lowered(y); });
}

// Whether so many words in a row of `text` stand in `words`.
bool echoes(std::string_view text, std::string_view words) {
  for (size_t begin = 0; begin < text.size();) {
    size_t next = begin;
    if (word(text, next).empty()) return false;
    for (size_t there = 0; there < words.size();) {
      size_t a = begin, b = there, run = 0;
      for (std::string_view x = word(text, a), y = word(words, b); !x.empty() && same(x, y);
           x = word(text, a), y = word(words, b))
        if (++run == kEchoWords) return true;
      if (word(words, there).empty()) break;
    }
    begin = next;
  }
  return false;
}

}  // namespace

NewBeginning new_beginning_of(std::string_view held, std::string_view text, Language language, bool ended) {
  std::string_view start = text.substr(0, kLooked);
  if (held.empty() || start.empty()) return {};
  // A whole first sentence is looked at for an echo, but only where it could be one: it begins with a capital.
  if (is_upper(start[0])) {
    size_t sentence = start.find_first_of(".\n:");
    if (echoes(start.substr(0, sentence), continuation_words(language))) return {.kind = NewBeginning::Kind::kEcho};
  }
  if (is_lower(held.back()) && is_upper(start[0])) {
    size_t at = 0;
    std::string_view first = word(start, at);
    bool whole = at < start.size() || ended;
    first = first.substr(0, first.find('\''));  // I'm, It's
    if (std::ranges::find(kStarters, first) != kStarters.end()) {
      if (!whole) return {.kind = NewBeginning::Kind::kUnclear};
      // A start-over with a word in front is worth more than giving up.
      for (std::string_view lead : kLeads)
        if (start.starts_with(lead) && held.size() > kRepeated) {
          std::string_view again = start.substr(lead.size());
          if (again.empty() && !ended) return {.kind = NewBeginning::Kind::kUnclear};
          if (again.empty() || lowered(held[0]) != lowered(again[0])) continue;
          std::string_view rest = again.substr(1, kRepeated);
          if (!held.substr(1).starts_with(rest)) continue;
          if (rest.size() == kRepeated) return {NewBeginning::Kind::kReworded, lead.size() + 1};
          if (!ended) return {.kind = NewBeginning::Kind::kUnclear};
        }
      // A sentence that may yet turn out to be an echo is a new beginning all the same.
      return {.kind = NewBeginning::Kind::kRunIn};
    }
    if (!whole && std::ranges::any_of(kStarters, [&](std::string_view s) { return s.starts_with(first); }))
      return {.kind = NewBeginning::Kind::kUnclear};
  }
  return {};
}

}  // namespace perdure
