#pragma once
// SHA-256, for names that must be short and the same on every machine. Secrets are hashed where they live.

#include <string>
#include <string_view>

namespace perdure {

std::string sha256(std::string_view bytes);  // 32 bytes

}  // namespace perdure
