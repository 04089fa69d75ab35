#pragma once
// say("Invalid '{}': at most {}.", name, max): a message with its blanks filled in.

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace perdure {

inline std::string fill(std::string_view pattern, std::initializer_list<std::string> blanks) {
  std::string out;
  for (const std::string& blank : blanks) {
    const size_t at = pattern.find("{}");
    if (at == std::string_view::npos) break;
    out.append(pattern.substr(0, at)).append(blank);
    pattern.remove_prefix(at + 2);
  }
  return out.append(pattern);
}

inline std::string blank_of(std::string_view text) { return std::string(text); }
inline std::string blank_of(std::integral auto value) { return std::to_string(value); }

std::string say(std::string_view pattern, const auto&... blanks) { return fill(pattern, {blank_of(blanks)...}); }

}  // namespace perdure
