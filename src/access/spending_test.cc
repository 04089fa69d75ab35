// Budgets and the count of what was spent: the rule of spending.h, windows, several cores at once, and restarts by way
// of the ledger.
#include "access/spending.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "access/spending_keeper.h"
#include "async/sim_loop.h"
#include "store/memory_store.h"

namespace perdure {
namespace {

using testing::HasSubstr;

constexpr int64_t kDayMs = 24 * 3600 * 1000;
WallTime at(std::string_view day, int64_t ms = 0) {
  for (DayNumber d = 20000; d < 21000; ++d)
    if (day_text(d) == day) return WallTime(std::chrono::milliseconds(d * kDayMs + ms));
  return {};
}
Money usd(std::string_view text) { return *Money::parse(text); }
Budget budget(std::string text, Budget::Per per = Budget::Per::kAll) {
  Budget out = *parse_budget(text);
  out.name = "b";
  out.per = per;
  return out;
}

struct Purse {
  SpendingBook book;
  Spender spender{TenantId("shop"), KeyId("key_1"), "default"};
  WallTime now = at("2026-11-28", 3600'000);
  Result<void> check(std::string_view expected) { return book.check({spender, nullptr, usd(expected), now}); }
  Result<std::unique_ptr<SpendingBook::Hold>> take(std::string_view expected) {
    return book.take({spender, nullptr, usd(expected), now});
  }
  void spend(std::string_view amount, bool exact = true) {
    auto hold = take("0");
    ASSERT_TRUE(hold.ok());
    (*hold)->settle(usd(amount), exact, now);
  }
};

TEST(BudgetWindow, IsMadeOfWholeDays) {
  DayNumber today = day_of(at("2026-11-28"));
  EXPECT_EQ(day_text(BudgetWindow::parse("day")->first_day(today)), "2026-11-28");
  EXPECT_EQ(day_text(BudgetWindow::parse("month")->first_day(today)), "2026-11-01");
  EXPECT_EQ(day_text(BudgetWindow::parse("7d")->first_day(today)), "2026-11-22");
  EXPECT_EQ(BudgetWindow::parse("day")->resets_at(today), at("2026-11-29"));
  EXPECT_EQ(BudgetWindow::parse("month")->resets_at(today), at("2026-12-01"));
  EXPECT_EQ(BudgetWindow::parse("month")->resets_at(day_of(at("2026-12-31"))), at("2027-01-01"));
  EXPECT_EQ(BudgetWindow::parse("30d")->resets_at(today), at("2026-11-29"));
  for (const char* wrong : {"", "week", "0d", "91d", "7", "d", "-1d", "7days"})
    EXPECT_FALSE(BudgetWindow::parse(wrong).ok()) << wrong;
  EXPECT_EQ(day_of(WallTime(std::chrono::milliseconds(-1))), -1);
}

TEST(Budget, IsReadAsItIsWritten) {
  for (const char* text : {"100 USD/month", "0.5 EUR/day", "3 USD/30d"})
    EXPECT_EQ(to_string(*parse_budget(text)), text);
  for (const char* wrong : {"", "100", "100 USD", "USD/month", "-1 USD/day", "100USD/day", "1 usd/day", "1 USD/year"})
    EXPECT_FALSE(parse_budget(wrong).ok()) << wrong;
}

TEST(Spending, WithoutABudgetEverythingGoesAndIsCounted) {
  Purse p;
  EXPECT_TRUE(p.check("1000000").ok());
  p.spend("0.25");
  p.spend("0.5", false);
  auto rows = p.book.rows(p.now);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].today.exact.to_string(), "0.25 USD");
  EXPECT_EQ(rows[0].today.estimated.to_string(), "0.5 USD");
  EXPECT_EQ(rows[0].today.attempts, 2);
  EXPECT_EQ(rows[0].today.estimates, 1);
}

TEST(Spending, WhatWasSpentAndWhatRunsAndWhatIsExpectedMustFit) {
  Purse p;
  p.book.set_budgets({budget("1 USD/day")});
  p.spend("0.5");
  auto running = p.take("0.3");
  ASSERT_TRUE(running.ok());
  EXPECT_TRUE(p.check("0.2").ok());
  Result<void> held = p.check("0.21");
  ASSERT_FALSE(held.ok());
  EXPECT_EQ(held.error().reason, "budget_exceeded");
  EXPECT_EQ(held.error().retry_after_ms, 1000) << "it may end any moment";
  (*running)->settle(usd("0.1"), true, p.now);
  running->reset();
  EXPECT_TRUE(p.check("0.4").ok());
  Result<void> spent = p.check("0.41");
  ASSERT_FALSE(spent.ok());
  EXPECT_EQ(spent.error().code, Code::kOverloaded);
  EXPECT_THAT(spent.error().message, HasSubstr("the budget \"b\" of 1 USD/day"));
  EXPECT_THAT(spent.error().message, HasSubstr("2026-11-29T00:00:00Z"));
  EXPECT_EQ(spent.error().retry_after_ms, 23 * 3600'000);
  p.now = at("2026-11-29", 1);
  EXPECT_TRUE(p.check("1").ok()) << "a new day";
}

TEST(Spending, WhatIsLeftWithoutAWordWasNotSpent) {
  Purse p;
  p.book.set_budgets({budget("1 USD/day")});
  {
    auto hold = p.take("1");
  }
  EXPECT_TRUE(p.check("1").ok());
  EXPECT_TRUE(p.book.rows(p.now).empty());
}

TEST(Spending, AMonthAndARollingWindowForgetAsTheyShould) {
  Purse p;
  p.book.set_budgets({budget("10 USD/month")});
  p.now = at("2026-10-31");
  p.spend("9");
  p.now = at("2026-11-01");
  EXPECT_TRUE(p.check("10").ok());
  p.spend("6");
  p.book.set_budgets({budget("10 USD/7d")});
  EXPECT_FALSE(p.check("1").ok()) << "what was spent before counts for a new budget too";
  p.now = at("2026-11-07");
  EXPECT_TRUE(p.check("4").ok());
  EXPECT_FALSE(p.check("4.1").ok());
  p.now = at("2026-11-08");
  EXPECT_TRUE(p.check("10").ok());
}

TEST(Spending, ConditionsAndSubjectsKeepSumsApart) {
  Purse p;
  Budget each = budget("1 USD/day", Budget::Per::kTenant);
  each.workloads = {"default"};
  p.book.set_budgets({each});
  p.spend("1");
  EXPECT_FALSE(p.check("0.1").ok());
  p.spender.workload = "batch";
  EXPECT_TRUE(p.check("5").ok());
  p.spender = {TenantId("other"), KeyId("key_2"), "default"};
  EXPECT_TRUE(p.check("1").ok());
  auto states = p.book.budgets({}, p.now);
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].subject, "other");
  EXPECT_EQ(states[1].subject, "shop");
  EXPECT_EQ(states[1].spent.to_string(), "1 USD");
}

