#include "store/memory_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

namespace perdure {
namespace {

struct Journal {
  SessionRow row;
  std::vector<SealedRecord> records;
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(Key256 head_key) : head_key_(head_key) {}

  Task<Result<Lease>> acquire(uint32_t shard) override {
    std::lock_guard lock(mutex_);
    co_return Lease{shard, ++epochs_[shard]};
  }

  Task<Result<Committed>> commit(Lease lease, Batch batch) override { co_return apply(lease, std::move(batch)); }

  Task<Result<void>> append_ledger(std::vector<LedgerEntry> entries) override {
    std::lock_guard lock(mutex_);
    add_ledger(std::move(entries));
    co_return Result<void>{};
  }

  Task<Result<std::optional<SessionRow>>> session(SessionId id) override {
    std::lock_guard lock(mutex_);
    auto at = journals_.find(id);
    if (at == journals_.end()) co_return std::optional<SessionRow>{};
    co_return std::optional<SessionRow>{at->second.row};
  }

  Task<Result<std::vector<SealedRecord>>> read(SessionId id, uint64_t first, uint64_t last, size_t bytes_max) override {
    std::lock_guard lock(mutex_);
    auto at = journals_.find(id);
    if (at == journals_.end()) co_return Error{Code::kNotFound, "no such session"};
    std::vector<SealedRecord> out;
    size_t bytes = 0;
    const auto& records = at->second.records;
    for (uint64_t seq = std::max<uint64_t>(first, 1); seq <= std::min<uint64_t>(last, records.size()); ++seq) {
      const SealedRecord& record = records[seq - 1];
      if (!out.empty() && bytes + record.body.size() > bytes_max) break;
      bytes += record.body.size();
      out.push_back(record);
    }
    co_return out;
  }

  Task<Result<std::optional<std::string>>> blob(Hash256 id) override {
    std::lock_guard lock(mutex_);
    auto at = blobs_.find(id);
    if (at == blobs_.end()) co_return std::optional<std::string>{};
    co_return std::optional<std::string>{at->second.body};
  }

  Task<Result<std::vector<BlobRow>>> blobs(std::optional<Hash256> after, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<BlobRow> out;
    for (auto at = after ? blobs_.upper_bound(*after) : blobs_.begin(); at != blobs_.end() && out.size() < limit; ++at)
      out.push_back({at->first, at->second.references});
    co_return out;
  }

  Task<Result<std::optional<IndexEntry>>> find(IndexKey key) override {
    std::lock_guard lock(mutex_);
    auto at = index_.find(key);
    if (at == index_.end()) co_return std::optional<IndexEntry>{};
    co_return std::optional<IndexEntry>{at->second};
  }

  Task<Result<std::vector<IndexRow>>> list(TenantId tenant, IndexKind kind, uint64_t before, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<IndexRow> out;
    auto at = before == 0 ? by_ordinal_.end() : by_ordinal_.lower_bound(before);
    while (at != by_ordinal_.begin() && out.size() < limit) {
      --at;
      const IndexKey& key = at->second;
      if (key.tenant == tenant && key.kind == kind) out.push_back({key, index_.at(key)});
    }
    co_return out;
  }

  Task<Result<std::vector<SessionId>>> unfinished(std::optional<SessionId> after, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<SessionId> out;
    for (auto at = begin_after(after); at != journals_.end() && out.size() < limit; ++at)
      if (at->second.row.unfinished) out.push_back(at->first);
    co_return out;
  }

  Task<Result<std::vector<TimerRow>>> due(WallTime until, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<TimerRow> out;
    for (const auto& [due, session, id] : timers_by_due_) {
      if (due > until || out.size() == limit) break;
      out.push_back({session, id, due});
    }
    co_return out;
  }

  Task<Result<std::vector<SessionId>>> children(SessionId parent, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<SessionId> out;
    for (auto at = children_.lower_bound({parent, SessionId{}});
         at != children_.end() && at->first == parent && out.size() < limit; ++at)
      out.push_back(at->second);
    co_return out;
  }

