#include "session/key_ring.h"

#include "store/blob.h"

namespace perdure {
namespace {
constexpr std::string_view kClear = "clear";  // the wrapped key of a session whose payloads are not encrypted
}

Task<Result<Key256>> KeyRing::tenant_key(TenantId tenant) {
  if (auto found = tenants_.find(tenant); found != tenants_.end()) co_return found->second;
  std::string name = "tenant_key/" + tenant.value;
  std::string aad = "tenant " + tenant.value;
  CO_TRY(std::optional<std::string> wrapped, co_await store_.setting(name));
  if (!wrapped) {
    Key256 fresh = make_key(random_);
    std::string value = wrap_key(*master_, fresh, aad, random_);
    Result<void> put = co_await store_.put_setting(name, value, true);
    if (!put.ok() && put.error().code != Code::kConflict) co_return std::move(put).error();
    CO_TRY(wrapped, co_await store_.setting(name));  // another loop may have been first
    if (!wrapped) co_return Error{Code::kInternal, "the tenant's key was not stored"};
  }
  Result<Key256> key = unwrap_key(*master_, *wrapped, aad);
  if (!key.ok()) co_return std::move(key).error().with_context("tenant key (is this the right master key?)");
  tenants_[tenant] = *key;
  co_return *key;
}

Task<Result<KeyRing::NewKey>> KeyRing::make(TenantId tenant, SessionId session) {
  if (!master_) co_return NewKey{std::nullopt, std::string(kClear)};
  CO_TRY(Key256 outer, co_await tenant_key(tenant));
  Key256 key = make_key(random_);
  std::string wrapped = wrap_key(outer, key, session.to_string(), random_);
  co_return NewKey{key, std::move(wrapped)};
}

Task<Result<std::optional<Key256>>> KeyRing::open(SessionRow row) {
  if (row.wrapped_key.empty()) co_return Error{Code::kNotFound, "the session was erased"};
  if (row.wrapped_key == kClear) co_return std::optional<Key256>();
  if (!master_) co_return Error{Code::kCorrupt, "the session is encrypted and no master key is given"};
  CO_TRY(Key256 outer, co_await tenant_key(row.tenant));
  CO_TRY(Key256 key, unwrap_key(outer, row.wrapped_key, row.id.to_string()));
  co_return std::optional<Key256>(key);
}

Task<Result<Key256>> KeyRing::blob_key(TenantId tenant, bool encrypted) {
  if (!encrypted) co_return blob_key_of(nullptr, tenant);
  CO_TRY(Key256 outer, co_await tenant_key(tenant));
  co_return blob_key_of(&outer, tenant);
}

}  // namespace perdure
