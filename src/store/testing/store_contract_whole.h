#pragma once
// What every Store promises of many sessions at once, and of itself as a whole: part of store_contract.h.

#include <algorithm>
#include <map>

#include "store/memory_store.h"
#include "store/testing/store_contract_base.h"
#include "store/verify.h"

namespace perdure {

inline Task<void> write_many(Store& store, Lease lease, Writing& writing, Random& random, int batches, int& failures) {
  Batch create = writing.create();
  auto created = co_await store.commit(lease, std::move(create));
  if (!created.ok()) ++failures;
  for (int i = 0; i < batches; ++i) {
    Batch batch = writing.append(std::to_string(i), random);
    auto committed = co_await store.commit(lease, std::move(batch));
    if (!committed.ok() || committed->head != writing.head) ++failures;
  }
}

TEST_P(StoreContract, ManySessionsAtOnce) {
  std::vector<Writing> writings;
  for (int i = 0; i < 50; ++i) writings.push_back(Writing::make(random));
  int failures = 0;
  std::vector<Task<void>> tasks;
  for (Writing& writing : writings) tasks.push_back(write_many(*store, lease, writing, random, 20, failures));
  host->run_together(std::move(tasks));
  EXPECT_EQ(failures, 0);
  reopen();
  for (const Writing& writing : writings) {
    EXPECT_EQ(row_of(writing.id).chain, writing.chain);
    EXPECT_EQ(text_of(writing), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
  }
  expect_true_summary();
}

inline Task<void> try_commit(Store& store, Lease lease, Batch batch, int& won, int& lost) {
  auto committed = co_await store.commit(lease, std::move(batch));
  if (committed.ok())
    ++won;
  else if (committed.error().code == Code::kConflict)
    ++lost;
}

TEST_P(StoreContract, OneOfManyWinsTheSamePlace) {
  Writing writing = write(1);
  int won = 0, lost = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 10; ++i) {
    Writing copy = writing;
    tasks.push_back(try_commit(*store, lease, copy.append("2", random), won, lost));
  }
  host->run_together(std::move(tasks));
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 9);
  EXPECT_EQ(row_of(writing.id).head, 2u);
  won = lost = 0;
  tasks.clear();
  for (int i = 0; i < 10; ++i) {
    Batch batch = Writing::make(random).create();
    batch.put.push_back(put(writing, "only-once", std::to_string(i), true));
    tasks.push_back(try_commit(*store, lease, std::move(batch), won, lost));
  }
  host->run_together(std::move(tasks));
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 9);
  EXPECT_EQ(must(host->run(store->summary())).sessions, 2u);
  expect_true_summary();
}

inline Task<Result<std::optional<Key256>>> found_key(Key256 key) { co_return std::optional(key); }

TEST_P(StoreContract, VerifyFindsAWholeStoreWhole) {
  std::map<SessionId, Key256> keys;
  for (int i = 0; i < 5; ++i) {
    Writing writing = write(i * 3);
    keys[writing.id] = writing.key;
    if (i == 4) {
      Batch batch{.session = writing.id};
      batch.erase = {{2, 3}};
      must(commit(std::move(batch)));
    }
  }
  KeyOf key_of = [&keys](const SessionRow& row) { return found_key(keys.at(row.id)); };
  auto report = must(host->run(verify(*store, StoreHost::head_key(), key_of)));
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.sessions, 5u);
  EXPECT_EQ(report.records, 30u);
  EXPECT_EQ(report.erased_records, 2u);
}

