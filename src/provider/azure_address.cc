#include "provider/azure_address.h"

#include "wire/sigv4.h"

namespace perdure {

std::string azure_path(const AzureAddress& address, std::string_view path, std::string_view deployment) {
  std::string out = address.surface == AzureSurface::kV1 ? "/openai/v1" : "/openai";
  // Responses belong to the resource, and name the deployment in the body, on both surfaces.
  if (address.surface == AzureSurface::kDeployments && !path.starts_with("/responses"))
    out += "/deployments/" + uri_encode(deployment);
  out += path;
  if (!address.api_version.empty()) {
    out += path.find('?') == std::string_view::npos ? "?" : "&";
    out += "api-version=" + uri_encode(address.api_version);
  }
  return out;
}

std::function<std::string(std::string_view, std::string_view)> azure_paths(AzureAddress address) {
  return [address = std::move(address)](std::string_view path, std::string_view deployment) {
    return azure_path(address, path, deployment);
  };
}

}  // namespace perdure
