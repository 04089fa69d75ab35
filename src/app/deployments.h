#pragma once
// Deployments as the configuration and the catalogue have them: what each can do, how much fits and what it costs, by
// the best word there is.

#include <memory>
#include <vector>

#include "app/config.h"
#include "app/scorecards.h"
#include "routing/deployment.h"

namespace perdure {

// One for each of config.models, in order; `providers` are those of the config, in order, and outlive them, or are kept
// alive by `keeps`. A deployment of any name knows only what holds for every model of its supplier. What the
// configuration says of the deployment itself goes first, then what was measured, then the owner's catalogue documents,
// then the catalogue.
std::vector<Deployment> deployments_of(const Config& config, const std::vector<Provider*>& providers,
                                       const Scorecards& scorecards = {},
                                       const std::shared_ptr<const void>& keeps = {});

}  // namespace perdure
