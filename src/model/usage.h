#pragma once
// Token counts of one answer, as a superset of what suppliers report: input includes what was cached, output includes
// what was reasoned (OpenAI's reading).

#include <cstdint>

namespace perdure {

struct Usage {
  int64_t input_tokens = 0;
  int64_t cached_tokens = 0;  // part of input: read from the supplier's prompt cache
  int64_t output_tokens = 0;
  int64_t reasoning_tokens = 0;    // part of output
  bool known = false;              // false: the supplier did not say
  int64_t cache_write_tokens = 0;  // part of input: written to it

  Usage& operator+=(const Usage& other) {
    input_tokens += other.input_tokens;
    cached_tokens += other.cached_tokens;
    cache_write_tokens += other.cache_write_tokens;
    output_tokens += other.output_tokens;
    reasoning_tokens += other.reasoning_tokens;
    known = known || other.known;
    return *this;
  }
  bool operator==(const Usage&) const = default;
};

}  // namespace perdure
