#include "simulate/tokens.h"

#include "base/random.h"

namespace perdure::simulate {
namespace {

constexpr int kTokenCharacters = 4;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

size_t after_character(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

}  // namespace

size_t token_length(std::string_view text) {
  if (text.empty()) return 0;
  size_t at = 0;
  if (text[0] == ' ' && text.size() > 1 && !is_space(text[1])) at = 1;
  if (is_word(text[at])) {
    for (int i = 0; i < kTokenCharacters && at < text.size() && is_word(text[at]); ++i) at = after_character(text, at);
    return at;
  }
  if (!is_space(text[at])) return at + 1;
  for (int i = 0; i < kTokenCharacters && at < text.size() && is_space(text[at]); ++i) ++at;
  return at;
}

int64_t count_tokens(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(token_length(text));
  return count;
}

uint64_t hash_of(std::string_view bytes, uint64_t from) {
  uint64_t hash = 0xcbf29ce484222325ull ^ from;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return SeededRandom(hash ^ bytes.size()).next();
}

}  // namespace perdure::simulate
