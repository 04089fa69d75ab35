#pragma once
// CostSum: what several attempts have cost together, for each currency: exactly, and with estimates where that is not
// known. Pure.

#include <vector>

#include "catalogue/money.h"
#include "model/response.h"

namespace perdure {

// Of an attempt as its account has it: also of one that still runs, and of one from before costs were kept.
AttemptCost account_cost(const Placement& placement);

class CostSum {
 public:
  struct Total {
    Money amount;          // of the attempts whose cost is exact
    Money with_estimates;  // the same, and what is assumed of the others
  };

  void add(const AttemptCost& cost);

  const std::vector<Total>& totals() const { return totals_; }  // a currency each, in order of appearance
  int64_t attempts() const { return attempts_; }
  int64_t estimated() const { return estimated_; }  // of them, by an estimate that is not 0
  int64_t unknown() const { return unknown_; }      // of them, in no sum: not even an estimate can be made
  bool exact() const { return estimated_ == 0 && unknown_ == 0; }

 private:
  std::vector<Total> totals_;
  int64_t attempts_ = 0, estimated_ = 0, unknown_ = 0;
};

}  // namespace perdure
