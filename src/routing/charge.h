#pragma once
// Charge: what an attempt costs: what is expected when it is placed, and what it came to in the end. Exact where the
// supplier has reported the tokens of a whole answer and a price is known; else an estimate that says why it is one.
// Pure.

#include "catalogue/price.h"
#include "model/attempt_cost.h"
#include "routing/needs.h"

namespace perdure {

// What an attempt has used, as far as its supplier said and as far as was heard.
struct AttemptUse {
  Usage usage;              // as reported
  bool whole = false;       // the answer came to its end, so that the report is the last word
  bool began = false;       // something of an answer came
  bool in_doubt = false;    // nothing came, and nobody said that nothing would be made: it was waited for and given up
  int64_t heard_bytes = 0;  // of text that came, shown or not
};

// Tokens that are assumed for an answer when its request is placed: the request's limit, but no more than this.
inline constexpr int64_t kExpectedOutputTokens = 1024;

struct ExpectedUse {
  int64_t input_tokens = 0, output_tokens = 0;
};
ExpectedUse expected_use(const Needs& needs);
// What is reserved of a limit to tokens a minute: the input, and as much answer as the request allows; where it says
// nothing, kExpectedOutputTokens of it.
int64_t reserved_tokens(const Needs& needs);
std::optional<Money> expected_money(const ExpectedUse& expected, const Price* price);  // nothing: no price is known

// `unknown` is "running". `price` null: none is known.
AttemptCost expected_cost(const ExpectedUse& expected, const Price* price);

// Where the exact cost is not known, by `unknown`, the estimate takes
//   not_served       nothing: the supplier refused, or could not be reached
//   answer_cut       the input and what had come: the supplier may have counted more
//   usage_unknown    the same: a whole answer whose supplier did not count
//   usage_inconsistent   likewise: counts that do not add up
//   price_unknown    nothing can be: no price is known
AttemptCost cost_of(const AttemptUse& use, const ExpectedUse& expected, const Price* price);

// Tokens that an attempt has used, in and out: as was counted, else by what came of it.
int64_t tokens_of(const AttemptUse& use, const ExpectedUse& expected);

// What an attempt weighs in a sum of money: the amount, else the estimate. kInvalid: neither.
Result<Money> weight_of(const AttemptCost& cost);

}  // namespace perdure
