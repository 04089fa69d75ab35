#pragma once
// What an idempotency key stands for: an entry of the index that names a response and the request that made it. Pure.
//
// The entry of a stored response lives and goes with it. A response that is not stored has nothing durable of its own,
// so its entry hangs on a session without records that the tenant has for this purpose, and a timer ends it. Neither
// tells anything of the request: the fingerprint is bound to the response.

#include <optional>
#include <string>

#include "session/responses.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

struct Claim {
  ResponseId response;
  std::string fingerprint;
  bool stored = true;  // false: only the process that makes the response has it, for a while

  bool operator==(const Claim&) const = default;
  std::string encode() const { return fingerprint + " " + response.value + (stored ? "" : " unstored"); }
  static Claim decode(std::string_view text) {
    size_t id = text.find(' ');
    if (id == std::string_view::npos) return {};
    size_t mark = text.find(' ', id + 1);
    return {ResponseId(std::string(text.substr(id + 1, mark - id - 1))), std::string(text.substr(0, id)),
            mark == std::string_view::npos};
  }
};

inline IndexKey claim_key(const CreateCall& call) {
  return {call.tenant, IndexKind::kIdempotency, call.route + "/" + call.idempotency_key};
}

inline Claim claim_of(const CreateCall& call, const ResponseId& id, bool stored) {
  std::string_view body(reinterpret_cast<const char*>(call.body_hash.data()), call.body_hash.size());
  Hash256 hash = sha256(id.value + std::string(body));
  return {id, to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()}), stored};
}

// The session that a tenant's claims of unstored responses hang on; it never has a record.
inline SessionId claims_session(const TenantId& tenant) {
  Hash256 hash = sha256("claims of " + tenant.value);
  SessionId out;
  for (size_t i = 0; i < 8; ++i) {
    out.hi = out.hi << 8 | hash[i];
    out.lo = out.lo << 8 | hash[8 + i];
  }
  return out;
}

inline constexpr std::string_view kClaimTimer = "claim/";
inline std::string claim_timer(const IndexKey& key) { return std::string(kClaimTimer) + key.key; }
// The key of the entry that a timer ends; nothing: it is another timer.
inline std::optional<std::string> claim_of_timer(std::string_view timer) {
  if (!timer.starts_with(kClaimTimer)) return std::nullopt;
  return std::string(timer.substr(kClaimTimer.size()));
}

}  // namespace perdure
