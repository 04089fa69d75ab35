#include "app/routing_config.h"

namespace perdure {

void lay_over(Deployment& deployment, const ModelConfig& model, int place) {
  deployment.name = model.deployment_name();
  if (!model.party.empty()) deployment.party = model.party;
  if (!model.region.empty()) deployment.region = model.region;
  if (!model.account.empty()) deployment.account = model.account;
  deployment.priority = model.priority.value_or(place);
  deployment.weight = model.weight;
  deployment.concurrency_max = model.concurrency_max;
  deployment.queue_max = model.queue_max;
  if (model.price) deployment.price = model.price;
}

}  // namespace perdure
