// Limits of API keys over a restart: what the ledger says of the last minute.
#include "access/rate_history.h"

#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "store/memory_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

Task<void> pass(Loop& loop, Duration time) { co_await sleep_for(loop, time); }

struct Ledger {
  SimLoop loop{3};
  std::unique_ptr<Store> store = memory_store(Key256{});
  RateBook book;
  KeyRates limits{.requests_per_minute = 60, .tokens_per_minute = 6000};
  uint64_t entries = 0;

  Ledger() { loop.run(pass(loop, 10min)); }
  static LedgerEntry entry(WallTime at, int64_t attempt, int64_t in, int64_t out, std::string key = "key_1",
                           bool known = true) {
    return {.tenant = TenantId("shop"),
            .time = at,
            .line = R"({"key":")" + key + R"(","attempt":)" + std::to_string(attempt) + R"(,"usage_known":)" +
                    (known ? "true" : "false") + R"(,"input_tokens":)" + std::to_string(in) + R"(,"output_tokens":)" +
                    std::to_string(out) + "}"};
  }
  void enter(std::chrono::seconds ago, int64_t attempt, int64_t in, int64_t out, std::string key = "key_1",
             bool known = true) {
    ++entries;
    ASSERT_TRUE(
        loop.run(store->append_ledger({entry(loop.wall() - ago, attempt, in, out, std::move(key), known)})).ok());
  }
  void restore() {
    auto of = [this](const KeyId& key) { return key.value == "key_1" ? &limits : nullptr; };
    RateNow at{.through = entries, .wall = loop.wall(), .now = loop.now()};
    ASSERT_TRUE(loop.run(restore_rates(*store, book, of, at)).ok());
  }
  Admission admit() { return book.admit(KeyId("key_1"), &limits, loop.now()); }
};

TEST(RateHistory, WhatWasUsedInTheLastMinuteIsUsed) {
  Ledger l;
  l.enter(61s, 1, 5000, 5000);  // long ago
  l.enter(30s, 1, 1000, 2000);  // 3000 of it have flowed back: 100 a second
  l.enter(10s, 1, 1000, 1500);
  l.enter(10s, 2, 0, 500);  // another attempt at the same answer: no other request
  l.enter(5s, 1, 9, 9, "key_1", false);
  l.enter(5s, 1, 4000, 4000, "key_2");  // without a limit
  l.restore();
  Admission admission = l.admit();
  ASSERT_FALSE(admission.refused);
  EXPECT_EQ(admission.tokens->remaining, 6000 - 1000 - 2000) << "3000, less 20 s; 3000 more, and 10 s";
  EXPECT_EQ(admission.requests->remaining, 60 - 1) << "one a second flows back";
  EXPECT_EQ(l.book.size(), 1u);
}

TEST(RateHistory, WhoHadNothingLeftHasNothingLeft) {
  Ledger l;
  for (int i = 0; i < 120; ++i) l.enter(2s, 1, 10, 90);
  l.restore();
  Admission admission = l.admit();
  ASSERT_TRUE(admission.refused);
  EXPECT_NE(admission.refused->message.find("tokens"), std::string::npos);
  EXPECT_EQ(admission.requests->remaining, 2) << "requests were refused before they were too many";
  EXPECT_EQ(admission.tokens->full_in, 118s);
}

TEST(RateHistory, OnlyTheEndOfALongLedgerIsRead) {
  Ledger l;
  std::vector<LedgerEntry> old(5000, Ledger::entry(l.loop.wall() - 2h, 1, 100, 100));
  ASSERT_TRUE(l.loop.run(l.store->append_ledger(old)).ok());
  l.entries = old.size();
  l.enter(1s, 1, 0, 600);
  l.restore();
  EXPECT_EQ(l.admit().tokens->remaining, 5500);
}

TEST(RateHistory, LinesThatMakeNoSenseCountForNothing) {
  EXPECT_FALSE(rate_use({.line = "nonsense"}));
  EXPECT_FALSE(rate_use({.line = R"({"key":"","attempt":1})"}));
  EXPECT_FALSE(rate_use({.line = R"({"key":"key_1","attempt":2,"usage_known":true,"input_tokens":-5})"}));
  auto one = rate_use({.line = R"({"key":"key_1","attempt":1,"usage_known":true,"input_tokens":3,"output_tokens":4})"});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->requests, 1);
  EXPECT_EQ(one->tokens, 7);
}

}  // namespace
}  // namespace perdure
