#pragma once
// Router: which deployment serves an attempt. Deployments are tried in their configured order; an attempt that failed
// moves on to the next, round and round. Health, capacity, agreements and ranking are to join here. Lives on one Loop.

#include <string>
#include <vector>

#include "provider/provider.h"

namespace perdure {

struct Deployment {
  std::string model;  // logical name that clients ask for; "*": any name
  Provider* provider = nullptr;
  std::string upstream_model;  // empty: the name that the client asked for
};

struct Placed {
  Provider* provider = nullptr;
  std::string model;   // the name to send upstream
  std::string reason;  // content-free
};

class Router {
 public:
  explicit Router(std::vector<Deployment> deployments) : deployments_(std::move(deployments)) {}

  // The deployment for attempt number `attempt` (from 1). kNotFound, reason model_not_found: no deployment has this
  // model. kUnavailable, reason no_provider: none is configured at all.
  Result<Placed> place(const std::string& model, int64_t attempt) const {
    if (deployments_.empty())
      return Error{Code::kUnavailable,
                   "no provider is configured: set OPENAI_API_KEY or OPENAI_BASE_URL, or name one in "
                   "perdure.yaml",
                   "", "no_provider"};
    std::vector<const Deployment*> exact, any;
    for (const Deployment& d : deployments_) {
      if (d.model == model) exact.push_back(&d);
      if (d.model == "*") any.push_back(&d);
    }
    const auto& candidates = exact.empty() ? any : exact;
    if (candidates.empty())
      return Error{Code::kNotFound, "no deployment serves the model \"" + model + "\"", "model", "model_not_found"};
    size_t pick = static_cast<size_t>(attempt - 1) % candidates.size();
    const Deployment& chosen = *candidates[pick];
    return Placed{chosen.provider, chosen.upstream_model.empty() ? model : chosen.upstream_model,
                  "candidate " + std::to_string(pick + 1) + " of " + std::to_string(candidates.size())};
  }
  const std::vector<Deployment>& deployments() const { return deployments_; }

 private:
  std::vector<Deployment> deployments_;
};

}  // namespace perdure
