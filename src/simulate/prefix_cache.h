#pragma once
// PrefixCache: which beginnings of prompts a supplier has seen, as prompt caches count them. A prompt comes as marks
// (prompt.h): places with the hash of everything before them. Entries live for the time that was asked for, renewed
// when they are read. Bounded: when it is full everything is forgotten.

#include <cstdint>
#include <initializer_list>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "simulate/prompt.h"

namespace perdure::simulate {

struct CacheUse {
  int64_t read = 0;      // tokens found
  int64_t write_5m = 0;  // tokens stored on request, by the time asked for
  int64_t write_1h = 0;
};

class PrefixCache {
 public:
  // `minimum`: prefixes of fewer tokens are not cached. Hits are looked for at marks up to 20 before one that was
  // asked for, as Anthropic does.
  CacheUse use(const std::vector<PrefixMark>& marks, int64_t minimum, Instant now);

 private:
  static constexpr size_t kEntriesMax = 50'000;
  static constexpr size_t kMarksBack = 20;
  struct Entry {
    Instant until{};
    int64_t ttl_s = 0;
  };
  std::unordered_map<uint64_t, Entry> entries_;
};

// Puts marks together while a request is read: a block is whatever the dialect lets be cached as one. What is hashed is
// what a model would see, so that a breakpoint that moves does not change what stands before it.
class PrefixBuilder {
 public:
  void start(std::string_view model);
  void block(std::string_view kind, std::initializer_list<std::string_view> content, int64_t tokens);
  void ask(int64_t ttl_s);  // the caller wants everything up to the last block kept
  std::vector<PrefixMark> take() { return std::move(marks_); }

 private:
  PrefixMark at_;
  std::vector<PrefixMark> marks_;
};

// Marks after every message, kept without being asked, as OpenAI and Google do.
std::vector<PrefixMark> automatic_marks(const Prompt& prompt);

}  // namespace perdure::simulate
