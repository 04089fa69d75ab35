#pragma once
// The one place that says which failures of an attempt are worth another.

#include <algorithm>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace perdure {

inline bool worth_another_attempt(const Error& error) {
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kOverloaded:
    case Code::kDeadline:
    case Code::kCorrupt:
    case Code::kUnknown:
      return true;
    default:
      return false;
  }
}

// Doubling with full jitter in its upper half; at least what the supplier asked for.
inline Duration backoff(int64_t fruitless, const Error& error, Duration first, Duration most, Random& random) {
  Duration full = first;
  for (int64_t i = 1; i < fruitless && full < most; ++i) full *= 2;
  full = std::min(full, most);
  Duration wait = full / 2 + Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(full.count() / 2 + 1))));
  if (error.retry_after_ms > 0) wait = std::max(wait, Duration(std::chrono::milliseconds(error.retry_after_ms)));
  return wait;
}

}  // namespace perdure
