#include "routing/cost_rank.h"

#include <cstdlib>
#include <limits>

namespace perdure {

CostRank::CostRank(const std::optional<Price>& price, Currency currency) {
  if (!price) return;
  std::vector<int64_t> edges{0};
  for (const PriceBand& band : price->bands) edges.push_back(band.above);
  for (int64_t above : edges) {
    Rates rates = price->rates_for(above + 1);
    if (!rates.input || !rates.output || rates.input->currency() != currency || rates.output->currency() != currency) {
      bands_.clear();
      return;
    }
    auto number = [](const Money& money) { return std::strtod(money.amount().c_str(), nullptr); };
    bands_.push_back({above, number(*rates.input), number(*rates.output)});
  }
}

double CostRank::of(int64_t input_tokens, int64_t output_tokens) const {
  if (bands_.empty()) return std::numeric_limits<double>::infinity();
  const Band* at = &bands_.front();
  for (const Band& band : bands_)
    if (input_tokens > band.above) at = &band;
  return at->input * static_cast<double>(input_tokens) + at->output * static_cast<double>(output_tokens);
}

}  // namespace perdure
