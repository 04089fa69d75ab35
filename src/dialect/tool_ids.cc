#include "dialect/tool_ids.h"

#include <algorithm>

#include "base/ids.h"
#include "wire/digest.h"

namespace perdure {
namespace {

constexpr std::string_view kEscaped = "pdx_", kHashed = "pdh_";
constexpr size_t kHashBytes = 24;
constexpr char kEscape = '-';

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

bool is_ours(std::string_view id) { return id.starts_with(kEscaped) || id.starts_with(kHashed); }

bool is_allowed(std::string_view id, const ToolIdRule& rule) {
  return !id.empty() && id.size() <= rule.length_max &&
         std::ranges::all_of(id, [&](char c) { return is_plain(c) || c == '-' || rule.punctuation.contains(c); });
}

std::string escaped(std::string_view id) {
  std::string out(kEscaped);
  for (const char& c : id) is_plain(c) ? void(out += c) : void(out.append(1, kEscape).append(to_hex({&c, 1})));
  return out;
}

std::string hashed(std::string_view id) {
  return std::string(kHashed).append(to_hex(std::string_view(sha256(id)).substr(0, kHashBytes)));
}

}  // namespace

std::string supplier_tool_id(std::string_view id, const ToolIdRule& rule) {
  if (is_allowed(id, rule) && !is_ours(id)) return std::string(id);
  std::string out;
  if (id.size() <= rule.length_max) out = escaped(id);
  return out.empty() || out.size() > rule.length_max ? hashed(id) : out;
}

std::optional<std::string> client_tool_id(std::string_view theirs, const ToolIdRule& rule,
                                          std::span<const std::string> known) {
  if (!is_ours(theirs)) return std::string(theirs);
  if (theirs.starts_with(kHashed)) {
    const auto same = std::ranges::find_if(known, [&](const auto& id) { return supplier_tool_id(id, rule) == theirs; });
    return same == known.end() ? std::nullopt : std::optional(*same);
  }
  std::string id;
  for (std::string_view rest = theirs.substr(kEscaped.size()); !rest.empty();) {
    size_t size = 1;
    if (rest[0] == kEscape) {
      auto byte = from_hex(rest.substr(1, size = 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      id += *byte;
      ++size;
    } else {
      id += rest[0];
    }
    rest.remove_prefix(std::min(size, rest.size()));
  }
  // Only what we would have written.
  return supplier_tool_id(id, rule) == theirs ? std::optional(std::move(id)) : std::nullopt;
}

}  // namespace perdure
