#include "routing/plan.h"

#include <algorithm>

#include "base/planted.h"

namespace perdure {
namespace {

constexpr size_t kStandInsMax = 32;

Why fixed_refusal(const Deployment& deployment, const Workload& workload) {
  if (planted(PlantedBug::kForbiddenRegion)) return Why::kEligible;
  if (!workload.regions.empty() && std::ranges::find(workload.regions, deployment.region) == workload.regions.end())
    return Why::kRegion;
  if (!workload.parties.empty() && std::ranges::find(workload.parties, deployment.party) == workload.parties.end())
    return Why::kParty;
  if (std::ranges::find(workload.parties_denied, deployment.party) != workload.parties_denied.end()) return Why::kParty;
  return Why::kEligible;
}

// Deployments of a name; those that take any name serve only what has none of its own.
void add(Plan& plan, const std::vector<Deployment>& deployments, const Workload& workload, std::string_view model,
         uint8_t tier) {
  bool own = std::ranges::any_of(deployments, [&](const Deployment& d) { return d.model == model; });
  std::string_view wanted = own ? model : "*";
  for (size_t i = 0; i < deployments.size(); ++i)
    if (deployments[i].model == wanted)
      plan.candidates.push_back({static_cast<uint32_t>(i), tier, fixed_refusal(deployments[i], workload)});
}

Plan make_plan(const std::vector<Deployment>& deployments, const Workload& workload, std::string_view model) {
  Plan plan;
  add(plan, deployments, workload, model, 0);
  for (const Workload::StandIns& rule : workload.stand_ins) {
    if (rule.model != model) continue;
    for (const std::string& other : rule.others) {
      if (plan.stand_ins.size() == kStandInsMax) break;
      plan.stand_ins.push_back(other);
      add(plan, deployments, workload, other, static_cast<uint8_t>(plan.stand_ins.size()));
    }
  }
  return plan;
}

}  // namespace

Plans::Plans(const std::vector<Deployment>& deployments, const std::vector<uint32_t>& numbers,
             const std::vector<Workload>& workloads) {
  auto note = [&](const std::string& model) {
    if (std::ranges::find(models_, model) == models_.end()) models_.push_back(model);
  };
  for (const Deployment& deployment : deployments) note(deployment.model);
  for (const Workload& workload : workloads)
    for (const Workload::StandIns& rule : workload.stand_ins) note(rule.model);
  for (const std::string& model : models_) {
    std::vector<Plan> plans;
    for (const Workload& workload : workloads) {
      plans.push_back(make_plan(deployments, workload, model));
      if (numbers.empty()) continue;
      for (Candidate& candidate : plans.back().candidates) candidate.deployment = numbers[candidate.deployment];
    }
    if (model == "*")
      any_ = std::move(plans);
    else
      by_model_.emplace(model, std::move(plans));
  }
}

const Plan* Plans::find(std::string_view model, size_t workload) const {
  auto found = by_model_.find(model);
  const std::vector<Plan>& plans = found == by_model_.end() ? any_ : found->second;
  if (plans.empty() || plans[workload].candidates.empty()) return nullptr;
  return &plans[workload];
}

}  // namespace perdure
