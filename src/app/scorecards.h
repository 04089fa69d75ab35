#pragma once
// Scorecards at rest: DATA/scorecards, a file for each model at each provider, the newest in place of the one before.

#include <string>
#include <vector>

#include "app/provider_config.h"
#include "catalogue/scorecard.h"

namespace perdure {

std::string address_of(const ProviderConfig& provider);  // its base URL, in one spelling
std::string scorecard_path(const std::string& data_folder, const std::string& provider, const std::string& model);
// Replaces the file as a whole. kUnavailable.
Result<void> save_scorecard(const std::string& data_folder, const Scorecard& card);

struct Scorecards {
  std::vector<Scorecard> cards;
  std::vector<std::string> problems;  // files that make no sense; they count for nothing
  // Of that model there, measured at the address and in the dialect that the provider has now; null: none.
  const Scorecard* find(const ProviderConfig& provider, const std::string& upstream_model) const;
};
// A chat endpoint of which nobody has said how it takes a prefill takes it in the way that was found.
void lay_over(std::vector<ProviderConfig>& providers, const Scorecards& scorecards);
// No folder: none.
Scorecards load_scorecards(const std::string& data_folder);

}  // namespace perdure
