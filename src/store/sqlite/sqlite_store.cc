#include "store/sqlite/sqlite_store.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

#include "base/check.h"
#include "store/sqlite/completion.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/writer.h"

namespace perdure {
namespace sqlite {
namespace {

constexpr Duration kLedgerSyncAfter = std::chrono::milliseconds(200);
constexpr size_t kRecordOverhead = 256;  // of a queued record beside its body

size_t size_of(const std::vector<LedgerEntry>& entries) {
  size_t bytes = 0;
  for (const LedgerEntry& entry : entries) bytes += entry.line.size() + entry.tenant.value.size() + kRecordOverhead;
  return bytes;
}

using Written = Completion<Result<Operation::Outcome>>;

struct Queued {
  Operation operation;
  std::shared_ptr<Written> done = std::make_shared<Written>();
};

// What one store shares with its jobs, which may outlive it: they then find it closed and do nothing, and whoever still
// waits is left alone.
//
// Locks, in the order they may be taken: writer, reader, queue, heads. The file is written under `writer` alone.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(SqliteOptions options, JobRunner& writer_runner, JobRunner& reader_runner, Clock& clock, Log log)
      : options_(std::move(options)),
        writer_runner_(writer_runner),
        reader_runner_(reader_runner),
        clock_(clock),
        log_(std::move(log)) {
    if (!options_.on_fatal) options_.on_fatal = [](const std::string& message) { CHECK(false, message); };
  }

  Result<void> open();
  void close();

  // Queues an operation for the writer, which completes `queued->done`. False: the queue is full.
  bool enqueue(std::shared_ptr<Queued> queued);
  bool enqueue_ledger(std::vector<LedgerEntry> entries);
  void maintain_if_due();

  // What a query sees: its connection, and the heads that are ahead of the session rows.
  struct View {
    Core& core;
    Reads& reads;
    std::optional<Head> head(SessionId id) const;
    Heads heads() const;
    // What follows in the query is of one moment, and takes the file's lock once instead of with every step.
    Result<void> hold_moment() const;
  };
  template <class T>
  Task<Result<T>> read(std::move_only_function<Result<T>(const View&)> query);

  Result<StoreSummary> followed_totals() const;  // read_only, in a query
  const SqliteOptions& options() const { return options_; }

 private:
  // With a VFS of one's own there is no shared memory: reads and writes then take turns on one connection.
  bool shares_connection() const { return !options_.vfs.empty() && !options_.read_only; }
  void schedule_writer();
  void sync_ledger_in_time(Instant due);
  void write_job();
  void acknowledge(std::vector<std::shared_ptr<Queued>> group);
  template <class T>
  std::optional<Result<T>> run_query(std::move_only_function<Result<T>(const View&)>& query);
  Result<void> follow_file();

  SqliteOptions options_;
  JobRunner& writer_runner_;
  JobRunner& reader_runner_;
  Clock& clock_;
  const Log log_;
  std::atomic<bool> broken_{false};
  std::atomic<int64_t> maintain_at_{INT64_MAX};  // when the writer should run even without a commit

  std::mutex writer_mutex_;
  bool closed_ = false;  // under both the writer's and the reader's
  FileLock lock_;
  std::unique_ptr<Connection> write_connection_;
  std::unique_ptr<Writer> writer_;
  Instant unsynced_since_ = Instant::max();  // ledger lines that no sync covers yet
  bool sync_planned_ = false;                // at a time, whatever else happens
  Instant last_sync_{};

  std::mutex reader_mutex_;
  std::unique_ptr<Connection> read_connection_;
  std::unique_ptr<Reads> reads_;
  bool moment_held_ = false;       // read_only, one_moment: a read transaction stays open
  int64_t followed_version_ = -1;  // read_only: which state of the file heads_ and the totals were folded from
  StoreSummary followed_totals_;
  bool followed_key_matches_ = false;

