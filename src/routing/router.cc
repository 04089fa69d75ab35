#include "routing/router.h"

#include <algorithm>

namespace perdure {
namespace {

constexpr size_t kReasonMax = 400;
constexpr Duration kLookAgain = std::chrono::milliseconds(20);

uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t z = a ^ (b * 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 31);
}

bool listed(const std::vector<std::string>& list, std::string_view word) {
  return list.empty() || std::ranges::find(list, word) != list.end();
}

long ms_until(Instant at, Instant now) {
  return std::max<long>(1, std::chrono::ceil<std::chrono::milliseconds>(at - now).count());
}

// What the budgets set aside for an attempt; null where nobody watches them.
Result<std::unique_ptr<SpendingBook::Hold>> hold_for(PlacementGuard* guard, const PlacementAsk& ask,
                                                     const Workload& workload, const RoutedDeployment& there) {
  if (guard == nullptr) return std::unique_ptr<SpendingBook::Hold>();
  return guard->hold({ask.traffic, workload.name, there.deployment, ask.needs});
}

}  // namespace

Router::Router(Loop& loop, std::vector<Deployment> deployments, std::vector<Workload> workloads, RoutingOptions options,
               SlotBook* slots, Log log)
    : loop_(loop),
      options_(options),
      log_(std::move(log)),
      plans_({}, {}),
      sticky_(options.sticky_sessions_max, options.sticky_time),
      random_(loop.random().u64()),
      changed_(std::make_shared<Notifier>(loop)) {
  SlotBook own;
  (void)install(std::move(deployments), std::move(workloads), slots != nullptr ? *slots : own);
}

Router::~Router() { CHECK(leases_ == nullptr, "a Router died under its attempts"); }

size_t Router::attempts_running() const {
  size_t count = 0;
  for (const AttemptLease* lease = leases_; lease != nullptr; lease = lease->next_) ++count;
  return count;
}

// --- decisions

size_t Router::workload_number(const Traffic& traffic, std::string_view model) const {
  for (size_t i = 0; i < workloads_.size(); ++i) {
    const Workload& w = workloads_[i];
    if (listed(w.tenants, traffic.tenant.value) && listed(w.keys, traffic.key.value) && listed(w.models, model))
      return i;
  }
  // The default's own conditions, where the owner has set some, do not leave a request without a workload.
  return workloads_.size() - 1;
}

Workload Router::workload_of(const Traffic& traffic, std::string_view model) const {
  return workloads_[workload_number(traffic, model)];
}

bool Router::relays(const Traffic& traffic, std::string_view model, std::string_view dialect) const {
  const Plan* plan = plans_.find(model, workload_number(traffic, model));
  return plan == nullptr || std::ranges::any_of(plan->candidates, [&](const Candidate& candidate) {
           return deployments_[candidate.deployment].pinned->provider->relays() == dialect;
         });
}

void Router::answer_begun(const PlacementAsk& ask) {
  retries_[workload_number(ask.traffic, ask.model)].answer_begun(loop_.now());
}

Result<const Plan*> Router::plan_of(const PlacementAsk& ask, size_t workload) const {
  if (deployments_.empty())
    return Error{Code::kUnavailable,
                 "no provider is configured: set OPENAI_API_KEY or OPENAI_BASE_URL, or name one in "
                 "perdure.yaml",
                 "", "no_provider"};
  const Plan* plan = plans_.find(ask.model, workload);
  if (plan == nullptr)
    return Error{Code::kNotFound, "no deployment serves the model \"" + std::string(ask.model) + "\"", "model",
                 "model_not_found"};
  return plan;
}

Decision Router::decide(const PlacementAsk& ask, const Plan& plan, size_t workload) {
  return decide_among(ask, plan, workload, false);
}

Decision Router::decide_at(const PlacementAsk& ask, const Plan& plan, size_t workload, uint32_t deployment) {
  Plan only{.candidates = {}, .stand_ins = plan.stand_ins};
  for (const Candidate& candidate : plan.candidates)
    if (candidate.deployment == deployment) only.candidates.push_back(candidate);
  return decide_among(ask, only, workload, true);
}

Decision Router::decide_among(const PlacementAsk& ask, const Plan& plan, size_t workload, bool slot_held) {
  Instant now = loop_.now();
  uint32_t sticky = Sticky::kNone;
  if (ask.traffic.session != 0)
    sticky = sticky_.find(mixed(ask.traffic.session, std::hash<std::string_view>{}(ask.model)), now);
  Surroundings surroundings{.deployments = deployments_,
                            .providers = providers_,
                            .workload = workloads_[workload],
                            .permits = guard_ != nullptr ? guard_->permits(ask.traffic) : nullptr,
                            .guard = guard_,
                            .retries = &retries_[workload],
                            .sticky = sticky,
                            .slot_held = slot_held,
                            .now = now,
                            .random = random_};
  return choose(plan, ask, surroundings);
}

