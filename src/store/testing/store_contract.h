#pragma once
// What every Store promises, as tests. A kind of Store joins with one line in a test of its own:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values(HostKind{"memory", make_host}), name_of_kind);

#include <algorithm>
#include <set>

#include "store/testing/store_contract_base.h"
#include "store/testing/store_contract_whole.h"

namespace perdure {

TEST_P(StoreContract, AppendsAndReadsBack) {
  Writing writing = write(2);
  EXPECT_EQ(must(commit(writing.append("three", random))).head, 3u);
  EXPECT_EQ(text_of(writing), "1 2 three ");
  SessionRow row = row_of(writing.id);
  EXPECT_EQ(row.head, 3u);
  EXPECT_EQ(row.chain, writing.chain);
  EXPECT_EQ(row.tenant, TenantId("acme"));
  EXPECT_EQ(row.wrapped_key, "wrapped");
  EXPECT_EQ(row.expires, WallTime::max());
  EXPECT_FALSE(row.unfinished);
  reopen();
  EXPECT_EQ(text_of(writing), "1 2 three ");
  EXPECT_EQ(row_of(writing.id).chain, writing.chain);
  expect_true_summary();
}

TEST_P(StoreContract, AnEmptySessionIsASession) {
  Writing writing = write(0);
  EXPECT_EQ(row_of(writing.id).head, 0u);
  EXPECT_TRUE(read(writing.id).empty());
  must(commit(writing.append("one", random)));
  EXPECT_EQ(text_of(writing), "one ");
  expect_true_summary();
}

TEST_P(StoreContract, AJournalThatMovedOnRefusesAndKeepsNothing) {
  Writing writing = write(2);
  Writing stale = writing;
  must(commit(writing.append("3", random)));
  Batch late = stale.append("other 3", random);
  late.put.push_back(put(stale, "r", "v"));
  late.timers.push_back({"t", WallTime{}});
  late.unfinished = true;
  late.ledger.push_back({0, TenantId("acme"), WallTime{}, "{}"});
  auto refused = commit(std::move(late));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_EQ(text_of(writing), "1 2 3 ");
  EXPECT_FALSE(must(host->run(store->find(key("r")))).has_value());
  EXPECT_TRUE(must(host->run(store->due(WallTime::max(), 10))).empty());
  EXPECT_TRUE(must(host->run(store->unfinished(std::nullopt, 10))).empty());
  EXPECT_TRUE(must(host->run(store->ledger(0, 10))).empty());
  expect_true_summary();
}

TEST_P(StoreContract, RefusesWhatCannotBe) {
  Writing writing = write(1);
  Writing again = writing;
  again.head = 0;
  EXPECT_EQ(commit(again.create()).error().code, Code::kConflict);
  Writing unknown = Writing::make(random);
  EXPECT_EQ(commit(unknown.append("x", random)).error().code, Code::kNotFound);
  EXPECT_FALSE(must(host->run(store->session(unknown.id))).has_value());
  EXPECT_EQ(host->run(store->read(unknown.id, 1, 2, 10)).error().code, Code::kNotFound);
  Batch gap = writing.append("2", random);
  gap.append[0].seq = 9;
  EXPECT_EQ(commit(std::move(gap)).error().code, Code::kInvalid);
  expect_true_summary();
}

TEST_P(StoreContract, AnOldLeaseIsFencedOff) {
  Writing writing = write(1);
  Lease old = lease;
  lease = must(host->run(store->acquire(1)));
  EXPECT_GT(lease.epoch, old.epoch);
  Writing stale = writing;
  auto refused = host->run(store->commit(old, stale.append("x", random)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_EQ(refused.error().reason, "fenced");
  EXPECT_EQ(host->run(store->commit(Lease{99, 1}, stale.append("x", random))).error().reason, "fenced");
  must(commit(writing.append("2", random)));
  uint64_t epoch = lease.epoch;
  reopen();
  EXPECT_EQ(must(host->run(store->acquire(1))).epoch, epoch + 1);
  EXPECT_EQ(commit(writing.append("3", random)).error().reason, "fenced");
}

TEST_P(StoreContract, IndexesWithTheAppend) {
  Writing writing = write(1);
  Batch batch = writing.append("2", random);
  batch.put.push_back(put(writing, "resp_1", "value", true));
  must(commit(std::move(batch)));
  auto entry = must(host->run(store->find(key("resp_1"))));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->session, writing.id);
  EXPECT_EQ(entry->seq, 2u);
  EXPECT_EQ(entry->value, "value");
  EXPECT_FALSE(must(host->run(store->find(key("resp_1", "other")))).has_value());

  Writing before = writing;
  Batch twice = writing.append("3", random);
  twice.put.push_back(put(writing, "resp_1", "other", true));
  auto refused = commit(std::move(twice));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "index_exists");
  EXPECT_EQ(row_of(writing.id).head, 2u);
  writing = before;

  Batch replace{.session = writing.id};
  replace.put.push_back(put(writing, "resp_1", "other"));
  must(commit(std::move(replace)));
  EXPECT_EQ(must(host->run(store->find(key("resp_1"))))->value, "other");

  Batch removed_first{.session = writing.id};
  removed_first.remove.push_back(key("resp_1"));
  removed_first.put.push_back(put(writing, "resp_1", "third", true));
  must(commit(std::move(removed_first)));
  EXPECT_EQ(must(host->run(store->find(key("resp_1"))))->value, "third");

  Batch same_twice{.session = writing.id};
  same_twice.put.push_back(put(writing, "resp_2", "a", true));
  same_twice.put.push_back(put(writing, "resp_2", "b", true));
  EXPECT_EQ(commit(std::move(same_twice)).error().reason, "index_exists");
  EXPECT_FALSE(must(host->run(store->find(key("resp_2")))).has_value());

  Batch remove{.session = writing.id};
  remove.remove.push_back(key("resp_1"));
  must(commit(std::move(remove)));
  EXPECT_FALSE(must(host->run(store->find(key("resp_1")))).has_value());
}

TEST_P(StoreContract, ListsFromTheNewestInPages) {
  Writing writing = write(1), foreign = write(1, "other");
  for (int i = 0; i < 10; ++i) {
    Batch batch{.session = writing.id};
    batch.put.push_back(put(writing, "r" + std::to_string(i), "v"));
    must(commit(std::move(batch)));
    Batch noise{.session = foreign.id};
    noise.put.push_back({key("r" + std::to_string(i), "other"), {foreign.id, 1, "v"}});
    noise.put.push_back({{TenantId("acme"), IndexKind::kIdempotency, "r" + std::to_string(i)}, {foreign.id, 1, "v"}});
    must(commit(std::move(noise)));
  }
  Batch again{.session = writing.id};  // replacing a value does not move it
  again.put.push_back(put(writing, "r3", "w"));
  must(commit(std::move(again)));
  std::string seen;
  uint64_t before = 0;
  for (;;) {
    auto page = must(host->run(store->list(TenantId("acme"), IndexKind::kResponse, before, 3)));
    if (page.empty()) break;
    for (const IndexRow& row : page) {
      if (before != 0) EXPECT_LT(row.entry.ordinal, before);
      before = row.entry.ordinal;
      seen += row.key.key + row.entry.value;
    }
  }
  EXPECT_EQ(seen, "r9vr8vr7vr6vr5vr4vr3wr2vr1vr0v");
}

TEST_P(StoreContract, OrdinalsGrowAcrossRemovalAndReopening) {
  Writing writing = write(1);
  uint64_t last = 0;
  for (int i = 0; i < 4; ++i) {
    Batch batch{.session = writing.id};
    batch.put.push_back(put(writing, "r", "v"));
    must(commit(std::move(batch)));
    uint64_t ordinal = must(host->run(store->find(key("r"))))->ordinal;
    EXPECT_GT(ordinal, last);
    last = ordinal;
    Batch remove{.session = writing.id};
    remove.remove.push_back(key("r"));
    must(commit(std::move(remove)));
    reopen();
    lease = must(host->run(store->acquire(1)));
  }
}

TEST_P(StoreContract, Timers) {
  Writing a = write(1), b = write(1);
  auto at = [](int ms) { return WallTime(std::chrono::milliseconds(ms)); };
  Batch batch{.session = a.id};
  batch.timers = {{"x", at(30)}, {"y", at(10)}};
  must(commit(std::move(batch)));
  Batch other{.session = b.id};
  other.timers = {{"x", at(20)}};
  must(commit(std::move(other)));
  auto names = [&](WallTime until, size_t limit) {
    std::string out;
    for (const TimerRow& row : must(host->run(store->due(until, limit))))
      out += (row.session == a.id ? "a" : "b") + row.id;
    return out;
  };
  EXPECT_EQ(names(at(30), 10), "aybxax");
  EXPECT_EQ(names(at(29), 10), "aybx");
  EXPECT_EQ(names(at(30), 1), "ay");
  Batch moved{.session = a.id};
  moved.timers = {{"y", at(50)}};
  moved.remove_timers = {"x", "unknown"};
  must(commit(std::move(moved)));
  reopen();
  EXPECT_EQ(names(at(49), 10), "bx");
  EXPECT_EQ(names(at(50), 10), "bxay");
}

TEST_P(StoreContract, UnfinishedWorkIsFound) {
  std::set<SessionId> wanted;
  for (int i = 0; i < 7; ++i) {
    Writing writing = write(1);
    if (i % 2 == 0) continue;
    Batch batch = writing.append("2", random);
    batch.unfinished = true;
    must(commit(std::move(batch)));
    wanted.insert(writing.id);
    must(commit(writing.append("3", random)));
  }
  reopen();
  lease = must(host->run(store->acquire(1)));
  std::vector<SessionId> found;
  for (;;) {
    auto page = must(host->run(store->unfinished(found.empty() ? std::nullopt : std::optional(found.back()), 2)));
    if (page.empty()) break;
    found.insert(found.end(), page.begin(), page.end());
  }
  EXPECT_EQ(found, std::vector<SessionId>(wanted.begin(), wanted.end()));
  Batch done{.session = *wanted.begin()};
  done.unfinished = false;
  must(commit(std::move(done)));
  EXPECT_EQ(must(host->run(store->unfinished(std::nullopt, 10))).size(), wanted.size() - 1);
  expect_true_summary();
}

TEST_P(StoreContract, FieldsOfASessionChange) {
  Writing writing = write(1);
  Batch batch{.session = writing.id};
  batch.expires = WallTime(std::chrono::milliseconds(77));
  batch.legal_hold = true;
  must(commit(std::move(batch)));
  reopen();
  SessionRow row = row_of(writing.id);
  EXPECT_EQ(row.expires, WallTime(std::chrono::milliseconds(77)));
  EXPECT_TRUE(row.legal_hold);
  EXPECT_EQ(row.head, 1u);
}

TEST_P(StoreContract, ErasedContentIsGoneAndTheChainHolds) {
  Writing writing = write(5);
  Batch batch = writing.append("tombstone", random);
  batch.erase = {{2, 3}, {5, 99}};
  must(commit(std::move(batch)));
  auto look = [&] {
    Hash256 chain{};
    std::string sizes;
    for (const SealedRecord& record : read(writing.id)) {
      chain = chain_after(chain, writing.id, record);
      EXPECT_EQ(record.body.empty(), record.salt.empty());
      sizes += record.body.empty() ? "-" : "+";
    }
    EXPECT_EQ(sizes, "+--+--");
    EXPECT_EQ(chain, writing.chain);
  };
  look();
  Batch erase_key{.session = writing.id};
  erase_key.erase = {{1, UINT64_MAX}};
  erase_key.erase_key = true;
  must(commit(std::move(erase_key)));
  reopen();
  EXPECT_EQ(row_of(writing.id).wrapped_key, "");
  for (const SealedRecord& record : read(writing.id)) EXPECT_TRUE(record.body.empty());
  expect_true_summary();
}

TEST_P(StoreContract, ForksAreChildrenOfTheirParent) {
  Writing parent = write(3);
  std::set<SessionId> forks;
  for (int i = 0; i < 3; ++i) {
    Writing fork = Writing::make(random);
    Batch batch = fork.create();
    batch.create->parent = parent.id;
    batch.create->parent_seq = 2;
    fork.add(batch, "fork", random);
    must(commit(std::move(batch)));
    forks.insert(fork.id);
    SessionRow row = row_of(fork.id);
    EXPECT_EQ(row.parent, parent.id);
    EXPECT_EQ(row.parent_seq, 2u);
    EXPECT_EQ(read(fork.id).size(), 1u);
  }
  EXPECT_EQ(must(host->run(store->children(parent.id, 10))), std::vector<SessionId>(forks.begin(), forks.end()));
  EXPECT_EQ(must(host->run(store->children(parent.id, 2))).size(), 2u);
  EXPECT_TRUE(must(host->run(store->children(*forks.begin(), 10))).empty());
}

TEST_P(StoreContract, TheLedgerKeepsItsOrder) {
  auto line = [](int i) {
    return LedgerEntry{0, TenantId("acme"), WallTime(std::chrono::milliseconds(i)), std::to_string(i)};
  };
  must(host->run(store->append_ledger({line(1), line(2)})));
  Writing writing = write(1);
  Batch batch = writing.append("2", random);
  batch.ledger = {line(3)};
  must(commit(std::move(batch)));
  must(host->run(store->append_ledger({line(4)})));
  must(commit(writing.append("3", random)));  // what was queued goes with it
  reopen();
  std::multiset<std::string> lines;
  uint64_t after = 0;
  for (;;) {
    auto page = must(host->run(store->ledger(after, 2)));
    if (page.empty()) break;
    for (const LedgerEntry& entry : page) {
      EXPECT_GT(entry.ordinal, after);
      after = entry.ordinal;
      EXPECT_EQ(entry.tenant, TenantId("acme"));
      lines.insert(entry.line);
    }
  }
  EXPECT_EQ(lines, (std::multiset<std::string>{"1", "2", "3", "4"}));
}

TEST_P(StoreContract, Settings) {
  EXPECT_FALSE(must(host->run(store->setting("a"))).has_value());
  must(host->run(store->put_setting("a", std::string("\0b", 2), true)));
  EXPECT_EQ(host->run(store->put_setting("a", "c", true)).error().code, Code::kConflict);
  reopen();
  EXPECT_EQ(must(host->run(store->setting("a"))), std::string("\0b", 2));
  must(host->run(store->put_setting("a", "c", false)));
  EXPECT_EQ(must(host->run(store->setting("a"))), "c");
  must(host->run(store->put_setting("a", "", false)));
  EXPECT_FALSE(must(host->run(store->setting("a"))).has_value());
}

TEST_P(StoreContract, ASettingIsSwappedOnlyFromWhatWasRead) {
  auto swap = [&](std::optional<std::string> expected, std::string value) {
    return host->run(store->swap_setting("s", std::move(expected), std::move(value)));
  };
  auto changed = [](const Result<void>& result) {
    return !result.ok() && result.error().code == Code::kConflict && result.error().reason == "setting_changed";
  };
  EXPECT_TRUE(changed(swap("x", "1"))) << "it is not there";
  must(swap(std::nullopt, "1"));
  EXPECT_TRUE(changed(swap(std::nullopt, "2"))) << "it is there now";
  EXPECT_TRUE(changed(swap("0", "2")));
  reopen();
  must(swap("1", "2"));
  EXPECT_TRUE(changed(swap("1", "3"))) << "somebody else was first";
  EXPECT_EQ(must(host->run(store->setting("s"))), "2");
  must(swap("2", ""));
  EXPECT_FALSE(must(host->run(store->setting("s"))).has_value());
  must(swap(std::nullopt, "4"));
}

TEST_P(StoreContract, ReadsWithinLimits) {
  Writing writing = Writing::make(random);
  Batch batch = writing.create();
  for (int i = 0; i < 10; ++i) writing.add(batch, std::string(1000, 'x'), random);
  must(commit(std::move(batch)));
  EXPECT_EQ(read(writing.id, 1, 10, 1).size(), 1u);
  EXPECT_EQ(read(writing.id, 3, 10, 2500).size(), 2u);
  EXPECT_EQ(read(writing.id, 3, 10, 2500)[0].seq, 3u);
  EXPECT_EQ(read(writing.id, 0, 3).size(), 3u);
  EXPECT_EQ(read(writing.id, 9, 100).size(), 2u);
  EXPECT_TRUE(read(writing.id, 11, 100).empty());
  EXPECT_TRUE(read(writing.id, 5, 4).empty());
}

TEST_P(StoreContract, LargeBodies) {
  Writing writing = write(0);
  std::string large(5'000'000, 'x');
  large += random.bytes(1000);
  must(commit(writing.append(large, random)));
  must(commit(writing.append("small", random)));
  reopen();
  auto records = read(writing.id);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(must(open(&writing.key, writing.id, records[0])), large);
  EXPECT_EQ(read(writing.id, 1, 2, 100).size(), 1u);
}

TEST_P(StoreContract, LongJournalsAreReadFromAnywhere) {
  Writing writing = write(1);
  for (int i = 0; i < 40; ++i) {
    Batch batch{.session = writing.id};
    for (int k = 0; k < 70; ++k) writing.add(batch, std::to_string(writing.head + 1), random);
    if (i % 3 == 0) batch.unfinished = i % 2 == 0;
    must(commit(std::move(batch)));
    (void)write(2);
  }
  for (int round = 0; round < 2; ++round) {
    for (uint64_t first : {1u, 2u, 64u, 65u, 700u, 1999u, 2000u, 2001u, 2790u, 2801u}) {
      auto records = read(writing.id, first, first + 20);
      ASSERT_EQ(records.size(), std::min<uint64_t>(21, writing.head - first + 1));
      for (size_t i = 0; i < records.size(); ++i)
        EXPECT_EQ(must(open(&writing.key, writing.id, records[i])), std::to_string(first + i));
    }
    EXPECT_EQ(read(writing.id).size(), writing.head);
    reopen();
  }
  expect_true_summary();
}

TEST_P(StoreContract, ABlobLivesAsLongAsARecordRefersToIt) {
  auto id_of = [](unsigned char n) { return Hash256{n}; };
  auto listed = [&] {
    std::string out;
    std::optional<Hash256> after;
    for (;;) {
      auto page = must(host->run(store->blobs(after, 1)));
      if (page.empty()) return out;
      out += std::to_string(page[0].id[0]) + "x" + std::to_string(page[0].references) + " ";
      after = page[0].id;
    }
  };
  auto with = [&](Writing& writing, Batch batch, std::vector<unsigned char> ids) {
    writing.add(batch, "refers", random);
    for (unsigned char n : ids) {
      batch.append.back().blobs.push_back(id_of(n));
      batch.blobs.push_back({id_of(n), "body " + std::to_string(n)});
    }
    return batch;
  };
  Writing a = write(1), b = write(1, "other");
  must(commit(with(a, Batch{.session = a.id}, {1, 2})));
  must(commit(with(b, Batch{.session = b.id}, {2})));
  must(commit(with(a, with(a, Batch{.session = a.id}, {3}), {3})));
  EXPECT_EQ(listed(), "1x1 2x2 3x2 ");
  EXPECT_EQ(must(host->run(store->blob(id_of(2)))), "body 2");
  EXPECT_EQ(must(host->run(store->blob(id_of(9)))), std::nullopt);
  EXPECT_EQ(read(a.id)[1].blobs, (std::vector<Hash256>{id_of(1), id_of(2)}));
  EXPECT_TRUE(read(a.id)[0].blobs.empty());

  Writing before = a;
  Batch lonely = with(a, Batch{.session = a.id}, {4});
  lonely.blobs.clear();
  EXPECT_EQ(commit(std::move(lonely)).error().code, Code::kInvalid);
  a = before;
  Batch late = with(a, Batch{.session = a.id}, {5});
  late.expected_head += 1;
  EXPECT_FALSE(commit(std::move(late)).ok());
  a = before;
  EXPECT_EQ(listed(), "1x1 2x2 3x2 ") << "what is refused leaves nothing";
  reopen();
  lease = must(host->run(store->acquire(1)));
  EXPECT_EQ(listed(), "1x1 2x2 3x2 ");

  // Said again and erased in one commit, it never goes.
  Batch again = with(a, Batch{.session = a.id}, {1});
  again.erase = {{2, 2}};
  must(commit(std::move(again)));
  EXPECT_EQ(listed(), "1x1 2x1 3x2 ");
  Batch erase{.session = a.id};
  erase.erase = {{1, 3}, {2, 3}};  // some of it a second time
  must(commit(std::move(erase)));
  EXPECT_EQ(listed(), "1x1 2x1 3x1 ");
  EXPECT_TRUE(read(a.id)[2].blobs.empty());
  Batch all{.session = a.id};
  all.erase = {{1, 99}};
  must(commit(std::move(all)));
  EXPECT_EQ(listed(), "2x1 ");
  EXPECT_EQ(must(host->run(store->blob(id_of(3)))), std::nullopt);
  must(commit(with(a, Batch{.session = a.id}, {3})));
  EXPECT_EQ(must(host->run(store->blob(id_of(3)))), "body 3");
}

}  // namespace perdure
