#pragma once
// Account: what the dialects of one simulated supplier share: its options, the models that it has, the key that it
// signs with, and the prefixes of prompts that it has cached. Lives on one Loop.

#include <algorithm>
#include <string_view>
#include <vector>

#include "simulate/prefix_cache.h"
#include "simulate/signer.h"
#include "simulate/simulate_options.h"

namespace perdure::simulate {

struct Account {
  explicit Account(SupplierOptions o) : options(std::move(o)), signer(options.seed, options.account) {}

  SupplierOptions options;
  Signer signer;
  PrefixCache cache;

  std::vector<std::string_view> model_names() const {
    std::vector<std::string_view> names;
    for (std::string_view rest = options.model; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (comma > 0) names.push_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return names;
  }
  bool has_model(std::string_view name) const {
    return std::ranges::any_of(model_names(), [&](std::string_view known) { return known == name || known == "*"; });
  }
};

}  // namespace perdure::simulate
