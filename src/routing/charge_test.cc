// What an attempt costs: exactly where its supplier has counted, as an estimate that says so elsewhere, and never 0
// because something was not known.
#include "routing/charge.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

Money per_million(std::string_view text) { return *Money::parse(text)->divided_exactly(1'000'000); }

// 2 for input, 0.2 from the cache, 2.5 into it, 10 for output, 12 for reasoning.
Price price() {
  Price out;
  out.rates = {.input = per_million("2"),
               .cached_input = per_million("0.2"),
               .cache_write = per_million("2.5"),
               .output = per_million("10"),
               .reasoning = per_million("12")};
  out.version = {"2026-08-01", "a list"};
  return out;
}

constexpr ExpectedUse kExpected{.input_tokens = 1000, .output_tokens = 1024};

TEST(Charge, T29_cache_reads_cache_writes_and_reasoning_are_parts_of_their_wholes) {
  AttemptUse use{.usage = {.input_tokens = 1000,
                           .cached_tokens = 600,
                           .output_tokens = 100,
                           .reasoning_tokens = 40,
                           .known = true,
                           .cache_write_tokens = 300},
                 .whole = true,
                 .began = true};
  Price p = price();
  AttemptCost cost = cost_of(use, kExpected, &p);
  // 100 * 2 + 600 * 0.2 + 300 * 2.5 + 60 * 10 + 40 * 12 = 2150, for a million
  EXPECT_EQ(cost.amount, "0.00215");
  EXPECT_EQ(cost.currency, "USD");
  EXPECT_EQ(cost.price_date, "2026-08-01");
  EXPECT_EQ(cost.price_origin, "a list");
  EXPECT_EQ(cost.unknown, "");
  EXPECT_EQ(cost.estimate, "");
}

TEST(Charge, T30_an_explicit_zero_is_not_missing) {
  Price p = price();
  AttemptCost zero = cost_of({.usage = {.known = true}, .whole = true, .began = true}, kExpected, &p);
  EXPECT_EQ(zero.amount, "0");
  AttemptCost missing = cost_of({.usage = {}, .whole = true, .began = true, .heard_bytes = 401}, kExpected, &p);
  EXPECT_EQ(missing.amount, "");
  EXPECT_EQ(missing.unknown, "usage_unknown");
  EXPECT_EQ(missing.estimate, "0.00301");  // 1000 * 2 + 101 * 10
}

TEST(Charge, T30_what_was_reported_before_a_cut_is_not_the_last_word) {
  Price p = price();
  // Anthropic says at the start how much it has read, and that one token was written.
  Usage at_start{.input_tokens = 500, .cached_tokens = 500, .output_tokens = 1, .known = true};
  AttemptCost cost = cost_of({.usage = at_start, .began = true, .heard_bytes = 80}, kExpected, &p);
  EXPECT_EQ(cost.amount, "");
  EXPECT_EQ(cost.unknown, "answer_cut");
  EXPECT_EQ(cost.estimate, "0.0003");  // 500 * 0.2 + 20 * 10
  Usage later{.input_tokens = 500, .output_tokens = 90, .known = true};
  EXPECT_EQ(cost_of({.usage = later, .began = true, .heard_bytes = 80}, kExpected, &p).estimate, "0.0019");
}

TEST(Charge, WhatWasRefusedWasNotServed) {
  Price p = price();
  AttemptCost cost = cost_of({}, kExpected, &p);
  EXPECT_EQ(cost.amount, "");
  EXPECT_EQ(cost.unknown, "not_served");
  EXPECT_EQ(cost.estimate, "0");
  // Waited for in vain: the supplier may well have read it.
  AttemptCost doubtful = cost_of({.in_doubt = true}, kExpected, &p);
  EXPECT_EQ(doubtful.unknown, "answer_cut");
  EXPECT_EQ(doubtful.estimate, "0.002");
}

TEST(Charge, WithoutAPriceNothingIsSaidToBeFree) {
  AttemptUse use{.usage = {.input_tokens = 1, .output_tokens = 1, .known = true}, .whole = true, .began = true};
  AttemptCost cost = cost_of(use, kExpected, nullptr);
  EXPECT_EQ(cost.unknown, "price_unknown");
  EXPECT_EQ(cost.amount + cost.estimate + cost.currency, "");
  EXPECT_FALSE(weight_of(cost).ok());
  EXPECT_EQ(expected_cost(kExpected, nullptr).estimate, "");
}

TEST(Charge, CountsThatDoNotAddUpAreNotBilled) {
  Price p = price();
  AttemptUse use{.usage = {.input_tokens = 10, .cached_tokens = 11, .output_tokens = 5, .known = true},
                 .whole = true,
                 .began = true,
                 .heard_bytes = 20};
  AttemptCost cost = cost_of(use, kExpected, &p);
  EXPECT_EQ(cost.amount, "");
  EXPECT_EQ(cost.unknown, "usage_inconsistent");
  EXPECT_EQ(cost.estimate, "0.00205");  // 1000 expected, not the 10; 5 * 10
}

TEST(Charge, WhatIsExpectedIsTheInputAndALimitedAnswer) {
  Price p = price();
  Needs needs;
  needs.context_tokens = 100;
  EXPECT_EQ(expected_use(needs).output_tokens, kExpectedOutputTokens);
  needs.output_tokens = 10;
  AttemptCost cost = expected_cost(expected_use(needs), &p);
  EXPECT_EQ(cost.unknown, "running");
  EXPECT_EQ(cost.estimate, "0.0003");
  EXPECT_EQ(weight_of(cost)->to_string(), "0.0003 USD");
  needs.output_tokens = 1'000'000;
  EXPECT_EQ(expected_use(needs).output_tokens, kExpectedOutputTokens);
}

}  // namespace
}  // namespace perdure
