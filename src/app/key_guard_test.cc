// Budgets where they are felt: at placements of a real Router, from the configuration, by the caller's key, over an
// attempt's life; and how they are written in perdure.yaml.
#include "app/key_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/config.h"
#include "async/sim_loop.h"
#include "provider/testing/scripted_provider.h"
#include "routing/router.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// 1 USD for a million tokens of input, 1,000 for a million of output.
Deployment priced(std::string model, Provider& provider) {
  Deployment out = Deployment::simple(std::move(model), provider);
  out.price.emplace();
  out.price->rates.input = *Money::parse("0.000001");
  out.price->rates.output = *Money::parse("0.001");
  return out;
}

struct World {
  SimLoop loop{5};
  ScriptedProvider provider{loop, [](const ScriptedCall&) { return ScriptedAnswer{}; }};
  std::string folder = made();
  KeyFile file{KeyFile::in(folder)};
  KeyBook keys{KeyFile::in(folder), loop, Log()};
  SpendingBook spending;
  KeyGuard guard{keys, spending, loop};
  Router router{loop,
                {priced("m", provider), priced("batch", provider), Deployment::simple("free", provider)},
                {Workload{.name = "night", .models = {"batch"}}}};
  Cancellation client{loop};
  PlacementAsk ask{.model = "m", .traffic = {.tenant = TenantId("default")}, .needs = {}, .tried = {}, .author = {}};

  static std::string made() {
    char pattern[] = "/tmp/perdure-guard-XXXXXX";
    return ::mkdtemp(pattern);
  }
  World() {
    router.set_guard(&guard);
    ask.needs.output_tokens = 100;  // a tenth of a dollar
    CHECK(keys.load().ok(), "no keys yet");
  }
  ~World() { std::filesystem::remove_all(folder); }
  void budget(std::string text, std::vector<std::string> workloads = {}) {
    Budget out = *parse_budget(text);
    out.name = "shop";
    out.workloads = std::move(workloads);
    spending.set_budgets({out});
  }
  Result<std::unique_ptr<AttemptLease>> begin() {
    return loop.run(router.begin(ask, deadline_in(loop, 100ms), client));
  }
  Result<void> check() { return router.check(ask); }
  // A key that may use 60,000 tokens a minute, which is from here on the caller's.
  KeyId limited_key() {
    Result<KeyFile::Made> made = file.create("shop", TenantId("default"), *Scopes::parse("use"), loop.wall(),
                                             loop.random(), {}, {}, {.tokens_per_minute = 60'000});
    CHECK(made.ok() && keys.load().ok(), "a key is made and known");
    ask.traffic.key = made->key.id;
    return made->key.id;
  }
  static AttemptUse used(int64_t output_tokens) {
    return {.usage = {.output_tokens = output_tokens, .known = true}, .whole = true, .began = true};
  }
};

TEST(KeyGuard, AnAttemptHoldsWhatItIsExpectedToCostAndPaysWhatItCame) {
  World w;
  w.budget("0.25 USD/day");
  auto first = w.begin(), second = w.begin();
  ASSERT_TRUE(first.ok() && second.ok());
  Result<std::unique_ptr<AttemptLease>> third = w.begin();
  ASSERT_FALSE(third.ok()) << "0.2 are held";
  EXPECT_EQ(third.error().reason, "budget_exceeded");
  ASSERT_TRUE((*first)->dispatch().ok());
  EXPECT_EQ((*first)->settle(World::used(20)).amount, "0.02");
  (*first)->ended({});
  second->reset();  // it was never sent
  EXPECT_TRUE(w.begin().ok());
  auto rows = w.spending.rows(w.loop.wall());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].today.exact.to_string(), "0.02 USD");
  EXPECT_EQ(rows[0].today.attempts, 1);
}

TEST(KeyGuard, WhoeverDoesNotSettleHasUsedWhatWasExpected) {
  World w;
  auto lease = w.begin();
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE((*lease)->dispatch().ok());
  lease->reset();
  auto rows = w.spending.rows(w.loop.wall());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].today.estimated.to_string(), "0.1 USD");
}

