#pragma once
// The target of a request as path and query.

#include <map>
#include <string>
#include <string_view>

namespace perdure {

// Accepts origin form, absolute form, authority form (CONNECT) and "*". False: malformed (bad percent-encoding, NUL).
bool parse_request_target(std::string_view target, std::string& path, std::map<std::string, std::string>& query);

}  // namespace perdure
