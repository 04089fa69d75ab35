#include "access/api_key.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/seal.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::pair<Scope, std::string_view> kScopes[] = {
    {Scope::kUse, "use"}, {Scope::kOperate, "operate"}, {Scope::kAudit, "audit"}};

constexpr std::pair<std::string_view, std::vector<std::string> Permits::*> kPermits[] = {
    {"models", &Permits::models}, {"parties", &Permits::parties}, {"regions", &Permits::regions}};
constexpr std::pair<std::string_view, int64_t KeyRates::*> kRates[] = {
    {"requests_per_minute", &KeyRates::requests_per_minute}, {"tokens_per_minute", &KeyRates::tokens_per_minute}};
constexpr size_t kPermitsMax = 1000;
constexpr size_t kBudgetsMax = 8;

// Whether a key may be as it is asked for.
Result<void> check(const ApiKey& key) {
  for (auto [what, limit] : kRates)
    if (key.rates.*limit < 0 || key.rates.*limit > kRateMax)
      return Error{Code::kInvalid, std::string(what) + " must be from 1 to " + std::to_string(kRateMax)};
  if (key.budgets.size() > kBudgetsMax)
    return Error{Code::kInvalid, "a key has at most " + std::to_string(kBudgetsMax) + " budgets"};
  for (auto [what, list] : kPermits) {
    bool good = (key.permits.*list).size() <= kPermitsMax &&
                std::ranges::all_of(key.permits.*list, [](const std::string& each) {
                  return !each.empty() && each.size() <= 256 && json::valid_utf8(each);
                });
    if (!good) return Error{Code::kInvalid, std::string(what) + ": at most 1000 names of 1 to 256 bytes of UTF-8"};
  }
  if (key.scopes.bits == 0) return Error{Code::kInvalid, "a key needs at least one scope"};
  if (!json::valid_utf8(key.name) || key.name.size() > 200)
    return Error{Code::kInvalid, "a name is at most 200 bytes of UTF-8"};
  return {};
}

// By id, or by name when only one unrevoked key has it.
Result<ApiKey*> find_key(std::vector<ApiKey>& keys, std::string_view id_or_name) {
  ApiKey* found = nullptr;
  for (ApiKey& key : keys)
    if (key.id.value == id_or_name) return &key;
  for (ApiKey& key : keys) {
    if (key.name != id_or_name || key.revoked) continue;
    if (found != nullptr)
      return Error{Code::kConflict, "several keys are named \"" + std::string(id_or_name) + "\": give the id"};
    found = &key;
  }
  if (found == nullptr) return Error{Code::kNotFound, "no key \"" + std::string(id_or_name) + "\""};
  return found;
}

// A key's budgets are its own, and go by its name.
void make_own(std::vector<Budget>& budgets, const ApiKey& key) {
  for (Budget& budget : budgets) {
    budget.name = key.name.empty() ? key.id.value : key.name;
    budget.per = Budget::Per::kKey;
  }
}

std::string base64url(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (unsigned char c : bytes) {
    bits = bits << 8 | c;
    for (count += 8; count >= 6; count -= 6) out.push_back(kAlphabet[bits >> (count - 6) & 63]);
  }
  if (count > 0) out.push_back(kAlphabet[bits << (6 - count) & 63]);
  return out;
}

