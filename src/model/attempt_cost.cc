#include "model/attempt_cost.h"

#include "model/strict_reader.h"

namespace perdure {
namespace {

template <class Cost>
auto fields(Cost& cost) {
  return std::to_array<std::pair<std::string_view, decltype(&cost.amount)>>({{"amount", &cost.amount},
                                                                             {"unknown", &cost.unknown},
                                                                             {"estimate", &cost.estimate},
                                                                             {"currency", &cost.currency},
                                                                             {"price_date", &cost.price_date},
                                                                             {"price_origin", &cost.price_origin}});
}

}  // namespace

void write_cost(json::Writer& out, const AttemptCost& cost) {
  out.begin_object();
  for (const auto& [name, text] : fields(cost))
    if (!text->empty()) out.field(name, *text);
  out.end_object();
}

Result<AttemptCost> read_cost(json::Value value) {
  AttemptCost cost;
  if (value.missing()) return cost;
  StrictReader in(value, "cost");
  for (const auto& [name, text] : fields(cost)) in.optional_text(name, *text);
  TRY_VOID(in.finish());
  return cost;
}

}  // namespace perdure
