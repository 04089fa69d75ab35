// Router: what it leaves alone, and for how long: broken deployments, busy ones, refused credentials.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "routing/testing/router_bench.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

using Bench = RouterBench;

TEST(Router, ABrokenDeploymentIsLeftAloneAndProbedByOne) {
  Bench b;
  b.deployments.resize(1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(b.fail(cut()), Fault::kSupplier);
  EXPECT_EQ(b.where(), "provider_unavailable");
  EXPECT_EQ(b.code(), "unavailable");
  EXPECT_EQ(b.router().place(b.ask).error().retry_after_ms, 1000);
  EXPECT_TRUE(b.router().check(b.ask).ok()) << "worth waiting for";
  Instant before = b.loop.now();
  Result<std::unique_ptr<AttemptLease>> probe = b.begin();
  ASSERT_TRUE(probe.ok());
  EXPECT_EQ(b.loop.now() - before, 1s);
  EXPECT_EQ(b.where(), "provider_unavailable") << "one probe at a time";
  // Another answer waits, and goes the moment that the probe shows life.
  std::optional<Instant> began;
  auto wait = [](Bench& bench, std::optional<Instant>& at) -> Task<void> {
    Result<std::unique_ptr<AttemptLease>> lease =
        co_await bench.router().begin(bench.ask, Deadline::never(), bench.client);
    if (lease.ok()) at = bench.loop.now();
  };
  TaskGroup group(b.loop);
  group.spawn(wait(b, began));
  b.loop.run_until([&] { return b.loop.now() - before >= 1500ms; });
  EXPECT_FALSE(began);
  (*probe)->came(500ms);
  Instant alive = b.loop.now();
  b.loop.run_until([&] { return began.has_value(); });
  EXPECT_EQ(*began, alive);
  (*probe)->ended({});
  b.loop.run(group.join());
}

TEST(Router, OthersServeWhileOneIsBroken) {
  Bench b;
  for (int i = 0; i < 5; ++i) b.fail(cut());
  EXPECT_EQ(b.where(), "m@b");
}

TEST(Router, ABusyDeploymentRestsAndTheErrorSaysForHowLong) {
  Bench b;
  Error busy{.code = Code::kOverloaded, .message = "slow down", .upstream_status = 429, .retry_after_ms = 120'000};
  EXPECT_EQ(b.fail(busy), Fault::kBusy);
  EXPECT_EQ(b.where(), "m@b");
  b.fail(busy);
  b.fail(busy);
  EXPECT_EQ(b.where(), "provider_overloaded");
  EXPECT_EQ(b.code(), "overloaded");
  EXPECT_EQ(b.router().place(b.ask).error().retry_after_ms, 120'000);
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  EXPECT_EQ(lease.error().reason, "provider_overloaded") << "longer than its patience: at once";
  EXPECT_EQ(b.loop.now(), Instant{});
  EXPECT_FALSE(b.router().check(b.ask).ok());
}

TEST(Router, ARefusedCredentialTakesTheWholeProviderOutUntilAProbe) {
  Bench b;
  b.deployments[1] = Deployment::simple("m2", b.a);
  std::vector<HealthNews> news;
  b.router().set_news([&](HealthNews n) { news.push_back(n); });
  Error refused{.code = Code::kDenied, .message = "no", .reason = "supplier_denied", .upstream_status = 401};
  EXPECT_EQ(b.fail(refused), Fault::kCredential);
  EXPECT_EQ(b.where(), "m@c");
  b.ask.model = "m2";
  EXPECT_EQ(b.where(), "provider_credential_refused");
  EXPECT_EQ(b.begin().error().reason, "provider_credential_refused") << "not worth waiting for";
  EXPECT_EQ(b.loop.now(), Instant{});
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].kind, HealthNews::Kind::kCredentialRefused);
  // Another loop hears of it.
  Router other(b.loop, b.deployments);
  other.hear(news[0]);
  EXPECT_EQ(other.place(b.ask).error().reason, "provider_credential_refused");
  auto later = [](Loop& loop) -> Task<void> { co_await sleep_for(loop, 60s); };
  b.loop.run(later(b.loop));
  Result<std::unique_ptr<AttemptLease>> probe = b.begin();
  ASSERT_TRUE(probe.ok());
  b.ask.model = "m";
  EXPECT_EQ(b.where(), "m@c") << "one probe at a time, whatever the model";
  (*probe)->came(1ms);
  EXPECT_EQ(b.where(), "m@a");
  EXPECT_EQ(news.back().kind, HealthNews::Kind::kCredentialGood);
  other.hear(news.back());
  EXPECT_TRUE(other.place(b.ask).ok());
}

TEST(Router, AModelThatIsNotThereIsNotAskedForAgain) {
  Bench b;
  EXPECT_EQ(b.fail({.code = Code::kNotFound, .message = "no such model", .upstream_status = 404}), Fault::kDeployment);
  EXPECT_EQ(b.where(), "m@b");
  Result<Placed> placed = b.router().place(b.ask);
  EXPECT_EQ(placed->considered[0].why, Why::kRefusedThere);
}

TEST(Router, AnUnheardOfNameDoesNotTakeOutADeploymentOfAnyName) {
  Bench b;
  b.deployments = {Deployment::simple("*", b.a)};
  b.ask.model = "no-such-model";
  EXPECT_EQ(b.fail({.code = Code::kNotFound, .message = "no such model", .upstream_status = 404}), Fault::kDeployment)
      << "elsewhere it may be there";
  b.ask.model = "a-good-one";
  EXPECT_EQ(b.where(), "*@a");
}

}  // namespace
}  // namespace perdure
