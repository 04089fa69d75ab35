#pragma once
// KeyBook: who is calling. It holds the keys of keys.json and reads the file again within a second of a change. While
// there are no keys, every caller is the tenant "default" and may do everything; once there was one, an empty or
// unreadable file no longer opens the door. Lives on one Loop.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/api_key.h"
#include "base/log.h"

namespace perdure {

struct Caller {
  TenantId tenant;
  KeyId key;  // empty: there are no keys
  Scopes scopes;
};

class KeyBook {
 public:
  KeyBook(std::string path, const Clock& clock, Log log);

  // At start. kCorrupt: the file is there and makes no sense.
  Result<void> load();
  bool has_keys();
  // kDenied, reason "unauthenticated": no such key, or it was revoked. `token` empty: none was sent.
  Result<Caller> identify(std::string_view token);
  // What the key may use, as keys.json says now; null: everything. A key that was revoked keeps its limits for what it
  // has begun; one that is gone may use nothing any more. Valid until the next call of any of these.
  const Permits* permits(const KeyId& id);
  // Its own budgets, likewise; null: none.
  const std::vector<Budget>* budgets(const KeyId& id);
  // Its own limits to requests and tokens, likewise; null: none.
  const KeyRates* rates(const KeyId& id);
  const std::vector<ApiKey>& keys();

 private:
  struct Stamp {  // of the file as it was read
    int64_t modified_ns = -1, size = -1;
    uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp() const;
  void refresh();
  const ApiKey* find(const KeyId& id);  // as keys.json says now; null: it is not there
  void take(std::vector<ApiKey> keys);
  std::string path_;
  const Clock& clock_;
  Log log_;
  std::vector<ApiKey> keys_;
  std::unordered_map<KeyId, size_t> by_id_;
  bool closed_ = false;  // keys were seen
  Stamp read_;
  Instant looked_{};
};

}  // namespace perdure
