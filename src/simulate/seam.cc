#include "simulate/seam.h"

#include <algorithm>
#include <array>

#include "base/random.h"
#include "simulate/tokens.h"

namespace perdure::simulate {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Where the last `words` words of `text` begin; what stands between words belongs to neither.
size_t last_words(std::string_view text, uint64_t words) {
  size_t at = text.size();
  for (; words > 0 && at > 0; --words) {
    while (at > 0 && !is_word(text[at - 1])) --at;
    while (at > 0 && is_word(text[at - 1])) --at;
  }
  return at;
}

std::string preface(SeededRandom& random) {
  static constexpr std::array<std::string_view, 4> kPrefaces = {
      "Sure, here is the rest: ", "Sure, here is the rest:\n\n",
      "Continuing from where I left off: ", "Of course! Picking up where it stopped:\n\n"};
  return std::string(kPrefaces[random.below(kPrefaces.size())]);
}

// The rest after other white space than it had: a space lost or won at the seam, a new paragraph, or an overlap of some
// words whose spaces have become line breaks.
std::string other_white_space(std::string_view whole, size_t held, SeededRandom& random) {
  const std::string_view rest = whole.substr(held);
  switch (random.below(3)) {
    case 0:
      if (!rest.empty() && is_space(rest.front())) {
        const size_t word = std::min(rest.find_first_not_of(" \t\r\n"), rest.size());
        return std::string(rest.substr(word));
      }
      return " " + std::string(rest);
    case 1:
      return "\n\n" + std::string(rest.substr(std::min(rest.find_first_not_of(" \t\r\n"), rest.size())));
    default: {
      const size_t from = last_words(whole.substr(0, held), 4 + random.below(3));
      std::string out(whole.substr(from, held - from));
      std::ranges::replace(out, ' ', '\n');
      return out.append(rest);
    }
  }
}

// The line that opened the fence in which `text` ends; empty: it ends outside of one.
std::string_view open_fence(std::string_view text) {
  std::string_view opened;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with("```")) opened = opened.empty() ? line : std::string_view();
    at = end + 1;
  }
  return opened;
}

// Inside of a code block it opens the block again and writes the broken line anew; elsewhere it wraps the rest in one.
std::string reopened_fence(std::string_view whole, size_t held) {
  const std::string_view before = whole.substr(0, held);
  const std::string_view fence = open_fence(before);
  if (fence.empty()) return "```\n" + std::string(whole.substr(held)) + "\n```";
  const size_t line = before.rfind('\n') + 1;  // 0 where there is none
  return std::string(fence) + "\n" + std::string(whole.substr(line));
}

// As many words as the rest has, none of them the right one.
std::string other_language(std::string_view rest, SeededRandom& random) {
  static constexpr std::array<std::string_view, 16> kWords = {
      "und",  "dann",   "noch",   "weiter", "über",   "schließlich", "Wasser", "Haus",
      "grün", "später", "Straße", "immer",  "wieder", "größer",      "dort",   "Ende"};
  std::string out = "Hier ist der Rest: ";
  for (size_t at = 0; at < rest.size();) {
    if (!is_word(rest[at])) {
      out += rest[at++];
      continue;
    }
    while (at < rest.size() && is_word(rest[at])) ++at;
    out += kWords[random.below(kWords.size())];
  }
  return out;
}

}  // namespace

void go_on(Answer& whole, std::string_view held, Continuation how, uint64_t seed) {
  SeededRandom random(hash_of(held, seed));
  static constexpr std::array kAll = {Continuation::kExact,    Continuation::kOverlap,    Continuation::kRestart,
                                      Continuation::kPreface,  Continuation::kWhitespace, Continuation::kFence,
                                      Continuation::kLanguage, Continuation::kRefusal};
  if (how == Continuation::kMixed) how = kAll[random.below(3)];
  if (how == Continuation::kRandom) how = kAll[random.below(kAll.size())];
  std::string& text = whole.text;
  switch (how) {
    case Continuation::kRestart:
      return;
    case Continuation::kOverlap:
      text.erase(0, last_words(held, 3 + random.below(6)));
      return;
    case Continuation::kPreface:
      text = preface(random) + text.substr(held.size());
      return;
    case Continuation::kWhitespace:
      text = other_white_space(text, held.size(), random);
      return;
    case Continuation::kFence:
      text = reopened_fence(text, held.size());
      return;
    case Continuation::kLanguage:
      text = other_language(std::string_view(text).substr(held.size()), random);
      return;
    case Continuation::kRefusal:
      text = "I'm sorry, but I can't continue that text.";
      whole.calls.clear();
      whole.finish = Finish::kStop;
      return;
    default:
      text.erase(0, held.size());
  }
}

}  // namespace perdure::simulate
