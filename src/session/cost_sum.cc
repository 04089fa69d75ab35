#include "session/cost_sum.h"

#include <algorithm>

#include "routing/charge.h"

namespace perdure {

AttemptCost account_cost(const Placement& placement) {
  if (!placement.ended) {
    AttemptCost running = placement.started.expected;
    if (running.unknown.empty()) running.unknown = "running";
    return running;
  }
  AttemptCost cost = placement.ended->cost;
  if (cost.empty()) cost.unknown = "not_recorded";
  return cost;
}

void CostSum::add(const AttemptCost& cost) {
  ++attempts_;
  if (cost.unknown == "not_served") return;
  Result<Money> weight = weight_of(cost);
  if (!weight.ok()) {
    ++unknown_;
    return;
  }
  auto total = std::ranges::find(totals_, weight->currency(), [](const Total& t) { return t.amount.currency(); });
  if (total == totals_.end()) total = totals_.insert(total, {Money(weight->currency()), Money(weight->currency())});
  bool exact = !cost.amount.empty();
  if (!exact) ++estimated_;
  // Sums past 10^20 are nobody's bill.
  if (Result<Money> sum = total->with_estimates.plus(*weight); sum.ok()) total->with_estimates = *sum;
  if (exact)
    if (Result<Money> sum = total->amount.plus(*weight); sum.ok()) total->amount = *sum;
}

}  // namespace perdure