Result<Placed> Router::place(const PlacementAsk& ask) {
  size_t workload = workload_number(ask.traffic, ask.model);
  TRY(const Plan* plan, plan_of(ask, workload));
  Decision decision = decide(ask, *plan, workload);
  if (!decision.found()) return error_of(ask, decision);
  return decision.placed;
}

Result<void> Router::check(const PlacementAsk& ask) {
  size_t workload = workload_number(ask.traffic, ask.model);
  TRY(const Plan* plan, plan_of(ask, workload));
  Decision decision = decide(ask, *plan, workload);
  if (decision.found() || decision.wait_until <= loop_.now() + options_.patience) return {};
  return error_of(ask, decision);
}

Result<RateBook::Reserve> Router::admit(const Traffic& traffic, const Needs& needs) {
  if (guard_ == nullptr) return RateBook::Reserve();
  return guard_->admit(traffic, reserved_tokens(needs));
}

Error Router::error_of(const PlacementAsk& ask, const Decision& decision) const {
  std::string model = "\"" + std::string(ask.model) + "\"";
  Error out{Code::kUnavailable, "no deployment of the model " + model};
  auto cannot = [&](Capability capability, std::string_view what) {
    out.code = Code::kInvalid;
    out.param = param_of(capability);
    out.reason = "unsupported";
    out.message += " takes " + std::string(what);
  };
  Instant now = loop_.now();
  if (decision.retry_at != Instant::max()) out.retry_after_ms = ms_until(decision.retry_at, now);
  switch (decision.furthest) {
    case Why::kLacksTools:
      cannot(Capability::kTools, "tools");
      break;
    case Why::kLacksImages:
      cannot(Capability::kImages, "images");
      break;
    case Why::kLacksFiles:
      cannot(Capability::kFiles, "files");
      break;
    case Why::kLacksStructuredOutput:
      cannot(Capability::kStructuredOutput, "a format for its output");
      break;
    case Why::kLacksReasoning:
      cannot(Capability::kReasoning, "a reasoning effort");
      break;
    case Why::kContextTooLong:
      out.code = Code::kInvalid;
      out.param = "input";
      out.reason = "context_length_exceeded";
      out.message += " has room for this context of about " + std::to_string(ask.needs.context_tokens) + " tokens";
      break;
    case Why::kOutputTooLong:
      out.code = Code::kInvalid;
      out.param = "max_output_tokens";
      out.reason = "unsupported";
      out.message += " writes as many tokens as max_output_tokens asks for";
      break;
    case Why::kRegion:
    case Why::kParty:
      out.code = Code::kDenied;
      out.param = "model";
      out.reason = "placement_denied";
      out.message += " may be used for this workload: its rules name the regions and parties that may";
      break;
    case Why::kKeyModel:
    case Why::kKeyParty:
    case Why::kKeyRegion:
      out.code = Code::kDenied;
      out.param = "model";
      out.reason = "placement_denied";
      out.message += " may be used with this API key";
      break;
    case Why::kOtherAuthor:
    case Why::kFailedHere:
    case Why::kAtIt:
    case Why::kEligible:
      out.reason = "provider_unavailable";
      out.message += " is left that may go on with this answer";
      break;
    case Why::kWithdrawn:
      out.reason = "withdrawn";
      out.message += " is in use: its operator has withdrawn them";
      break;
    case Why::kCredential:
      out.reason = "provider_credential_refused";
      out.message += " can be reached: the supplier refuses the server's credential";
      break;
    case Why::kRefusedThere:
    case Why::kBroken:
      out.reason = "provider_unavailable";
      out.message += " is healthy";
      break;
    case Why::kResting:
      out.code = Code::kOverloaded;
      out.reason = "provider_overloaded";
      out.message += " takes requests now: the supplier asked for a pause";
      break;
    case Why::kFull:
      out.code = Code::kOverloaded;
      out.reason = "provider_queue_full";
      out.message += " has room, nor its queue";
      break;
    case Why::kBudget:
      if (decision.budget) return *decision.budget;
      break;
    case Why::kBackingOff:
    case Why::kRetryBudget:
      out.code = Code::kOverloaded;
      out.reason = "retry_budget";
      out.message += " is to be tried again so soon";
      break;
  }
  return out;
}

