// Power losses and failing disks, on MemVfs in virtual time. The sweep cuts the power at every write and sync of a
// workload, loses a random part of what was not synced, opens the store again and compares it with what was
// acknowledged.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <map>

#include "base/planted.h"
#include "store/sqlite/mem_vfs.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing/store_host.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

// One process: runners and a store, on a disk that outlives it.
struct Process {
  Process(SimLoop& l, MemVfs& vfs) : loop(l), writer(l.make_runner(2ms)), reader(l.make_runner(1ms)) {
    SqliteOptions options{.path = "journal.db", .vfs = vfs.name(), .head_key = StoreHost::head_key()};
    options.on_fatal = [this](const std::string&) { ++fatal; };
    auto opened = SqliteStore::open(options, *writer, *reader, l, Log());
    if (opened.ok())
      store = std::move(*opened);
    else
      failure = opened.error().message;
  }
  SimLoop& loop;
  std::unique_ptr<JobRunner> writer, reader;
  int fatal = 0;
  std::string failure;
  std::unique_ptr<Store> store;
};

// What a session's writer tried and what it was promised.
struct Attempt {
  Writing writing;
  struct Step {
    uint64_t head = 0;
    Hash256 chain{};
    bool unfinished = false;
  };
  std::vector<Step> steps;               // step i made index entry "<i>"
  size_t acknowledged = 0;               // steps, from the first
  std::map<uint64_t, Hash256> refers;    // records that refer to a blob
  std::map<uint64_t, size_t> erased_by;  // records, and the step that destroyed them
};

Hash256 blob_id(uint64_t n) { return Hash256{static_cast<unsigned char>(1 + n)}; }
std::string blob_body(const Hash256& id) { return std::string(1500, static_cast<char>('a' + id[0])); }

std::string key_name(size_t step) { return "step" + std::to_string(step); }
TenantId tenant_of(const Attempt& attempt) { return TenantId(attempt.writing.id.to_string()); }

Task<void> write_steps(SimLoop& loop, Store& store, Lease lease, Attempt& attempt, Random& random, int count) {
  for (int i = 0; i < count; ++i) {
    size_t step = attempt.steps.size();
    Batch batch{.session = attempt.writing.id};
    if (step == 0) batch = attempt.writing.create();
    uint64_t before = attempt.writing.head;
    for (uint64_t n = 1 + random.below(3); n-- > 0;) {
      attempt.writing.add(batch, random.bytes(random.below(3000)), random);
      attempt.refers.erase(attempt.writing.head);
      if (random.below(4) != 0) continue;
      Hash256 id = blob_id(random.below(4));  // of few, so that they are shared and go and come again
      batch.append.back().blobs.push_back(id);
      batch.blobs.push_back({id, blob_body(id)});
      attempt.refers[attempt.writing.head] = id;
    }
    if (before > 1 && random.below(6) == 0) {
      uint64_t last = 1 + random.below(before), first = 1 + random.below(last);
      batch.erase.push_back({first, last});
      for (uint64_t seq = first; seq <= last; ++seq) attempt.erased_by.try_emplace(seq, step);
    }
    bool unfinished = step == 0 ? false : attempt.steps.back().unfinished;
    bool with_row = random.below(4) == 0;  // otherwise the session row lags
    if (with_row) {
      unfinished = random.below(2) == 0;
      batch.unfinished = unfinished;
    }
    // The entry's presence must be as true as the records'.
    if (with_row || step == 0)
      batch.put.push_back({{tenant_of(attempt), IndexKind::kResponse, key_name(step)}, {attempt.writing.id, step, ""}});
    batch.ledger.push_back({0, tenant_of(attempt), WallTime{}, (with_row || step == 0 ? "+" : "-") + key_name(step)});
    attempt.steps.push_back({attempt.writing.head, attempt.writing.chain, unfinished});
    auto committed = co_await store.commit(lease, std::move(batch));
    if (!committed.ok()) co_return;
    attempt.acknowledged = attempt.steps.size();
    if (random.below(2) == 0) co_await sleep_for(loop, 400ms);  // lets flushes come due
  }
}

Task<void> write_setting(Store& store, int& acknowledged) {
  for (int i = 1; i <= 4; ++i) {
    auto put = co_await store.put_setting("counter", std::to_string(i), false);
    if (!put.ok()) co_return;
    acknowledged = i;
  }
}

