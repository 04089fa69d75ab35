#pragma once
// RetryTokens: how often answers of one workload may be tried again at a deployment that has failed them before, so
// that a supplier in trouble is not buried under repeats. Going on elsewhere is free. Pure: the clock is handed in.
// Lives on one Loop.

#include <algorithm>

#include "routing/workload.h"

namespace perdure {

class RetryTokens {
 public:
  explicit RetryTokens(RetryBudget budget) : budget_(budget), tokens_(most()) {}
  void answer_begun(Instant now) {
    refill(now);
    tokens_ = std::min(tokens_ + budget_.ratio, most());
  }
  bool has_one(Instant now) {
    refill(now);
    return tokens_ >= 1;
  }
  void take() { tokens_ -= 1; }
  // When the next one will be there, should nobody begin anything.
  Instant next(Instant now) const {
    if (budget_.per_second <= 0) return now + std::chrono::seconds(1);
    return now + Duration(static_cast<int64_t>((1 - std::min(tokens_, 1.0)) / budget_.per_second * 1e9) + 1);
  }

 private:
  double most() const { return std::max(10.0, 10 * budget_.per_second); }  // ten seconds' worth
  void refill(Instant now) {
    if (now <= filled_) return;
    if (filled_ != Instant::min()) {
      double seconds = std::chrono::duration<double>(now - filled_).count();
      tokens_ = std::min(tokens_ + seconds * budget_.per_second, most());
    }
    filled_ = now;
  }
  RetryBudget budget_;
  double tokens_;
  Instant filled_ = Instant::min();
};

}  // namespace perdure
