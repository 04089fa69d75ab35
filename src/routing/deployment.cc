#include "routing/deployment.h"

namespace perdure {

std::string_view name_of(Capability capability) {
  switch (capability) {
    case Capability::kTools:
      return "tools";
    case Capability::kImages:
      return "images";
    case Capability::kFiles:
      return "files";
    case Capability::kStructuredOutput:
      return "structured_output";
    case Capability::kReasoning:
      return "reasoning";
    case Capability::kPrefill:
      return "prefill";
  }
  return "?";
}

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
