#include "store/sqlite/writer.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/planted.h"

namespace perdure::sqlite {
namespace {

bool writes_row(const Batch& batch) {
  return batch.unfinished || batch.expires || batch.legal_hold || !batch.put.empty() || !batch.remove.empty() ||
         !batch.erase.empty() || batch.erase_key;
}

Error refused(Code code, const char* message, const char* reason) { return {code, message, {}, reason}; }

}  // namespace

Writer::Writer(Connection& c, const SqliteOptions& options)
    : connection_(c),
      head_key_(options.head_key),
      reads_(c, kFormatVersion),
      heads_(options.heads_cached_max),
      begin_(c, "BEGIN IMMEDIATE"),
      commit_(c, "COMMIT"),
      head_(c, "SELECT s, head, head_g, chain FROM session WHERE sid = ?"),
      point_(c, "SELECT max(seq) FROM seg WHERE s = ?"),
      insert_log_(c, "INSERT INTO log VALUES(?,?,?,?,?,?,?,?,?,?,?)"),
      erase_log_(c, "UPDATE log SET salt = NULL, body = NULL, blobs = NULL WHERE g = ?"),
      insert_row_(c, "INSERT INTO session VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      update_head_(c, "UPDATE session SET head = ?, head_g = ?, chain = ? WHERE s = ?"),
      update_row_(c,
                  "UPDATE session SET head = ?, head_g = ?, chain = ?, unfinished = coalesce(?, unfinished), expires = "
                  "coalesce(?, expires), "
                  "hold = coalesce(?, hold), key = CASE WHEN ? THEN NULL ELSE key END WHERE s = ?"),
      insert_point_(c, "INSERT OR IGNORE INTO seg VALUES(?,?,?)"),
      put_entry_(c,
                 "INSERT INTO entry VALUES(?,?,?,?,?,?,?) ON CONFLICT(tenant, kind, key) DO UPDATE SET sid = "
                 "excluded.sid, seq = excluded.seq, "
                 "value = excluded.value"),
      remove_entry_(c, "DELETE FROM entry WHERE tenant = ? AND kind = ? AND key = ?"),
      put_timer_(c, "INSERT INTO timer VALUES(?,?,?) ON CONFLICT(sid, id) DO UPDATE SET due = excluded.due"),
      remove_timer_(c, "DELETE FROM timer WHERE sid = ? AND id = ?"),
      insert_ledger_(c, "INSERT INTO ledger(tenant, time, line) VALUES(?,?,?)"),
      update_state_(
          c, "UPDATE state SET last_flush_g = ?, last_ordinal = ?, sessions = ?, records = ?, heads = ? WHERE one = 1"),
      put_shard_(c, "INSERT INTO shard VALUES(?,?) ON CONFLICT(shard) DO UPDATE SET epoch = excluded.epoch"),
      put_setting_(c, "INSERT INTO setting VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"),
      remove_setting_(c, "DELETE FROM setting WHERE name = ?"),
      blobs_of_(c, "SELECT blobs FROM log WHERE g = ?"),
      count_blob_(c, "UPDATE blob SET refs = refs + ? WHERE id = ?"),
      put_blob_body_(c, "INSERT INTO blob_body(body) VALUES(?)"),
      put_blob_(c, "INSERT INTO blob VALUES(?, last_insert_rowid(), 1)"),
      remove_blob_body_(c, "DELETE FROM blob_body WHERE b = (SELECT b FROM blob WHERE id = ? AND refs <= 0)"),
      remove_blob_(c, "DELETE FROM blob WHERE id = ? AND refs <= 0") {}

Result<std::unique_ptr<Writer>> Writer::open(Connection& connection, const SqliteOptions& options, Instant now) {
  std::unique_ptr<Writer> writer(new Writer(connection, options));
  Counters& counters = writer->counters_;
  TRY(counters.file, read_state(connection));
  if (counters.file.key_check != key_check(options.head_key))
    return Error{Code::kDenied, "the store was made with another head key", {}, "wrong_head_key"};
  TRY(counters.last_g, connection.integer("SELECT max(g) FROM log"));
  TRY(counters.last_s, connection.integer("SELECT max(s) FROM session"));
  // The newest row may be gone from a damaged file; numbers must still not be given twice.
  counters.last_g = std::max(counters.last_g, counters.file.last_flush_g);
  TRY(auto tail, fold_tail(connection, counters.file.last_flush_g));
  for (const auto& [id, head] : tail) {
    writer->heads_.add(
        {.id = id, .now = head.now, .row_seq = head.row_seq, .row_chain = head.row_chain, .dirty = true});
    writer->dirty_.push_back(id);
    counters.records_unflushed += head.now.seq - head.row_seq;
  }
  counters.unflushed_since = now;
  Statement shards(connection, "SELECT shard, epoch FROM shard");
  auto rows = shards.query();
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) break;
    writer->epochs_[static_cast<uint32_t>(rows.integer(0))] = rows.number(1);
  }
  return writer;
}