// Random operations on the store and on a MemoryStore, which must answer alike; the store is reopened at random
// moments.
TEST_P(StoreContract, AnswersLikeTheModel) {
  auto model = memory_store(StoreHost::head_key());
  Lease model_lease = must(host->run(model->acquire(1)));
  model_lease.epoch = must(host->run(model->acquire(1))).epoch - 1;
  model_lease = must(host->run(model->acquire(1)));
  std::vector<Writing> writings;
  auto pick = [&]() -> Writing& { return writings[random.below(writings.size())]; };
  auto name = [&] { return "k" + std::to_string(random.below(12)); };
  for (int step = 0; step < 600; ++step) {
    Batch batch;
    Writing* target = nullptr;
    Writing before;
    if (writings.empty() || random.below(8) == 0) {
      writings.push_back(Writing::make(random));
      target = &writings.back();
      before = *target;
      batch = target->create(random.below(2) ? "acme" : "other");
      if (writings.size() > 1 && random.below(3) == 0) batch.create->parent = writings[0].id;
      batch.create->unfinished = random.below(2);
    } else {
      target = &pick();
      before = *target;
      batch.session = target->id;
      if (random.below(30) == 0) batch.session = SessionId::make(random);
    }
    for (uint64_t n = random.below(4); n-- > 0;) {
      target->add(batch, random.bytes(random.below(2000)), random);
      if (random.below(4) != 0) continue;
      Hash256 blob{static_cast<unsigned char>(1 + random.below(5))};
      batch.append.back().blobs.push_back(blob);
      if (random.below(20) != 0) batch.blobs.push_back({blob, random.bytes(random.below(20'000))});
    }
    if (!batch.append.empty() && random.below(10) == 0) {
      batch.expected_head += 1;
    }
    if (random.below(6) == 0) batch.unfinished = random.below(2);
    if (random.below(10) == 0) batch.expires = WallTime(std::chrono::milliseconds(random.below(1000)));
    if (random.below(10) == 0) batch.legal_hold = random.below(2);
    if (random.below(4) == 0) batch.put.push_back(put(*target, name(), random.bytes(5), random.below(2)));
    if (random.below(8) == 0) batch.remove.push_back(key(name()));
    if (random.below(5) == 0) batch.timers.push_back({name(), WallTime(std::chrono::milliseconds(random.below(1000)))});
    if (random.below(8) == 0) batch.remove_timers.push_back(name());
    if (random.below(15) == 0) batch.erase.push_back({random.below(5), random.below(10)});
    if (random.below(40) == 0) batch.erase_key = true;
    if (random.below(6) == 0) batch.ledger.push_back({0, TenantId("acme"), WallTime{}, name()});
    auto expected = host->run(model->commit(model_lease, batch));
    auto got = host->run(store->commit(lease, std::move(batch)));
    ASSERT_EQ(expected.ok(), got.ok()) << step << (got.ok() ? "" : got.error().message);
    if (expected.ok()) {
      EXPECT_EQ(expected->head, got->head);
    } else {
      EXPECT_EQ(expected.error().code, got.error().code);
      EXPECT_EQ(expected.error().reason, got.error().reason);
      if (before.head == 0 && !must(host->run(model->session(target->id)))) {
        writings.erase(writings.begin() + (target - writings.data()));
      } else {
        *target = before;
      }
      if (writings.empty()) continue;
    }
    if (random.below(40) == 0) {
      reopen();
      lease = must(host->run(store->acquire(1)));
      model_lease = must(host->run(model->acquire(1)));
    }
    SessionId id = pick().id;
    uint64_t first = random.below(10), last = first + random.below(10);
    auto expected_records = must(host->run(model->read(id, first, last, 2500)));
    auto records = must(host->run(store->read(id, first, last, 2500)));
    ASSERT_EQ(expected_records.size(), records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      EXPECT_EQ(records[i].seq, expected_records[i].seq);
      EXPECT_EQ(records[i].hash, expected_records[i].hash);
      EXPECT_EQ(records[i].salt, expected_records[i].salt);
      EXPECT_EQ(records[i].body, expected_records[i].body);
      EXPECT_EQ(records[i].time, expected_records[i].time);
    }
    auto same_rows = [](const SessionRow& a, const SessionRow& b) {
      return a.id == b.id && a.tenant == b.tenant && a.parent == b.parent && a.parent_seq == b.parent_seq &&
             a.head == b.head && a.chain == b.chain && a.wrapped_key == b.wrapped_key && a.created == b.created &&
             a.expires == b.expires && a.legal_hold == b.legal_hold && a.unfinished == b.unfinished;
    };
    EXPECT_TRUE(same_rows(row_of(id), must(host->run(model->session(id))).value()));
    if (step % 10 != 0) continue;
    auto rows = must(host->run(store->sessions(id, 1000))), expected_rows = must(host->run(model->sessions(id, 1000)));
    EXPECT_TRUE(std::ranges::equal(rows, expected_rows, same_rows));
    auto listed = must(host->run(store->list(TenantId("acme"), IndexKind::kResponse, 0, 5)));
    auto expected_list = must(host->run(model->list(TenantId("acme"), IndexKind::kResponse, 0, 5)));
    EXPECT_TRUE(std::ranges::equal(listed, expected_list, [](const IndexRow& a, const IndexRow& b) {
      return a.key == b.key && a.entry.session == b.entry.session && a.entry.value == b.entry.value &&
             a.entry.seq == b.entry.seq;
    }));
    EXPECT_EQ(must(host->run(store->unfinished(id, 100))), must(host->run(model->unfinished(id, 100))));
    EXPECT_EQ(must(host->run(store->children(writings[0].id, 100))),
              must(host->run(model->children(writings[0].id, 100))));
    auto due = must(host->run(store->due(WallTime(std::chrono::milliseconds(500)), 7)));
    auto expected_due = must(host->run(model->due(WallTime(std::chrono::milliseconds(500)), 7)));
    EXPECT_TRUE(std::ranges::equal(due, expected_due, [](const TimerRow& a, const TimerRow& b) {
      return a.session == b.session && a.id == b.id && a.due == b.due;
    }));
    EXPECT_EQ(must(host->run(store->ledger(0, 1000))).size(), must(host->run(model->ledger(0, 1000))).size());
    StoreSummary told = must(host->run(store->summary())), expected_summary = must(host->run(model->summary()));
    EXPECT_EQ(told.sessions, expected_summary.sessions);
    EXPECT_EQ(told.records, expected_summary.records);
    EXPECT_EQ(told.heads, expected_summary.heads);
  }
  expect_true_summary();
  auto blobs = must(host->run(store->blobs(std::nullopt, 100)));
  auto expected_blobs = must(host->run(model->blobs(std::nullopt, 100)));
  EXPECT_TRUE(std::ranges::equal(blobs, expected_blobs, [](const BlobRow& a, const BlobRow& b) {
    return a.id == b.id && a.references == b.references;
  }));
  for (const BlobRow& row : blobs)
    EXPECT_EQ(must(host->run(store->blob(row.id))), must(host->run(model->blob(row.id))));
}

}  // namespace perdure