struct World {
  std::vector<Attempt> attempts;
  int setting = 0;
  uint64_t epoch = 0;
};

Task<void> work(SimLoop& loop, Store& store, World& world, Random& random, int steps) {
  auto lease = co_await store.acquire(1);
  if (!lease.ok()) co_return;
  world.epoch = lease->epoch;
  TaskGroup group(loop);
  for (Attempt& attempt : world.attempts) group.spawn(write_steps(loop, store, *lease, attempt, random, steps));
  group.spawn(write_setting(store, world.setting));
  co_await group.join();
}

// What `store` says that it must not, empty when all is well.
Task<void> check(Store& store, const World& world, std::vector<std::string>& wrong) {
  StoreSummary found;
  std::map<Hash256, uint64_t> references;
  std::map<std::string, std::string> lines;
  auto ledger = co_await store.ledger(0, 10'000);
  if (!ledger.ok()) wrong.push_back("ledger: " + ledger.error().message);
  if (ledger.ok())
    for (const LedgerEntry& entry : *ledger) lines[entry.tenant.value] += entry.line + " ";
  for (const Attempt& attempt : world.attempts) {
    auto row = co_await store.session(attempt.writing.id);
    if (!row.ok()) {
      wrong.push_back("session: " + row.error().message);
      continue;
    }
    if (!row->has_value()) {
      if (attempt.acknowledged != 0) wrong.push_back("an acknowledged session is gone");
      if (!lines[tenant_of(attempt).value].empty()) wrong.push_back("a ledger line without its batch");
      continue;
    }
    const SessionRow& session = **row;
    ++found.sessions;
    found.records += session.head;
    add_mod_2_256(found.heads, head_mac(StoreHost::head_key(), session.id, session.head, session.chain));
    size_t kept = 0;
    while (kept < attempt.steps.size() && attempt.steps[kept].head < session.head) ++kept;
    if (kept == attempt.steps.size() || attempt.steps[kept].head != session.head) {
      wrong.push_back("a batch is half there");
      continue;
    }
    if (kept + 1 < attempt.acknowledged) wrong.push_back("acknowledged records are gone");
    if (attempt.steps[kept].chain != session.chain) wrong.push_back("the chain is another");
    if (attempt.steps[kept].unfinished != session.unfinished) wrong.push_back("`unfinished` is of another batch");
    auto records = co_await store.read(session.id, 1, session.head, SIZE_MAX);
    if (!records.ok()) {
      wrong.push_back("read: " + records.error().message);
      continue;
    }
    if (records->size() != session.head) wrong.push_back("records are missing");
    Hash256 chain{};
    for (const SealedRecord& record : *records) {
      chain = chain_after(chain, session.id, record);
      auto eraser = attempt.erased_by.find(record.seq);
      if (eraser != attempt.erased_by.end() && eraser->second <= kept) {
        if (!record.body.empty() || !record.blobs.empty()) wrong.push_back("an erased record is there again");
        continue;
      }
      if (!open(&attempt.writing.key, session.id, record).ok()) wrong.push_back("a record is damaged");
      std::vector<Hash256> expected;
      if (auto at = attempt.refers.find(record.seq); at != attempt.refers.end()) expected.push_back(at->second);
      if (record.blobs != expected) wrong.push_back("a record refers to other blobs");
      for (const Hash256& id : record.blobs) ++references[id];
    }
    if (chain != session.chain) wrong.push_back("the records' chain does not lead to the head");
    std::string expected, told = lines[tenant_of(attempt).value];
    for (size_t step = 0; step < attempt.steps.size(); ++step) {
      auto entry = co_await store.find({tenant_of(attempt), IndexKind::kResponse, key_name(step)});
      bool there = entry.ok() && entry->has_value();
      bool line = told.find("+" + key_name(step) + " ") != std::string::npos,
           plain = told.find("-" + key_name(step) + " ") != std::string::npos;
      if (there != line) wrong.push_back("index and ledger of one batch disagree");
      if ((line || plain) != (step <= kept)) wrong.push_back("records and ledger of one batch disagree");
    }
  }
  auto blobs = co_await store.blobs(std::nullopt, 100);
  std::map<Hash256, uint64_t> counted;
  if (!blobs.ok()) wrong.push_back("blobs: " + blobs.error().message);
  if (blobs.ok()) {
    for (const BlobRow& row : *blobs) {
      counted[row.id] = row.references;
      auto body = co_await store.blob(row.id);
      if (!body.ok() || *body != blob_body(row.id)) wrong.push_back("a blob is damaged");
    }
  }
  if (counted != references) wrong.push_back("blobs are not counted as they are referred to");
  auto summary = co_await store.summary();
  if (!summary.ok()) {
    wrong.push_back("summary: " + summary.error().message);
  } else if (summary->sessions != found.sessions || summary->records != found.records ||
             summary->heads != found.heads) {
    wrong.push_back("the summary is not that of the sessions");
  }
  auto setting = co_await store.setting("counter");
  if (!setting.ok() || std::atoi(setting->value_or("0").c_str()) < world.setting) wrong.push_back("a setting is gone");
  auto lease = co_await store.acquire(1);
  if (!lease.ok() || lease->epoch <= world.epoch) wrong.push_back("an epoch was given twice");
}

std::string integrity(MemVfs& vfs) {
  sqlite3* db = nullptr;
  std::string out = "cannot open";
  if (sqlite3_open_v2("journal.db", &db, SQLITE_OPEN_READWRITE, vfs.name().c_str()) == SQLITE_OK) {
    sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr);
    auto keep = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0];
      return 0;
    };
    sqlite3_exec(db, "PRAGMA integrity_check", keep, &out, nullptr);
  }
  sqlite3_close(db);
  return out;
}

