#pragma once
// Tool-call ids where a supplier's alphabet or length forbids the client's. Pure and without state: equal ids give
// equal ids on every server and after every restart, different ids give different ones, and what was mapped can be read
// back.
//
//   call_1                        call_1                                what may be sent is sent as it is
//   functions.get:0               pdx_functions-2eget-3a0               else bytes outside [a-zA-Z0-9_] are escaped
//   (an id of 200 characters)     pdh_0f1e...                           too long for that: 192 bits of its SHA-256
//
// Ids that begin with one of our two prefixes are mapped too, so that no id is another's image. A hash alone does not
// tell what it came from: whoever reads it back knows the ids that it can be, the calls of the context.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace perdure {

struct ToolIdRule {
  std::string_view punctuation = "_-";  // allowed beside letters and digits; '_' and '-' always are
  size_t length_max = 256;              // at least 52
  bool operator==(const ToolIdRule&) const = default;
};
inline constexpr ToolIdRule kMessagesToolIds{};                                         // ^[a-zA-Z0-9_-]+$
inline constexpr ToolIdRule kConverseToolIds{.punctuation = "_-.:", .length_max = 64};  // [a-zA-Z0-9_.:-]{1,64}

// `id` in the supplier's alphabet.
std::string supplier_tool_id(std::string_view id, const ToolIdRule& rule);

// The id that became `theirs`. Nothing: one of ours that is damaged, or a hash of no id in `known`.
std::optional<std::string> client_tool_id(std::string_view theirs, const ToolIdRule& rule,
                                          std::span<const std::string> known = {});

}  // namespace perdure
