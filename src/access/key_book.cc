#include "access/key_book.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include "store/seal.h"

namespace perdure {

KeyBook::KeyBook(std::string path, const Clock& clock, Log log)
    : path_(std::move(path)), clock_(clock), log_(std::move(log)) {}

KeyBook::Stamp KeyBook::stamp() const {
  struct stat s{};
  if (::stat(path_.c_str(), &s) != 0) return {};
  return {int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec, s.st_size, s.st_ino};
}

Result<void> KeyBook::load() {
  looked_ = clock_.now();
  read_ = stamp();
  TRY(std::vector<ApiKey> keys, KeyFile(path_).list());
  take(std::move(keys));
  return {};
}

void KeyBook::take(std::vector<ApiKey> keys) {
  keys_ = std::move(keys);
  closed_ = closed_ || !keys_.empty();
  by_id_.clear();
  for (size_t i = 0; i < keys_.size(); ++i) by_id_[keys_[i].id] = i;
}

void KeyBook::refresh() {
  if (clock_.now() - looked_ < std::chrono::seconds(1)) return;
  looked_ = clock_.now();
  Stamp now = stamp();
  if (now == read_) return;
  read_ = now;
  Result<std::vector<ApiKey>> keys = KeyFile(path_).list();
  if (!keys.ok()) {
    log_.error("keys.unreadable", {{"error", keys.error().message}});
    return;
  }
  take(std::move(*keys));
  log_.info("keys.loaded", {{"keys", keys_.size()}});
}

bool KeyBook::has_keys() {
  refresh();
  return closed_;
}

const ApiKey* KeyBook::find(const KeyId& id) {
  refresh();
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &keys_[found->second];
}

const Permits* KeyBook::permits(const KeyId& id) {
  static const Permits kNothing{.models = {""}, .parties = {}, .regions = {}};  // no model has that name
  if (id.empty()) return nullptr;
  const ApiKey* key = find(id);
  if (key == nullptr) return &kNothing;
  return key->permits.unlimited() ? nullptr : &key->permits;
}

const std::vector<Budget>* KeyBook::budgets(const KeyId& id) {
  const ApiKey* key = id.empty() ? nullptr : find(id);
  return key == nullptr || key->budgets.empty() ? nullptr : &key->budgets;
}

const KeyRates* KeyBook::rates(const KeyId& id) {
  const ApiKey* key = id.empty() ? nullptr : find(id);
  return key == nullptr || !key->rates.any() ? nullptr : &key->rates;
}

const std::vector<ApiKey>& KeyBook::keys() {
  refresh();
  return keys_;
}

Result<Caller> KeyBook::identify(std::string_view token) {
  if (!has_keys()) return Caller{TenantId("default"), KeyId(), Scopes::all()};
  if (token.empty())
    return Error{Code::kDenied, "an API key is needed: send it as Authorization: Bearer, x-api-key or api-key", "",
                 "unauthenticated"};
  // Every key is looked at, so that the time taken tells nothing about which one came close.
  Hash256 hash = sha256(token);
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys_)
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0) found = &key;
  if (found == nullptr || found->revoked)
    return Error{Code::kDenied, "this API key is not valid", "", "unauthenticated"};
  return Caller{found->tenant, found->id, found->scopes};
}

}  // namespace perdure
