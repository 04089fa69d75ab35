#pragma once
// Plans: for every model and workload the candidates, worked out once, so that a decision looks at them and at nothing
// else. What a workload's rules forbid for good stands in the plan as refused, with its reason, so that it can be
// explained.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/placement.h"

namespace perdure {

struct Candidate {
  uint32_t deployment = 0;
  uint8_t tier = 0;
  Why fixed = Why::kEligible;
};

struct Plan {
  std::vector<Candidate> candidates;   // the model's own, then its stand-ins', each in configured order
  std::vector<std::string> stand_ins;  // logical names of tiers 1, 2, ...
  std::string_view model_of(uint8_t tier, std::string_view asked) const {
    return tier == 0 ? asked : std::string_view(stand_ins[tier - 1]);
  }
};

class Plans {
 public:
  // `numbers`: those of the deployments; empty: their places in the list.
  Plans(const std::vector<Deployment>& deployments, const std::vector<uint32_t>& numbers,
        const std::vector<Workload>& workloads);
  Plans(const std::vector<Deployment>& deployments, const std::vector<Workload>& workloads)
      : Plans(deployments, {}, workloads) {}
  // Null: no deployment serves this model. `workload` is an index into the list given.
  const Plan* find(std::string_view model, size_t workload) const;
  // For walks over everything that is configured by name; "*" stands for all others.
  const std::vector<std::string>& models() const { return models_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::vector<std::string> models_;
  std::unordered_map<std::string, std::vector<Plan>, Hash, std::equal_to<>> by_model_;
  std::vector<Plan> any_;  // by workload; empty: no deployment takes any name
};

}  // namespace perdure