  Task<Result<std::vector<SessionRow>>> sessions(std::optional<SessionId> after, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<SessionRow> out;
    for (auto at = begin_after(after); at != journals_.end() && out.size() < limit; ++at) out.push_back(at->second.row);
    co_return out;
  }

  Task<Result<std::vector<LedgerEntry>>> ledger(uint64_t after, size_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<LedgerEntry> out;
    for (size_t i = after; i < ledger_.size() && out.size() < limit; ++i) out.push_back(ledger_[i]);
    co_return out;
  }

  Task<Result<std::optional<std::string>>> setting(std::string name) override {
    std::lock_guard lock(mutex_);
    auto at = settings_.find(name);
    if (at == settings_.end()) co_return std::optional<std::string>{};
    co_return std::optional<std::string>{at->second};
  }

  Task<Result<void>> put_setting(std::string name, std::string value, bool if_absent) override {
    std::lock_guard lock(mutex_);
    if (if_absent && settings_.contains(name))
      co_return Error{Code::kConflict, "the setting exists", {}, "setting_exists"};
    set(name, std::move(value));
    co_return Result<void>{};
  }

  Task<Result<void>> swap_setting(std::string name, std::optional<std::string> expected, std::string value) override {
    std::lock_guard lock(mutex_);
    auto at = settings_.find(name);
    bool same = at == settings_.end() ? !expected : expected == at->second;
    if (!same) co_return Error{Code::kConflict, "the setting has changed", {}, "setting_changed"};
    set(name, std::move(value));
    co_return Result<void>{};
  }

  Task<Result<StoreSummary>> summary() override {
    std::lock_guard lock(mutex_);
    StoreSummary out;
    for (const auto& [id, journal] : journals_) {
      ++out.sessions;
      out.records += journal.row.head;
      add_mod_2_256(out.heads, head_mac(head_key_, id, journal.row.head, journal.row.chain));
    }
    co_return out;
  }

 private:
  using DueKey = std::tuple<WallTime, SessionId, std::string>;
  using Journals = std::map<SessionId, Journal>;

  Result<Committed> apply(Lease lease, Batch batch) {
    std::lock_guard lock(mutex_);
    TRY_VOID(may_apply(lease, batch));
    if (batch.create) {
      SessionRow row = std::move(*batch.create);
      row.id = batch.session;
      row.head = 0;
      row.chain = {};
      if (row.parent) children_.insert({*row.parent, row.id});
      journals_[batch.session].row = std::move(row);
    }
    Journal& journal = journals_.at(batch.session);
    if (!batch.append.empty()) {
      journal.row.head += batch.append.size();
      journal.row.chain = batch.chain;
      for (const SealedRecord& record : batch.append) {
        for (const Hash256& id : record.blobs) {
          Kept& kept = blobs_[id];
          if (++kept.references == 1) kept.body = std::ranges::find(batch.blobs, id, &BlobPut::id)->body;
        }
      }
      for (SealedRecord& record : batch.append) journal.records.push_back(std::move(record));
    }
    if (batch.unfinished) journal.row.unfinished = *batch.unfinished;
    if (batch.expires) journal.row.expires = *batch.expires;
    if (batch.legal_hold) journal.row.legal_hold = *batch.legal_hold;
    for (const IndexKey& key : batch.remove) {
      if (auto at = index_.find(key); at != index_.end()) {
        by_ordinal_.erase(at->second.ordinal);
        index_.erase(at);
      }
    }
    for (IndexPut& put : batch.put) {
      auto [at, inserted] = index_.try_emplace(put.key);
      put.entry.ordinal = inserted ? ++last_ordinal_ : at->second.ordinal;
      at->second = std::move(put.entry);
      if (inserted) by_ordinal_[at->second.ordinal] = put.key;
    }
    for (const std::string& id : batch.remove_timers) remove_timer(batch.session, id);
    for (const TimerPut& timer : batch.timers) {
      remove_timer(batch.session, timer.id);
      timers_[{batch.session, timer.id}] = timer.due;
      timers_by_due_.insert({timer.due, batch.session, timer.id});
    }
    for (SeqRange range : batch.erase) {
      for (uint64_t seq = std::max<uint64_t>(range.first, 1);
           seq <= std::min<uint64_t>(range.last, journal.records.size()); ++seq) {
        SealedRecord& record = journal.records[seq - 1];
        record.body.clear();
        record.salt.clear();
        for (const Hash256& id : std::exchange(record.blobs, {}))
          if (--blobs_.at(id).references == 0) blobs_.erase(id);
      }
    }
    if (batch.erase_key) journal.row.wrapped_key.clear();
    add_ledger(std::move(batch.ledger));
    return Committed{journal.row.head};
  }