enum class Loss { kPower, kProcess };

// A workload that a cut after `n` changes ends; what is wrong afterwards. `changes`: how many there were in all.
std::vector<std::string> cut_and_check(uint64_t n, Loss loss, uint64_t& changes) {
  std::vector<std::string> wrong;
  MemVfs vfs("crash");
  SeededRandom random(n);
  SimLoop loop(3);
  SeededRandom work_random(5);
  World world;
  for (int i = 0; i < 3; ++i) world.attempts.push_back({Writing::make(work_random), {}, 0, {}, {}});
  vfs.power_cut_after(n);
  // Twice, so that closing, opening and what lies in the file from before are cut too.
  for (int life = 0; life < 2 && !vfs.power_is_cut(); ++life) {
    Process process(loop, vfs);
    if (process.store) loop.run(work(loop, *process.store, world, work_random, 8));
    if (!process.store && !vfs.power_is_cut()) wrong.push_back("does not open: " + process.failure);
    if (process.fatal != 0 && !vfs.power_is_cut()) wrong.push_back("fatal without a cause");
  }
  changes = vfs.changes();
  if (loss == Loss::kPower)
    vfs.crash(random);
  else
    vfs.restart();
  for (int life = 0; life < 2; ++life) {
    Process process(loop, vfs);
    if (!process.store) {
      wrong.push_back("does not open again: " + process.failure);
      return wrong;
    }
    loop.run(check(*process.store, world, wrong));
    world.epoch += 1;
    // And it can be written: whoever was cut off goes on from what is there.
    auto lease = loop.run(process.store->acquire(1));
    for (Attempt& attempt : world.attempts) {
      auto row = loop.run(process.store->session(attempt.writing.id));
      if (!lease.ok() || !row.ok() || !row->has_value()) continue;
      std::erase_if(attempt.steps, [&](const Attempt::Step& step) { return step.head > (*row)->head; });
      attempt.acknowledged = std::min(attempt.acknowledged, attempt.steps.size());
      std::erase_if(attempt.erased_by, [&](const auto& one) { return one.second >= attempt.steps.size(); });
      attempt.writing.head = (*row)->head;
      attempt.writing.chain = (*row)->chain;
      size_t before = attempt.steps.size();
      loop.run(write_steps(loop, *process.store, *lease, attempt, random, 1));
      if (attempt.acknowledged != before + 1) wrong.push_back("does not go on");
    }
  }
  if (std::string found = integrity(vfs); found != "ok") wrong.push_back("integrity: " + found);
  return wrong;
}