std::string Router::reason_of(const Decision& decision, const Plan& plan) const {
  const Placed& placed = decision.placed;
  std::string out(deployments_[placed.deployment].deployment.name);
  out += placed.sticky ? " by session" : " by ";
  if (!placed.sticky) out += name_of(placed.policy);
  out += ", of " + std::to_string(placed.candidates);
  if (placed.tier > 0) out += ", stand-in " + plan.stand_ins[placed.tier - 1];
  if (placed.must_wait) out += ", after waiting";
  size_t shown = 0;
  for (; shown < std::min<size_t>(placed.refused, Placed::kShown) && out.size() < kReasonMax; ++shown) {
    const Considered& each = placed.considered[shown];
    if (each.deployment == placed.deployment) continue;
    out += "; " + deployments_[each.deployment].deployment.name + " " + std::string(name_of(each.why));
  }
  if (shown < placed.refused) out += "; and " + std::to_string(placed.refused - shown) + " more";
  return out;
}

// --- attempts

Result<std::unique_ptr<AttemptLease>> Router::start(const PlacementAsk& ask, const Decision& decision, const Plan& plan,
                                                    size_t workload, Cancellation& client) {
  uint32_t number = decision.placed.deployment;
  TRY(std::unique_ptr<SpendingBook::Hold> hold, hold_for(guard_, ask, workloads_[workload], deployments_[number]));
  for (const Tried& each : ask.tried)
    if (each.deployment == number && each.failures > 0) retries_[workload].take();
  stays_at(ask, number);
  return std::unique_ptr<AttemptLease>(
      new AttemptLease(*this, client, ask, decision, plan, workloads_[workload], std::move(hold)));
}

std::unique_ptr<AttemptLease> Router::begin_beside(const PlacementAsk& ask, Cancellation& client) {
  size_t workload = workload_number(ask.traffic, ask.model);
  Result<const Plan*> plan = plan_of(ask, workload);
  if (!plan.ok() || !retries_[workload].has_one(loop_.now())) return nullptr;
  Decision decision = decide(ask, **plan, workload);
  if (!decision.found() || decision.placed.must_wait) return nullptr;
  RoutedDeployment& there = deployments_[decision.placed.deployment];
  if (!there.slots->take()) return nullptr;
  Result<std::unique_ptr<SpendingBook::Hold>> hold = hold_for(guard_, ask, workloads_[workload], there);
  if (!hold.ok()) {
    there.slots->give_back();
    return nullptr;
  }
  retries_[workload].take();
  return std::unique_ptr<AttemptLease>(
      new AttemptLease(*this, client, ask, decision, **plan, workloads_[workload], *std::move(hold)));
}

void Router::stays_at(const PlacementAsk& ask, uint32_t deployment) {
  if (ask.traffic.session != 0)
    sticky_.put(mixed(ask.traffic.session, std::hash<std::string_view>{}(ask.model)), deployment, loop_.now());
}

Task<Result<std::unique_ptr<AttemptLease>>> Router::begin(const PlacementAsk& ask, Deadline deadline,
                                                          Cancellation& client) {
  Deadline give_up = Deadline{loop_.now() + options_.patience}.sooner(deadline);
  std::optional<Slots::Ticket> ticket;
  uint32_t queued_at = UINT32_MAX;
  std::shared_ptr<Slots> queued_for;
  std::shared_ptr<Notifier> changed = changed_;
  Cancellation::Hook hook(&client, [changed] { changed->notify_all(); });
  for (;;) {
    if (client.requested()) co_return Error{Code::kCancelled, "cancelled"};
    // Asked again each time: what is configured may have changed while it waited.
    size_t workload = workload_number(ask.traffic, ask.model);
    CO_TRY(const Plan* plan, plan_of(ask, workload));
    if (ticket && deployments_[queued_at].slots != queued_for) ticket.reset();
    Decision decision = decide(ask, *plan, workload);
    uint32_t chosen = decision.placed.deployment;
    if (ticket) {
      // A place in the queue, or the slot that came of it, is worth keeping while its deployment is.
      Decision there = decide_at(ask, *plan, workload, queued_at);
      if (!there.found()) {
        ticket.reset();
        continue;
      }
      if (ticket->granted()) {
        decision.placed.deployment = queued_at;
        decision.placed.tier = there.placed.tier;
        decision.placed.must_wait = true;
        Result<std::unique_ptr<AttemptLease>> lease = start(ask, decision, *plan, workload, client);
        if (lease.ok()) {
          ticket->taken();
          co_return std::move(lease);
        }
        ticket.reset();
        (void)co_await changed->wait({std::min(give_up.at, loop_.now() + kLookAgain)});
        continue;
      }
    }
    Instant wake = give_up.at;
    if (decision.found() && !decision.placed.must_wait && deployments_[chosen].slots->take()) {
      Result<std::unique_ptr<AttemptLease>> lease = start(ask, decision, *plan, workload, client);
      if (lease.ok()) co_return std::move(lease);
      deployments_[chosen].slots->give_back();
      wake = std::min(wake, loop_.now() + kLookAgain);
    } else if (!decision.found() && !ticket) {
      if (decision.wait_until > give_up.at || loop_.now() >= give_up.at) co_return error_of(ask, decision);
      wake = std::min(wake, decision.wait_until);
    } else if (!ticket) {
      ticket.emplace(deployments_[chosen].slots, changed_);
      queued_at = chosen;
      queued_for = deployments_[chosen].slots;
      if (ticket->join()) continue;
      ticket.reset();  // somebody on another loop was quicker
      wake = std::min(wake, loop_.now() + kLookAgain);
    }
    if (loop_.now() >= give_up.at)
      co_return Error{.code = Code::kOverloaded,
                      .message = "every deployment of the model \"" + std::string(ask.model) +
                                 "\" is full, and waiting for one took too long",
                      .reason = "provider_queue_timeout",
                      .retry_after_ms = 1000};
    (void)co_await changed->wait({wake});
  }
}

