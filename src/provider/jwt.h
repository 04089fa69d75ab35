#pragma once
// JSON Web Tokens signed with RS256 (RFC 7515, RFC 7518): what service accounts prove themselves with. Pure.

#include <string>
#include <string_view>

#include "base/result.h"

namespace perdure {

// `header` and `claims` are JSON objects, `private_key` PEM (PKCS#8 or PKCS#1, RSA of at least 2048 bits, not
// encrypted). kInvalid: it is none. Messages hold nothing of it.
Result<std::string> sign_jwt_rs256(std::string_view header, std::string_view claims, std::string_view private_key);

}  // namespace perdure