// ---- one transaction
// -------------------------------------------------------------------------------------------------------

Writer::Verdict Writer::run(std::span<Operation* const> operations, std::vector<LedgerEntry>& ledger, Sync sync,
                            Instant now) {
  changes_.clear();
  if (dead_) {
    for (Operation* operation : operations)
      operation->outcome = Error{Code::kUnavailable, "the store failed earlier", {}, "storage_failed"};
    return Verdict::kFatal;
  }
  connection_.clear_failure();
  if (auto begun = set_sync(sync); !begun.ok()) return fail(operations, begun.error());
  if (auto begun = begin(); !begun.ok()) return fail(operations, begun.error());
  for (Operation* operation : operations) {
    bool wrote_before = std::exchange(wrote_, false);
    auto outcome = apply(*operation, now);
    bool wrote_now = std::exchange(wrote_, wrote_before || wrote_);
    if (!outcome.ok() && connection_.last_failure() != Failure::kNone) {
      // A damaged page in the way of one session's checks is that session's failure; anything else is everybody's.
      if (wrote_now || connection_.last_failure() != Failure::kCorrupt) return fail(operations, outcome.error());
      connection_.clear_failure();
    }
    operation->outcome = std::move(outcome);
  }
  auto finish = [&]() -> Result<void> {
    TRY_VOID(write_ledger(ledger));
    if (counters_.records_unflushed >= kFlushRecords || now >= flush_due()) TRY_VOID(flush());
    if (std::exchange(sync_required_, false)) {
      wrote_ = state_changed_ = true;
      // A row that is overwritten with itself dirties no page, and a commit without a page does not sync: it is
      // changed, and written as it was right after.
      TRY_VOID(connection_.execute("UPDATE state SET last_ordinal = last_ordinal + 1"));
    }
    if (state_changed_) TRY_VOID(write_state());
    if (wrote_) return commit_.run();
    return {};
  };
  if (auto finished = finish(); !finished.ok()) return fail(operations, finished.error());
  bool committed = wrote_;
  if (!committed) connection_.roll_back();
  if (flushed_) {
    std::erase_if(dirty_, [this](SessionId id) {
      CachedHead* entry = heads_.find(id);
      return entry == nullptr || !entry->dirty;
    });
  }
  if (erased_) truncate_due_ = true;
  ledger.clear();
  note_changes();
  for (Operation* operation : operations)
    if (operation->kind == Operation::Kind::kSummary) operation->outcome = Operation::Outcome{0, summary()};
  heads_.trim();
  return committed ? Verdict::kCommitted : Verdict::kNothing;
}

Result<void> Writer::begin() {
  ++transaction_;
  wrote_ = state_changed_ = flushed_ = erased_ = false;
  counters_before_ = counters_;
  heads_before_.clear();
  epochs_before_.clear();
  return begin_.run();
}

void Writer::undo() {
  connection_.roll_back();
  counters_ = counters_before_;
  for (auto& [before, made] : heads_before_) {
    if (made) {
      heads_.remove(before.id);
    } else if (CachedHead* entry = heads_.find(before.id)) {
      *entry = before;
    }
  }
  for (auto at = epochs_before_.rbegin(); at != epochs_before_.rend(); ++at) epochs_[at->first] = at->second;
  heads_before_.clear();
  epochs_before_.clear();
}

