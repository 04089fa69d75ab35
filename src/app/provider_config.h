#pragma once
// ProviderConfig: everything that is needed to build one provider (provider_factory.h). It is made from a ProviderWish,
// what the owner wrote, and the catalogue, which fills in what the owner left out: address, dialect, authentication,
// the variable that usually holds the key, and the habits of the supplier's chat endpoint.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalogue/catalogue.h"
#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/responses_upstream.h"
#include "http/client.h"
#include "provider/aws_credentials.h"
#include "provider/azure_address.h"
#include "provider/azure_credential.h"
#include "provider/google_credential.h"

namespace perdure {

// The environment as a parameter: the value of a variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

// A bearer key stands in ProviderConfig::api_key, and then the rest does not matter.
struct AwsSettings {
  std::string region;     // empty: as the address says
  AwsEnvironment places;  // where keys are looked for; holds secrets
};

// Without an account: the one of the machine that this runs on.
struct GoogleSettings {
  std::optional<GoogleServiceAccount> account;  // holds a secret
};

// A key (ProviderConfig::api_key), an application registered in Entra, or the identity of the machine.
struct AzureSettings {
  AzureAddress address;
  std::string tenant;
  std::string client_secret;  // secret; with tenant and identity.client_id: an application
  bool managed_identity = false;
  AzureManagedIdentity identity;  // holds a secret
};

struct ProviderConfig {
  std::string name;
  std::string supplier;  // its name in the catalogue; empty: not known there
  std::string party, region, account;
  std::string issuer;  // of opaque blocks; empty: the name
  WireDialect dialect = WireDialect::kChat;
  Url base_url;
  AuthKind auth = AuthKind::kBearer;
  std::string auth_header;
  std::string api_key;  // secret
  std::string ca_file;
  std::vector<std::pair<std::string, std::string>> headers;  // sent with every call; secret
  ChatVariant chat;
  ResponsesVariant responses;
  ConverseVariant converse;
  AwsSettings aws;        // of kAws
  GoogleSettings google;  // of kGoogle
  AzureSettings azure;    // of kAzure
};

struct AwsWish {
  std::string region, profile;
  std::string access_key, secret_key, session_token, bearer;  // secret
};

struct GoogleWish {
  std::string credentials;  // secret: the key file of a service account
  std::string project, location;
};

struct AzureWish {
  std::optional<AzureSurface> style;
  std::string resource, api_version, tenant, client_id;
  std::string client_secret;  // secret
  bool managed_identity = false;
};

// What the owner wrote. Nothing, or empty: the catalogue says, or the usual.
struct ProviderWish {
  std::string name, supplier, base_url;
  std::string party, region, account, issuer;
  std::optional<WireDialect> dialect;
  std::optional<AuthKind> auth;
  std::string auth_header, api_key, ca_file;
  std::vector<std::pair<std::string, std::string>> headers;
  std::map<std::string, std::string> placeholders;  // of the address: resource, account, ...
  std::optional<AwsWish> aws;
  std::optional<GoogleWish> google;
  std::optional<AzureWish> azure;
};

struct WishProblem {
  std::string field;  // of the wish: "base_url", "aws.region"; empty: the wish as a whole
  std::string message;
};

// `catalogue` and `environment` are asked for what is missing. With a problem the result is of no use. How the chat
// dialect is spoken there is what the catalogue says; the owner's word is laid over it afterwards.
ProviderConfig complete(ProviderWish wish, const Catalogue& catalogue, const Environment& environment,
                        std::vector<WishProblem>& problems);

// What a supplier's chat endpoint wants; null: one that nothing is known of.
ChatVariant chat_variant_of(const Supplier* supplier);

std::string_view name_of(WireDialect dialect);                    // "chat"
extern const std::array<Name<ChatPrefill>, 4> kChatPrefillNames;  // "none", "plain", ...
std::string_view name_of(AuthKind auth);                          // "bearer"

}  // namespace perdure
