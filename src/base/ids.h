#pragma once
// Identifiers. Strong types, so that a tenant cannot be passed for a session.

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace perdure {

template <class Tag>
struct StringId {
  std::string value;
  StringId() = default;
  explicit StringId(std::string v) : value(std::move(v)) {}
  bool empty() const { return value.empty(); }
  auto operator<=>(const StringId&) const = default;
};

using TenantId = StringId<struct TenantTag>;      // an isolated owner of objects
using ResponseId = StringId<struct ResponseTag>;  // "resp_" + 48 hex digits
using ConversationId = StringId<struct ConversationTag>;  // "conv_" + 48 hex digits
using KeyId = StringId<struct KeyTag>;            // names an API key without revealing it

// The durable unit of state. 128 random bits; its hash decides its home core.
struct SessionId {
  uint64_t hi = 0, lo = 0;
  auto operator<=>(const SessionId&) const = default;
  static SessionId make(Random& random);
  std::string to_string() const;  // "sess_" + 32 hex digits
  static Result<SessionId> parse(std::string_view text);
};

// A prefix, then `bytes` random bytes in hex: make_id(random, "resp_").
std::string make_id(Random& random, std::string_view prefix, size_t bytes = 24);

std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view hex);

}  // namespace perdure

template <class Tag>
struct std::hash<perdure::StringId<Tag>> {
  size_t operator()(const perdure::StringId<Tag>& id) const { return std::hash<std::string>{}(id.value); }
};
template <>
struct std::hash<perdure::SessionId> {
  size_t operator()(const perdure::SessionId& id) const {
    return static_cast<size_t>(id.lo ^ (id.hi * 0x9e3779b97f4a7c15ull));
  }
};