TEST(Crash, NothingAcknowledgedIsLostWhereverThePowerFails) {
  uint64_t all = 0;
  auto undisturbed = cut_and_check(UINT64_MAX / 2, Loss::kPower, all);
  EXPECT_EQ(undisturbed, std::vector<std::string>{});
  ASSERT_GT(all, 100u);
  for (uint64_t n = 0; n < all; ++n) {
    uint64_t changes = 0;
    EXPECT_EQ(cut_and_check(n, Loss::kPower, changes), std::vector<std::string>{})
        << "power cut after " << n << " of " << all;
  }
}

TEST(Crash, AKilledProcessLosesNothingWritten) {
  uint64_t all = 0;
  cut_and_check(UINT64_MAX / 2, Loss::kProcess, all);
  for (uint64_t n = 0; n < all; n += 3) {
    uint64_t changes = 0;
    EXPECT_EQ(cut_and_check(n, Loss::kProcess, changes), std::vector<std::string>{})
        << "killed after " << n << " of " << all;
  }
}

// What a program of format 1 leaves behind, with one session of one record.
std::string file_of_format_1(Writing& writing) {
  SimLoop loop(3);
  SeededRandom random(11);
  MemVfs vfs("older");
  writing = Writing::make(random);
  {
    Process process(loop, vfs);
    Lease lease = *loop.run(process.store->acquire(1));
    Batch create = writing.create();
    writing.add(create, "of format 1", random);
    CHECK(loop.run(process.store->commit(lease, std::move(create))).ok(), "commit");
  }
  sqlite3* db = nullptr;
  CHECK(sqlite3_open_v2("journal.db", &db, SQLITE_OPEN_READWRITE, vfs.name().c_str()) == SQLITE_OK, "open");
  int made = sqlite3_exec(db,
                          "PRAGMA locking_mode=EXCLUSIVE; ALTER TABLE log DROP COLUMN blobs; DROP TABLE blob;"
                          "DROP TABLE blob_body; PRAGMA user_version=1; PRAGMA wal_checkpoint(TRUNCATE)",
                          nullptr, nullptr, nullptr);
  CHECK(made == SQLITE_OK, "format 1: ", sqlite3_errmsg(db));
  sqlite3_close(db);
  return vfs.contents("journal.db");
}

// A file of format 1, whose change to today's is cut short after `n` writes and syncs.
std::vector<std::string> cut_while_brought_up_to_date(uint64_t n, const std::string& file, Writing writing,
                                                      uint64_t& changes) {
  std::vector<std::string> wrong;
  MemVfs vfs("older");
  SimLoop loop(3);
  SeededRandom random(n);
  vfs.set_contents("journal.db", file);
  vfs.power_cut_after(n);
  {
    Process process(loop, vfs);
    if (!process.store && !vfs.power_is_cut()) wrong.push_back("does not open: " + process.failure);
  }
  changes = vfs.changes();
  vfs.crash(random);
  Process process(loop, vfs);
  if (!process.store) return {"does not open again: " + process.failure};
  auto records = loop.run(process.store->read(writing.id, 1, 9, SIZE_MAX));
  if (!records.ok() || records->size() != 1 || !(*records)[0].blobs.empty()) return {"the record is another"};
  if (auto plain = open(&writing.key, writing.id, (*records)[0]); !plain.ok() || *plain != "of format 1")
    return {"the record's content is another"};
  Lease lease = *loop.run(process.store->acquire(1));
  Batch batch = writing.append("with a blob", random);
  batch.append[0].blobs.push_back(blob_id(1));
  batch.blobs.push_back({blob_id(1), blob_body(blob_id(1))});
  if (!loop.run(process.store->commit(lease, std::move(batch))).ok()) wrong.push_back("takes no blob");
  auto blobs = loop.run(process.store->blobs(std::nullopt, 9));
  if (!blobs.ok() || blobs->size() != 1) wrong.push_back("the blob is not there");
  return wrong;
}

TEST(Crash, AnOlderFileIsBroughtUpToDateWhereverThePowerFails) {
  Writing writing;
  std::string file = file_of_format_1(writing);
  uint64_t all = 0;
  EXPECT_EQ(cut_while_brought_up_to_date(UINT64_MAX / 2, file, writing, all), std::vector<std::string>{});
  ASSERT_GT(all, 3u);
  for (uint64_t n = 0; n < all; ++n) {
    uint64_t changes = 0;
    EXPECT_EQ(cut_while_brought_up_to_date(n, file, writing, changes), std::vector<std::string>{})
        << "power cut after " << n << " of " << all;
  }
}

