// The contract for SqliteStore, on a real file with threads and on MemVfs in virtual time; and what only a file can do:
// open again, refuse, run full, be damaged. Crashes are in crash_test.cc.

#include "store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include "async/epoll_loop.h"
#include "store/blob.h"
#include "store/sqlite/mem_vfs.h"
#include "store/testing/store_contract.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

class TempFolder {
 public:
  TempFolder() {
    std::string name = testing::TempDir() + "perdure-store-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/journal.db"; }

 private:
  std::string path_;
};

// A real file, a thread for writing, one for reading, and one for the loop.
class FileHost final : public StoreHost {
 public:
  FileHost() : thread_([this] { loop_.run(); }) { open(); }
  ~FileHost() override {
    store_.reset();
    loop_.stop();
    thread_.join();
  }
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    open();
    return true;
  }
  void close() { store_.reset(); }
  void open() {
    auto opened = SqliteStore::open(options(), *writer_, *reader_, system_clock(), Log());
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
  }
  SqliteOptions options() const { return {.path = folder_.file(), .head_key = head_key()}; }
  std::string path() const { return folder_.file(); }
  void run_to_end(Task<void> task) override {
    std::promise<void> done;
    auto handle = fulfil(std::move(task), done).handle;
    loop_.post([handle] { handle.resume(); });
    done.get_future().get();
  }
  Result<std::unique_ptr<Store>> open_another(bool read_only) {
    SqliteOptions another = options();
    another.read_only = read_only;
    return SqliteStore::open(another, *writer_, *reader_, system_clock(), Log());
  }

 private:
  static detail::RootTask fulfil(Task<void> task, std::promise<void>& done) {
    co_await std::move(task);
    done.set_value();
  }
  TempFolder folder_;
  EpollLoop loop_;
  std::thread thread_;
  std::unique_ptr<JobRunner> writer_ = thread_runner("writer"), reader_ = thread_runner("reader");
  std::unique_ptr<Store> store_;
};

class VirtualHost final : public SimHost {
 public:
  VirtualHost() { open(); }
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    open();
    return true;
  }

 private:
  void open() {
    SqliteOptions options{.path = "journal.db", .vfs = vfs_.name(), .head_key = head_key()};
    auto opened = SqliteStore::open(options, *writer_, *reader_, loop_, Log());
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
  }
  MemVfs vfs_{"contract"};
  std::unique_ptr<JobRunner> writer_ = loop_.make_runner(2ms), reader_ = loop_.make_runner(1ms);
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(HostKind{"sqlite_file", [] { return std::make_unique<FileHost>(); }},
                                         HostKind{"sqlite_virtual", [] { return std::make_unique<VirtualHost>(); }}),
                         name_of_kind);

// Opens the closed file with plain SQLite.
void edit(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  EXPECT_NE(sqlite3_total_changes(db), 0) << "the edit found nothing to change: " << sql;
  sqlite3_close(db);
}

struct File : testing::Test {
  Lease take() { return *host.run(host.store().acquire(1)); }
  Writing write(Lease lease, int records) {
    Writing writing = Writing::make(random);
    Batch batch = writing.create();
    for (int i = 1; i <= records; ++i) writing.add(batch, "record " + std::to_string(i), random);
    EXPECT_TRUE(host.run(host.store().commit(lease, std::move(batch))).ok());
    keys[writing.id] = writing.key;
    return writing;
  }
  VerifyReport verify_all() {
    KeyOf key_of = [this](const SessionRow& row) { return found_key(keys[row.id]); };
    auto report = host.run(verify(host.store(), StoreHost::head_key(), key_of));
    EXPECT_TRUE(report.ok());
    return report.ok() ? *report : VerifyReport{};
  }
  Result<std::unique_ptr<Store>> open_file(const std::string& path) {
    return SqliteStore::open({.path = path, .head_key = StoreHost::head_key()}, *writer, *reader, system_clock(),
                             Log());
  }

  FileHost host;
  SeededRandom random{21};
  std::map<SessionId, Key256> keys;
  std::unique_ptr<JobRunner> writer = thread_runner("writer2"), reader = thread_runner("reader2");
};

TEST_F(File, ASecondOwnerIsRefusedAndToldWho) {
  auto second = host.open_another(false);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  host.close();
  EXPECT_TRUE(host.open_another(false).ok());
}

