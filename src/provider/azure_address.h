#pragma once
// Where Azure OpenAI keeps what the OpenAI dialects say: their paths, rewritten. The base URL is the resource's:
// https://RESOURCE.openai.azure.com. Pure.

#include <functional>
#include <string>
#include <string_view>

namespace perdure {

enum class AzureSurface : uint8_t {
  kDeployments,  // /openai/deployments/DEPLOYMENT/chat/completions?api-version=...; /openai/responses?api-version=...
  kV1,           // /openai/v1/chat/completions, the deployment in the body as the model; api-version only if given
};

struct AzureAddress {
  AzureSurface surface = AzureSurface::kV1;
  std::string api_version;  // "2024-10-21"; with kDeployments there must be one
};

// For HttpProviderOptions::path: a dialect's path and the deployment -> the path to call.
std::string azure_path(const AzureAddress& address, std::string_view path, std::string_view deployment);
std::function<std::string(std::string_view, std::string_view)> azure_paths(AzureAddress address);

}  // namespace perdure
