#pragma once
// AWS Signature Version 4: signing a request whose bytes are final, and checking one (for the simulated supplier).
//
// The canonical request is made of what goes over the wire: the method, the target as it is sent, the header fields as
// they are sent (Host among them), the body. A path is encoded once on the wire and once more for the signature, so a
// model's ARN, `:` and `/` and all, has to be encoded into the target as one segment: uri_encode(). Pure; the clock is
// a parameter.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace perdure {

// Secret, apart from the id: never printed, logged or put into an error.
struct AwsKeys {
  std::string access_key_id, secret_access_key;
  std::string session_token;  // of temporary keys; empty: none
};

struct SigV4Scope {
  std::string region, service;  // "eu-central-1", "bedrock"
};

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct SigV4Request {
  std::string_view method;
  std::string_view target;  // origin form: a path that is already percent-encoded, and perhaps a query
  std::span<const std::pair<std::string, std::string>> headers;
  std::string_view body;
};

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (UTF-8 byte by byte, capitals in the digits).
std::string uri_encode(std::string_view text);

// The fields to set: X-Amz-Date, X-Amz-Security-Token where the keys have one, Authorization. Fields of these names in
// `request.headers` do not count, the caller replaces them. All others are signed, except those that proxies and
// clients on the way add or change (as AWS's own clients have it: User-Agent, Connection, traceparent, ...). kInvalid:
// no Host, a target that is not in origin form, keys or a scope that are empty or cannot be.
Result<HeaderFields> sign_v4(const SigV4Request& request, const AwsKeys& keys, const SigV4Scope& scope, WallTime now);

// Whether AWS would take `request` as signed by `keys`. The error's reason is the name of AWS's exception:
// MissingAuthenticationTokenException (no signature), IncompleteSignatureException (kInvalid: a part is missing or
// makes no sense), UnrecognizedClientException (not these keys, or not their session token), InvalidSignatureException
// (it is not right for these bytes and this scope, was made `skew` earlier or later than now, or leaves out Host or an
// X-Amz- field). kDenied where nothing else is said.
Result<void> verify_v4(const SigV4Request& request, const AwsKeys& keys, const SigV4Scope& scope, WallTime now,
                       Duration skew = std::chrono::minutes(5));

// What was hashed and signed, for tests and for finding out why a signature was refused; holds no key, but the session
// token. `signed_names` in lower case, sorted.
std::string canonical_request_v4(const SigV4Request& request, std::span<const std::string> signed_names);

}  // namespace perdure
