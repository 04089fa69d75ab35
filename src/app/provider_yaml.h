#pragma once
// A provider as it stands in perdure.yaml. Inside of the module.

#include "app/provider_config.h"
#include "app/yaml_fields.h"

namespace perdure {

// Every problem goes to `problems`, with its place; with one the result is of no use.
ProviderConfig read_provider(YamlProblems& problems, const YAML::Node& node, const std::string& path,
                             const Catalogue& catalogue, const Environment& environment);

}  // namespace perdure
