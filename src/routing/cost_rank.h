#pragma once
// CostRank: prices as plain numbers, worked out once, so that deployments can be ranked by cost quickly. For ranking
// only: what is charged is counted exactly (catalogue/price.h). Pure.

#include <span>
#include <vector>

#include "catalogue/price.h"

namespace perdure {

class CostRank {
 public:
  CostRank() = default;  // no price: ranks behind every price
  // A price in another currency than `currency` is as good as none: there is no rate between them here.
  CostRank(const std::optional<Price>& price, Currency currency);
  // What an answer may cost; infinite: not known.
  double of(int64_t input_tokens, int64_t output_tokens) const;

 private:
  struct Band {
    int64_t above;
    double input, output;
  };
  std::vector<Band> bands_;  // by rising `above`, the first is 0; empty: not known
};

}  // namespace perdure