#if defined(PERDURE_PLANTED_BUGS)
TEST(Crash, TheSweepCatchesAStoreThatDoesNotSync) {
  plant("sync-off");
  uint64_t all = 0;
  cut_and_check(UINT64_MAX / 2, Loss::kPower, all);
  size_t caught = 0;
  for (uint64_t n = 20; n < all; n += 7) {
    uint64_t changes = 0;
    if (!cut_and_check(n, Loss::kPower, changes).empty()) ++caught;
  }
  plant("");
  EXPECT_GT(caught, 0u);
}
#endif

struct Faults : testing::Test {
  MemVfs vfs{"faults"};
  SimLoop loop{1};
  SeededRandom random{2};
};

TEST_F(Faults, AFullDiskRefusesAndRecovers) {
  Process process(loop, vfs);
  Lease lease = *loop.run(process.store->acquire(1));
  Writing writing = Writing::make(random);
  Batch create = writing.create();
  writing.add(create, "one", random);
  ASSERT_TRUE(loop.run(process.store->commit(lease, std::move(create))).ok());
  vfs.set_full(true);
  Writing before = writing;
  Batch batch = writing.append("two", random);
  batch.unfinished = true;
  for (int i = 0; i < 3; ++i) {
    auto refused = loop.run(process.store->commit(lease, batch));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    EXPECT_EQ(refused.error().reason, "storage_full");
  }
  EXPECT_EQ(loop.run(process.store->acquire(1)).error().reason, "storage_full");
  ASSERT_TRUE(loop.run(process.store->append_ledger({{0, TenantId("acme"), WallTime{}, "kept"}})).ok());
  loop.run_until_idle();
  EXPECT_EQ(loop.run(process.store->session(writing.id))->value().head, 1u);
  EXPECT_EQ(loop.run(process.store->read(writing.id, 1, 9, 1000))->size(), 1u);
  vfs.set_full(false);
  EXPECT_EQ(process.fatal, 0);
  ASSERT_TRUE(loop.run(process.store->commit(lease, batch)).ok());
  EXPECT_EQ(loop.run(process.store->session(writing.id))->value().head, 2u);
  EXPECT_EQ(loop.run(process.store->ledger(0, 10))->size(), 1u);
  Writing copy = before;
  EXPECT_EQ(loop.run(process.store->commit(lease, copy.append("other two", random))).error().code, Code::kConflict);
}

TEST_F(Faults, AFailingSyncEndsTheProcess) {
  uint64_t syncs = 0;
  {
    Process process(loop, vfs);
    Lease lease = *loop.run(process.store->acquire(1));
    Writing writing = Writing::make(random);
    ASSERT_TRUE(loop.run(process.store->commit(lease, writing.create())).ok());
    vfs.fail_sync_after(0);
    EXPECT_EQ(loop.run(process.store->commit(lease, writing.append("one", random))).error().code, Code::kUnknown);
    EXPECT_EQ(process.fatal, 1);
    // The disk works again, and still nothing is written: what was reported as failed may or may not be on it.
    EXPECT_EQ(loop.run(process.store->commit(lease, writing.append("two", random))).error().code, Code::kUnavailable);
    EXPECT_EQ(process.fatal, 1);
    syncs = vfs.syncs();
  }
  EXPECT_EQ(vfs.syncs(), syncs) << "closing must not write either";
  vfs.crash(random);
  Process process(loop, vfs);
  EXPECT_TRUE(process.store != nullptr) << process.failure;
}

// Lines that no commit takes along are on the disk a flush interval later, though nobody calls the store any more.
TEST_F(Faults, ALedgerLineOutlivesAPowerLossAfterTheFlushInterval) {
  for (auto [idle, kept] : {std::pair(0ms, false), std::pair(300ms, true)}) {
    MemVfs disk("idle");
    {
      Process process(loop, disk);
      ASSERT_TRUE(loop.run(process.store->acquire(1)).ok());  // synced just now, so that the line need not be
      uint64_t synced = disk.syncs();
      ASSERT_TRUE(loop.run(process.store->append_ledger({{0, TenantId("acme"), WallTime{}, "line"}})).ok());
      loop.run_until([] { return false; }, idle == 0ms ? 20ms : Duration(idle));
      EXPECT_EQ(disk.syncs() > synced, kept);
      disk.power_cut_after(0);
    }
    if (!kept) continue;  // whether an unsynced line is lost is up to the disk
    disk.crash(random);
    Process process(loop, disk);
    ASSERT_TRUE(process.store != nullptr) << process.failure;
    EXPECT_EQ(loop.run(process.store->ledger(0, 10))->size(), 1u);
    EXPECT_EQ(loop.run(process.store->summary())->sessions, 0u);
  }
  loop.run_until_idle();  // and then it rests
}

