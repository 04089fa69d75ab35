#pragma once
// Price: what a supplier charges for the tokens of a model, and the cost of an answer at it. Everything is exact
// (money.h). A price knows its version, the date and origin of the document it stands in, so that an account can say
// later by which price it was made.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalogue/money.h"
#include "model/usage.h"

namespace perdure {

// For one token each. What is not there is not priced by itself.
struct Rates {
  std::optional<Money> input;         // a price has it
  std::optional<Money> cached_input;  // else as input
  std::optional<Money> cache_write;   // else as input
  std::optional<Money> output;        // a price has it
  std::optional<Money> reasoning;     // else as output
  bool operator==(const Rates&) const = default;
};

// Rates of answers with more than so many tokens of input, for all of their tokens. What a band does not name stays.
struct PriceBand {
  int64_t above = 0;
  Rates rates;
  bool operator==(const PriceBand&) const = default;
};

struct PriceVersion {
  std::string date;    // YYYY-MM-DD
  std::string origin;  // where the price was read, in words
  bool operator==(const PriceVersion&) const = default;
};

struct Price {
  Rates rates;
  std::vector<PriceBand> bands;          // by rising `above`
  std::vector<std::string> not_counted;  // what the supplier bills besides tokens: "search requests"
  PriceVersion version;

  // The rates of an answer with so many tokens of input.
  Rates rates_for(int64_t input_tokens) const;
  bool operator==(const Price&) const = default;
};

struct Cost {
  Money amount;
  PriceVersion version;
  bool operator==(const Cost&) const = default;
};

// kInvalid, with a reason: "usage_unknown" (the supplier did not say), "usage_inconsistent" (negative counts, or parts
// larger than their whole: a wrong bill is worse than none), "price_incomplete", "money_overflow".
Result<Cost> cost(const Usage& usage, const Price& price);

}  // namespace perdure
