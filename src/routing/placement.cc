#include "routing/placement.h"

#include <algorithm>

namespace perdure {
namespace {

bool listed(const std::vector<std::string>& list, std::string_view word) {
  return list.empty() || std::ranges::find(list, word) != list.end();
}

}  // namespace

std::string_view name_of(Why why) {
  constexpr std::string_view kNames[] = {"eligible",
                                         "lacks_tools",
                                         "lacks_images",
                                         "lacks_files",
                                         "lacks_structured_output",
                                         "lacks_reasoning",
                                         "context_too_long",
                                         "output_too_long",
                                         "region",
                                         "party",
                                         "key_model",
                                         "key_party",
                                         "key_region",
                                         "other_author",
                                         "failed_here",
                                         "at_it",
                                         "withdrawn",
                                         "credential",
                                         "refused_there",
                                         "broken",
                                         "resting",
                                         "full",
                                         "budget",
                                         "backing_off",
                                         "retry_budget"};
  static_assert(std::size(kNames) == static_cast<size_t>(Why::kRetryBudget) + 1);
  return kNames[static_cast<size_t>(why)];
}

Why permitted(const Permits& permits, const Deployment& deployment, std::string_view model) {
  if (!listed(permits.models, model)) return Why::kKeyModel;
  if (!listed(permits.parties, deployment.party)) return Why::kKeyParty;
  if (!listed(permits.regions, deployment.region)) return Why::kKeyRegion;
  return Why::kEligible;
}

}  // namespace perdure
