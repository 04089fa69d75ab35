#include "routing/attempt_lease.h"

#include "base/planted.h"
#include "routing/router.h"

namespace perdure {

AttemptLease::AttemptLease(Router& router, Cancellation& client, const PlacementAsk& ask, const Decision& decision,
                           const Plan& plan, const Workload& workload, std::unique_ptr<SpendingBook::Hold> hold)
    : router_(router),
      number_(decision.placed.deployment),
      pinned_(router.deployments_[number_].pinned),
      slots_(router.deployments_[number_].slots),
      placed_(decision.placed),
      traffic_(ask.traffic),
      needs_(ask.needs),
      logical_model_(plan.model_of(placed_.tier, ask.model)),
      workload_(workload.name),
      price_(router.deployments_[number_].price),
      hold_(std::move(hold)),
      placed_at_(router.loop_.now()),
      began_(placed_at_),
      cancel_(router.loop_),
      client_hook_(&client, [this] { cancel_.request(); }) {
  RoutedDeployment& d = router_deployment();
  model_ = pinned_->upstream_model.empty() ? logical_model_ : pinned_->upstream_model;
  reason_ = router.reason_of(decision, plan);
  probe_ = d.health.begin();
  credential_probe_ = router.providers_[d.provider].credential.begin();
  if (router.guard_ != nullptr) tokens_noted_ = router.guard_->hold_tokens(traffic_, reserved_tokens(needs_));
  next_ = router.leases_;
  if (next_ != nullptr) next_->previous_ = this;
  router.leases_ = this;
}

AttemptLease::~AttemptLease() {
  if (!done_) (void)ended(Error{Code::kCancelled, "left"});
  (previous_ != nullptr ? previous_->next_ : router_.leases_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

RoutedDeployment& AttemptLease::router_deployment() const { return router_.deployments_[number_]; }

Result<void> AttemptLease::dispatch() {
  if (withdrawn_) return Error{Code::kUnavailable, "the deployment was withdrawn", "", "withdrawn"};
  if (router_.guard_ != nullptr && !planted(PlantedBug::kIgnorePermits)) {
    const Permits* permits = router_.guard_->permits(traffic_);
    if (permits != nullptr && permitted(*permits, deployment(), logical_model_) != Why::kEligible)
      return Error{Code::kDenied, "this API key may not use the deployment any more", "model", "placement_denied"};
  }
  dispatched_ = true;
  began_ = router_.loop_.now();
  return {};
}

void AttemptLease::came(Duration silence) {
  RoutedDeployment& d = router_deployment();
  if (!first_) {
    d.health.gap(silence);
    return;
  }
  first_ = false;
  Instant now = router_.loop_.now();
  if (d.health.first_piece(now - began_, now)) router_.noticed(number_, Health::Change::kClosed, Fault::kNone);
  if (credential_probe_) router_.credential_is_good(d.provider);
}

void AttemptLease::spoke() { router_deployment().health.first_word(router_.loop_.now() - began_); }

std::optional<Duration> AttemptLease::hedge_after(const Workload& workload) const {
  if (workload.hedge_percentile == 0) return workload.hedge_after;
  return router_deployment().health.first_words_within(workload.hedge_percentile);
}

void AttemptLease::outrun() {
  if (dispatched_) router_deployment().health.outrun(router_.loop_.now() - began_);
  cancel_.request();
  (void)ended(Error{Code::kCancelled, "another attempt was quicker"});
}

Duration AttemptLease::stall_limit(Duration most) const {
  return router_deployment().health.stall_limit(router_.options_.health, most);
}

AttemptCost AttemptLease::expected_cost() const { return perdure::expected_cost(expected_use(needs_), price_.get()); }

AttemptCost AttemptLease::settle(AttemptUse use) {
  CHECK(!settled_, "an attempt is settled once");
  settled_ = true;
  if (!dispatched_) use = {};
  note_tokens(tokens_of(use, expected_use(needs_)));
  AttemptCost cost = cost_of(use, expected_use(needs_), price_.get());
  pay(cost);
  return cost;
}

// What was noted of the attempt so far is replaced.
void AttemptLease::note_tokens(int64_t tokens) {
  if (router_.guard_ != nullptr) router_.guard_->note_tokens(traffic_, tokens - tokens_noted_, placed_at_);
  tokens_noted_ = tokens;
}

void AttemptLease::pay(const AttemptCost& cost) {
  if (!hold_) return;
  Result<Money> weight = weight_of(cost);
  if (cost.unknown != "not_served")
    hold_->settle(weight.ok() ? std::optional<Money>(*weight) : std::nullopt, !cost.amount.empty(),
                  router_.loop_.wall());
  hold_.reset();
}

void AttemptLease::cut() {
  if (withdrawn_ || done_ || planted(PlantedBug::kDeafToCuts)) return;
  withdrawn_ = true;
  cancel_.request();
}

Fault AttemptLease::ended(const Result<void>& outcome) {
  CHECK(!done_, "an attempt ends once");
  done_ = true;
  if (!settled_ && dispatched_) pay(expected_cost());
  if (!settled_ && !dispatched_) note_tokens(0);
  hold_.reset();
  RoutedDeployment& d = router_deployment();
  // What somebody here has stopped is nobody's fault, whatever the attempt says of it.
  Fault fault = outcome.ok() || cancel_.requested() ? Fault::kNone : fault_of(outcome.error());
  Instant now = router_.loop_.now();
  Health::Change change = Health::Change::kNone;
  if (outcome.ok()) {
    change = d.health.ended_well();
    if (credential_probe_) router_.credential_is_good(d.provider);
  } else {
    Duration asked = std::chrono::milliseconds(outcome.error().retry_after_ms);
    // Where any name is passed on, a name that is not there is the client's, and no sign of ill health.
    bool any_name = pinned_->model == "*" && pinned_->upstream_model.empty();
    Fault blamed = any_name && fault == Fault::kDeployment ? Fault::kNone : fault;
    change = d.health.ended(blamed, probe_, asked, now, router_.options_.health);
    if (fault == Fault::kCredential)
      router_.credential_is_refused(d.provider, outcome.error().upstream_status);
    else if (credential_probe_)
      router_.providers_[d.provider].credential.probe_left();
  }
  slots_->give_back();
  router_.noticed(number_, change, fault);
  return fault;
}

}  // namespace perdure