TEST_F(File, ReadersFromOutsideFollowARunningStore) {
  Lease lease = take();
  Writing writing = write(lease, 2);
  auto outside = host.open_another(true);
  ASSERT_TRUE(outside.ok()) << outside.error().message;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(host.run(host.store().commit(lease, writing.append("more", random))).ok());
    auto row = host.run((*outside)->session(writing.id));
    ASSERT_TRUE(row.ok() && row->has_value());
    EXPECT_EQ((*row)->head, writing.head);
    EXPECT_EQ((*row)->chain, writing.chain);
    EXPECT_EQ(host.run((*outside)->read(writing.id, 1, 100, SIZE_MAX))->size(), writing.head);
    auto inside_total = host.run(host.store().summary()), total = host.run((*outside)->summary());
    EXPECT_EQ(total->records, inside_total->records);
    EXPECT_EQ(total->heads, inside_total->heads);
  }
  EXPECT_EQ(host.run((*outside)->commit(lease, writing.append("x", random))).error().code, Code::kDenied);
  EXPECT_EQ(host.run((*outside)->acquire(1)).error().code, Code::kDenied);
  EXPECT_EQ(host.run((*outside)->put_setting("a", "b", false)).error().code, Code::kDenied);
  EXPECT_EQ(host.run((*outside)->append_ledger({})).error().code, Code::kDenied);
  outside->reset();
  host.close();
  auto offline = host.open_another(true);
  ASSERT_TRUE(offline.ok()) << offline.error().message;
  EXPECT_EQ(host.run((*offline)->session(writing.id))->value().head, 5u);
}

// Beside a writer that never rests: what is verified is of one moment, totals included.
TEST_F(File, AReaderOfOneMomentSeesNothingOfWhatComesAfter) {
  Lease lease = take();
  std::vector<Writing> writings;
  for (int i = 0; i < 5; ++i) writings.push_back(write(lease, 3));
  for (bool one_moment : {false, true}) {
    auto outside = SqliteStore::open(
        {.path = host.path(), .read_only = true, .one_moment = one_moment, .head_key = StoreHost::head_key()}, *writer,
        *reader, system_clock(), Log());
    ASSERT_TRUE(outside.ok()) << outside.error().message;
    KeyOf key_of = [&](const SessionRow& row) -> Task<Result<std::optional<Key256>>> {
      // One session grows, and one is made, after every session that is looked at.
      (void)co_await host.store().commit(lease, writings[0].append("more", random));
      Writing fresh = Writing::make(random);
      (void)co_await host.store().commit(lease, fresh.create());
      co_return std::optional<Key256>(keys[row.id]);
    };
    auto report = host.run(verify(**outside, StoreHost::head_key(), key_of));
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->totals_compared, one_moment);
    if (one_moment) EXPECT_TRUE(report->holds()) << report->problems.at(0);
  }
  EXPECT_TRUE(verify_all().holds());
}

