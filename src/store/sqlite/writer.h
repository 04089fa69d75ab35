#pragma once
// Writer: turns a group of operations into one transaction. Owns the heads and the totals; knows nothing of threads and
// queues (sqlite_store.cc has those).
//
// Session rows lag behind the log so that an append touches the log's last page alone. They are brought up to date (a
// flush) within kFlushRecords records or kFlushAfter, in the transaction of some commit; a batch that changes anything
// else about a session writes its row at once. After a crash, log rows behind state.last_flush_g are folded over the
// rows.
//
// The set hash of heads is kept in two parts. state.heads is the sum over the session rows as the file has them: every
// transaction that writes a row subtracts the row's old term and adds the new one, so it costs two HMACs for a row
// written and nothing for an append. The part of the rows that lag is their few differences, computed when summary()
// asks and, after a crash, from the folded log. Both are exact after every commit.

#include <map>
#include <span>

#include "store/sqlite/head_cache.h"
#include "store/sqlite/sqlite_store.h"

namespace perdure::sqlite {

inline constexpr uint64_t kFlushRecords = 2000;
inline constexpr Duration kFlushAfter = std::chrono::seconds(1);
inline constexpr uint64_t kPointEvery = 64;    // records between two points of `seg`, at least
inline constexpr int kCheckpointPages = 1024;  // of log, before it is copied into the file

struct Operation {
  enum class Kind { kCommit, kAcquire, kSetting, kSummary };
  Kind kind = Kind::kCommit;
  Lease lease;  // kAcquire: its shard alone
  Batch batch;
  std::string name, value;  // kSetting
  bool if_absent = false;
  bool if_expected = false;
  std::optional<std::string> expected;  // if_expected; nothing: absent
  size_t bytes = 0;                     // about what it holds

  struct Outcome {
    uint64_t number = 0;  // the head, or the epoch
    StoreSummary summary;
  };
  std::optional<Result<Outcome>> outcome;
};

class Writer {
 public:
  // Loads the totals and folds the tail of the log.
  static Result<std::unique_ptr<Writer>> open(Connection& connection, const SqliteOptions& options, Instant now);

  enum class Verdict {
    kCommitted,  // durable, if that was asked for
    kNothing,    // every operation was refused, or only read
    kFailed,     // rolled back; the operations say why; later ones may succeed
    kFatal,      // an I/O error: what is durable is unknown, and nothing may be written again
  };
  enum class Sync { kNow, kWithNextCommit };
  // Fills in every outcome. `ledger` is written along and emptied when the transaction commits.
  Verdict run(std::span<Operation* const> operations, std::vector<LedgerEntry>& ledger, Sync sync, Instant now);
  void require_sync() { sync_required_ = true; }  // the next run() commits and syncs even with nothing to write
  // What the newest run() changed: a head ahead of its row, or none when the row is current.
  const std::vector<std::pair<SessionId, std::optional<Head>>>& changes() const { return changes_; }
  const std::string& failure() const { return failure_; }

  Heads dirty_heads();
  Instant flush_due() const {
    return counters_.records_unflushed == 0 ? Instant::max() : counters_.unflushed_since + kFlushAfter;
  }
  // Between transactions. False: an I/O error, as kFatal.
  bool checkpoint_when_due();
  // Flushes and empties the log file, unless a run was fatal.
  void close(std::vector<LedgerEntry>& ledger, Instant now);
  Reads& reads() { return reads_; }

 private:
  struct Counters {
    int64_t last_g = 0;
    int64_t last_s = 0;
    FileState file;
    uint64_t records_unflushed = 0;
    Instant unflushed_since{};
  };
  Writer(Connection& connection, const SqliteOptions& options);

  Result<void> begin();
  void undo();
  void note_changes();
  Result<Operation::Outcome> apply(Operation& operation, Instant now);
  Result<uint64_t> apply_batch(Lease lease, Batch& batch, Instant now);
  Result<CachedHead*> find_head(SessionId id);  // null: no such session
  Result<void> check_index(const Batch& batch);
  Result<std::vector<int64_t>> places_to_erase(const CachedHead* entry, const Batch& batch);
  Result<void> append(CachedHead& entry, const Batch& batch, Instant now);
  Result<void> insert_row(CachedHead& entry, const Batch& batch);
  Result<void> update_row(CachedHead& entry, const Batch* batch);
  Result<void> row_written(CachedHead& entry, bool created);
  Result<void> refer_to(const Batch& batch, const Hash256& id);
  Result<void> erase_record(int64_t g);
  Result<void> write_index(const Batch& batch);
  Result<void> write_timers(const Batch& batch);
  Result<void> write_ledger(const std::vector<LedgerEntry>& entries);
  Result<void> flush();
  Result<void> write_state();
  Result<uint64_t> acquire(uint32_t shard);
  Result<void> put_setting(const Operation& operation);
  Result<void> set_sync(Sync sync);
  StoreSummary summary();
  void touch(CachedHead& entry);
  Verdict fail(std::span<Operation* const> operations, const Error& error);

  Connection& connection_;
  const Key256 head_key_;
  Reads reads_;
  HeadCache heads_;
  std::vector<SessionId> dirty_;  // every dirty entry, and some that no longer are
  std::map<uint32_t, uint64_t> epochs_;
  Counters counters_;

  // The transaction at hand.
  uint64_t transaction_ = 0;
  bool wrote_ = false;
  bool state_changed_ = false;
  bool flushed_ = false;
  bool erased_ = false;
  Counters counters_before_;
  std::vector<std::pair<CachedHead, bool>> heads_before_;  // and whether the transaction made it
  std::vector<std::pair<uint32_t, uint64_t>> epochs_before_;

  std::vector<std::pair<SessionId, std::optional<Head>>> changes_;
  std::string failure_;
  bool dead_ = false;
  bool truncate_due_ = false;
  bool sync_required_ = false;
  int checkpoint_at_pages_ = kCheckpointPages;
  Sync sync_ = Sync::kNow;

  Statement begin_, commit_, head_, point_, insert_log_, erase_log_, insert_row_, update_head_, update_row_,
      insert_point_, put_entry_, remove_entry_, put_timer_, remove_timer_, insert_ledger_, update_state_, put_shard_,
      put_setting_, remove_setting_, blobs_of_, count_blob_, put_blob_body_, put_blob_, remove_blob_body_, remove_blob_;
};

}  // namespace perdure::sqlite
