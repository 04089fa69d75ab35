#include "routing/deployment.h"

namespace perdure {

Deployment Deployment::simple(std::string model, Provider& provider, std::string upstream_model) {
  Deployment out;
  out.name = model + "@" + provider.name();
  out.model = std::move(model);
  out.provider_name = provider.name();
  out.provider = &provider;
  out.upstream_model = std::move(upstream_model);
  return out;
}

}  // namespace perdure