// --- what changes from outside

void Router::set_withdrawals(std::vector<Withdrawal> withdrawals) {
  withdrawals_ = std::move(withdrawals);
  auto covering = [&](const Deployment& deployment, bool cut) {
    return std::ranges::any_of(withdrawals_, [&](const Withdrawal& w) {
      return (!cut || w.mode == WithdrawalMode::kCut) && w.covers(deployment);
    });
  };
  for (RoutedDeployment& d : deployments_) d.withdrawn = covering(d.deployment, false);
  for (AttemptLease* lease = leases_; lease != nullptr; lease = lease->next_) {
    if (!covering(lease->deployment(), false)) continue;
    if (!lease->dispatched_ || covering(lease->deployment(), true)) lease->cut();
  }
  changed();
}

void Router::hear(const HealthNews& news) {
  // While the configuration is being read again, some know more than others.
  bool known =
      news.kind == HealthNews::Kind::kRests ? news.number < deployments_.size() : news.number < providers_.size();
  if (!known) return;
  switch (news.kind) {
    case HealthNews::Kind::kRests:
      deployments_[news.number].health.rest(news.until);
      break;
    case HealthNews::Kind::kCredentialRefused:
      if (providers_[news.number].credential.admits(loop_.now()))
        providers_[news.number].credential.open(loop_.now(), options_.health.refused, options_.health.refused_max);
      break;
    case HealthNews::Kind::kCredentialGood:
      providers_[news.number].credential.close();
      changed();
      break;
  }
}

void Router::credential_is_refused(uint32_t provider, int status) {
  RoutedProvider& p = providers_[provider];
  Instant now = loop_.now();
  if (!p.credential.admits(now) && !p.credential.probing()) return;  // others were on their way; it is known already
  p.credential.open(now, options_.health.refused, options_.health.refused_max);
  log_.error("provider.credential_refused",
             {{"provider", p.name},
              {"status", status},
              {"next_probe_s", std::chrono::duration<double>(p.credential.until() - now).count()}});
  if (news_) news_({.kind = HealthNews::Kind::kCredentialRefused, .number = provider, .until = p.credential.until()});
}

void Router::credential_is_good(uint32_t provider) {
  RoutedProvider& p = providers_[provider];
  if (p.credential.until() == Instant::min()) return;
  p.credential.close();
  log_.info("provider.credential_accepted", {{"provider", p.name}});
  if (news_) news_({.kind = HealthNews::Kind::kCredentialGood, .number = provider});
}

void Router::noticed(uint32_t deployment, Health::Change change, Fault fault) {
  const RoutedDeployment& d = deployments_[deployment];
  Instant now = loop_.now();
  switch (change) {
    case Health::Change::kOpened:
      log_.warn("deployment.opened",
                {{"deployment", d.deployment.name},
                 {"cause", name_of(fault)},
                 {"seconds", std::chrono::duration<double>(d.health.breaker().until() - now).count()}});
      break;
    case Health::Change::kRests:
      log_.warn("deployment.rests", {{"deployment", d.deployment.name},
                                     {"seconds", std::chrono::duration<double>(d.health.rest_until() - now).count()}});
      if (news_) news_({.kind = HealthNews::Kind::kRests, .number = deployment, .until = d.health.rest_until()});
      break;
    case Health::Change::kClosed:
      log_.info("deployment.closed", {{"deployment", d.deployment.name}});
      break;
    case Health::Change::kNone:
      break;
  }
  changed();
}

}  // namespace perdure
