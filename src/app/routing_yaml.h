#pragma once
// Deployments, workloads and routing as they stand in perdure.yaml. Inside of the module. Every problem goes to
// `problems`, with its place; with one the result is of no use.

#include <set>
#include <string>

#include "app/routing_config.h"
#include "app/yaml_fields.h"

namespace perdure {

// `models:`, a list of deployments. `providers`: the names there are.
std::vector<ModelConfig> read_models(YamlProblems& problems, const YAML::Node& list,
                                     const std::set<std::string>& providers);

// `routing:`, what holds for all workloads.
void read_routing(YamlFields fields, RoutingConfig& routing);

// What workloads may name.
struct RoutingNames {
  std::set<std::string> models, regions, parties;
  bool any_model = false;  // a deployment takes any name
};
// `workloads:`, after routing. A name that nothing has is a slip that would forbid too much, or too little.
void read_workloads(YamlProblems& problems, const YAML::Node& list, const RoutingNames& names, RoutingConfig& routing);

}  // namespace perdure
