#pragma once
// What proves to Google who is calling: an API key (Gemini API), a service account's key file, or the account of the
// machine that this runs on (Compute Engine, GKE, Cloud Run). Not supported, and said so by name: key files of users,
// of external accounts (workload identity federation) and of impersonation.

#include <memory>
#include <string>
#include <string_view>

#include "provider/oauth_token.h"

namespace perdure {

// In the header x-goog-api-key, never in an address.
std::unique_ptr<Credential> google_api_key(std::string key);

inline constexpr std::string_view kGoogleScope = "https://www.googleapis.com/auth/cloud-platform";

struct GoogleServiceAccount {
  std::string email;
  std::string private_key;  // PEM; secret
  std::string private_key_id;
  std::string token_uri;
  std::string project;
};
// The key file that Google's console gives out. kInvalid: it is none, or of another kind. Messages hold none of it.
Result<GoogleServiceAccount> read_google_service_account(std::string json);

// The signed statement that the token service takes, good for an hour from `now`.
Result<std::string> google_assertion(const GoogleServiceAccount& account, std::string_view scope, WallTime now);

std::unique_ptr<TokenSource> google_account_tokens(GoogleServiceAccount account, HttpClient& client, const Clock& clock,
                                                   std::string scope = std::string(kGoogleScope));

// `client` goes through no proxy.
std::unique_ptr<TokenSource> google_metadata_tokens(HttpClient& client, const Clock& clock,
                                                    std::string endpoint = "http://metadata.google.internal",
                                                    std::string account = "default");

}  // namespace perdure
