#include "simulate/prose.h"

#include <algorithm>
#include <array>

#include "base/random.h"

namespace perdure::simulate {
namespace {

constexpr std::array<std::string_view, 48> kStems = {
    "sea", "oak", "fox", "sun", "map", "jar", "ink", "elm", "owl", "bay", "cup", "fig", "gem", "hut", "ivy", "key",
    "log", "mud", "net", "orb", "pen", "rye", "sky", "tin", "urn", "vat", "wax", "yam", "zip", "ash", "bee", "cod",
    "dew", "egg", "fur", "gum", "hay", "ice", "jam", "kit", "lid", "moo", "nut", "oil", "pod", "ram", "sap", "tar"};

int64_t count_words(std::string_view text) {
  int64_t count = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    count += !space && !inside;
    inside = !space;
  }
  return count;
}

std::string word(SeededRandom& random, int64_t number) {
  return std::string(kStems[random.below(kStems.size())]) + std::to_string(number);
}

}  // namespace

std::string numbered_words(int64_t words, int64_t first, uint64_t seed) {
  SeededRandom random(seed);
  std::string out;
  for (int64_t i = 0; i < words; ++i) {
    if (i > 0) out += ' ';
    out += word(random, first + i);
  }
  return out;
}

std::string prose(int64_t words, std::string_view topic, uint64_t seed) {
  words = std::clamp<int64_t>(words, 0, kProseWordsMax);
  SeededRandom random(seed);
  std::string out;
  int64_t left = words;
  if (const int64_t taken = count_words(topic) + 1; taken > 1 && taken * 2 <= words) {
    out.append("About ").append(topic).append(": ");
    left -= taken;
  }
  int64_t sentence_left = 0;
  for (int64_t number = 1; number <= left; ++number) {
    std::string next = word(random, number);
    if (sentence_left == 0) {
      next[0] = static_cast<char>(next[0] - 'a' + 'A');
      sentence_left = 6 + static_cast<int64_t>(random.below(9));
    }
    out += next;
    if (--sentence_left == 0 || number == left) {
      out += '.';
      if (number != left) out += random.below(6) == 0 ? "\n\n" : " ";
    } else {
      out += random.below(8) == 0 ? ", " : " ";
    }
  }
  return out;
}

}  // namespace perdure::simulate
