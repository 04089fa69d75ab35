#include "catalogue/money.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/random.h"
#include "catalogue/price.h"

namespace perdure {
namespace {

Money money(std::string_view text, Currency currency = {}) {
  Result<Money> out = Money::parse(text, currency);
  EXPECT_TRUE(out.ok()) << text << ": " << (out.ok() ? "" : out.error().message);
  return out.ok() ? *out : Money();
}

std::string shown(const Result<Money>& result) { return result.ok() ? result->amount() : "error"; }

TEST(Money, ReadsWhatJsonCallsANumberAndNothingElse) {
  EXPECT_EQ(money("0.0000025").amount(), "0.0000025");
  EXPECT_EQ(money("2.5e-06"), money("0.0000025"));
  EXPECT_EQ(money("25E-7"), money("0.0000025"));
  EXPECT_EQ(money("1e2").amount(), "100");
  EXPECT_EQ(money("-0").amount(), "0");
  EXPECT_EQ(money("0e999999999999999999999").amount(), "0");
  for (std::string_view text : {"", "-", "+1", ".5", "5.", "1e", "1e+", "01", "1.2.3", "1,5", " 1", "1 ", "0x1", "NaN",
                                "Infinity", "--1", "1e1.5", "1_000", "\xc2\xb2"})
    EXPECT_FALSE(Money::parse(text).ok()) << text;
  EXPECT_FALSE(Money::parse(std::string(500, '1')).ok());
}

TEST(Money, RefusesWhatItCannotKeepExactly) {
  EXPECT_EQ(money("1e-18").amount(), "0.000000000000000001");
  Result<Money> fine = Money::parse("1e-19");
  ASSERT_FALSE(fine.ok());
  EXPECT_NE(fine.error().message.find("10^-18"), std::string::npos);
  EXPECT_EQ(money("10e-19"), money("1e-18"));  // as fine as it is written, but no finer
  Result<Money> large = Money::parse("1e21");
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().reason, "money_overflow");
  EXPECT_FALSE(Money::parse("1e999999999999999999999").ok());
  EXPECT_FALSE(Money::parse("1e-999999999999999999999").ok());
}

TEST(Money, OverflowIsAnErrorAtBothEnds) {
  const Money most = money("170141183460469231731.687303715884105727");
  const Money least = money("-170141183460469231731.687303715884105728");
  const Money atto = money("1e-18");
  EXPECT_FALSE(Money::parse("170141183460469231731.687303715884105728").ok());
  EXPECT_FALSE(Money::parse("-170141183460469231731.687303715884105729").ok());
  EXPECT_FALSE(most.plus(atto).ok());
  EXPECT_FALSE(least.minus(atto).ok());
  EXPECT_FALSE(Money().minus(least).ok());
  EXPECT_FALSE(most.times(2).ok());
  EXPECT_FALSE(least.times(-1).ok());
  EXPECT_FALSE(most.rounded(0).ok());
  EXPECT_EQ(shown(least.plus(most)), "-0.000000000000000001");
  EXPECT_EQ(most.amount(), "170141183460469231731.687303715884105727");
  EXPECT_EQ(least.amount(), "-170141183460469231731.687303715884105728");
}

TEST(Money, CurrenciesDoNotMix) {
  Result<Currency> euro = Currency::parse("EUR");
  ASSERT_TRUE(euro.ok());
  const Money dollars = money("1"), euros = money("1", *euro);
  EXPECT_NE(dollars, euros);
  EXPECT_FALSE(dollars.plus(euros).ok());
  EXPECT_FALSE(dollars.minus(euros).ok());
  EXPECT_FALSE(dollars.compare(euros).ok());
  EXPECT_EQ(euros.times(3)->to_string(), "3 EUR");
  EXPECT_EQ(dollars.to_string(), "1 USD");
  for (std::string_view text : {"", "US", "usd", "USDT", "U$D"}) EXPECT_FALSE(Currency::parse(text).ok()) << text;
}

TEST(Money, Compares) {
  EXPECT_EQ(*money("1").compare(money("2")), -1);
  EXPECT_EQ(*money("2").compare(money("2.0")), 0);
  EXPECT_EQ(*money("-1").compare(money("-2")), 1);
  EXPECT_TRUE(money("-1e-18").negative());
  EXPECT_TRUE(money("-0.0").zero());
}

// A million sums of a price that a double does not hold: it would be off by now.
TEST(Money, DoesNotDrift) {
  Money sum;
  const Money price = money("0.0000001");
  double drifting = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    sum = *sum.plus(price);
    drifting += 0.0000001;
  }
  EXPECT_EQ(sum.amount(), "0.1");
  EXPECT_NE(drifting, 0.1);
}

