#pragma once
// What generation counts. One set for all loops of a process.

#include <array>
#include <string_view>

#include "base/metrics.h"
#include "model/record.h"

namespace perdure {

class GenerationMetrics {
 public:
  explicit GenerationMetrics(Registry& registry);
  // An attempt has ended: its outcome, and how its text was joined with what was shown before.
  void ended(const AttemptEnded& attempt);
  // A second attempt was started beside one that stayed silent; and it was the one that was gone on with.
  void hedged() { hedges_.add(); }
  void hedge_won() { hedges_won_.add(); }

 private:
  static constexpr std::array<std::string_view, 8> kOutcomes = {"completed", "failed",    "cut",         "cancelled",
                                                                "withdrawn", "abandoned", "hedged_away", "other"};
  // "given_up": nothing of what the supplier said could be joined, and none of it was shown.
  static constexpr std::array<std::string_view, 8> kSeams = {"exact", "overlap", "restart",   "preface",
                                                             "fence", "prefill", "ambiguous", "given_up"};
  std::array<Counter*, kOutcomes.size()> outcomes_;
  std::array<Counter*, kSeams.size()> seams_;
  Counter& hedges_;
  Counter& hedges_won_;
};

}  // namespace perdure
