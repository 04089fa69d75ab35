#include "app/provider_factory.h"

#include "dialect/gemini_upstream.h"
#include "dialect/messages_upstream.h"
#include "provider/azure_credential.h"
#include "provider/http_provider.h"

namespace perdure {
namespace {

std::unique_ptr<Credential> bearer(const std::string& key) {
  return header_credential("Authorization", "Bearer ", key);
}

std::unique_ptr<Credential> token(std::unique_ptr<TokenSource> source, const ProviderSurroundings& at) {
  return token_credential(std::make_unique<TokenKeeper>(at.loop, std::move(source), at.log));
}

// Vertex AI's models take what those of the Gemini API take, but for a few things.
bool is_vertex(const ProviderConfig& config) {
  return config.auth == AuthKind::kGoogle || config.base_url.path.find("/publishers/") != std::string::npos;
}

}  // namespace

std::unique_ptr<UpstreamDialect> make_dialect(const ProviderConfig& config) {
  switch (config.dialect) {
    case WireDialect::kResponses:
      return responses_upstream(config.responses);
    case WireDialect::kMessages:
      return messages_upstream();
    case WireDialect::kConverse:
      return converse_upstream(config.converse);
    case WireDialect::kGemini:
      return gemini_upstream({.vertex = is_vertex(config), .variant = {}});
    case WireDialect::kChat:
      break;
  }
  return chat_upstream(config.chat);
}

std::unique_ptr<Credential> make_credential(const ProviderConfig& config, const ProviderSurroundings& at) {
  switch (config.auth) {
    case AuthKind::kNone:
      return header_credential("Authorization", "", "");
    case AuthKind::kHeader:
      return header_credential(config.auth_header, "", config.api_key);
    case AuthKind::kAws:
      if (!config.api_key.empty()) return bearer(config.api_key);
      return aws_credential({.region = config.aws.region, .service = "bedrock"},
                            std::make_unique<AwsKeyRing>(
                                at.loop, aws_key_sources(config.aws.places, at.direct, at.files, at.loop), at.log),
                            at.loop);
    case AuthKind::kGoogle:
      if (config.google.account) return token(google_account_tokens(*config.google.account, at.client, at.loop), at);
      return token(google_metadata_tokens(at.direct, at.loop), at);
    case AuthKind::kAzure: {
      const AzureSettings& azure = config.azure;
      if (azure.managed_identity) return token(azure_identity_tokens(azure.identity, at.direct, at.loop), at);
      if (azure.client_secret.empty()) return azure_api_key(config.api_key);
      return token(
          entra_tokens(
              {.tenant = azure.tenant, .client_id = azure.identity.client_id, .client_secret = azure.client_secret},
              at.client, at.loop),
          at);
    }
    case AuthKind::kBearer:
      break;
  }
  return bearer(config.api_key);
}

BuiltProvider make_provider(const ProviderConfig& config, const ProviderSurroundings& surroundings) {
  BuiltProvider out;
  out.credential = make_credential(config, surroundings);
  HttpProviderOptions options{.name = config.name,
                              .issuer = config.issuer,
                              .base_url = config.base_url,
                              .ca_file = config.ca_file,
                              .headers = config.headers};
  if (config.auth == AuthKind::kAzure) options.path = azure_paths(config.azure.address);
  out.provider = http_provider(std::move(options), make_dialect(config), *out.credential, surroundings.client);
  return out;
}

}  // namespace perdure