TEST(Spending, AKeysOwnBudgetHoldsForItAlone) {
  Purse p;
  Budget own = budget("1 USD/day", Budget::Per::kKey);
  std::vector<Budget> budgets{own};
  SpendingAsk ask{p.spender, &budgets, usd("1"), p.now};
  auto hold = p.book.take(ask);
  ASSERT_TRUE(hold.ok());
  EXPECT_FALSE(p.book.check(ask).ok());
  (*hold)->settle(usd("1"), true, p.now);
  hold->reset();
  EXPECT_FALSE(p.book.check(ask).ok());
  budgets[0].amount = usd("2");  // the key was given more
  EXPECT_TRUE(p.book.check(ask).ok());
  Spender other{TenantId("shop"), KeyId("key_2"), "default"};
  EXPECT_TRUE(p.book.check({other, &budgets, usd("2"), p.now}).ok());
}

TEST(Spending, WhatHasNoPriceInItsCurrencyIsRefusedUnlessAllowed) {
  Purse p;
  Budget b = budget("1 EUR/day");
  p.book.set_budgets({b});
  for (auto expected : {std::optional<Money>(), std::optional<Money>(usd("0.1"))}) {
    Result<void> refused = p.book.check({p.spender, nullptr, expected, p.now});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().reason, "budget_price_unknown");
    EXPECT_EQ(refused.error().code, Code::kDenied);
  }
  b.unpriced_allowed = true;
  p.book.set_budgets({b});
  auto hold = p.book.take({p.spender, nullptr, {}, p.now});
  ASSERT_TRUE(hold.ok());
  (*hold)->settle({}, false, p.now);
  hold->reset();
  EXPECT_EQ(p.book.rows(p.now)[0].today.unpriced, 1);
}

// However the cores interleave: never more is held than the budget has.
TEST(Spending, SeveralCoresTogetherKeepToOneBudget) {
  SpendingBook book;
  book.set_budgets({budget("1 USD/day")});
  const WallTime now = at("2026-11-28");
  std::atomic<int> admitted{0};
  std::vector<std::thread> cores;
  for (int core = 0; core < 4; ++core)
    cores.emplace_back([&, core] {
      Spender spender{TenantId("t" + std::to_string(core)), KeyId(), "default"};
      for (int i = 0; i < 500; ++i) {
        auto hold = book.take({spender, nullptr, usd("0.01"), now});
        if (!hold.ok()) continue;
        ++admitted;
        (*hold)->settle(usd("0.01"), true, now);
      }
    });
  for (std::thread& core : cores) core.join();
  EXPECT_LE(admitted, 100);
  EXPECT_GE(admitted, 97) << "four at a time may stand in each other's way at the end";
  auto states = book.budgets({}, now);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_TRUE(states[0].held.zero());
  EXPECT_LE(*states[0].spent.compare(usd("1")), 0);
}

