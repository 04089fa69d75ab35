#pragma once
// Health: what one Loop has seen of one deployment, and whether that speaks against sending it another attempt. Pure:
// the clock is handed in. A few numbers, whatever the traffic.
//
//   failures in a row, or an error average over a half   the breaker opens (breaker.h)
//   "come back later" (429)                              rests for as long as the supplier asked, or doubling
//   no such model, forbidden there                       opens at once, for longer
//   silence between pieces                               compared with the silences seen before: stall_limit()

#include <array>
#include <optional>

#include "routing/breaker.h"
#include "routing/fault.h"

namespace perdure {

struct HealthLimits {
  int64_t failures_to_open = 5;        // in a row
  double error_average_to_open = 0.5;  // of the last twenty or so
  int64_t samples_to_open = 20;        // before the average counts
  Duration open_first = std::chrono::seconds(1);
  Duration open_max = std::chrono::seconds(30);
  Duration rest_first = std::chrono::seconds(1);  // when the supplier did not say how long
  Duration rest_max = std::chrono::minutes(10);   // however long it asked for
  Duration refused = std::chrono::seconds(60);    // credential or model refused: until the next probe
  Duration refused_max = std::chrono::minutes(10);
  Duration stall_floor = std::chrono::seconds(5);
  double stall_factor = 6;     // times the longest silence of late
  int64_t stall_samples = 32;  // silences to have seen before they are a measure
};

class Health {
 public:
  bool admits(Instant now) const { return now >= rest_until_ && breaker_.admits(now); }
  bool resting(Instant now) const { return now < rest_until_; }
  Instant rest_until() const { return rest_until_; }
  const Breaker& breaker() const { return breaker_; }
  Fault cause() const { return cause_; }  // why the breaker opened last

  // An attempt begins. True: it is the breaker's probe.
  bool begin() {
    ++in_flight_;
    return breaker_.begin();
  }
  // True: it closed the breaker.
  bool first_piece(Duration after_begin, Instant now);
  void gap(Duration silence);
  // The first piece came that a client would see something of.
  void first_word(Duration after_begin);
  // No word had come when another deployment was quicker: it would have taken longer than this.
  void outrun(Duration after_begin);

  enum class Change : uint8_t { kNone, kOpened, kRests, kClosed };
  // The attempt ended well, or for `fault`; `asked` is the supplier's Retry-After, negative: none.
  Change ended_well();
  Change ended(Fault fault, bool probe, Duration asked, Instant now, const HealthLimits& limits);
  void rest(Instant until) { rest_until_ = std::max(rest_until_, until); }

  // How long silence between two pieces may last; `most` until enough was seen.
  Duration stall_limit(const HealthLimits& limits, Duration most) const;

  // The time within which so many in a hundred first words came, of the last 64; nothing before there were 16.
  std::optional<Duration> first_words_within(int percent) const;

  int64_t in_flight() const { return in_flight_; }
  int64_t attempts() const { return attempts_; }
  int64_t failures() const { return failures_; }
  double error_average() const { return errors_; }
  Duration first_piece_average() const { return Duration(static_cast<int64_t>(first_)); }  // zero: not known
  Duration gap_average() const { return Duration(static_cast<int64_t>(gap_)); }
  // For ranking: the time to a first piece as it may be today. What was measured long ago counts less, so that a
  // deployment that was slow once is looked at again.
  Duration expected_first_piece(Instant now) const;

 private:
  Breaker breaker_;
  Fault cause_ = Fault::kNone;
  Instant rest_until_ = Instant::min();
  Duration rest_wait_{};
  int64_t in_flight_ = 0, attempts_ = 0, failures_ = 0;
  int64_t in_a_row_ = 0, samples_ = 0;
  double errors_ = 0;           // moving average of 0 and 1
  double first_ = 0, gap_ = 0;  // moving averages, ns
  double gap_peak_ = 0;         // decaying maximum, ns
  int64_t gaps_ = 0;
  Instant measured_ = Instant::min();
  std::array<float, 64> words_{};  // times to a first word, in seconds, one after another
  uint32_t words_seen_ = 0;
};

}  // namespace perdure
