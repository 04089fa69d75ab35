#pragma once
// What proves to Azure OpenAI who is calling: a resource's key, an application registered in Entra (client id and
// secret), or the managed identity of the machine that this runs on.

#include <memory>
#include <string>
#include <string_view>

#include "provider/oauth_token.h"

namespace perdure {

// In the header api-key.
std::unique_ptr<Credential> azure_api_key(std::string key);

inline constexpr std::string_view kAzureResource = "https://cognitiveservices.azure.com";

struct EntraApplication {
  std::string tenant, client_id;
  std::string client_secret;                                // secret
  std::string login = "https://login.microsoftonline.com";  // other clouds have others
  std::string resource = std::string(kAzureResource);
};
std::unique_ptr<TokenSource> entra_tokens(EntraApplication application, HttpClient& client, const Clock& clock);

struct AzureManagedIdentity {
  std::string client_id;  // of a user-assigned identity; empty: the system's
  std::string resource = std::string(kAzureResource);
  // IDENTITY_ENDPOINT and IDENTITY_HEADER, where App Service, Functions or Container Apps set them; without them, the
  // virtual machine's service is asked.
  std::string endpoint, header;  // header: secret
  std::string machine = "http://169.254.169.254";
};
// `client` goes through no proxy.
std::unique_ptr<TokenSource> azure_identity_tokens(AzureManagedIdentity identity, HttpClient& client,
                                                   const Clock& clock);

}  // namespace perdure
