#pragma once
// Breaker: keeps traffic away from what fails. Closed: all may pass. Open: none until a moment. Then half open: one
// attempt at a time goes to find out, and its first sign of life closes the breaker, its failure opens it for twice as
// long. Pure: the clock is handed in. Lives on one Loop.

#include <algorithm>
#include <string_view>

#include "base/time.h"

namespace perdure {

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kHalfOpen, kOpen };

  State state(Instant now) const { return !open_ ? State::kClosed : now < until_ ? State::kOpen : State::kHalfOpen; }
  bool admits(Instant now) const { return !open_ || (now >= until_ && !probing_); }
  // The soonest moment at which it may admit; with a probe on its way nobody knows.
  Instant until() const { return open_ ? until_ : Instant::min(); }
  bool probing() const { return probing_; }

  // An attempt that was admitted begins. True: it is the probe, and one of the other three must be told of its end.
  bool begin() {
    if (!open_) return false;
    probing_ = true;
    return true;
  }
  // A sign of life: others may pass. The next open() still waits for longer than the last one did.
  void relax() { open_ = probing_ = false; }
  void close() {
    relax();
    wait_ = Duration::zero();
  }
  void open(Instant now, Duration first, Duration most) {
    wait_ = std::min(std::max(wait_ * 2, first), most);
    open_ = true;
    probing_ = false;
    until_ = now + wait_;
  }
  void probe_left() { probing_ = false; }  // it ended without telling anything

 private:
  bool open_ = false, probing_ = false;
  Instant until_{};
  Duration wait_{};
};

constexpr std::string_view name_of(Breaker::State state) {
  return state == Breaker::State::kClosed ? "closed" : state == Breaker::State::kOpen ? "open" : "half_open";
}

}  // namespace perdure
