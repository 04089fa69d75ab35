#pragma once
// What the owner has set about routing, as values: deployments, workloads, health. Read by routing_yaml.h.

#include <optional>
#include <string>
#include <vector>

#include "catalogue/capabilities.h"
#include "catalogue/price.h"
#include "routing/router.h"

namespace perdure {

// A deployment. What is not set here is the provider's, or the catalogue's, or the usual.
struct ModelConfig {
  std::string name;  // what clients ask for; "*": any
  std::string provider;
  std::string upstream_model;  // empty: the same
  std::string deployment;      // its own name; empty: "NAME@PROVIDER"
  std::string party, region, account;
  std::optional<int> priority;  // nothing: its place among the deployments of its name
  uint32_t weight = 1;
  uint32_t concurrency_max = 0, queue_max = 0;
  Capabilities capabilities;  // the owner's word
  std::optional<Price> price;

  std::string deployment_name() const { return deployment.empty() ? name + "@" + provider : deployment; }
};

struct RoutingConfig {
  RoutingPolicy policy = RoutingPolicy::kPriority;  // of workloads that do not say
  RoutingOptions options;
  std::vector<Workload> workloads;
};

// The owner's words over what is known of the deployment otherwise, capabilities apart: those are weighed against other
// evidence (deployments.h). `place` is its place among the deployments of its name, from 0.
void lay_over(Deployment& deployment, const ModelConfig& model, int place);

}  // namespace perdure
