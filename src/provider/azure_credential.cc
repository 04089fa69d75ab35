#include "provider/azure_credential.h"

#include "wire/sigv4.h"

namespace perdure {
namespace {

Error denied(std::string message) {
  return {.code = Code::kDenied, .message = std::move(message), .reason = "supplier_denied"};
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

class EntraTokens final : public TokenSource {
 public:
  EntraTokens(EntraApplication application, HttpClient& client, const Clock& clock)
      : application_(std::move(application)), client_(client), clock_(clock) {}

  Task<Result<BearerToken>> fetch(Deadline deadline) override {
    HttpCall call;
    const std::string path = "/" + uri_encode(application_.tenant) + "/oauth2/v2.0/token";
    Result<Url> url = token_service_url(without_slash(application_.login) + path);
    if (!url.ok()) co_return denied("Entra cannot be asked for a token: " + url.error().message + ".");
    call.url = *std::move(url);
    call.headers.add("Content-Type", "application/x-www-form-urlencoded");
    call.headers.add("Accept", "application/json");
    const std::string scope = without_slash(application_.resource) + "/.default";
    call.body = form_of({{"grant_type", "client_credentials"},
                         {"client_id", application_.client_id},
                         {"client_secret", application_.client_secret},
                         {"scope", scope}});
    co_return co_await ask_for_token(client_, clock_, std::move(call), "Entra's token service", deadline);
  }

 private:
  EntraApplication application_;
  HttpClient& client_;
  const Clock& clock_;
};

class IdentityTokens final : public TokenSource {
 public:
  IdentityTokens(AzureManagedIdentity identity, HttpClient& client, const Clock& clock)
      : identity_(std::move(identity)), client_(client), clock_(clock) {}

  Task<Result<BearerToken>> fetch(Deadline deadline) override {
    const bool machine = identity_.endpoint.empty();
    std::string address =
        machine ? without_slash(identity_.machine) + "/metadata/identity/oauth2/token" : identity_.endpoint;
    address += address.find('?') == std::string::npos ? "?" : "&";
    address += form_of({{"api-version", machine ? "2018-02-01" : "2019-08-01"}, {"resource", identity_.resource}});
    if (!identity_.client_id.empty()) address += "&" + form_of({{"client_id", identity_.client_id}});
    HttpCall call;
    call.method = "GET";
    Result<Url> url = token_service_url(address);
    if (!url.ok()) co_return denied("The managed identity cannot be asked for: " + url.error().message + ".");
    call.url = *std::move(url);
    if (identity_.header.find_first_of("\r\n") != std::string::npos)
      co_return denied("The managed identity cannot be asked for: IDENTITY_HEADER holds a line break.");
    if (machine)
      call.headers.add("Metadata", "true");
    else
      call.headers.add("X-IDENTITY-HEADER", identity_.header);
    co_return co_await ask_for_token(client_, clock_, std::move(call), "Azure's identity service", deadline);
  }

 private:
  AzureManagedIdentity identity_;
  HttpClient& client_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Credential> azure_api_key(std::string key) { return header_credential("api-key", "", std::move(key)); }

std::unique_ptr<TokenSource> entra_tokens(EntraApplication application, HttpClient& client, const Clock& clock) {
  return std::make_unique<EntraTokens>(std::move(application), client, clock);
}

std::unique_ptr<TokenSource> azure_identity_tokens(AzureManagedIdentity identity, HttpClient& client,
                                                   const Clock& clock) {
  return std::make_unique<IdentityTokens>(std::move(identity), client, clock);
}

}  // namespace perdure
