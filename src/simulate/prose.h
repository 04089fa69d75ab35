#pragma once
// Seeded prose of made-up words: three letters and a number that counts up, "sea1 oak2 fox3.", so that no run of 12
// characters comes twice and a reader sees at once where something is missing or doubled.

#include <cstdint>
#include <string>
#include <string_view>

namespace perdure::simulate {

constexpr int64_t kProseWordsMax = 50'000;  // beyond, runs of 12 characters could repeat

// Exactly `words` words in sentences; begins with "About <topic>:" where a topic is given and leaves room for it.
std::string prose(int64_t words, std::string_view topic, uint64_t seed);

// `words` numbered words without punctuation, numbered from `first`.
std::string numbered_words(int64_t words, int64_t first, uint64_t seed);

}  // namespace perdure::simulate