  Result<void> may_apply(Lease lease, const Batch& batch) const {
    auto epoch = epochs_.find(lease.shard);
    if (epoch == epochs_.end() || epoch->second != lease.epoch)
      return Error{Code::kDenied, "the shard has a newer owner", {}, "fenced"};
    auto at = journals_.find(batch.session);
    if (batch.create && at != journals_.end())
      return Error{Code::kConflict, "the session exists", {}, "session_exists"};
    if (!batch.create && at == journals_.end()) return Error{Code::kNotFound, "no such session"};
    uint64_t head = batch.create ? 0 : at->second.row.head;
    if ((batch.create || !batch.append.empty()) && head != batch.expected_head)
      return Error{Code::kConflict, "the journal has moved on", {}, "head_moved"};
    for (size_t i = 0; i < batch.append.size(); ++i)
      if (batch.append[i].seq != head + 1 + i)
        return Error{Code::kInvalid, "the batch's sequence numbers do not follow its head"};
    for (const SealedRecord& record : batch.append)
      for (const Hash256& id : record.blobs)
        if (std::ranges::find(batch.blobs, id, &BlobPut::id) == batch.blobs.end())
          return Error{Code::kInvalid, "a record refers to a blob that does not come along"};
    std::set<IndexKey> removed(batch.remove.begin(), batch.remove.end()), added;
    for (const IndexPut& put : batch.put) {
      bool exists = added.contains(put.key) || (index_.contains(put.key) && !removed.contains(put.key));
      if (put.if_absent && exists) return Error{Code::kConflict, "the key exists", {}, "index_exists"};
      added.insert(put.key);
    }
    return {};
  }

  void add_ledger(std::vector<LedgerEntry> entries) {
    for (LedgerEntry& entry : entries) {
      entry.ordinal = ledger_.size() + 1;
      ledger_.push_back(std::move(entry));
    }
  }

  void remove_timer(SessionId session, const std::string& id) {
    auto at = timers_.find({session, id});
    if (at == timers_.end()) return;
    timers_by_due_.erase({at->second, session, id});
    timers_.erase(at);
  }

  Journals::const_iterator begin_after(std::optional<SessionId> after) const {
    return after ? journals_.upper_bound(*after) : journals_.begin();
  }

  struct Kept {
    uint64_t references = 0;
    std::string body;
  };
  std::mutex mutex_;
  std::map<Hash256, Kept> blobs_;
  const Key256 head_key_;
  Journals journals_;
  std::map<uint32_t, uint64_t> epochs_;
  std::map<IndexKey, IndexEntry> index_;
  std::map<uint64_t, IndexKey> by_ordinal_;
  uint64_t last_ordinal_ = 0;
  std::map<std::pair<SessionId, std::string>, WallTime> timers_;
  std::set<DueKey> timers_by_due_;
  std::set<std::pair<SessionId, SessionId>> children_;
  std::vector<LedgerEntry> ledger_;
  void set(const std::string& name, std::string value) {
    if (value.empty())
      settings_.erase(name);
    else
      settings_[name] = std::move(value);
  }
  std::map<std::string, std::string> settings_;
};

}  // namespace

std::unique_ptr<Store> memory_store(Key256 head_key) { return std::make_unique<MemoryStore>(head_key); }

}  // namespace perdure