TEST(KeyGuard, ASpentBudgetIsRefusedAtOnceAndSaysWhenItBeginsAnew) {
  World w;
  w.budget("0.1 USD/month");
  auto lease = w.begin();
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE((*lease)->dispatch().ok());
  (void)(*lease)->settle(World::used(500));
  (*lease)->ended({});
  lease->reset();
  Result<void> refused = w.check();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_THAT(refused.error().message, HasSubstr("the budget \"shop\" of 0.1 USD/month has no room"));
  EXPECT_THAT(refused.error().message, HasSubstr("T00:00:00Z"));
  EXPECT_GT(refused.error().retry_after_ms, 60'000);
  Instant asked = w.loop.now();
  EXPECT_FALSE(w.begin().ok());
  EXPECT_EQ(w.loop.now(), asked) << "nobody waits for the end of a month";
  w.ask.traffic.tenant = TenantId("other");
  EXPECT_FALSE(w.check().ok()) << "one sum for all";
}

// An attempt takes what it is expected to use, and is set right when it ends, or is never sent.
TEST(KeyGuard, TokensOfAttemptsCountAgainstTheLimitOfTheKey) {
  World w;
  RateBook rates;
  KeyGuard guard{w.keys, w.spending, w.loop, &rates};
  w.router.set_guard(&guard);
  const KeyId key = w.limited_key();
  w.ask.needs.context_tokens = 1000;
  auto used = [&] {
    Admission admission = rates.admit(key, w.keys.rates(key), w.loop.now());
    return admission.tokens->limit - admission.tokens->remaining;
  };
  auto first = w.begin(), second = w.begin();
  ASSERT_TRUE(first.ok() && second.ok());
  ExpectedUse expected = expected_use(w.ask.needs);
  EXPECT_EQ(used(), 2 * (expected.input_tokens + expected.output_tokens));
  ASSERT_TRUE((*first)->dispatch().ok());
  (void)(*first)->settle({.usage = {.input_tokens = 1200, .output_tokens = 34, .known = true}, .whole = true});
  (*first)->ended({});
  second->reset();  // it was never sent
  EXPECT_EQ(used(), 1234);
}

TEST(KeyGuard, ARequestIsReservedForBeforeItsAttemptIsPlaced) {
  World w;
  RateBook rates;
  Registry registry;
  Counter& refused = registry.counter("refused", "");
  KeyGuard guard{w.keys, w.spending, w.loop, &rates, &refused};
  w.router.set_guard(&guard);
  const KeyId key = w.limited_key();
  w.ask.needs = {.context_tokens = 10'000, .output_tokens = 20'000};
  auto left = [&] { return rates.admit(key, w.keys.rates(key), w.loop.now()).tokens->remaining; };
  Result<RateBook::Reserve> reserve = w.router.admit(w.ask.traffic, w.ask.needs);
  ASSERT_TRUE(reserve.ok());
  EXPECT_EQ(left(), 30'000) << "all of the answer that is allowed";
  auto lease = w.begin();
  ASSERT_TRUE(lease.ok());
  reserve->let_go();
  EXPECT_EQ(left(), 30'000) << "the attempt holds as much";
  w.ask.needs.output_tokens = 30'000;
  Result<RateBook::Reserve> other = w.router.admit(w.ask.traffic, w.ask.needs);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().retry_after_ms, 10'000);
  EXPECT_EQ(refused.value(), 1);
  w.ask.needs.output_tokens = 0;
  EXPECT_EQ(w.router.admit(w.ask.traffic, w.ask.needs)->tokens(), 11'024) << "what is assumed where nothing is said";
  ASSERT_TRUE((*lease)->dispatch().ok());
  (void)(*lease)->settle(World::used(500));
  (*lease)->ended({});
  EXPECT_EQ(left(), 59'500);
}

TEST(KeyGuard, AnotherWorkloadHasAnotherBudget) {
  World w;
  w.budget("0.05 USD/day", {"night"});
  EXPECT_TRUE(w.check().ok());
  w.ask.model = "batch";
  EXPECT_FALSE(w.check().ok());
}

TEST(KeyGuard, WhatHasNoPriceIsRefusedUnderABudgetByName) {
  World w;
  w.ask.model = "free";
  EXPECT_TRUE(w.check().ok());
  w.budget("5 USD/day");
  Result<void> refused = w.check();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_THAT(refused.error().message,
              HasSubstr("no price in its currency is known of the deployment \"free@scripted\""));
}

TEST(KeyGuard, AKeysOwnBudgetComesFromItsFile) {
  World w;
  Result<KeyFile::Made> made =
      w.file.create("trial", TenantId("default"), *Scopes::parse("use"), w.loop.wall(), w.loop.random(), {},
                    {*parse_budget("0.15 USD/day"), *parse_budget("1 USD/30d")});
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(w.keys.load().ok());
  ASSERT_EQ(w.keys.budgets(made->key.id)->size(), 2u);
  w.ask.traffic.key = made->key.id;
  auto lease = w.begin();
  ASSERT_TRUE(lease.ok());
  Result<void> refused = w.check();
  EXPECT_TRUE(refused.ok()) << "what is only held may be free in a moment";
  ASSERT_TRUE((*lease)->dispatch().ok());
  (void)(*lease)->settle(World::used(100));
  (*lease)->ended({});
  refused = w.check();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("the budget \"trial\" of 0.15 USD/day"));
  lease->reset();
}

// --- perdure.yaml

LoadedConfig load(const std::string& rest) {
  return parse_config("providers: [{name: a, base_url: 'http://localhost:1/v1'}]\nworkloads: [{name: night}]\n" + rest,
                      [](const std::string&) { return std::nullopt; });
}

TEST(BudgetYaml, IsReadWithEverything) {
  LoadedConfig loaded = load(R"(budgets:
  - {name: house, amount: 500 EUR, window: month}
  - {name: each, amount: 2.50 USD, window: day, per: key, tenants: [shop], keys: [key_1], workloads: [night, default], unpriced: true}
)");
  ASSERT_TRUE(loaded.problems.empty()) << loaded.problems[0].to_string("f");
  ASSERT_EQ(loaded.config.budgets.size(), 2u);
  EXPECT_EQ(to_string(loaded.config.budgets[0]), "500 EUR/month");
  EXPECT_FALSE(loaded.config.budgets[0].unpriced_allowed);
  const Budget& each = loaded.config.budgets[1];
  EXPECT_EQ(each.per, Budget::Per::kKey);
  EXPECT_THAT(each.workloads, ElementsAre("night", "default"));
  EXPECT_TRUE(each.unpriced_allowed);
}

TEST(BudgetYaml, EveryProblemHasItsPlace) {
  std::vector<std::string> said;
  for (const ConfigProblem& problem : load(R"(budgets:
  - {name: a, amount: 500, window: year, per: person}
  - {name: a, amount: -1 USD, window: 0d, workloads: [dawn]}
  - {nonsense: 1}
)")
                                          .problems)
    said.push_back(problem.field);
  EXPECT_THAT(said, testing::UnorderedElementsAre("budgets[0].amount", "budgets[0].window", "budgets[0].per",
                                                  "budgets[1].name", "budgets[1].amount", "budgets[1].window",
                                                  "budgets[1].workloads", "budgets[2].name", "budgets[2].amount",
                                                  "budgets[2].window", "budgets[2].nonsense"));
}

}  // namespace
}  // namespace perdure
