#include "routing/charge.h"

#include <algorithm>

namespace perdure {
namespace {

constexpr int64_t kBytesPerToken = 4;

void take_version(AttemptCost& to, const Price& price) {
  to.price_date = price.version.date;
  to.price_origin = price.version.origin;
}

void take_estimate(AttemptCost& to, const Usage& usage, const Price& price) {
  Result<Cost> estimate = cost(usage, price);
  if (!estimate.ok()) return;
  to.estimate = estimate->amount.amount();
  to.currency = estimate->amount.currency().code();
  take_version(to, price);
}

}  // namespace

ExpectedUse expected_use(const Needs& needs) {
  return {needs.context_tokens,
          needs.output_tokens > 0 ? std::min(needs.output_tokens, kExpectedOutputTokens) : kExpectedOutputTokens};
}

int64_t reserved_tokens(const Needs& needs) {
  return needs.context_tokens + (needs.output_tokens > 0 ? needs.output_tokens : kExpectedOutputTokens);
}

std::optional<Money> expected_money(const ExpectedUse& expected, const Price* price) {
  if (price == nullptr) return std::nullopt;
  Result<Cost> money =
      cost({.input_tokens = expected.input_tokens, .output_tokens = expected.output_tokens, .known = true}, *price);
  if (!money.ok()) return std::nullopt;
  return money->amount;
}

AttemptCost expected_cost(const ExpectedUse& expected, const Price* price) {
  AttemptCost out{.unknown = "running"};
  if (price == nullptr) return out;
  take_estimate(out, {.input_tokens = expected.input_tokens, .output_tokens = expected.output_tokens, .known = true},
                *price);
  return out;
}

AttemptCost cost_of(const AttemptUse& use, const ExpectedUse& expected, const Price* price) {
  AttemptCost out;
  const bool nothing_came = !use.began && !use.usage.known;
  if (nothing_came && !use.in_doubt) {
    out.unknown = "not_served";
    out.estimate = "0";
    if (price != nullptr && price->rates.input) out.currency = price->rates.input->currency().code();
    if (price != nullptr) take_version(out, *price);
    return out;
  }
  if (price == nullptr) {
    out.unknown = "price_unknown";
    return out;
  }
  if (use.whole) {
    Result<Cost> exact = cost(use.usage, *price);
    if (exact.ok()) {
      out.amount = exact->amount.amount();
      out.currency = exact->amount.currency().code();
      take_version(out, *price);
      return out;
    }
    out.unknown = exact.error().reason;
  } else {
    out.unknown = "answer_cut";
  }
  Usage assumed{.input_tokens = expected.input_tokens, .known = true};
  // What was reported of the input stands, where it makes sense: it does not grow while an answer is written.
  Usage input = use.usage;
  input.output_tokens = input.reasoning_tokens = 0;
  if (input.known && cost(input, *price).ok()) assumed = input;
  assumed.output_tokens = (use.heard_bytes + kBytesPerToken - 1) / kBytesPerToken;
  if (use.usage.known) assumed.output_tokens = std::max(assumed.output_tokens, use.usage.output_tokens);
  take_estimate(out, assumed, *price);
  return out;
}

int64_t tokens_of(const AttemptUse& use, const ExpectedUse& expected) {
  int64_t heard = (use.heard_bytes + kBytesPerToken - 1) / kBytesPerToken;
  if (use.usage.known) return use.usage.input_tokens + std::max(use.usage.output_tokens, use.whole ? 0 : heard);
  if (use.in_doubt) return expected.input_tokens;
  return use.began || use.whole ? expected.input_tokens + heard : 0;
}

Result<Money> weight_of(const AttemptCost& cost) {
  const std::string& text = cost.amount.empty() ? cost.estimate : cost.amount;
  if (text.empty() || cost.currency.empty()) return Error{Code::kInvalid, "no amount"};
  TRY(Currency currency, Currency::parse(cost.currency));
  return Money::parse(text, currency);
}

}  // namespace perdure