// --- over restarts

struct Kept {
  SimLoop loop{3};
  std::unique_ptr<Store> store = memory_store(Key256{});
  void enter(std::string cost, std::string outcome = "completed", Duration ago = {}) {
    LedgerEntry entry{.tenant = TenantId("shop"), .time = loop.wall()};
    entry.time -= std::chrono::duration_cast<std::chrono::milliseconds>(ago);
    entry.line = R"({"key":"key_1","workload":"default","outcome":")" + outcome + R"(","cost":)" + cost + "}";
    ASSERT_TRUE(loop.run(store->append_ledger({entry})).ok());
  }
  std::string spent(SpendingBook& book) {
    std::string out;
    for (const auto& row : book.rows(loop.wall()))
      out += (row.currency ? row.month.exact.to_string() + " and " + row.month.estimated.amount()
                           : "unpriced " + std::to_string(row.month.unpriced)) +
             ";";
    return out;
  }
};

TEST(SpendingKeeper, FoldsTheLedgerOnceAndThenOnlyWhatIsNew) {
  Kept k;
  k.enter(R"({"amount":"0.5","currency":"USD"})");
  k.enter(R"({"unknown":"answer_cut","estimate":"0.25","currency":"USD"})");
  k.enter(R"({"unknown":"not_served","estimate":"0","currency":"USD"})");
  k.enter(R"({"unknown":"price_unknown"})");
  k.enter(R"({})");  // from before costs were kept
  {
    SpendingBook book;
    SpendingKeeper keeper(*k.store, book, k.loop, Log());
    ASSERT_TRUE(k.loop.run(keeper.load()).ok());
    EXPECT_EQ(k.spent(book), "unpriced 1;0.5 USD and 0.25;");
  }
  k.enter(R"({"amount":"1","currency":"USD"})");
  SpendingBook book;
  SpendingKeeper keeper(*k.store, book, k.loop, Log());
  ASSERT_TRUE(k.loop.run(keeper.load()).ok());
  EXPECT_EQ(k.spent(book), "unpriced 1;1.5 USD and 0.25;");
  EXPECT_EQ(*k.loop.run(k.store->setting("spending.through")).value(), "6");
  // What attempts of this process have told the book themselves is not told again.
  k.enter(R"({"amount":"2","currency":"USD"})");
  k.enter(R"({"unknown":"answer_cut","estimate":"4","currency":"USD"})", "abandoned");
  ASSERT_TRUE(k.loop.run(keeper.catch_up()).ok());
  EXPECT_EQ(k.spent(book), "unpriced 1;1.5 USD and 4.25;");
  SpendingBook next;
  SpendingKeeper again(*k.store, next, k.loop, Log());
  ASSERT_TRUE(k.loop.run(again.load()).ok());
  EXPECT_EQ(k.spent(next), "unpriced 1;3.5 USD and 4.25;");
}

TEST(SpendingKeeper, ACrashBetweenItsWritesCountsNothingTwice) {
  Kept k;
  k.enter(R"({"amount":"0.5","currency":"USD"})");
  {
    SpendingBook book;
    SpendingKeeper keeper(*k.store, book, k.loop, Log());
    ASSERT_TRUE(k.loop.run(keeper.load()).ok());
  }
  // The day was written, the word of it was not.
  ASSERT_TRUE(k.loop.run(k.store->put_setting("spending.through", "0", false)).ok());
  SpendingBook book;
  SpendingKeeper keeper(*k.store, book, k.loop, Log());
  ASSERT_TRUE(k.loop.run(keeper.load()).ok());
  EXPECT_EQ(k.spent(book), "0.5 USD and 0;");
}

TEST(SpendingKeeper, RefusesSumsThatMakeNoSense) {
  for (std::string_view damaged : {"", "[]", R"({"through":1,"rows":[{"exact":"x"}]})"}) {
    Kept k;
    ASSERT_TRUE(k.loop
                    .run(k.store->put_setting("spending." + day_text(day_of(k.loop.wall())),
                                              std::string(damaged.empty() ? "nonsense" : damaged), false))
                    .ok());
    SpendingBook book;
    SpendingKeeper keeper(*k.store, book, k.loop, Log());
    Result<void> loaded = k.loop.run(keeper.load());
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, Code::kCorrupt);
  }
}

}  // namespace
}  // namespace perdure
