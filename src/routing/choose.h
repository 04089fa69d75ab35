#pragma once
// choose(): the decision itself. Pure: everything that it looks at is handed in, and the same input gives the same
// answer. It allocates nothing.

#include <memory>
#include <optional>

#include "base/random.h"
#include "routing/cost_rank.h"
#include "routing/health.h"
#include "routing/plan.h"
#include "routing/retry_budget.h"
#include "routing/slots.h"

namespace perdure {

// What a Router knows of one deployment.
struct RoutedDeployment {
  Deployment deployment;
  uint32_t provider = 0;  // index into the providers
  CapabilitySet lacks;    // what it is known not to be able to do
  int64_t context_tokens_max = INT64_MAX, output_tokens_max = INT64_MAX;
  CostRank cost;
  std::shared_ptr<const Price> price;  // as it was when this was made; null: not known
  Health health;
  std::shared_ptr<Slots> slots;
  bool withdrawn = false;
  // The configuration has it no longer: in no plan, and known only for attempts that it began.
  bool retired = false;
  std::shared_ptr<const Deployment> pinned = {};  // the same as `deployment`; attempts hold on to it
};

struct RoutedProvider {
  std::string name;
  Breaker credential;  // open while its credential is refused
};

struct Decision {
  Placed placed;  // deployment is UINT32_MAX when nothing is eligible
  bool found() const { return placed.deployment != UINT32_MAX; }
  // When nothing is: the furthest that a candidate came; the soonest moment at which that may change by itself, for the
  // client to know; the same for what is worth waiting for, which a refused credential is not; what the budget said.
  // Instant::max(): never.
  Why furthest = Why::kEligible;
  Instant retry_at = Instant::max(), wait_until = Instant::max();
  std::optional<Error> budget;
};

struct Surroundings {
  std::span<RoutedDeployment> deployments;
  std::span<RoutedProvider> providers;
  const Workload& workload;
  const Permits* permits = nullptr;
  PlacementGuard* guard = nullptr;
  RetryTokens* retries = nullptr;
  uint32_t sticky = UINT32_MAX;  // who served the session last
  bool slot_held = false;        // of the only candidate: its queue does not matter
  Instant now;
  SeededRandom& random;
};

Decision choose(const Plan& plan, const PlacementAsk& ask, const Surroundings& s);

}  // namespace perdure
