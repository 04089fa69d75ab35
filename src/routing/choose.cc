#include "routing/choose.h"

#include <algorithm>
#include <tuple>

#include "base/planted.h"

namespace perdure {
namespace {

constexpr int kStandInEffort = 2;  // failures of the model itself before a stand-in is tried
constexpr int64_t kExpectedOutput = 512;
constexpr double kExpectedPieces = 100;
constexpr Duration kLookAgain = std::chrono::milliseconds(200);  // at what nobody can say the end of

// Smaller goes first.
struct Rank {
  int effort = 0;
  uint8_t tier = 0;
  bool must_wait = false, in_words = false, not_sticky = true, last_resort = false;
  int priority = 0;
  double score = 0;
  auto tie() const { return std::tie(effort, tier, must_wait, in_words, last_resort, priority, score); }
};

Why lacking(CapabilitySet missing) {
  if (missing.has(Capability::kTools)) return Why::kLacksTools;
  if (missing.has(Capability::kImages)) return Why::kLacksImages;
  if (missing.has(Capability::kFiles)) return Why::kLacksFiles;
  if (missing.has(Capability::kStructuredOutput)) return Why::kLacksStructuredOutput;
  return Why::kLacksReasoning;
}

const Tried* tried(const PlacementAsk& ask, uint32_t deployment) {
  for (const Tried& each : ask.tried)
    if (each.deployment == deployment) return &each;
  return nullptr;
}

struct Verdict {
  Why why = Why::kEligible;
  Instant retry_at = Instant::max();
};

Verdict judge(const RoutedDeployment& d, const Plan& plan, const Candidate& candidate, const PlacementAsk& ask,
              const Tried* before, const Surroundings& s, std::optional<Error>& budget) {
  const Deployment& deployment = d.deployment;
  if (CapabilitySet missing{static_cast<uint16_t>(ask.needs.capabilities.bits & d.lacks.bits)}; missing.bits != 0)
    return {lacking(missing)};
  if (ask.needs.context_tokens > d.context_tokens_max) return {Why::kContextTooLong};
  if (ask.needs.output_tokens > d.output_tokens_max) return {Why::kOutputTooLong};
  if (candidate.fixed != Why::kEligible) return {candidate.fixed};
  std::string_view model = plan.model_of(candidate.tier, ask.model);
  if (s.permits != nullptr && !planted(PlantedBug::kIgnorePermits)) {
    if (Why why = permitted(*s.permits, deployment, model); why != Why::kEligible) return {why};
  }
  if (!ask.author.empty() && model != ask.author && !planted(PlantedBug::kForgetAuthor)) return {Why::kOtherAuthor};
  if (before != nullptr && before->never) return {Why::kFailedHere};
  if (candidate.deployment == ask.beside) return {Why::kAtIt};
  if (d.withdrawn) return {Why::kWithdrawn};
  auto soon = [&](const Breaker& breaker) {
    return breaker.probing() ? s.now + kLookAgain : std::max(breaker.until(), s.now + Duration(1));
  };
  const Breaker& credential = s.providers[d.provider].credential;
  if (!credential.admits(s.now)) return {Why::kCredential, soon(credential)};
  const Breaker& breaker = d.health.breaker();
  if (!breaker.admits(s.now))
    return {d.health.cause() == Fault::kDeployment ? Why::kRefusedThere : Why::kBroken, soon(breaker)};
  if (d.health.resting(s.now)) return {Why::kResting, d.health.rest_until()};
  if (!s.slot_held && !d.slots->has_room()) return {Why::kFull, s.now + kLookAgain};
  if (s.guard != nullptr) {
    Result<void> spend = s.guard->may_spend({ask.traffic, s.workload.name, deployment, ask.needs});
    if (!spend.ok()) {
      Instant at = Instant::max();
      if (spend.error().retry_after_ms >= 0) at = s.now + std::chrono::milliseconds(spend.error().retry_after_ms);
      if (!budget) budget = std::move(spend).error();
      return {Why::kBudget, at};
    }
  }
  if (before != nullptr && s.now < before->not_before) return {Why::kBackingOff, before->not_before};
  if (before != nullptr && before->failures > 0 && s.retries != nullptr && !s.retries->has_one(s.now))
    return {Why::kRetryBudget, s.retries->next(s.now)};
  return {};
}

double score_of(const RoutedDeployment& d, const PlacementAsk& ask, const Surroundings& s) {
  const Deployment& deployment = d.deployment;
  switch (s.workload.policy) {
    case RoutingPolicy::kPriority:
    case RoutingPolicy::kWeighted:
      return 0;
    case RoutingPolicy::kLeastCost:
      return d.cost.of(ask.needs.context_tokens, ask.needs.output_tokens > 0
                                                     ? std::min(ask.needs.output_tokens, kExpectedOutput)
                                                     : kExpectedOutput);
    case RoutingPolicy::kLeastLatency:
      return static_cast<double>(d.health.expected_first_piece(s.now).count()) +
             kExpectedPieces * static_cast<double>(d.health.gap_average().count());
    case RoutingPolicy::kLeastLoaded:
      return static_cast<double>(d.health.in_flight() + 1) / std::max(1.0, static_cast<double>(deployment.weight));
  }
  return 0;
}

}  // namespace

Decision choose(const Plan& plan, const PlacementAsk& ask, const Surroundings& s) {
  Decision out;
  Placed& placed = out.placed;
  placed.policy = s.workload.policy;
  placed.candidates = static_cast<uint32_t>(plan.candidates.size());
  Rank best;
  uint64_t weight_sum = 0;
  // The model's own deployment that is to be had again in a moment, worth waiting for rather than for a stand-in.
  std::optional<Verdict> worth_waiting;
  int worth_effort = 0;
  for (const Candidate& candidate : plan.candidates) {
    RoutedDeployment& d = s.deployments[candidate.deployment];
    const Tried* before = ask.tried.empty() ? nullptr : tried(ask, candidate.deployment);
    Verdict verdict = judge(d, plan, candidate, ask, before, s, out.budget);
    if (verdict.why != Why::kEligible) {
      if (placed.refused < Placed::kShown) placed.considered[placed.refused] = {candidate.deployment, verdict.why};
      ++placed.refused;
      out.furthest = std::max(out.furthest, verdict.why);
      out.retry_at = std::min(out.retry_at, verdict.retry_at);
      if (verdict.why >= Why::kBroken) out.wait_until = std::min(out.wait_until, verdict.retry_at);
      bool passing = verdict.why == Why::kBackingOff || verdict.why == Why::kRetryBudget;
      if (passing && candidate.tier == 0 && (!worth_waiting || before->failures < worth_effort)) {
        worth_waiting = verdict;
        worth_effort = before->failures;
      }
      continue;
    }
    Rank rank{.effort = (before != nullptr ? before->failures : 0) + (candidate.tier > 0 ? kStandInEffort : 0),
              .tier = candidate.tier,
              .must_wait = !d.slots->free(),
              .in_words = ask.goes_on && d.deployment.capabilities[Capability::kPrefill] != Known::kYes,
              .not_sticky = candidate.deployment != s.sticky,
              .last_resort = d.deployment.weight == 0,
              .priority = s.workload.policy == RoutingPolicy::kPriority ? d.deployment.priority : 0,
              .score = score_of(d, ask, s)};
    auto place_it = [&](uint64_t weights) {
      best = rank;
      weight_sum = weights;
      placed.deployment = candidate.deployment;
      placed.tier = candidate.tier;
      placed.must_wait = rank.must_wait;
      placed.sticky = !rank.not_sticky;
    };
    uint64_t weight = std::max<uint32_t>(1, d.deployment.weight);
    if (!out.found()) {
      place_it(weight);
      continue;
    }
    // What the session is used to goes before what is only cheaper, quicker or the dice's choice.
    auto before_sticky = [](const Rank& r) {
      return std::tie(r.effort, r.tier, r.must_wait, r.in_words, r.last_resort, r.priority);
    };
    if (before_sticky(rank) == before_sticky(best) && rank.not_sticky != best.not_sticky) {
      if (!rank.not_sticky) place_it(weight);
      continue;
    }
    if (rank.tie() < best.tie()) {
      place_it(weight);
    } else if (rank.tie() == best.tie()) {
      weight_sum += weight;
      if (s.random.below(weight_sum) < weight) place_it(weight_sum);
    }
  }
  if (out.found() && worth_waiting && placed.tier > 0 && worth_effort < best.effort) {
    placed.deployment = UINT32_MAX;
    out.furthest = worth_waiting->why;
    out.retry_at = out.wait_until = worth_waiting->retry_at;
  }
  return out;
}

}  // namespace perdure
