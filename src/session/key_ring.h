#pragma once
// KeyRing: the keys under which sessions are sealed. Master key (the owner's) wraps tenant keys (settings of the
// store), which wrap session keys (rows of sessions). Lives on one Loop; each loop has its own, all read the same
// settings.

#include <unordered_map>

#include "async/task.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

class KeyRing {
 public:
  // Without a master key payloads are stored in the clear: the owner's explicit choice.
  KeyRing(std::optional<Key256> master, Store& store, Random& random)
      : master_(master), store_(store), random_(random) {}

  // A new session's key, and how it is stored. No key when encryption is off.
  struct NewKey {
    std::optional<Key256> key;
    std::string wrapped;
  };
  Task<Result<NewKey>> make(TenantId tenant, SessionId session);
  // kCorrupt: not wrapped by this owner's keys. kNotFound: the session was erased.
  Task<Result<std::optional<Key256>>> open(SessionRow row);
  // What the ids of the session's blobs come from (store/blob.h).
  Task<Result<Key256>> blob_key(TenantId tenant, bool encrypted);

 private:
  Task<Result<Key256>> tenant_key(TenantId tenant);
  std::optional<Key256> master_;
  Store& store_;
  Random& random_;
  std::unordered_map<TenantId, Key256> tenants_;  // bounded by the number of tenants, which keys bound
};

}  // namespace perdure
