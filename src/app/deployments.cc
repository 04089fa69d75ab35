#include "app/deployments.h"

#include <algorithm>

namespace perdure {

std::vector<Deployment> deployments_of(const Config& config, const std::vector<Provider*>& providers,
                                       const Scorecards& scorecards, const std::shared_ptr<const void>& keeps) {
  std::vector<Deployment> out;
  for (const ModelConfig& model : config.models) {
    auto at = std::ranges::find(config.providers, model.provider, &ProviderConfig::name);
    if (at == config.providers.end()) continue;
    Deployment deployment = Deployment::simple(
        model.name, *providers[static_cast<size_t>(at - config.providers.begin())], model.upstream_model);
    deployment.keeps = keeps;
    deployment.party = at->party;
    deployment.region = at->region;
    deployment.account = at->account;
    std::string upstream = !model.upstream_model.empty() ? model.upstream_model : model.name == "*" ? "" : model.name;
    CapabilityEvidence evidence = config.catalogue->evidence(at->supplier, upstream);
    if (const Scorecard* card = scorecards.find(*at, upstream)) evidence.measured = card->measured;
    deployment.capabilities = over(model.capabilities, evidence.merged());
    if (!upstream.empty()) deployment.price = config.catalogue->price(at->supplier, upstream);
    auto same_name = [&](const Deployment& other) { return other.model == model.name; };
    lay_over(deployment, model, static_cast<int>(std::ranges::count_if(out, same_name)));
    out.push_back(std::move(deployment));
  }
  return out;
}

}  // namespace perdure
