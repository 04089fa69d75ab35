// What a Router is made of, when it is made and when the configuration is read again.

#include <algorithm>
#include <unordered_map>

#include "routing/router.h"

namespace perdure {
namespace {

std::vector<Workload> with_default(std::vector<Workload> workloads) {
  // Last, so that it takes what no other workload's conditions took.
  if (std::ranges::none_of(workloads, [](const Workload& w) { return w.name == "default"; })) workloads.emplace_back();
  return workloads;
}

// Whether what is known of the one still says something of the other.
bool is_the_same(const Deployment& a, const Deployment& b) {
  return a.name == b.name && a.provider_name == b.provider_name && a.model == b.model &&
         a.upstream_model == b.upstream_model;
}

}  // namespace

std::shared_ptr<Slots> SlotBook::slots_of(const Deployment& deployment) {
  auto known = std::ranges::find(slots_, deployment.name, [](const auto& entry) { return entry.first; });
  if (known != slots_.end() && known->second->is(deployment.concurrency_max, deployment.queue_max))
    return known->second;
  auto slots = std::make_shared<Slots>(deployment.concurrency_max, deployment.queue_max);
  if (known != slots_.end())
    known->second = slots;
  else
    slots_.emplace_back(deployment.name, slots);
  return slots;
}

Router::Reloaded Router::install(std::vector<Deployment> deployments, std::vector<Workload> workloads,
                                 SlotBook& slots) {
  Reloaded out{.deployments = deployments.size()};
  Currency currency;
  for (const Deployment& deployment : deployments)
    if (deployment.price && deployment.price->rates.input) {
      currency = deployment.price->rates.input->currency();
      break;
    }
  std::vector<uint32_t> numbers;
  std::vector<bool> stays(deployments_.size());
  for (Deployment& deployment : deployments) {
    auto provider = std::ranges::find(providers_, deployment.provider_name, &RoutedProvider::name);
    auto provider_number = static_cast<uint32_t>(provider - providers_.begin());
    if (provider == providers_.end()) providers_.push_back({.name = deployment.provider_name, .credential = {}});
    uint32_t number = 0;
    while (number < deployments_.size() && (stays[number] || !is_the_same(deployments_[number].deployment, deployment)))
      ++number;
    if (number == deployments_.size()) {
      deployments_.emplace_back();
      stays.push_back(false);
    }
    RoutedDeployment& routed = deployments_[number];
    out.added += !routed.pinned;
    stays[number] = true;
    numbers.push_back(number);
    routed.retired = false;
    routed.provider = provider_number;
    routed.slots = slots.slots_of(deployment);
    routed.lacks = {};
    for (const auto& [capability, word] : kCapabilityNames)
      if (deployment.capabilities[capability] == Known::kNo) routed.lacks.add(capability);
    routed.context_tokens_max = deployment.capabilities.context_tokens.value_or(INT64_MAX);
    routed.output_tokens_max = deployment.capabilities.output_tokens_max.value_or(INT64_MAX);
    routed.cost = CostRank(deployment.price, currency);
    routed.price = deployment.price ? std::make_shared<const Price>(*deployment.price) : nullptr;
    routed.deployment = deployment;
    routed.pinned = std::make_shared<const Deployment>(deployment);
  }
  for (size_t i = 0; i < deployments_.size(); ++i) {
    RoutedDeployment& routed = deployments_[i];
    if (stays[i] || routed.retired) continue;
    routed.retired = true;
    ++out.retired;
    // Attempts that are out hold what they need.
    routed.deployment.provider = nullptr;
    routed.deployment.keeps.reset();
    routed.pinned.reset();
  }
  std::unordered_map<std::string, RetryTokens> retries;
  for (size_t i = 0; i < workloads_.size(); ++i) retries.emplace(workloads_[i].name, retries_[i]);
  std::vector<Workload> before = std::exchange(workloads_, with_default(std::move(workloads)));
  retries_.clear();
  for (const Workload& workload : workloads_) {
    auto known = retries.find(workload.name);
    auto same = std::ranges::find(before, workload.name, &Workload::name);
    bool keep = known != retries.end() && same->retry.ratio == workload.retry.ratio &&
                same->retry.per_second == workload.retry.per_second;
    retries_.push_back(keep ? known->second : RetryTokens(workload.retry));
  }
  plans_ = Plans(deployments, numbers, workloads_);
  return out;
}

// Whether what is configured now would have an attempt go where it was placed.
bool Router::may_still(const AttemptLease& lease) const {
  const Plan* plan = plans_.find(lease.logical_model_, workload_number(lease.traffic_, lease.logical_model_));
  return plan != nullptr && std::ranges::any_of(plan->candidates, [&](const Candidate& candidate) {
           return candidate.deployment == lease.number_ && candidate.fixed == Why::kEligible;
         });
}

Router::Reloaded Router::reload(std::vector<Deployment> deployments, std::vector<Workload> workloads,
                                RoutingOptions options, SlotBook& slots) {
  if (options.sticky_sessions_max != options_.sticky_sessions_max || options.sticky_time != options_.sticky_time)
    sticky_ = Sticky(options.sticky_sessions_max, options.sticky_time);
  options_ = options;
  Reloaded out = install(std::move(deployments), std::move(workloads), slots);
  for (RoutedProvider& provider : providers_) provider.credential.close();
  for (AttemptLease* lease = leases_; lease != nullptr; lease = lease->next_)
    if (!lease->dispatched_ && !may_still(*lease)) lease->cut();
  set_withdrawals(std::move(withdrawals_));
  return out;
}

}  // namespace perdure
