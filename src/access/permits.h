#pragma once
// Permits: what an API key may use, beyond its scopes. Whoever places attempts asks for it, each time.

#include <string>
#include <vector>

namespace perdure {

struct Permits {
  std::vector<std::string> models, parties, regions;  // empty: all
  bool unlimited() const { return models.empty() && parties.empty() && regions.empty(); }
  bool operator==(const Permits&) const = default;
};

}  // namespace perdure