  std::mutex queue_mutex_;
  std::deque<std::shared_ptr<Queued>> queue_;
  std::vector<LedgerEntry> ledger_;
  size_t queued_bytes_ = 0;
  size_t ledger_bytes_ = 0;
  bool scheduled_ = false;

  std::mutex heads_mutex_;
  Heads heads_;  // committed, and ahead of their session rows
};

Result<void> Core::open() {
  bool shared = shares_connection();
  SchemaOptions schema{shared, options_.cache_bytes, options_.head_key};
  if (!options_.read_only) {
    if (!shared) {
      TRY(lock_, FileLock::take(options_.path + ".lock"));
    }
    TRY(write_connection_, Connection::open(options_.path, options_.vfs, Connection::Mode::kReadWrite));
    TRY_VOID(prepare_writer(*write_connection_, schema));
    TRY(writer_, Writer::open(*write_connection_, options_, clock_.now()));
    heads_ = writer_->dirty_heads();
    if (Instant due = writer_->flush_due(); due != Instant::max()) maintain_at_ = due.time_since_epoch().count();
    last_sync_ = clock_.now();
  }
  if (options_.read_only || !shared) {
    TRY(read_connection_, Connection::open(options_.path, options_.vfs, Connection::Mode::kReadOnly));
    TRY_VOID(prepare_reader(*read_connection_, schema));
    TRY(int64_t format, format_of(*read_connection_));
    reads_ = std::make_unique<Reads>(*read_connection_, format);
  }
  log_.info("store.opened",
            {{"path", options_.path}, {"read_only", options_.read_only}, {"heads_folded", heads_.size()}});
  return {};
}

void Core::close() {
  std::lock_guard writing(writer_mutex_);
  std::lock_guard reading(reader_mutex_);
  closed_ = true;
  reads_.reset();
  read_connection_.reset();
  if (writer_) {
    std::vector<LedgerEntry> rest;
    {
      std::lock_guard queueing(queue_mutex_);
      rest = std::exchange(ledger_, {});
    }
    writer_->close(rest, clock_.now());
    if (!rest.empty()) log_.error("store.ledger_lost", {{"entries", rest.size()}});
    writer_.reset();
    write_connection_.reset();
  }
  lock_ = FileLock();
}

// ---- writing
// ---------------------------------------------------------------------------------------------------------------

bool Core::enqueue(std::shared_ptr<Queued> queued) {
  {
    std::lock_guard lock(queue_mutex_);
    if (queued_bytes_ != 0 && queued_bytes_ + queued->operation.bytes > options_.queue_bytes_max) return false;
    queued_bytes_ += queued->operation.bytes;
    queue_.push_back(std::move(queued));
  }
  schedule_writer();
  return true;
}

bool Core::enqueue_ledger(std::vector<LedgerEntry> entries) {
  size_t bytes = size_of(entries);
  {
    std::lock_guard lock(queue_mutex_);
    if (ledger_bytes_ != 0 && ledger_bytes_ + bytes > options_.queue_bytes_max) return false;
    ledger_bytes_ += bytes;
    std::move(entries.begin(), entries.end(), std::back_inserter(ledger_));
  }
  schedule_writer();
  return true;
}

void Core::maintain_if_due() {
  if (clock_.now().time_since_epoch().count() < maintain_at_.load(std::memory_order_relaxed)) return;
  schedule_writer();
}

// Outside of queue_mutex_, which the job begins by taking: who is woken would be put to sleep again.
void Core::schedule_writer() {
  {
    std::lock_guard lock(queue_mutex_);
    if (std::exchange(scheduled_, true)) return;
  }
  writer_runner_.submit([self = shared_from_this()] { self->write_job(); });
}

// An idle store gets no other call that would take them along.
void Core::sync_ledger_in_time(Instant due) {  // under writer_mutex_
  if (std::exchange(sync_planned_, true)) return;
  writer_runner_.submit_at(due, [weak = weak_from_this()] {
    std::shared_ptr<Core> self = weak.lock();
    if (!self) return;
    {
      std::lock_guard lock(self->writer_mutex_);
      self->sync_planned_ = false;
    }
    self->schedule_writer();
  });
}

// One group: everything that has queued up while the group before was being committed, up to the limits.
void Core::write_job() {
  std::unique_lock writing(writer_mutex_);
  if (closed_) return;
  std::vector<std::shared_ptr<Queued>> group;
  std::vector<Operation*> operations;
  std::vector<LedgerEntry> ledger;
  {
    std::lock_guard lock(queue_mutex_);
    size_t records = 0, bytes = 0;
    while (!queue_.empty()) {
      Operation& next = queue_.front()->operation;
      if (!group.empty() && (records + next.batch.append.size() > options_.group_records_max ||
                             bytes + next.bytes > options_.group_bytes_max))
        break;
      records += next.batch.append.size();
      bytes += next.bytes;
      group.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    ledger.swap(ledger_);
  }
  operations.reserve(group.size());
  for (auto& queued : group) operations.push_back(&queued->operation);

  // Lines of the ledger alone do not hold up the disk: they are written at once, and synced with the next commit or
  // when the newest sync is long enough ago.
  Instant now = clock_.now();
  size_t lines = ledger.size();
  bool ledger_alone =
      operations.empty() && lines != 0 && now - last_sync_ < kLedgerSyncAfter && now < writer_->flush_due();
  if (operations.empty() && lines == 0 && unsynced_since_ <= now - kLedgerSyncAfter) writer_->require_sync();
  auto verdict =
      writer_->run(operations, ledger, ledger_alone ? Writer::Sync::kWithNextCommit : Writer::Sync::kNow, now);
  if (verdict == Writer::Verdict::kCommitted) {
    if (ledger_alone) {
      unsynced_since_ = std::min(unsynced_since_, now);
    } else {
      unsynced_since_ = Instant::max();
      last_sync_ = clock_.now();
    }
  }
  Instant ledger_due = unsynced_since_ == Instant::max() ? Instant::max() : unsynced_since_ + kLedgerSyncAfter;
  maintain_at_ = std::min(writer_->flush_due(), ledger_due).time_since_epoch().count();
  if (ledger_due != Instant::max() && verdict == Writer::Verdict::kCommitted) sync_ledger_in_time(ledger_due);

  if (verdict == Writer::Verdict::kCommitted) {
    std::lock_guard lock(heads_mutex_);
    for (const auto& [id, head] : writer_->changes()) {
      if (head)
        heads_[id] = *head;
      else
        heads_.erase(id);
    }
  }
  {
    std::lock_guard lock(queue_mutex_);
    for (Operation* operation : operations) queued_bytes_ -= operation->bytes;
    ledger_.insert(ledger_.begin(), std::make_move_iterator(ledger.begin()), std::make_move_iterator(ledger.end()));
    ledger_bytes_ = size_of(ledger_);
  }
  if (verdict == Writer::Verdict::kFailed)
    log_.warn("store.commit_failed", {{"cause", writer_->failure()}, {"operations", operations.size()}});
  acknowledge(std::move(group));

  bool fatal = verdict == Writer::Verdict::kFatal || !writer_->checkpoint_when_due();
  std::string cause = fatal ? writer_->failure() : std::string();
  writing.unlock();
  if (fatal && !broken_.exchange(true)) {
    log_.error("store.failed", {{"cause", cause}});
    options_.on_fatal(cause);
  }
  bool more = false;
  {
    std::lock_guard lock(queue_mutex_);
    scheduled_ = false;
    // After a failure what is left of the ledger waits for the next call, so that a full disk is not hammered.
    more = !queue_.empty() || (!ledger_.empty() && verdict != Writer::Verdict::kFailed && !fatal);
  }
  if (more) schedule_writer();
}

void Core::acknowledge(std::vector<std::shared_ptr<Queued>> group) {
  // One post for each loop, however many wait there.
  std::vector<std::pair<Loop*, std::vector<std::shared_ptr<Written>>>> by_loop;
  for (auto& queued : group) {
    queued->done->value = std::move(queued->operation.outcome);
    Loop* loop = queued->done->loop;
    auto at = std::ranges::find(by_loop, loop, [](const auto& entry) { return entry.first; });
    if (at == by_loop.end()) at = by_loop.insert(at, {loop, {}});
    at->second.push_back(std::move(queued->done));
  }
  for (auto& [loop, waiting] : by_loop) {
    loop->post([done = std::move(waiting)] {
      for (const auto& written : done) written->resume();
    });
  }
}

// ---- reading
// ---------------------------------------------------------------------------------------------------------------

std::optional<Head> Core::View::head(SessionId id) const {
  std::lock_guard lock(core.heads_mutex_);
  auto at = core.heads_.find(id);
  return at == core.heads_.end() ? std::nullopt : std::optional(at->second);
}

Heads Core::View::heads() const {
  std::lock_guard lock(core.heads_mutex_);
  return core.heads_;
}

Result<void> Core::View::hold_moment() const {
  if (core.shares_connection() || core.read_connection_->in_transaction()) return {};
  return core.read_connection_->execute("BEGIN");
}

template <class T>
Task<Result<T>> Core::read(std::move_only_function<Result<T>(const View&)> query) {
  maintain_if_due();
  using Answer = Completion<Result<T>>;
  auto answer = std::make_shared<Answer>();
  auto start = [this, &answer, &query] {
    reader_runner_.submit([self = shared_from_this(), answer, query = std::move(query)]() mutable {
      auto result = self->template run_query<T>(query);
      if (!result) return;  // closed
      answer->value = std::move(*result);
      answer->loop->post([answer] { answer->resume(); });
    });
  };
  co_return co_await Completed(answer, start);
}

template <class T>
std::optional<Result<T>> Core::run_query(std::move_only_function<Result<T>(const View&)>& query) {
  bool shared = shares_connection();
  std::lock_guard lock(shared ? writer_mutex_ : reader_mutex_);
  if (closed_) return std::nullopt;
  if (shared) return query(View{*this, writer_->reads()});
  if (!options_.read_only) {
    Result<T> out = query(View{*this, *reads_});
    read_connection_->roll_back();
    return out;
  }
  // Another process may be writing: rows, log and heads must be of one moment.
  auto at_one_moment = [&]() -> Result<T> {
    if (!moment_held_) {
      TRY_VOID(read_connection_->execute("BEGIN"));
      TRY_VOID(follow_file());
    }
    moment_held_ = options_.one_moment;
    return query(View{*this, *reads_});
  };
  Result<T> out = at_one_moment();
  if (!moment_held_) read_connection_->roll_back();
  return out;
}

// Read-only: folds what the session rows lack, again whenever another process has committed.
Result<void> Core::follow_file() {
  TRY(int64_t version, read_connection_->integer("PRAGMA data_version"));
  if (version == followed_version_) return {};
  TRY(FileState state, read_state(*read_connection_));
  TRY(auto tail, fold_tail(*read_connection_, state.last_flush_g));
  Heads heads;
  StoreSummary totals = state.rows;
  for (const auto& [id, head] : tail) {
    heads[id] = head.now;
    subtract_mod_2_256(totals.heads, head_mac(options_.head_key, id, head.row_seq, head.row_chain));
    add_mod_2_256(totals.heads, head_mac(options_.head_key, id, head.now.seq, head.now.chain));
    totals.records += head.now.seq - head.row_seq;
  }
  followed_totals_ = totals;
  followed_key_matches_ = state.key_check == key_check(options_.head_key);
  followed_version_ = version;
  std::lock_guard lock(heads_mutex_);
  heads_ = std::move(heads);
  return {};
}

Result<StoreSummary> Core::followed_totals() const {
  if (!followed_key_matches_)
    return Error{Code::kDenied, "the store was made with another head key", {}, "wrong_head_key"};
  return followed_totals_;
}

// ---- the Store
// -------------------------------------------------------------------------------------------------------------

class Implementation final : public Store {
 public:
  explicit Implementation(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~Implementation() override { core_->close(); }

  Task<Result<Lease>> acquire(uint32_t shard) override {
    Operation operation{.kind = Operation::Kind::kAcquire, .lease = {shard, 0}};
    CO_TRY(Operation::Outcome outcome, co_await write(core_, std::move(operation)));
    co_return Lease{shard, outcome.number};
  }

  Task<Result<Committed>> commit(Lease lease, Batch batch) override {
    Operation operation{.kind = Operation::Kind::kCommit, .lease = lease, .batch = std::move(batch)};
    operation.bytes = size_of(operation.batch);
    CO_TRY(Operation::Outcome outcome, co_await write(core_, std::move(operation)));
    co_return Committed{outcome.number};
  }

  Task<Result<void>> append_ledger(std::vector<LedgerEntry> entries) override {
    if (core_->options().read_only) co_return read_only();
    if (!core_->enqueue_ledger(std::move(entries))) co_return overloaded();
    co_return Result<void>{};
  }

  Task<Result<std::optional<SessionRow>>> session(SessionId id) override {
    return core_->read<std::optional<SessionRow>>([id](const Core::View& view) {
      auto newer = view.head(id);  // before the rows: what is flushed meanwhile is in them
      return view.reads.session(id, newer);
    });
  }
  Task<Result<std::vector<SealedRecord>>> read(SessionId id, uint64_t first, uint64_t last, size_t bytes_max) override {
    return core_->read<std::vector<SealedRecord>>([=](const Core::View& view) {
      auto newer = view.head(id);
      if (auto held = view.hold_moment(); !held.ok()) return Result<std::vector<SealedRecord>>(held.error());
      return view.reads.read(id, newer, first, last, bytes_max);
    });
  }
  Task<Result<std::optional<std::string>>> blob(Hash256 id) override {
    return core_->read<std::optional<std::string>>([id](const Core::View& view) { return view.reads.blob(id); });
  }
  Task<Result<std::vector<BlobRow>>> blobs(std::optional<Hash256> after, size_t limit) override {
    return core_->read<std::vector<BlobRow>>([=](const Core::View& view) { return view.reads.blobs(after, limit); });
  }
  Task<Result<std::optional<IndexEntry>>> find(IndexKey key) override {
    return core_->read<std::optional<IndexEntry>>(
        [key = std::move(key)](const Core::View& view) { return view.reads.find(key); });
  }
  Task<Result<std::vector<IndexRow>>> list(TenantId tenant, IndexKind kind, uint64_t before, size_t limit) override {
    return core_->read<std::vector<IndexRow>>(
        [tenant = std::move(tenant), kind, before, limit](const Core::View& view) {
          return view.reads.list(tenant, kind, before, limit);
        });
  }
  Task<Result<std::vector<SessionId>>> unfinished(std::optional<SessionId> after, size_t limit) override {
    return core_->read<std::vector<SessionId>>(
        [=](const Core::View& view) { return view.reads.unfinished(after, limit); });
  }
  Task<Result<std::vector<TimerRow>>> due(WallTime until, size_t limit) override {
    return core_->read<std::vector<TimerRow>>([=](const Core::View& view) { return view.reads.due(until, limit); });
  }
  Task<Result<std::vector<SessionId>>> children(SessionId parent, size_t limit) override {
    return core_->read<std::vector<SessionId>>(
        [=](const Core::View& view) { return view.reads.children(parent, limit); });
  }
  Task<Result<std::vector<SessionRow>>> sessions(std::optional<SessionId> after, size_t limit) override {
    return core_->read<std::vector<SessionRow>>([=](const Core::View& view) {
      Heads newer = view.heads();
      return view.reads.sessions(after, limit, newer);
    });
  }
  Task<Result<std::vector<LedgerEntry>>> ledger(uint64_t after, size_t limit) override {
    return core_->read<std::vector<LedgerEntry>>(
        [=](const Core::View& view) { return view.reads.ledger(after, limit); });
  }
  Task<Result<std::optional<std::string>>> setting(std::string name) override {
    return core_->read<std::optional<std::string>>(
        [name = std::move(name)](const Core::View& view) { return view.reads.setting(name); });
  }

  Task<Result<void>> put_setting(std::string name, std::string value, bool if_absent) override {
    Operation operation{
        .kind = Operation::Kind::kSetting, .name = std::move(name), .value = std::move(value), .if_absent = if_absent};
    return put(std::move(operation));
  }

  Task<Result<void>> swap_setting(std::string name, std::optional<std::string> expected, std::string value) override {
    Operation operation{.kind = Operation::Kind::kSetting,
                        .name = std::move(name),
                        .value = std::move(value),
                        .if_expected = true,
                        .expected = std::move(expected)};
    return put(std::move(operation));
  }

  Task<Result<StoreSummary>> summary() override {
    if (core_->options().read_only)
      co_return co_await core_->read<StoreSummary>([](const Core::View& view) { return view.core.followed_totals(); });
    CO_TRY(Operation::Outcome outcome, co_await write(core_, Operation{.kind = Operation::Kind::kSummary}));
    co_return outcome.summary;
  }

 private:
  static Error read_only() { return {Code::kDenied, "the store is open for reading only", {}, "read_only"}; }
  static Error overloaded() { return {Code::kOverloaded, "too much waits to be written", {}, "store_queue_full"}; }

  Task<Result<void>> put(Operation operation) {
    operation.bytes = kRecordOverhead + operation.value.size();
    auto outcome = co_await write(core_, std::move(operation));
    if (!outcome.ok()) co_return std::move(outcome).error();
    co_return Result<void>{};
  }

  static size_t size_of(const Batch& batch) {
    size_t bytes = kRecordOverhead;
    for (const SealedRecord& record : batch.append) bytes += record.body.size() + kRecordOverhead;
    for (const BlobPut& blob : batch.blobs) bytes += blob.body.size() + kRecordOverhead;
    for (const IndexPut& put : batch.put) bytes += put.key.key.size() + put.entry.value.size() + kRecordOverhead;
    for (const LedgerEntry& entry : batch.ledger) bytes += entry.line.size() + kRecordOverhead;
    return bytes + (batch.remove.size() + batch.timers.size() + batch.remove_timers.size() + batch.erase.size()) *
                       kRecordOverhead;
  }

  static Task<Result<Operation::Outcome>> write(std::shared_ptr<Core> core, Operation operation) {
    if (core->options().read_only) co_return read_only();
    core->maintain_if_due();
    auto queued = std::make_shared<Queued>();
    queued->operation = std::move(operation);
    // Refused means never resumed, so the answer is put there and the loop asked to look.
    auto start = [&core, &queued] {
      if (core->enqueue(queued)) return;
      queued->done->value = Result<Operation::Outcome>(overloaded());
      queued->done->loop->post([done = queued->done] { done->resume(); });
    };
    co_return co_await Completed(queued->done, start);
  }

  const std::shared_ptr<Core> core_;
};

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<Store>> SqliteStore::open(SqliteOptions options, JobRunner& writer, JobRunner& reader,
                                                 Clock& clock, Log log) {
  auto core = std::make_shared<sqlite::Core>(std::move(options), writer, reader, clock, std::move(log));
  TRY_VOID(core->open());
  return std::unique_ptr<Store>(std::make_unique<sqlite::Implementation>(std::move(core)));
}

}  // namespace perdure