Error failed(const std::string& what, const std::string& path) {
  return {Code::kUnavailable, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<void> write_durably(const std::string& path, std::string_view text) {
  std::string fresh = path + ".new";
  {
    File file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
    if (file.fd() < 0) return failed("write", fresh);
    while (!text.empty()) {
      ssize_t n = ::write(file.fd(), text.data(), text.size());
      if (n < 0) return failed("write", fresh);
      text.remove_prefix(static_cast<size_t>(n));
    }
    if (::fsync(file.fd()) != 0) return failed("sync", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed("replace", path);
  size_t slash = path.rfind('/');
  File folder(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY);
  if (folder.fd() < 0 || ::fsync(folder.fd()) != 0) return failed("sync the folder of", path);
  return {};
}

}  // namespace

std::string Scopes::to_string() const {
  std::string out;
  for (auto [scope, word] : kScopes) {
    if (!has(scope)) continue;
    if (!out.empty()) out += ",";
    out += word;
  }
  return out;
}

Result<Scopes> Scopes::parse(std::string_view text) {
  Scopes out;
  while (true) {
    std::string_view word = text.substr(0, text.find(','));
    bool known = false;
    for (auto [scope, name] : kScopes) {
      if (word != name) continue;
      out.add(scope);
      known = true;
    }
    if (!known)
      return Error{Code::kInvalid, "\"" + std::string(word) + "\" is not a scope; use, operate and audit are"};
    if (word.size() == text.size()) return out;
    text.remove_prefix(word.size() + 1);
  }
}

Result<TenantId> parse_tenant(std::string_view text) {
  bool good = !text.empty() && text.size() <= 64;
  for (char c : text)
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-');
  if (!good) return Error{Code::kInvalid, "a tenant is 1 to 64 letters, digits, '.', '_' or '-'"};
  return TenantId(std::string(text));
}

std::string write_keys(const std::vector<ApiKey>& keys) {
  json::Writer out;
  out.begin_object().field("version", 1).key("keys").begin_array();
  for (const ApiKey& key : keys) {
    out.begin_object().field("id", key.id.value).field("name", key.name).field("tenant", key.tenant.value);
    out.key("scopes").begin_array();
    for (auto [scope, word] : kScopes)
      if (key.scopes.has(scope)) out.string(word);
    out.end_array().field("created", unix_seconds(key.created));
    if (key.updated) out.field("updated", unix_seconds(*key.updated));
    if (key.revoked) out.field("revoked", unix_seconds(*key.revoked));
    for (auto [name, list] : kPermits) {
      if ((key.permits.*list).empty()) continue;
      out.key(name).begin_array();
      for (const std::string& each : key.permits.*list) out.string(each);
      out.end_array();
    }
    if (!key.budgets.empty()) {
      out.key("budgets").begin_array();
      for (const Budget& budget : key.budgets) out.string(to_string(budget));
      out.end_array();
    }
    for (auto [name, limit] : kRates)
      if (key.rates.*limit > 0) out.field(name, key.rates.*limit);
    out.field("sha256", to_hex({reinterpret_cast<const char*>(key.hash.data()), key.hash.size()})).end_object();
  }
  out.end_array().end_object();
  return out.take() + "\n";
}

Result<std::vector<ApiKey>> read_keys(std::string text) {
  Result<json::Document> parsed = json::Document::parse(std::move(text));
  if (!parsed.ok()) return Error{Code::kCorrupt, "not JSON: " + parsed.error().message};
  json::Value root = parsed->root();
  if (root["version"].integer() != 1 || !root["keys"].is_array())
    return Error{Code::kCorrupt, "not a list of keys that this version of perdure reads"};
  std::vector<ApiKey> keys;
  for (json::Value value : root["keys"].elements()) {
    std::string place = "keys[" + std::to_string(keys.size()) + "]";
    ApiKey key;
    key.id = KeyId(std::string(value["id"].text()));
    key.name = value["name"].text();
    Result<TenantId> tenant = parse_tenant(value["tenant"].text());
    if (!tenant.ok()) return Error{Code::kCorrupt, place + ".tenant: " + tenant.error().message};
    key.tenant = *tenant;
    for (json::Value scope : value["scopes"].elements()) {
      Result<Scopes> one = Scopes::parse(scope.text());
      if (!one.ok()) return Error{Code::kCorrupt, place + ".scopes: " + one.error().message};
      key.scopes.bits |= one->bits;
    }
    key.created = WallTime(std::chrono::seconds(value["created"].integer().value_or(0)));
    if (!value["updated"].absent())
      key.updated = WallTime(std::chrono::seconds(value["updated"].integer().value_or(0)));
    if (!value["revoked"].absent())
      key.revoked = WallTime(std::chrono::seconds(value["revoked"].integer().value_or(0)));
    Result<std::string> hash = from_hex(value["sha256"].text());
    if (key.id.empty() || !hash.ok() || hash->size() != key.hash.size())
      return Error{Code::kCorrupt, place + ": id or sha256 is missing"};
    std::memcpy(key.hash.data(), hash->data(), key.hash.size());
    // A limit that cannot be read must not become none.
    for (auto [name, list] : kPermits) {
      if (value[name].absent()) continue;
      for (json::Value each : value[name].elements()) (key.permits.*list).emplace_back(each.text());
      bool good = !(key.permits.*list).empty() &&
                  std::ranges::none_of(key.permits.*list, [](const std::string& each) { return each.empty(); });
      if (!good) return Error{Code::kCorrupt, place + "." + std::string(name) + ": not a list of names"};
    }
    for (auto [name, limit] : kRates) {
      if (value[name].absent()) continue;
      key.rates.*limit = value[name].integer().value_or(0);
      if (key.rates.*limit < 1 || key.rates.*limit > kRateMax)
        return Error{Code::kCorrupt, place + "." + std::string(name) + ": not a number of them"};
    }
    if (json::Value budgets = value["budgets"]; !budgets.absent()) {
      for (json::Value each : budgets.elements()) {
        Result<Budget> budget = parse_budget(each.text());
        if (!budget.ok()) return Error{Code::kCorrupt, place + ".budgets: " + budget.error().message};
        key.budgets.push_back(*std::move(budget));
      }
      if (key.budgets.empty()) return Error{Code::kCorrupt, place + ".budgets: not a list of budgets"};
      make_own(key.budgets, key);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<std::vector<ApiKey>> KeyFile::list() const {
  File file(path_, O_RDONLY);
  if (file.fd() < 0) {
    if (errno == ENOENT) return std::vector<ApiKey>{};
    return failed("read", path_);
  }
  std::string text;
  char piece[16 << 10];
  for (;;) {
    ssize_t n = ::read(file.fd(), piece, sizeof piece);
    if (n < 0) return failed("read", path_);
    if (n == 0) break;
    text.append(piece, static_cast<size_t>(n));
  }
  Result<std::vector<ApiKey>> keys = read_keys(std::move(text));
  if (!keys.ok()) return std::move(keys).error().with_context(path_);
  return keys;
}

Result<KeyFile::Made> KeyFile::create(std::string name, TenantId tenant, Scopes scopes, WallTime now, Random& random,
                                      Permits permits, std::vector<Budget> budgets, KeyRates rates) {
  Made made;
  made.key = {.id = {},
              .name = std::move(name),
              .tenant = std::move(tenant),
              .scopes = scopes,
              .created = now,
              .revoked = {},
              .hash = {},
              .permits = std::move(permits),
              .budgets = std::move(budgets),
              .rates = rates};
  TRY_VOID(check(made.key));
  File lock(path_ + ".lock", O_RDWR | O_CREAT);
  if (lock.fd() < 0 || ::flock(lock.fd(), LOCK_EX) != 0) return failed("lock", path_ + ".lock");
  TRY(std::vector<ApiKey> keys, list());
  made.secret = "pdk_" + base64url(random.bytes(32));
  made.key.id = KeyId(make_id(random, "key_", 8));
  made.key.hash = sha256(made.secret);
  make_own(made.key.budgets, made.key);
  keys.push_back(made.key);
  TRY_VOID(write_durably(path_, write_keys(keys)));
  return made;
}

Result<ApiKey> KeyFile::update(std::string_view id_or_name, const KeyChange& change, WallTime now) {
  File lock(path_ + ".lock", O_RDWR | O_CREAT);
  if (lock.fd() < 0 || ::flock(lock.fd(), LOCK_EX) != 0) return failed("lock", path_ + ".lock");
  TRY(std::vector<ApiKey> keys, list());
  TRY(ApiKey * found, find_key(keys, id_or_name));
  if (found->revoked) return Error{Code::kConflict, "the key " + found->id.value + " was revoked, and stays as it was"};
  auto put = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  put(change.name, found->name);
  put(change.scopes, found->scopes);
  put(change.models, found->permits.models);
  put(change.parties, found->permits.parties);
  put(change.regions, found->permits.regions);
  put(change.budgets, found->budgets);
  put(change.requests_per_minute, found->rates.requests_per_minute);
  put(change.tokens_per_minute, found->rates.tokens_per_minute);
  make_own(found->budgets, *found);  // which go by its name, and that may be another
  TRY_VOID(check(*found));
  found->updated = now;
  TRY_VOID(write_durably(path_, write_keys(keys)));
  return *found;
}

Result<ApiKey> KeyFile::revoke(std::string_view id_or_name, WallTime now) {
  File lock(path_ + ".lock", O_RDWR | O_CREAT);
  if (lock.fd() < 0 || ::flock(lock.fd(), LOCK_EX) != 0) return failed("lock", path_ + ".lock");
  TRY(std::vector<ApiKey> keys, list());
  TRY(ApiKey * found, find_key(keys, id_or_name));
  if (!found->revoked) {
    found->revoked = now;
    TRY_VOID(write_durably(path_, write_keys(keys)));
  }
  return *found;
}

}  // namespace perdure