TEST_F(Faults, NothingReachesTheDiskAfterAPowerCut) {
  {
    Process process(loop, vfs);
    Lease lease = *loop.run(process.store->acquire(1));
    Writing writing = Writing::make(random);
    ASSERT_TRUE(loop.run(process.store->commit(lease, writing.create())).ok());
    ASSERT_TRUE(loop.run(process.store->commit(lease, writing.append("one", random))).ok());
    vfs.power_cut_after(0);
  }
  uint64_t changes = vfs.changes();
  vfs.crash(random);
  EXPECT_EQ(vfs.changes(), changes);
  Process process(loop, vfs);
  ASSERT_TRUE(process.store != nullptr);
  EXPECT_EQ(loop.run(process.store->summary())->records, 1u);
}

TEST_F(Faults, WaitersOfADestroyedStoreAreLeftAlone) {
  Writing writing = Writing::make(random);
  Lease lease;
  bool resumed = false;
  {
    Process process(loop, vfs);
    lease = *loop.run(process.store->acquire(1));
    auto wait = [](Store& store, Lease l, Batch batch, bool& out) -> Task<void> {
      (void)co_await store.commit(l, std::move(batch));
      out = true;
    };
    Task<void> waiting = wait(*process.store, lease, writing.create(), resumed);
    auto start = [](Task<void>& task) -> detail::RootTask { co_await std::move(task); };
    auto root = start(waiting).handle;
    loop.post([root] { root.resume(); });
    while (vfs.changes() == 0 && loop.step()) {
    }
    loop.step();
    process.store.reset();
    root.destroy();
  }
  loop.run_until_idle();
  EXPECT_FALSE(resumed);
}

TEST_F(Faults, TooMuchInTheQueueIsRefused) {
  SqliteOptions options{.path = "journal.db", .vfs = vfs.name()};
  options.queue_bytes_max = 10'000;
  auto writer = loop.make_runner(1ms), reader = loop.make_runner(1ms);
  auto store = SqliteStore::open(options, *writer, *reader, loop, Log());
  ASSERT_TRUE(store.ok());
  Lease lease = *loop.run((*store)->acquire(1));
  int won = 0, overloaded = 0;
  auto commit = [](Store& s, Lease l, Batch batch, int& ok, int& refused) -> Task<void> {
    auto committed = co_await s.commit(l, std::move(batch));
    if (committed.ok()) ++ok;
    if (!committed.ok() && committed.error().code == Code::kOverloaded) ++refused;
  };
  auto together = [](SimLoop& l, std::vector<Task<void>> tasks) -> Task<void> {
    TaskGroup group(l);
    for (auto& task : tasks) group.spawn(std::move(task));
    co_await group.join();
  };
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 20; ++i) {
    Writing writing = Writing::make(random);
    Batch batch = writing.create();
    writing.add(batch, std::string(1500, 'x'), random);
    tasks.push_back(commit(**store, lease, std::move(batch), won, overloaded));
  }
  loop.run(together(loop, std::move(tasks)));
  EXPECT_EQ(won + overloaded, 20);
  EXPECT_GT(won, 3);
  EXPECT_GT(overloaded, 3);
}

TEST_F(Faults, TheSameSeedGivesTheSameDisk) {
  auto run = [](uint64_t seed) {
    MemVfs disk("deterministic");
    SimLoop own(seed);
    SeededRandom writes(9);
    World world;
    for (int i = 0; i < 3; ++i) world.attempts.push_back({Writing::make(writes), {}, 0});
    {
      Process process(own, disk);
      own.run(work(own, *process.store, world, writes, 5));
    }
    return disk.contents("journal.db");
  };
  EXPECT_EQ(run(1), run(1));
}

}  // namespace
}  // namespace perdure
