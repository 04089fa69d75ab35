#pragma once
// ApiKey: a credential for the public surface, and KeyFile, where they rest: DATA/keys.json, mode 0600, replaced
// atomically. Only the SHA-256 of a key is kept; the key itself is shown once, when it is made.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/budget.h"
#include "access/permits.h"
#include "access/rate.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "store/store.h"

namespace perdure {

// What a key may do: use (make and read its tenant's responses), operate (read the account, the operator's lists and
// metrics), audit (the reading half of operate).
enum class Scope : uint8_t { kUse = 1, kOperate = 2, kAudit = 4 };

struct Scopes {
  uint8_t bits = 0;
  static constexpr Scopes all() { return {7}; }
  bool has(Scope scope) const { return (bits & static_cast<uint8_t>(scope)) != 0; }
  void add(Scope scope) { bits |= static_cast<uint8_t>(scope); }
  std::string to_string() const;                       // "use,operate"
  static Result<Scopes> parse(std::string_view text);  // the same; kInvalid names the word that is wrong
  bool operator==(const Scopes&) const = default;
};

struct ApiKey {
  KeyId id;  // "key_" and 16 hex digits: names the key in logs and lists
  std::string name;
  TenantId tenant;
  Scopes scopes;
  WallTime created{};
  std::optional<WallTime> revoked;
  Hash256 hash{};  // SHA-256 of the key
  Permits permits = {};
  std::vector<Budget> budgets = {};      // its own; named after it
  KeyRates rates = {};                   // its own
  std::optional<WallTime> updated = {};  // when it was last changed; revoking is no change
};

// What is to be changed of a key. Nothing: it stays as it is. An empty list, or 0 for a limit: there is none any more.
struct KeyChange {
  std::optional<std::string> name;
  std::optional<Scopes> scopes;
  std::optional<std::vector<std::string>> models, parties, regions;
  std::optional<std::vector<Budget>> budgets;
  std::optional<int64_t> requests_per_minute, tokens_per_minute;
  bool operator==(const KeyChange&) const = default;
};

// kInvalid: a tenant is 1 to 64 letters, digits, '.', '_' or '-'.
Result<TenantId> parse_tenant(std::string_view text);

std::string write_keys(const std::vector<ApiKey>& keys);
Result<std::vector<ApiKey>> read_keys(std::string text);  // kCorrupt

// Blocking; for commands and start-up. Every change holds a lock file, so that two commands cannot lose each other's
// work.
class KeyFile {
 public:
  explicit KeyFile(std::string path) : path_(std::move(path)) {}
  static std::string in(const std::string& data_folder) { return data_folder + "/keys.json"; }

  Result<std::vector<ApiKey>> list() const;  // no file: none

  struct Made {
    ApiKey key;
    std::string secret;  // "pdk_" and 43 characters; shown once
  };
  Result<Made> create(std::string name, TenantId tenant, Scopes scopes, WallTime now, Random& random,
                      Permits permits = {}, std::vector<Budget> budgets = {}, KeyRates rates = {});
  // By id, or by name when only one unrevoked key has it. The tenant stays: what the key has made is its tenant's.
  // kInvalid, as of create(); kConflict: it was revoked. Either changes nothing.
  Result<ApiKey> update(std::string_view id_or_name, const KeyChange& change, WallTime now);
  // Likewise. Revoking again changes nothing.
  Result<ApiKey> revoke(std::string_view id_or_name, WallTime now);

 private:
  std::string path_;
};

}  // namespace perdure
