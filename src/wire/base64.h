#pragma once
// Base64 (RFC 4648, the alphabet with + and /, padded), strictly.

#include <optional>
#include <string>
#include <string_view>

namespace perdure {

bool is_base64(std::string_view text);  // whole groups of four, padding at the end only; empty is
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // nothing: is_base64() is false

}  // namespace perdure
