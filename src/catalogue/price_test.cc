#include "catalogue/price.h"

#include <gtest/gtest.h>

#include <limits>

namespace perdure {
namespace {

Money money(std::string_view text) { return Money::parse(text).value(); }

// 10 in, 1 cached, 12.5 written, 50 out, 20 reasoned, each per million.
Price full_price() {
  Price out;
  out.rates = {money("10e-6"), money("1e-6"), money("12.5e-6"), money("50e-6"), money("20e-6")};
  out.version = {"2026-08-01", "a list"};
  return out;
}

Usage usage(int64_t input, int64_t output, int64_t cached = 0, int64_t written = 0, int64_t reasoning = 0) {
  Usage out;
  out.known = true;
  out.input_tokens = input;
  out.output_tokens = output;
  out.cached_tokens = cached;
  out.cache_write_tokens = written;
  out.reasoning_tokens = reasoning;
  return out;
}

TEST(Cost, PartsOfInputAndOutputAreNotBilledTwice) {
  const Usage all = usage(1000, 200, 600, 300, 150);
  Result<Cost> bill = cost(all, full_price());
  ASSERT_TRUE(bill.ok());
  // 100 * 10 + 600 * 1 + 300 * 12.5 + 50 * 50 + 150 * 20 = 10850 millionths
  EXPECT_EQ(bill->amount.to_string(), "0.01085 USD");
  EXPECT_EQ(bill->version, (PriceVersion{"2026-08-01", "a list"}));
}

TEST(Cost, WhatIsNotPricedByItselfGoesWithItsWhole) {
  Price price;
  price.rates.input = money("10e-6");
  price.rates.output = money("50e-6");
  const Usage all = usage(1000, 200, 600, 300, 150);
  EXPECT_EQ(cost(all, price)->amount, cost(usage(1000, 200), price)->amount);
  EXPECT_EQ(cost(all, price)->amount.amount(), "0.02");
}

TEST(Cost, NothingCostsNothing) { EXPECT_TRUE(cost(usage(0, 0), full_price())->amount.zero()); }

TEST(Cost, BandsTakeTheWholeAnswer) {
  Price price = full_price();
  price.bands = {{.above = 1000, .rates = {.input = money("20e-6"), .output = money("75e-6")}},
                 {.above = 2000, .rates = {.input = money("30e-6")}}};
  EXPECT_EQ(cost(usage(1000, 10), price)->amount.amount(), "0.0105");   // not above
  EXPECT_EQ(cost(usage(1001, 10), price)->amount.amount(), "0.02077");  // all of it at 20 and 75
  EXPECT_EQ(cost(usage(2001, 10), price)->amount.amount(), "0.06078");  // 30, and 75 still
  EXPECT_EQ(price.rates_for(5000).cached_input, money("1e-6"));         // nobody named it
  EXPECT_EQ(cost(usage(2001, 0, 2001), price)->amount.amount(), "0.002001");
}

TEST(Cost, AWrongBillIsWorseThanNone) {
  auto reason = [](const Usage& counts) {
    Result<Cost> bill = cost(counts, full_price());
    return bill.ok() ? "" : bill.error().reason;
  };
  Usage unknown = usage(10, 10);
  unknown.known = false;
  EXPECT_EQ(reason(unknown), "usage_unknown");
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();
  const std::pair<Usage, const char*> wrong[] = {
      {usage(-1, 0), "negative"},
      {usage(10, 0, 11), "more cached than there was"},
      {usage(10, 0, 6, 5), "the same token twice"},
      {usage(0, 10, 0, 0, 11), "more reasoned than said"},
      {usage(10, 0, kLeast), "the least there is"},
      {usage(10, 0, kMost, kMost), "sums that overflow"},
  };
  for (const auto& [counts, what] : wrong) EXPECT_EQ(reason(counts), "usage_inconsistent") << what;
  Result<Cost> bill = cost(usage(1, 1), Price());
  ASSERT_FALSE(bill.ok());
  EXPECT_EQ(bill.error().reason, "price_incomplete");
}

TEST(Cost, OverflowIsAnError) {
  Price dear = full_price();
  dear.rates.input = money("1000");
  Result<Cost> bill = cost(usage(std::numeric_limits<int64_t>::max(), 0), dear);
  ASSERT_FALSE(bill.ok());
  EXPECT_EQ(bill.error().reason, "money_overflow");
  EXPECT_TRUE(cost(usage(std::numeric_limits<int64_t>::max(), 0), full_price()).ok());
}

TEST(Cost, RatesOfTwoCurrenciesAreRefused) {
  Price mixed = full_price();
  mixed.rates.output = Money::parse("1e-6", *Currency::parse("EUR")).value();
  EXPECT_FALSE(cost(usage(1, 1), mixed).ok());
}

}  // namespace
}  // namespace perdure
