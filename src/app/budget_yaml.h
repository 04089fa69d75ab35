#pragma once
// `budgets:` as it stands in perdure.yaml. Inside of the module. Every problem goes to `problems`, with its place; with
// one the result is of no use.

#include <set>
#include <string>
#include <vector>

#include "access/budget.h"
#include "app/yaml_fields.h"

namespace perdure {

// `workloads`: the names there are, besides "default".
std::vector<Budget> read_budgets(YamlProblems& problems, const YAML::Node& list,
                                 const std::set<std::string>& workloads);

}  // namespace perdure