Writer::Verdict Writer::fail(std::span<Operation* const> operations, const Error& error) {
  Failure failure = connection_.last_failure();
  failure_ = error.message;
  undo();
  Error told = error;
  if (failure == Failure::kIo) {
    dead_ = true;
    connection_.leave_log_on_close();
    told = Error{Code::kUnknown, "the disk failed during the commit", {}, "storage_failed"};
  }
  // Refusals too: what they were refused for may just have been rolled back.
  for (Operation* operation : operations) operation->outcome = told;
  return failure == Failure::kIo ? Verdict::kFatal : Verdict::kFailed;
}

void Writer::note_changes() {
  for (auto& [before, made] : heads_before_) {
    CachedHead* entry = heads_.find(before.id);
    changes_.emplace_back(before.id, entry != nullptr && entry->dirty ? std::optional(entry->now) : std::nullopt);
  }
}

void Writer::touch(CachedHead& entry) {
  if (entry.touched_in == transaction_) return;
  heads_before_.emplace_back(entry, false);
  entry.touched_in = transaction_;
}

Result<void> Writer::set_sync(Sync sync) {
  if (sync == sync_ || planted(PlantedBug::kSyncOff)) return {};
  TRY_VOID(connection_.execute(sync == Sync::kNow ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
  sync_ = sync;
  return {};
}

// ---- operations
// ------------------------------------------------------------------------------------------------------------

Result<Operation::Outcome> Writer::apply(Operation& operation, Instant now) {
  Operation::Outcome out;
  switch (operation.kind) {
    case Operation::Kind::kCommit: {
      TRY(out.number, apply_batch(operation.lease, operation.batch, now));
      break;
    }
    case Operation::Kind::kAcquire: {
      TRY(out.number, acquire(operation.lease.shard));
      break;
    }
    case Operation::Kind::kSetting:
      TRY_VOID(put_setting(operation));
      break;
    case Operation::Kind::kSummary:
      break;  // once the others are committed
  }
  return out;
}

// Every check comes before the first write, so that a refused batch leaves nothing behind in the group's transaction.
Result<uint64_t> Writer::apply_batch(Lease lease, Batch& batch, Instant now) {
  auto epoch = epochs_.find(lease.shard);
  if (epoch == epochs_.end() || epoch->second != lease.epoch)
    return refused(Code::kDenied, "the shard has a newer owner", "fenced");
  TRY(CachedHead * entry, find_head(batch.session));
  if (batch.create && entry != nullptr) return refused(Code::kConflict, "the session exists", "session_exists");
  if (!batch.create && entry == nullptr) return refused(Code::kNotFound, "no such session", "");
  uint64_t head = entry == nullptr ? 0 : entry->now.seq;
  if ((batch.create || !batch.append.empty()) && head != batch.expected_head)
    return refused(Code::kConflict, "the journal has moved on", "head_moved");
  for (size_t i = 0; i < batch.append.size(); ++i)
    if (batch.append[i].seq != head + 1 + i)
      return Error{Code::kInvalid, "the batch's sequence numbers do not follow its head"};
  for (const SealedRecord& record : batch.append)
    for (const Hash256& id : record.blobs)
      if (std::ranges::find(batch.blobs, id, &BlobPut::id) == batch.blobs.end())
        return Error{Code::kInvalid, "a record refers to a blob that does not come along"};
  TRY_VOID(check_index(batch));
  TRY(std::vector<int64_t> erase, places_to_erase(entry, batch));

  wrote_ = true;
  if (entry == nullptr) {
    entry = &heads_.add({.id = batch.session, .touched_in = transaction_});
    entry->now.s = ++counters_.last_s;
    heads_before_.emplace_back(*entry, true);
  }
  if (!batch.append.empty()) TRY_VOID(append(*entry, batch, now));
  if (batch.create) {
    TRY_VOID(insert_row(*entry, batch));
  } else if (writes_row(batch)) {
    TRY_VOID(update_row(*entry, &batch));
  }
  TRY_VOID(write_index(batch));
  TRY_VOID(write_timers(batch));
  for (int64_t g : erase) TRY_VOID(erase_record(g));
  if (!erase.empty() || batch.erase_key) erased_ = true;
  TRY_VOID(write_ledger(batch.ledger));
  return entry->now.seq;
}

Result<CachedHead*> Writer::find_head(SessionId id) {
  if (CachedHead* entry = heads_.find(id)) return entry;
  CachedHead loaded{.id = id};
  {
    SessionKey key(id);
    auto row = head_.query(key.blob());
    TRY(bool found, row.next());
    if (!found) return static_cast<CachedHead*>(nullptr);
    loaded.now = {row.integer(0), row.number(1), row.integer(2), {}};
    if (row.bytes(3).size() != sizeof(Hash256)) return Error{Code::kCorrupt, "a session row is damaged"};
    std::memcpy(loaded.now.chain.data(), row.bytes(3).data(), sizeof(Hash256));
  }
  loaded.row_seq = loaded.now.seq;
  loaded.row_chain = loaded.now.chain;
  auto row = point_.query(loaded.now.s);
  TRY_VOID([&]() -> Result<void> {
    TRY(bool found, row.next());
    if (found) loaded.point_seq = row.number(0);
    return {};
  }());
  return &heads_.add(loaded);
}

Result<void> Writer::check_index(const Batch& batch) {
  std::set<IndexKey> removed, added;
  bool conditional = std::ranges::any_of(batch.put, &IndexPut::if_absent);
  if (!conditional) return {};
  removed.insert(batch.remove.begin(), batch.remove.end());
  for (const IndexPut& put : batch.put) {
    if (put.if_absent) {
      bool exists = added.contains(put.key);
      if (!exists && !removed.contains(put.key)) {
        TRY(auto entry, reads_.find(put.key));
        exists = entry.has_value();
      }
      if (exists) return refused(Code::kConflict, "the key exists", "index_exists");
    }
    added.insert(put.key);
  }
  return {};
}

Result<std::vector<int64_t>> Writer::places_to_erase(const CachedHead* entry, const Batch& batch) {
  std::vector<int64_t> out;
  uint64_t head = entry == nullptr ? 0 : entry->now.seq;
  for (SeqRange range : batch.erase) {
    uint64_t first = std::max<uint64_t>(range.first, 1), last = std::min(range.last, head);
    if (first <= last) {
      TRY(auto places, reads_.locate(entry->now, first, last));
      out.insert(out.end(), places.begin(), places.end());
    }
    // Records of this very batch: their places follow from the numbers to come.
    uint64_t end = std::min(range.last, head + batch.append.size());
    for (uint64_t seq = std::max(first, head + 1); seq <= end; ++seq)
      out.push_back(counters_.last_g + static_cast<int64_t>(seq - head));
  }
  return out;
}

Result<void> Writer::append(CachedHead& entry, const Batch& batch, Instant now) {
  touch(entry);
  Head& head = entry.now;
  for (const SealedRecord& record : batch.append) {
    int64_t g = ++counters_.last_g;
    std::optional<Blob> ids;
    if (!record.blobs.empty())
      ids = Blob{{reinterpret_cast<const char*>(record.blobs[0].data()), record.blobs.size() * sizeof(Hash256)}};
    TRY_VOID(insert_log_.run(g, head.s, record.seq, head.g, int{record.kind}, int{record.codec},
                             to_milliseconds(record.time), blob(record.hash), blob(record.salt), blob(record.body),
                             ids));
    for (const Hash256& id : record.blobs) TRY_VOID(refer_to(batch, id));
    head.g = g;
    head.seq = record.seq;
  }
  head.chain = batch.chain;
  if (counters_.records_unflushed == 0) counters_.unflushed_since = now;
  counters_.records_unflushed += batch.append.size();
  if (!entry.dirty) {
    entry.dirty = true;
    dirty_.push_back(entry.id);
  }
  return {};
}

Result<void> Writer::refer_to(const Batch& batch, const Hash256& id) {
  TRY(std::optional<uint64_t> known, reads_.references(id));
  if (known) return count_blob_.run(int64_t{1}, blob(id));
  TRY_VOID(put_blob_body_.run(blob(std::ranges::find(batch.blobs, id, &BlobPut::id)->body)));
  return put_blob_.run(blob(id));
}

// A blob goes with the last record that refers to it.
Result<void> Writer::erase_record(int64_t g) {
  std::string ids;
  TRY_VOID([&]() -> Result<void> {
    auto rows = blobs_of_.query(g);
    TRY(bool found, rows.next());
    if (found) ids = rows.string(0);
    return {};
  }());
  for (size_t at = 0; at + sizeof(Hash256) <= ids.size(); at += sizeof(Hash256)) {
    Hash256 id;
    std::memcpy(id.data(), ids.data() + at, id.size());
    TRY_VOID(count_blob_.run(int64_t{-1}, blob(id)));
    TRY_VOID(remove_blob_body_.run(blob(id)));
    TRY_VOID(remove_blob_.run(blob(id)));
  }
  return erase_log_.run(g);
}

Result<void> Writer::insert_row(CachedHead& entry, const Batch& batch) {
  const SessionRow& row = *batch.create;
  SessionKey sid(entry.id);
  std::optional<SessionKey> parent;
  if (row.parent) parent.emplace(*row.parent);
  std::optional<Blob> parent_blob;
  if (parent) parent_blob = parent->blob();
  bool erase_key = batch.erase_key;
  TRY_VOID(insert_row_.run(entry.now.s, sid.blob(), Text{row.tenant.value}, parent_blob, row.parent_seq, entry.now.seq,
                           entry.now.g, blob(entry.now.chain), erase_key ? Blob{} : blob(row.wrapped_key),
                           to_milliseconds(row.created), to_milliseconds(batch.expires.value_or(row.expires)),
                           batch.legal_hold.value_or(row.legal_hold), batch.unfinished.value_or(row.unfinished)));
  return row_written(entry, true);
}

Result<void> Writer::update_row(CachedHead& entry, const Batch* batch) {
  touch(entry);
  const Head& now = entry.now;
  if (batch == nullptr) {
    TRY_VOID(update_head_.run(now.seq, now.g, blob(now.chain), now.s));
  } else {
    std::optional<int64_t> expires;
    if (batch->expires) expires = to_milliseconds(*batch->expires);
    TRY_VOID(update_row_.run(now.seq, now.g, blob(now.chain), batch->unfinished, expires, batch->legal_hold,
                             batch->erase_key, now.s));
  }
  return row_written(entry, false);
}

Result<void> Writer::row_written(CachedHead& entry, bool created) {
  const Head& now = entry.now;
  StoreSummary& rows = counters_.file.rows;
  if (created) {
    ++rows.sessions;
  } else if (entry.row_seq != now.seq || entry.row_chain != now.chain) {
    subtract_mod_2_256(rows.heads, head_mac(head_key_, entry.id, entry.row_seq, entry.row_chain));
  }
  if (created || entry.row_seq != now.seq || entry.row_chain != now.chain) {
    add_mod_2_256(rows.heads, head_mac(head_key_, entry.id, now.seq, now.chain));
    rows.records += now.seq - entry.row_seq;
    state_changed_ = true;
  }
  entry.row_seq = now.seq;
  entry.row_chain = now.chain;
  entry.dirty = false;
  if (now.seq < entry.point_seq + kPointEvery) return {};
  entry.point_seq = now.seq;
  return insert_point_.run(now.s, now.seq, now.g);
}

Result<void> Writer::write_index(const Batch& batch) {
  for (const IndexKey& key : batch.remove)
    TRY_VOID(remove_entry_.run(Text{key.tenant.value}, static_cast<int>(key.kind), Text{key.key}));
  for (const IndexPut& put : batch.put) {
    SessionKey sid(put.entry.session);
    state_changed_ = true;
    TRY_VOID(put_entry_.run(Text{put.key.tenant.value}, static_cast<int>(put.key.kind), Text{put.key.key}, sid.blob(),
                            put.entry.seq, blob(put.entry.value), ++counters_.file.last_ordinal));
  }
  return {};
}

Result<void> Writer::write_timers(const Batch& batch) {
  SessionKey sid(batch.session);
  for (const std::string& id : batch.remove_timers) TRY_VOID(remove_timer_.run(sid.blob(), Text{id}));
  for (const TimerPut& timer : batch.timers)
    TRY_VOID(put_timer_.run(sid.blob(), Text{timer.id}, to_milliseconds(timer.due)));
  return {};
}

Result<void> Writer::write_ledger(const std::vector<LedgerEntry>& entries) {
  for (const LedgerEntry& entry : entries) {
    wrote_ = true;
    TRY_VOID(insert_ledger_.run(Text{entry.tenant.value}, to_milliseconds(entry.time), Text{entry.line}));
  }
  return {};
}

Result<uint64_t> Writer::acquire(uint32_t shard) {
  uint64_t& epoch = epochs_[shard];
  epochs_before_.emplace_back(shard, epoch);
  wrote_ = true;
  TRY_VOID(put_shard_.run(shard, epoch + 1));
  return ++epoch;
}

Result<void> Writer::put_setting(const Operation& operation) {
  if (operation.if_absent) {
    TRY(auto existing, reads_.setting(operation.name));
    if (existing) return refused(Code::kConflict, "the setting exists", "setting_exists");
  }
  if (operation.if_expected) {
    TRY(auto existing, reads_.setting(operation.name));
    if (existing != operation.expected) return refused(Code::kConflict, "the setting has changed", "setting_changed");
  }
  wrote_ = true;
  if (operation.value.empty()) return remove_setting_.run(Text{operation.name});
  return put_setting_.run(Text{operation.name}, blob(operation.value));
}

// ---- lagging rows
// ----------------------------------------------------------------------------------------------------------

Result<void> Writer::flush() {
  wrote_ = state_changed_ = flushed_ = true;
  for (SessionId id : dirty_) {
    CachedHead* entry = heads_.find(id);
    if (entry != nullptr && entry->dirty) TRY_VOID(update_row(*entry, nullptr));
  }
  counters_.file.last_flush_g = counters_.last_g;
  counters_.records_unflushed = 0;
  return {};
}

Result<void> Writer::write_state() {
  const FileState& file = counters_.file;
  return update_state_.run(file.last_flush_g, file.last_ordinal, file.rows.sessions, file.rows.records,
                           blob(file.rows.heads));
}

StoreSummary Writer::summary() {
  StoreSummary out = counters_.file.rows;
  std::set<SessionId> seen;
  for (SessionId id : dirty_) {
    CachedHead* entry = heads_.find(id);
    if (entry == nullptr || !entry->dirty || !seen.insert(id).second) continue;
    subtract_mod_2_256(out.heads, head_mac(head_key_, id, entry->row_seq, entry->row_chain));
    add_mod_2_256(out.heads, head_mac(head_key_, id, entry->now.seq, entry->now.chain));
    out.records += entry->now.seq - entry->row_seq;
  }
  return out;
}

Heads Writer::dirty_heads() {
  Heads out;
  for (SessionId id : dirty_)
    if (CachedHead* entry = heads_.find(id); entry != nullptr && entry->dirty) out[id] = entry->now;
  return out;
}

bool Writer::checkpoint_when_due() {
  if (dead_) return false;
  bool truncate = truncate_due_;
  if (!truncate && connection_.log_pages() < checkpoint_at_pages_) return true;
  connection_.clear_failure();
  auto all = connection_.checkpoint(truncate);
  if (!all.ok() && connection_.last_failure() == Failure::kIo) {
    failure_ = all.error().message;
    dead_ = true;
    connection_.leave_log_on_close();
    return false;
  }
  bool complete = all.ok() && *all;
  if (complete) truncate_due_ = false;
  // A reader held it up, or there is no room: not again for every commit.
  checkpoint_at_pages_ = complete ? kCheckpointPages : connection_.log_pages() + kCheckpointPages;
  return true;
}

void Writer::close(std::vector<LedgerEntry>& ledger, Instant now) {
  if (dead_) return;
  counters_.unflushed_since = now - kFlushAfter;
  run({}, ledger, Sync::kNow, now);
  if (!dead_) (void)connection_.checkpoint(true);
}

}  // namespace perdure::sqlite
