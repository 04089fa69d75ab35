#pragma once
// AttemptCost: what one attempt has cost, as it is written down: an exact decimal, and by which price. Where the exact
// amount cannot be told, `unknown` says why, and nothing here ever pretends that it was 0; an estimate stands beside it
// where there is a price to make one by.

#include <string>

#include "base/result.h"
#include "wire/json.h"

namespace perdure {

struct AttemptCost {
  std::string amount;    // "0.000125"; empty: not known
  std::string unknown;   // why not: "price_unknown", "usage_unknown", "answer_cut", "not_served", ...
  std::string estimate;  // what is assumed in its place; empty: nothing can be
  std::string currency;  // "USD"; empty: no price is known
  // The version of the price: of the document or configuration that it stands in. The date may be missing.
  std::string price_date, price_origin;

  bool empty() const { return amount.empty() && unknown.empty() && estimate.empty(); }
  bool operator==(const AttemptCost&) const = default;
};

// An object; what is empty is left out.
void write_cost(json::Writer& out, const AttemptCost& cost);
// Missing reads as empty. kCorrupt: something else.
Result<AttemptCost> read_cost(json::Value value);

}  // namespace perdure
