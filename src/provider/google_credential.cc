#include "provider/google_credential.h"

#include "provider/jwt.h"
#include "wire/json.h"
#include "wire/sigv4.h"

namespace perdure {
namespace {

constexpr int64_t kSeconds = 3600;

Error denied(std::string message) {
  return {.code = Code::kDenied, .message = std::move(message), .reason = "supplier_denied"};
}

class AccountTokens final : public TokenSource {
 public:
  AccountTokens(GoogleServiceAccount account, HttpClient& client, const Clock& clock, std::string scope)
      : account_(std::move(account)), client_(client), clock_(clock), scope_(std::move(scope)) {}

  Task<Result<BearerToken>> fetch(Deadline deadline) override {
    Result<std::string> assertion = google_assertion(account_, scope_, clock_.wall());
    if (!assertion.ok())
      co_return denied("Google's service account cannot be used: " + assertion.error().message + ".");
    HttpCall call;
    Result<Url> url = token_service_url(account_.token_uri);
    if (!url.ok()) co_return denied("Google's service account cannot be used: " + url.error().message + ".");
    call.url = *std::move(url);
    call.headers.add("Content-Type", "application/x-www-form-urlencoded");
    call.headers.add("Accept", "application/json");
    call.body = form_of({{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", *assertion}});
    co_return co_await ask_for_token(client_, clock_, std::move(call), "Google's token service", deadline);
  }

 private:
  GoogleServiceAccount account_;
  HttpClient& client_;
  const Clock& clock_;
  std::string scope_;
};

class MetadataTokens final : public TokenSource {
 public:
  MetadataTokens(HttpClient& client, const Clock& clock, std::string endpoint, std::string account)
      : client_(client), clock_(clock), endpoint_(std::move(endpoint)), account_(std::move(account)) {
    while (endpoint_.ends_with('/')) endpoint_.pop_back();
  }

  Task<Result<BearerToken>> fetch(Deadline deadline) override {
    HttpCall call;
    call.method = "GET";
    const std::string path = "/computeMetadata/v1/instance/service-accounts/" + uri_encode(account_) + "/token";
    Result<Url> url = token_service_url(endpoint_ + path, "metadata.google.internal");
    if (!url.ok()) co_return denied("Google's metadata service cannot be asked: " + url.error().message + ".");
    call.url = *std::move(url);
    call.headers.add("Metadata-Flavor", "Google");
    co_return co_await ask_for_token(client_, clock_, std::move(call), "Google's metadata service", deadline,
                                     {"Metadata-Flavor", "Google"});
  }

 private:
  HttpClient& client_;
  const Clock& clock_;
  std::string endpoint_, account_;
};

}  // namespace

std::unique_ptr<Credential> google_api_key(std::string key) {
  return header_credential("x-goog-api-key", "", std::move(key));
}

Result<GoogleServiceAccount> read_google_service_account(std::string json) {
  const auto wrong = [](std::string_view what) {
    return Error{Code::kInvalid, "the key file is no service account's: " + std::string(what)};
  };
  auto document = json::Document::parse(std::move(json));
  if (!document.ok()) return wrong("it is not JSON");
  const json::Value root = document->root();
  const std::string_view type = root["type"].text();
  for (const std::string_view other : {"authorized_user", "external_account", "external_account_authorized_user",
                                       "impersonated_service_account", "gdch_service_account"}) {
    if (type == other) return wrong("'" + std::string(other) + "' is not supported");
  }
  if (type != "service_account") return wrong("its type is not 'service_account'");
  GoogleServiceAccount out{.email = std::string(root["client_email"].text()),
                           .private_key = std::string(root["private_key"].text()),
                           .private_key_id = std::string(root["private_key_id"].text()),
                           .token_uri = std::string(root["token_uri"].text()),
                           .project = std::string(root["project_id"].text())};
  if (out.email.empty()) return wrong("'client_email' is missing");
  if (out.private_key.empty()) return wrong("'private_key' is missing");
  if (out.token_uri.empty()) out.token_uri = "https://oauth2.googleapis.com/token";
  if (auto url = token_service_url(out.token_uri); !url.ok()) return wrong(url.error().message);
  return out;
}

Result<std::string> google_assertion(const GoogleServiceAccount& account, std::string_view scope, WallTime now) {
  json::Writer header, claims;
  header.begin_object().field("alg", "RS256").field("typ", "JWT");
  if (!account.private_key_id.empty()) header.field("kid", account.private_key_id);
  header.end_object();
  const int64_t issued = unix_seconds(now);
  claims.begin_object().field("iss", account.email).field("scope", scope).field("aud", account.token_uri);
  claims.field("iat", issued).field("exp", issued + kSeconds).end_object();
  return sign_jwt_rs256(header.text(), claims.text(), account.private_key);
}

std::unique_ptr<TokenSource> google_account_tokens(GoogleServiceAccount account, HttpClient& client, const Clock& clock,
                                                   std::string scope) {
  return std::make_unique<AccountTokens>(std::move(account), client, clock, std::move(scope));
}

std::unique_ptr<TokenSource> google_metadata_tokens(HttpClient& client, const Clock& clock, std::string endpoint,
                                                    std::string account) {
  return std::make_unique<MetadataTokens>(client, clock, std::move(endpoint), std::move(account));
}

}  // namespace perdure
