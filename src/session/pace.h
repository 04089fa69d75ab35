#pragma once
// CommitPace: how long durable commits and answers take of late, and whether a first commit should wait a little for
// its answer.
//
// A fresh response's first commit and its supplier's call begin together. Where the answer is there before anybody was
// shown anything, starting that commit at once costs a second one, for the ending. Held back, it carries the ending
// too. How long that is worth it depends on what the client waits for:
//   the whole   nothing is told before the ending. Holding back delays nobody, but for an answer that comes while the
//               late commit runs. So it is done for kHoldMax, where most answers come within that.
//   a stream    the beginning is told first. It is held back for about as long as a commit takes, and only where most
//               answers come that fast.
// Answers of real models take longer than either: nothing changes in front of them. Pure; one for each Loop.

#include <algorithm>

#include "base/time.h"

namespace perdure {

class CommitPace {
 public:
  static constexpr Duration kHoldMax = std::chrono::milliseconds(4);

  void committed(Duration took) { commit_ns_ += (static_cast<double>(took.count()) - commit_ns_) * kShare; }
  // From the beginning of a fresh response's making to its end.
  void answered(Duration took) {
    within_commit_ += ((took <= commit() ? 1.0 : 0.0) - within_commit_) * kShare;
    within_hold_ += ((took <= kHoldMax ? 1.0 : 0.0) - within_hold_) * kShare;
  }
  // How long the first commit of a fresh response may wait for the answer; zero: it does not.
  Duration hold(bool streamed) const {
    if (streamed) return within_commit_ > 0.5 ? commit() : Duration::zero();
    return within_hold_ > 0.5 ? kHoldMax : Duration::zero();
  }

 private:
  static constexpr double kShare = 0.125;
  Duration commit() const { return std::min(kHoldMax, Duration(static_cast<int64_t>(commit_ns_))); }
  double commit_ns_ = 0;                        // moving averages
  double within_commit_ = 0, within_hold_ = 0;  // of 0 and 1
};

}  // namespace perdure