TEST_F(File, ReadOnlyDoesNotCreate) {
  std::string path = host.path() + "-absent";
  auto opened = SqliteStore::open({.path = path, .read_only = true}, *writer, *reader, system_clock(), Log());
  EXPECT_FALSE(opened.ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(File, WhatIsNoStoreIsRefused) {
  host.close();
  std::string path = host.path();
  auto refused = [&](const std::string& file) {
    auto opened = open_file(file);
    return opened.ok() ? "opened" : std::string(to_string(opened.error().code)) + " " + opened.error().reason;
  };
  std::string text = path + "-text", other = path + "-other", newer = path + "-newer", torn = path + "-torn";
  std::ofstream(text) << std::string(10'000, 'x');
  EXPECT_EQ(refused(text), "corrupt ");
  edit(other, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  EXPECT_EQ(refused(other), "corrupt not_a_store");
  std::filesystem::copy(path, newer);
  edit(newer, "PRAGMA user_version=3; CREATE TEMP TABLE t(x); INSERT INTO t VALUES(1)");
  EXPECT_EQ(refused(newer), "corrupt newer_format");
  std::filesystem::copy(path, torn);
  std::filesystem::resize_file(torn, 8192 * 3);
  EXPECT_EQ(refused(torn), "corrupt ");
  auto other_key = SqliteStore::open({.path = path}, *writer, *reader, system_clock(), Log());
  ASSERT_FALSE(other_key.ok());
  EXPECT_EQ(other_key.error().reason, "wrong_head_key");
  EXPECT_EQ(refused(path), "opened");
}

TEST_F(File, ErasedBytesAreNotInTheFiles) {
  Lease lease = take();
  Writing writing = Writing::make(random);
  Batch batch{.session = writing.id};
  batch = writing.create();
  for (int i = 0; i < 20; ++i) writing.add(batch, random.bytes(i == 7 ? 100'000 : 500), random);
  std::vector<std::string> bodies;
  for (const SealedRecord& record : batch.append) bodies.push_back(record.body.substr(0, 200));
  ASSERT_TRUE(host.run(host.store().commit(lease, std::move(batch))).ok());
  auto found = [&] {
    std::string all;
    for (const char* suffix : {"", "-wal"}) {
      std::ifstream in(host.path() + suffix, std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return std::ranges::count_if(bodies, [&](const std::string& body) { return all.find(body) != std::string::npos; });
  };
  EXPECT_EQ(found(), 20);
  Batch erase{.session = writing.id};
  erase.erase = {{1, 20}};
  ASSERT_TRUE(host.run(host.store().commit(lease, std::move(erase))).ok());
  // The log is emptied right behind the answer; one more commit waits for that.
  ASSERT_TRUE(host.run(host.store().commit(lease, writing.append("tombstone", random))).ok());
  EXPECT_EQ(found(), 0);
}

TEST_F(File, TheLedgerNeedsNoCommit) {
  take();
  ASSERT_TRUE(host.run(host.store().append_ledger({{0, TenantId("acme"), WallTime{}, "line"}})).ok());
  // The writer is asked something else, and has written by then.
  ASSERT_TRUE(host.run(host.store().summary()).ok());
  EXPECT_EQ(host.run(host.store().ledger(0, 10))->size(), 1u);
}

TEST_F(File, StartingReadsOnlyTheTailOfTheLog) {
  Lease lease = take();
  Writing writing = write(lease, 1);
  for (int i = 0; i < 30; ++i) {
    Batch batch{.session = writing.id};
    for (int k = 0; k < 100; ++k) writing.add(batch, "x", random);
    ASSERT_TRUE(host.run(host.store().commit(lease, std::move(batch))).ok());
  }
  // As a kill leaves it: the files are copied from under the running store.
  std::string copy = host.path() + "-copy";
  std::filesystem::copy(host.path(), copy);
  std::filesystem::copy(host.path() + "-wal", copy + "-wal");
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(copy.c_str(), &db), SQLITE_OK);
  int tail = -1;
  sqlite3_exec(
      db, "SELECT count(*) FROM log, state WHERE g > last_flush_g",
      [](void* to, int, char** values, char**) { return *static_cast<int*>(to) = std::atoi(values[0]), 0; }, &tail,
      nullptr);
  sqlite3_close(db);
  EXPECT_GE(tail, 0);
  EXPECT_LT(tail, 2100);
  auto opened = open_file(copy);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(host.run((*opened)->session(writing.id))->value().chain, writing.chain);
  EXPECT_EQ(host.run((*opened)->summary())->heads, host.run(host.store().summary())->heads);
}

// What verify() must find, made with SQL in a closed file.
struct Tampered : File {
  void SetUp() override {
    Lease lease = take();
    first = write(lease, 6);
    second = write(lease, 4);
    EXPECT_TRUE(verify_all().holds());
    host.close();
  }
  VerifyReport after(const std::string& sql) {
    edit(host.path(), sql);
    host.open();
    return verify_all();
  }
  static std::string s_of(const Writing& writing) {
    return "(SELECT s FROM session WHERE hex(sid) = '" + upper_hex(writing.id) + "')";
  }
  static std::string upper_hex(SessionId id) {
    std::string text = id.to_string().substr(5);
    for (char& c : text) c = static_cast<char>(std::toupper(c));
    return text;
  }
  Writing first, second;
};

TEST_F(Tampered, AFlippedBitOfABody) {
  auto report = after(
      "UPDATE log SET body = CAST(substr(body, 1, 14) || char(1) || substr(body, 16) AS BLOB) WHERE seq = 3 AND s = " +
      s_of(first));
  EXPECT_EQ(report.problem_count, 1u);
}
TEST_F(Tampered, AFlippedBitOfAHash) {
  EXPECT_FALSE(after("UPDATE log SET hash = zeroblob(32) WHERE seq = 3 AND s = " + s_of(first)).holds());
}
TEST_F(Tampered, AChangedTime) {
  EXPECT_FALSE(after("UPDATE log SET time = time + 1 WHERE seq = 3 AND s = " + s_of(first)).holds());
}
TEST_F(Tampered, SwappedContents) {
  std::string s = s_of(first);
  EXPECT_FALSE(after("CREATE TEMP TABLE t AS SELECT * FROM log WHERE s = " + s +
                     ";UPDATE log SET (hash, salt, body) = (SELECT hash, salt, body FROM t "
                     "WHERE t.seq = 5 - log.seq) WHERE seq IN (2, 3) AND s = " +
                     s)
                   .holds());
}
TEST_F(Tampered, SwappedRecords) {
  std::string s = s_of(first);
  EXPECT_FALSE(after("UPDATE log SET seq = 5 - seq WHERE seq IN (2, 3) AND s = " + s).holds());
}
TEST_F(Tampered, AMissingRecord) {
  EXPECT_FALSE(after("DELETE FROM log WHERE seq = 3 AND s = " + s_of(first)).holds());
}
TEST_F(Tampered, AMissingTail) { EXPECT_FALSE(after("DELETE FROM log WHERE seq > 4 AND s = " + s_of(first)).holds()); }
TEST_F(Tampered, AMissingTailWithTheHeadMovedBack) {
  Hash256 chain{};
  host.open();
  auto records = *host.run(host.store().read(first.id, 1, 4, SIZE_MAX));
  host.close();
  for (const SealedRecord& record : records) chain = chain_after(chain, first.id, record);
  std::string hex = to_hex({reinterpret_cast<const char*>(chain.data()), chain.size()});
  std::string s = s_of(first);
  auto report = after("DELETE FROM log WHERE seq > 4 AND s = " + s + ";UPDATE session SET head = 4, chain = x'" + hex +
                      "', head_g = (SELECT g FROM log WHERE seq = 4 AND log.s = session.s) WHERE s = " + s);
  EXPECT_EQ(report.problem_count, 2u) << "only the totals can tell: of records and of heads";
}
TEST_F(Tampered, AMissingSession) {
  std::string s = s_of(second);
  EXPECT_FALSE(after("DELETE FROM log WHERE s = " + s + ";DELETE FROM session WHERE s = " + s).holds());
}
TEST_F(Tampered, AMissingSessionWithTheCountsAdjusted) {
  std::string s = s_of(second);
  EXPECT_FALSE(after("UPDATE state SET sessions = sessions - 1, records = records - 4;DELETE FROM log WHERE s = " + s +
                     ";DELETE FROM session WHERE s = " + s)
                   .holds());
}
// What is stored apart of a record is looked after as what is in it.
struct TamperedBlobs : Tampered {
  void SetUp() override {
    Tampered::SetUp();
    host.open();
    Lease lease = take();
    Key256 tenant_key = make_key(random);
    std::string payload = "{\"a\":\"" + std::string(40'000, 'a') + "\"}";
    for (Writing* writing : {&first, &second}) {
      Batch batch{.session = writing->id};
      batch.expected_head = writing->head;
      SealedRecord record =
          seal_apart(&writing->key, blob_key_of(&tenant_key, TenantId("acme")), writing->id, ++writing->head, 1, 1,
                     WallTime{}, payload, blob_spans(payload), random, batch.blobs);
      batch.chain = writing->chain = chain_after(writing->chain, writing->id, record);
      batch.append.push_back(std::move(record));
      ASSERT_TRUE(host.run(host.store().commit(lease, std::move(batch))).ok());
    }
    VerifyReport report = verify_all();
    EXPECT_TRUE(report.holds()) << report.problems.at(0);
    EXPECT_EQ(report.blobs, 1u);
    host.close();
  }
};
TEST_F(TamperedBlobs, AFlippedBit) {
  EXPECT_FALSE(after("UPDATE blob_body SET body = substr(body, 1, 999) || x'00' || substr(body, 1001)").holds());
}
TEST_F(TamperedBlobs, AMissingOne) { EXPECT_FALSE(after("DELETE FROM blob_body").holds()); }
TEST_F(TamperedBlobs, OneThatIsLeftOver) {
  EXPECT_FALSE(after("INSERT INTO blob VALUES(zeroblob(32), 99, 1)").holds());
}
TEST_F(TamperedBlobs, AWrongCount) { EXPECT_FALSE(after("UPDATE blob SET refs = refs + 1").holds()); }
TEST_F(TamperedBlobs, ALostReference) {
  EXPECT_FALSE(after("UPDATE log SET blobs = NULL WHERE blobs IS NOT NULL").holds());
}

TEST_F(Tampered, AnUntouchedFileHolds) {
  host.open();
  EXPECT_TRUE(verify_all().holds());
}

}  // namespace
}  // namespace perdure
