#include "routing/health.h"

#include <algorithm>

namespace perdure {
namespace {

constexpr double kFirstShare = 0.2, kGapShare = 0.05, kErrorShare = 0.1;
constexpr double kPeakFades = 0.9993;  // a half in about a thousand pieces
constexpr Duration kForgotten = std::chrono::minutes(1);
constexpr uint32_t kWordsMin = 16;
constexpr Duration kHedgeFloor = std::chrono::milliseconds(20);

}  // namespace

bool Health::first_piece(Duration after_begin, Instant now) {
  double ns = static_cast<double>(after_begin.count());
  first_ = first_ == 0 ? ns : first_ + kFirstShare * (ns - first_);
  measured_ = now;
  if (breaker_.state(now) != Breaker::State::kHalfOpen) return false;
  // A sign of life, not yet proof of health: the next failure opens it again.
  breaker_.relax();
  errors_ = 0;
  samples_ = 0;
  return true;
}

void Health::gap(Duration silence) {
  double ns = static_cast<double>(silence.count());
  gap_ = gaps_ == 0 ? ns : gap_ + kGapShare * (ns - gap_);
  gap_peak_ = std::max(ns, gap_peak_ * kPeakFades);
  ++gaps_;
}

void Health::first_word(Duration after_begin) {
  words_[words_seen_++ % words_.size()] = std::chrono::duration<float>(after_begin).count();
  if (words_seen_ == 2 * words_.size()) words_seen_ = static_cast<uint32_t>(words_.size());
}

void Health::outrun(Duration after_begin) {
  first_word(after_begin);
  double ns = static_cast<double>(after_begin.count());
  if (ns > first_) first_ += kFirstShare * (ns - first_);
}

std::optional<Duration> Health::first_words_within(int percent) const {
  if (words_seen_ < kWordsMin) return std::nullopt;
  std::array<float, 64> sorted = words_;
  size_t count = std::min<size_t>(words_seen_, sorted.size());
  size_t at = std::min(count - 1, count * static_cast<size_t>(percent) / 100);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(at),
                   sorted.begin() + static_cast<ptrdiff_t>(count));
  Duration within = std::chrono::duration_cast<Duration>(std::chrono::duration<float>(sorted[at]));
  return std::max<Duration>(within, kHedgeFloor);
}

Health::Change Health::ended_well() {
  --in_flight_;
  ++attempts_;
  ++samples_;
  errors_ -= kErrorShare * errors_;
  in_a_row_ = 0;
  rest_wait_ = Duration::zero();
  bool was_open = breaker_.until() != Instant::min();
  breaker_.close();
  return was_open ? Change::kClosed : Change::kNone;
}

Health::Change Health::ended(Fault fault, bool probe, Duration asked, Instant now, const HealthLimits& limits) {
  --in_flight_;
  ++attempts_;
  switch (fault) {
    case Fault::kNone:
      if (probe) breaker_.probe_left();
      return Change::kNone;
    case Fault::kCredential:  // the provider's affair: router.h
      if (probe) breaker_.probe_left();
      ++failures_;
      return Change::kNone;
    case Fault::kBusy: {
      if (probe) breaker_.probe_left();
      ++failures_;
      rest_wait_ = rest_wait_ == Duration::zero() ? limits.rest_first : std::min(rest_wait_ * 2, limits.open_max);
      Duration wait = std::min(asked >= Duration::zero() ? asked : rest_wait_, limits.rest_max);
      rest(now + wait);
      return Change::kRests;
    }
    case Fault::kDeployment:
      ++failures_;
      cause_ = fault;
      breaker_.open(now, limits.refused, limits.refused_max);
      return Change::kOpened;
    case Fault::kSupplier:
      break;
  }
  ++failures_;
  ++samples_;
  ++in_a_row_;
  errors_ += kErrorShare * (1 - errors_);
  bool was_open = !breaker_.admits(now);
  bool bad = in_a_row_ >= limits.failures_to_open ||
             (samples_ >= limits.samples_to_open && errors_ >= limits.error_average_to_open);
  // Attempts that were on their way when it opened add nothing.
  if (was_open && !probe) return Change::kNone;
  if (!probe && !bad) return Change::kNone;
  cause_ = fault;
  breaker_.open(now, limits.open_first, limits.open_max);
  return Change::kOpened;
}

Duration Health::stall_limit(const HealthLimits& limits, Duration most) const {
  if (gaps_ < limits.stall_samples) return most;
  Duration limit(static_cast<int64_t>(gap_peak_ * limits.stall_factor));
  return std::min(std::max(limit, limits.stall_floor), most);
}

Duration Health::expected_first_piece(Instant now) const {
  if (measured_ == Instant::min()) return Duration::zero();
  double value = first_;
  for (Duration age = now - measured_; age > kForgotten && value > 1; age -= kForgotten) value /= 2;
  return Duration(static_cast<int64_t>(value));
}

}  // namespace perdure