// What Python's decimal module says: tests/catalogue/money_cases.py makes the table.
TEST(Money, AgreesWithTheTable) {
  std::ifstream file("tests/catalogue/money_cases.tsv");
  ASSERT_TRUE(file) << "run from the project's folder";
  size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '\t');) cells.push_back(cell);
    const std::string &kind = cells.at(0), &want = cells.back();
    if (kind == "parse") {
      EXPECT_EQ(shown(Money::parse(cells.at(1))), want) << line;
    } else if (kind == "times") {
      EXPECT_EQ(shown(money(cells.at(1)).times(std::stoll(cells.at(2)))), want) << line;
    } else if (kind == "plus") {
      EXPECT_EQ(shown(money(cells.at(1)).plus(money(cells.at(2)))), want) << line;
    } else if (kind == "minus") {
      EXPECT_EQ(shown(money(cells.at(1)).minus(money(cells.at(2)))), want) << line;
    } else if (kind == "divide") {
      EXPECT_EQ(shown(money(cells.at(1)).divided_exactly(std::stoll(cells.at(2)))), want) << line;
    } else if (kind == "round") {
      EXPECT_EQ(shown(money(cells.at(1)).rounded(std::stoi(cells.at(2)))), want) << line;
    } else {
      ASSERT_EQ(kind, "cost") << line;
      Price price;
      price.rates = {money(cells.at(1)), money(cells.at(2)), money(cells.at(3)), money(cells.at(4)),
                     money(cells.at(5))};
      Usage usage;
      usage.known = true;
      usage.input_tokens = std::stoll(cells.at(6));
      usage.cached_tokens = std::stoll(cells.at(7));
      usage.cache_write_tokens = std::stoll(cells.at(8));
      usage.output_tokens = std::stoll(cells.at(9));
      usage.reasoning_tokens = std::stoll(cells.at(10));
      Result<Cost> bill = cost(usage, price);
      ASSERT_TRUE(bill.ok()) << line;
      EXPECT_EQ(bill->amount.amount(), want) << line;
    }
  }
  EXPECT_GT(rows, 1500u);
}

TEST(Money, ArithmeticKeepsItsLaws) {
  SeededRandom random(7);
  auto any = [&] {
    std::string text = random.below(2) ? "-" : "";
    text += std::to_string(random.u64() >> (random.below(60)));
    return money(text + "e-" + std::to_string(random.below(19)));
  };
  for (int i = 0; i < 20'000; ++i) {
    const Money a = any(), b = any(), c = any();
    EXPECT_EQ(Money::parse(a.amount()).value(), a);
    EXPECT_EQ(*a.plus(b), *b.plus(a));
    EXPECT_EQ(*a.plus(*b.plus(c)), *a.plus(b)->plus(c));
    EXPECT_EQ(*a.plus(b)->minus(b), a);
    const auto n = static_cast<int64_t>(random.below(1'000'000'000)) + 1;
    const auto m = static_cast<int64_t>(random.below(1000));
    if (Result<Money> product = a.times(n); product.ok()) EXPECT_EQ(*product->divided_exactly(n), a);
    EXPECT_EQ(shown(a.times(m + 1)), shown(a.times(m).ok() ? a.times(m)->plus(a) : a.times(m)));
    const Money rounded = *a.rounded(6);
    EXPECT_EQ(*rounded.rounded(6), rounded);
    const Money off = *a.minus(rounded);
    EXPECT_LE(*(off.negative() ? *Money().minus(off) : off).compare(money("5e-7")), 0);
  }
}

}  // namespace
}  // namespace perdure
