#pragma once
// Two kinds of time that must not be mixed. Instant: monotonic, for deadlines and durations, meaningless across
// restarts. WallTime: milliseconds since 1970 UTC, for stamps, may step. Neither clock type has a now(): time is read
// from the Loop (async/loop.h) or a Clock, so that deterministic simulation owns it.

#include <chrono>
#include <cstdint>

namespace perdure {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using rep = int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

struct UnixClock {
  using rep = int64_t;
  using period = std::milli;
  using duration = std::chrono::milliseconds;
  using time_point = std::chrono::time_point<UnixClock, duration>;
  static constexpr bool is_steady = false;
};
using WallTime = UnixClock::time_point;

// An absolute moment by which something must be done. Passed down, each hop may only shorten it.
struct Deadline {
  Instant at = Instant::max();
  static constexpr Deadline never() { return {}; }
  constexpr Deadline sooner(Deadline other) const { return at < other.at ? *this : other; }
};

inline int64_t unix_seconds(WallTime t) { return t.time_since_epoch().count() / 1000; }

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

// The machine's clocks. Only `app` and command-line tools construct it.
Clock& system_clock();

}  // namespace perdure
