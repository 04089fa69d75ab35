#pragma once
// CommitPace: how long durable commits take of late, and whether a first commit should wait a little for its answer.
//
// A fresh response's first commit and its supplier's call begin together. Where whole answers come faster than one
// commit takes, starting that commit at once costs them a second one, for the ending. Held back for about as long as a
// commit takes, it carries the ending too. Where answers take longer than that, as those of real models do, holding
// back would win nothing, so it is done only while most answers of late have come that fast. Pure; one for each Loop.

#include <algorithm>

#include "base/time.h"

namespace perdure {

class CommitPace {
 public:
  static constexpr Duration kHoldMax = std::chrono::milliseconds(4);

  void committed(Duration took) { commit_ns_ += (static_cast<double>(took.count()) - commit_ns_) * kShare; }
  // From the beginning of a fresh response's making to its end.
  void answered(Duration took) { fast_ += ((took <= worth() ? 1.0 : 0.0) - fast_) * kShare; }
  // How long the first commit of a fresh response may wait for the answer; zero: it does not.
  Duration hold() const { return fast_ > 0.5 ? worth() : Duration::zero(); }

 private:
  static constexpr double kShare = 0.125;
  Duration worth() const { return std::min(kHoldMax, Duration(static_cast<int64_t>(commit_ns_))); }
  double commit_ns_ = 0;  // moving averages
  double fast_ = 0;       // of 0 and 1
};

}  // namespace perdure
