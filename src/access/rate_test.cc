// Limits of API keys, in time that the test makes.
#include "access/rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Book {
  RateBook book;
  Instant now = Instant(1h);
  Admission admit(const KeyRates& rates, const std::string& key = "key_1") {
    return book.admit(KeyId(key), &rates, now);
  }
  void tokens(const KeyRates& rates, int64_t count) { book.note_tokens(KeyId("key_1"), &rates, count, now); }
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
