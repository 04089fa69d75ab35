#pragma once
// HttpProvider: a supplier reached over HTTP: a dialect (what is said), an address, and a credential (who says it).

#include <functional>
#include <memory>
#include <string>

#include "dialect/upstream.h"
#include "http/client.h"
#include "provider/credential.h"
#include "provider/provider.h"

namespace perdure {

struct HttpProviderOptions {
  std::string name;
  std::string issuer;  // of its opaque blocks; empty: the name
  Url base_url;        // "https://api.openai.com/v1"
  std::string ca_file;
  std::vector<std::pair<std::string, std::string>> headers;  // sent with every call
  // The path to call, of the dialect's path and the model's name, where an address has its own ways
  // (azure_address.h); empty: the dialect's.
  std::function<std::string(std::string_view path, std::string_view model)> path = {};
};

// `client` and `credential` must live on the same Loop and outlive the provider.
std::unique_ptr<Provider> http_provider(HttpProviderOptions options, std::unique_ptr<UpstreamDialect> dialect,
                                        Credential& credential, HttpClient& client);

}  // namespace perdure
