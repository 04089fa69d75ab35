// Limits of API keys, in time that the test makes.
#include "access/rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/random.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Book {
  RateBook book;
  Instant now = Instant(1h);
  Admission admit(const KeyRates& rates, const std::string& key = "key_1") {
    return book.admit(KeyId(key), &rates, now);
  }
  void tokens(const KeyRates& rates, int64_t count) { book.note_tokens(KeyId("key_1"), &rates, count, now, now); }
};

TEST(RateBook, AMinutesWorthAtOnceAndThenEvenly) {
  Book b;
  const KeyRates rates{.requests_per_minute = 3};
  for (int64_t left : {2, 1, 0}) {
    Admission admission = b.admit(rates);
    ASSERT_FALSE(admission.refused);
    EXPECT_EQ(admission.requests->remaining, left);
    EXPECT_EQ(admission.requests->limit, 3);
    EXPECT_FALSE(admission.tokens);
  }
  Admission refused = b.admit(rates);
  ASSERT_TRUE(refused.refused);
  EXPECT_EQ(refused.refused->code, Code::kOverloaded);
  EXPECT_EQ(refused.refused->reason, "rate_limit_exceeded");
  EXPECT_EQ(refused.refused->retry_after_ms, 20'000);
  EXPECT_EQ(refused.requests->remaining, 0);
  EXPECT_EQ(refused.requests->full_in, 60s);
  b.now += 19900ms;
  EXPECT_TRUE(b.admit(rates).refused) << "a refused request takes nothing, and gives nothing";
  b.now += 100ms;
  EXPECT_FALSE(b.admit(rates).refused);
  EXPECT_TRUE(b.admit(rates).refused);
}

TEST(RateBook, WhoeverKeepsToTheAdviceIsLetIn) {
  Book b;
  for (int64_t limit : {1, 3, 7, 59, 600, 100'003}) {
    const KeyRates rates{.requests_per_minute = limit};
    std::string key = "key_" + std::to_string(limit);
    int64_t served = 0;
    Instant end = b.now + 5min;
    for (int asked = 0; asked < 5000 && b.now < end; ++asked) {
      Admission admission = b.admit(rates, key);
      if (!admission.refused) {
        ++served;
        continue;
      }
      b.now += std::chrono::milliseconds(admission.refused->retry_after_ms);
      ASSERT_FALSE(b.admit(rates, key).refused) << limit;
      ++served;
    }
    EXPECT_LE(served, limit * 6 + 1);
  }
}

TEST(RateBook, TokensAreOwedAndMadeUpFor) {
  Book b;
  const KeyRates rates{.tokens_per_minute = 600};
  EXPECT_EQ(b.admit(rates).tokens->remaining, 600);
  b.tokens(rates, 700);  // what an attempt is expected to use
  Admission refused = b.admit(rates);
  ASSERT_TRUE(refused.refused);
  EXPECT_NE(refused.refused->message.find("tokens"), std::string::npos);
  EXPECT_EQ(refused.refused->retry_after_ms, 10'100) << "until one is there";
  b.tokens(rates, -650);  // and what it has used
  EXPECT_EQ(b.admit(rates).tokens->remaining, 550);
  b.tokens(rates, 6550);  // a debt of ten minutes
  b.now += 9min + 59s;
  EXPECT_TRUE(b.admit(rates).refused);
  b.now += 2s;
  EXPECT_FALSE(b.admit(rates).refused);
  b.tokens(rates, -100'000);
  EXPECT_EQ(b.admit(rates).tokens->remaining, 600) << "never more than a minute's worth";
}

TEST(RateBook, WhatIsExpectedIsReservedOrRefused) {
  Book b;
  const KeyRates rates{.requests_per_minute = 10, .tokens_per_minute = 600};
  auto reserve = [&](int64_t tokens) { return b.book.reserve(KeyId("key_1"), &rates, tokens, b.now); };
  ASSERT_FALSE(b.admit(rates).refused);
  Result<RateBook::Reserve> first = reserve(400);
  ASSERT_TRUE(first.ok());
  Admission second = b.admit(rates);
  ASSERT_FALSE(second.refused);
  EXPECT_EQ(second.tokens->remaining, 200) << "at once, not when the answer has come";
  Result<RateBook::Reserve> refused = reserve(300);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_EQ(refused.error().reason, "rate_limit_exceeded");
  EXPECT_EQ(refused.error().retry_after_ms, 10'000) << "until 300 are there";
  EXPECT_EQ(b.admit(rates).requests->remaining, 8) << "the request that was refused is none";
  b.now += 10s;
  ASSERT_TRUE(reserve(300).ok()) << "and is given back at once here: nobody keeps it";
  EXPECT_EQ(b.admit(rates).tokens->remaining, 300);
  // An attempt takes the reservation's place.
  EXPECT_EQ(b.book.hold(KeyId("key_1"), &rates, 400, b.now), 400);
  first->let_go();
  EXPECT_EQ(b.admit(rates).tokens->remaining, 300);
  b.tokens(rates, 50 - 400);
  EXPECT_EQ(b.admit(rates).tokens->remaining, 600);
}

// An answer that takes minutes: what was held for it has flowed back, and others live on that.
TEST(RateBook, WhatHasFlowedBackIsNotGivenBack) {
  Book b;
  const KeyRates rates{.tokens_per_minute = 600};
  const KeyId key("key_1");
  const Instant began = b.now;
  EXPECT_EQ(b.book.hold(key, &rates, 600, b.now), 600);
  b.now += 61s;
  EXPECT_EQ(b.admit(rates).tokens->remaining, 600);
  EXPECT_EQ(b.book.hold(key, &rates, 600, b.now), 600);
  b.now += 1s;
  b.book.note_tokens(key, &rates, 100 - 600, began, b.now);
  EXPECT_EQ(b.admit(rates).tokens->remaining, 10) << "the other one's 600 are still held";
}

TEST(RateBook, WhoWantsMoreThanAMinutesWorthWaitsForAllOfIt) {
  Book b;
  const KeyRates rates{.tokens_per_minute = 600};
  auto reserve = [&](int64_t tokens) { return b.book.reserve(KeyId("key_1"), &rates, tokens, b.now); };
  Result<RateBook::Reserve> whole = reserve(50'000);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->tokens(), 600);
  EXPECT_FALSE(reserve(1).ok());
  EXPECT_EQ(b.book.hold(KeyId("key_1"), &rates, 50'000, b.now), 600);
  whole->let_go();
  b.tokens(rates, 10 - 600);
  Result<RateBook::Reserve> again = reserve(50'000);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().retry_after_ms, 1000);
  b.now += 1s;
  EXPECT_TRUE(reserve(50'000).ok());
}

// Whoever asks as often and as much as they like: no more is let in than a minute's worth and what flows.
TEST(RateBook, NoBurstGetsMoreReservedThanThereIs) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    Book b;
    const KeyRates rates{.tokens_per_minute = 100 + static_cast<int64_t>(random.below(100'000))};
    std::vector<std::pair<Instant, int64_t>> let_in;
    for (int i = 0; i < 400; ++i) {
      b.now += std::chrono::milliseconds(random.below(1000));
      int64_t tokens = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(rates.tokens_per_minute)));
      Result<RateBook::Reserve> reserve = b.book.reserve(KeyId("key_1"), &rates, tokens, b.now);
      if (!reserve.ok()) continue;
      EXPECT_EQ(b.book.hold(KeyId("key_1"), &rates, tokens, b.now), tokens);
      let_in.emplace_back(b.now, tokens);
    }
    for (size_t from = 0; from < let_in.size(); ++from) {
      double sum = 0;
      for (size_t to = from; to < let_in.size(); ++to) {
        sum += static_cast<double>(let_in[to].second);
        double span = std::chrono::duration<double>(let_in[to].first - let_in[from].first).count();
        ASSERT_LE(sum, static_cast<double>(rates.tokens_per_minute) * (1 + span / 60) + 1) << "seed " << seed;
      }
    }
  }
}

TEST(RateBook, AKeysOwnLimitGoesBeforeTheDefault) {
  Book b;
  b.book.set_default({.requests_per_minute = 2, .tokens_per_minute = 50});
  Admission own = b.admit({.requests_per_minute = 5});
  EXPECT_EQ(own.requests->limit, 5);
  EXPECT_EQ(own.tokens->limit, 50);
  EXPECT_EQ(b.book.admit(KeyId("key_2"), nullptr, b.now).requests->limit, 2);
  EXPECT_EQ(b.book.admit(KeyId("key_2"), nullptr, b.now).requests->remaining, 0);
  EXPECT_FALSE(b.book.admit(KeyId(), nullptr, b.now).requests) << "no key, no limits";
  b.book.set_default({});
  EXPECT_FALSE(b.book.admit(KeyId("key_2"), nullptr, b.now).requests);
}

TEST(RateBook, ALimitThatIsLoweredBitesAtOnceAndOwesNothing) {
  Book b;
  const KeyRates before{.requests_per_minute = 600, .tokens_per_minute = 10'000};
  for (int i = 0; i < 500; ++i) ASSERT_FALSE(b.admit(before).refused);
  b.tokens(before, 10'300);
  const KeyRates after{.requests_per_minute = 30, .tokens_per_minute = 600};
  Admission refused = b.admit(after);
  ASSERT_TRUE(refused.refused);
  EXPECT_EQ(refused.requests->limit, 30);
  EXPECT_EQ(refused.refused->retry_after_ms, 2000) << "not as if 500 of 30 were used";
  EXPECT_EQ(refused.tokens->full_in, 90s) << "what was used too much before still is";
  b.now += 31s;
  EXPECT_EQ(b.admit(after).requests->remaining, 14);
  EXPECT_EQ(b.admit(before).requests->remaining, 583) << "and a limit that is raised gives at once";
}

TEST(RateBook, WhatIsFullAgainIsForgotten) {
  Book b;
  for (int i = 0; i < 20'000; ++i) {
    (void)b.admit({.requests_per_minute = 60}, "key_" + std::to_string(i));
    b.now += 10ms;  // each is full again after a second
  }
  EXPECT_LE(b.book.size(), 1100u);
}

TEST(RateBook, LoopsShareOneCount) {
  RateBook book;
  const KeyRates rates{.requests_per_minute = 1000};
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) served += !book.admit(KeyId("key_1"), &rates, Instant(1h)).refused;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served.load(), 1000);
}

}  // namespace
}  // namespace perdure
