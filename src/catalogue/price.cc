#include "catalogue/price.h"

namespace perdure {
namespace {

Error no_cost(const char* reason, std::string message) {
  return {.code = Code::kInvalid, .message = std::move(message), .reason = reason};
}

bool adds_up(const Usage& usage) {
  for (int64_t count :
       {usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens, usage.reasoning_tokens})
    if (count < 0) return false;
  // Neither difference can overflow: no count is negative.
  return usage.cached_tokens <= usage.input_tokens &&
         usage.cache_write_tokens <= usage.input_tokens - usage.cached_tokens &&
         usage.reasoning_tokens <= usage.output_tokens;
}

}  // namespace

Rates Price::rates_for(int64_t input_tokens) const {
  Rates out = rates;
  for (const PriceBand& band : bands) {
    if (input_tokens <= band.above) break;
    auto take = [](std::optional<Money>& to, const std::optional<Money>& from) {
      if (from) to = from;
    };
    take(out.input, band.rates.input);
    take(out.cached_input, band.rates.cached_input);
    take(out.cache_write, band.rates.cache_write);
    take(out.output, band.rates.output);
    take(out.reasoning, band.rates.reasoning);
  }
  return out;
}

Result<Cost> cost(const Usage& usage, const Price& price) {
  if (!usage.known) return no_cost("usage_unknown", "the supplier did not say how many tokens there were");
  if (!adds_up(usage)) return no_cost("usage_inconsistent", "the supplier's token counts do not add up");
  const Rates rates = price.rates_for(usage.input_tokens);
  if (!rates.input || !rates.output) return no_cost("price_incomplete", "the price lacks input or output");
  const std::pair<int64_t, Money> parts[] = {
      {usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, *rates.input},
      {usage.cached_tokens, rates.cached_input.value_or(*rates.input)},
      {usage.cache_write_tokens, rates.cache_write.value_or(*rates.input)},
      {usage.output_tokens - usage.reasoning_tokens, *rates.output},
      {usage.reasoning_tokens, rates.reasoning.value_or(*rates.output)},
  };
  Money sum(rates.input->currency());
  for (const auto& [tokens, rate] : parts) {
    TRY(Money part, rate.times(tokens));
    TRY(sum, sum.plus(part));
  }
  return Cost{sum, price.version};
}

}  // namespace perdure
