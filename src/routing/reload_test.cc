// A Router whose configuration is read again: what stays is kept, what is gone ends with its last attempt, what waits
// looks again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "async/task_group.h"
#include "routing/router.h"
#include "routing/testing/silent_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Reloading : testing::Test {
  SimLoop loop{3};
  SlotBook slots;
  std::optional<Router> router;
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
  Cancellation client{loop};
  std::map<std::string, std::weak_ptr<SilentProvider>> alive;  // the newest of each name
  std::vector<Workload> workloads;

  // "a" is the model m at a fresh provider a; the first one is preferred.
  std::vector<Deployment> at(std::vector<std::string> names, uint32_t concurrency = 0) {
    std::vector<Deployment> out;
    for (const std::string& name : names) {
      auto provider = std::make_shared<SilentProvider>(name);
      alive[name] = provider;
      Deployment deployment = Deployment::simple("m", *provider);
      deployment.keeps = provider;
      deployment.priority = static_cast<int>(out.size());
      deployment.concurrency_max = concurrency;
      deployment.queue_max = 10;
      out.push_back(std::move(deployment));
    }
    return out;
  }
  void start(std::vector<std::string> names) {
    router.emplace(loop, at(std::move(names)), workloads, RoutingOptions{}, &slots);
  }
  Router::Reloaded reload(std::vector<std::string> names, uint32_t concurrency = 0) {
    return router->reload(at(std::move(names), concurrency), workloads, {}, slots);
  }
  std::unique_ptr<AttemptLease> begin() {
    Result<std::unique_ptr<AttemptLease>> lease = loop.run(router->begin(ask, Deadline::never(), client));
    CHECK(lease.ok(), lease.ok() ? "" : lease.error().message);
    return std::move(*lease);
  }
  std::string where() {
    Result<Placed> placed = router->place(ask);
    return placed.ok() ? router->deployments()[placed->deployment].deployment.name : placed.error().reason;
  }
};

TEST_F(Reloading, AddsAndRetiresAndKeepsNumbers) {
  start({"a", "b"});
  Router::Reloaded changed = reload({"c", "b"});
  EXPECT_EQ(changed.deployments, 2u);
  EXPECT_EQ(changed.added, 1u);
  EXPECT_EQ(changed.retired, 1u);
  EXPECT_EQ(where(), "m@c");
  EXPECT_EQ(router->deployments()[1].deployment.name, "m@b") << "a number means the same as before";
  changed = reload({"a", "b", "c"});
  EXPECT_EQ(changed.added, 1u);
  EXPECT_EQ(where(), "m@a");
  EXPECT_EQ(router->deployments().size(), 3u) << "what comes back is what it was";
  reload({});
  EXPECT_EQ(where(), "model_not_found");
}

TEST_F(Reloading, AnAttemptThatIsOutGoesOnWithWhatItHas) {
  start({"a"});
  std::unique_ptr<AttemptLease> lease = begin();
  ASSERT_TRUE(lease->dispatch().ok());
  std::weak_ptr<SilentProvider> first = alive["a"];
  Provider* provider = &lease->provider();
  reload({"a"});
  EXPECT_EQ(&lease->provider(), provider);
  EXPECT_FALSE(first.expired());
  reload({"b"});
  EXPECT_EQ(lease->provider().name(), "a");
  EXPECT_EQ(lease->deployment().name, "m@a");
  EXPECT_FALSE(lease->cancel().requested());
  lease->came(1s);
  EXPECT_EQ(lease->ended({}), Fault::kNone);
  lease.reset();
  EXPECT_TRUE(first.expired()) << "the last attempt takes its provider with it";
}

TEST_F(Reloading, WhatIsPlacedAndNotOutYetIsPlacedAgainWhereTheRulesChanged) {
  start({"a", "b"});
  std::unique_ptr<AttemptLease> stays = begin(), goes = begin();
  reload({"a", "b"});
  EXPECT_TRUE(stays->dispatch().ok());
  Workload strict;
  strict.parties_denied = {router->deployments()[0].deployment.party};
  workloads = {strict};
  reload({"a", "b"});
  EXPECT_EQ(goes->dispatch().error().reason, "withdrawn");
  EXPECT_FALSE(stays->cancel().requested()) << "it is out";
}

TEST_F(Reloading, HealthStaysAndACredentialGetsAnotherChance) {
  start({"a", "b"});
  (void)begin()->ended(Error{.code = Code::kOverloaded, .message = "slow down", .retry_after_ms = 60'000});
  EXPECT_EQ(where(), "m@b");
  reload({"a", "b"});
  EXPECT_EQ(where(), "m@b") << "it rests still";
  (void)begin()->ended(Error{.code = Code::kDenied, .message = "who?", .upstream_status = 401});
  EXPECT_NE(where(), "m@b");
  reload({"a", "b"});
  EXPECT_EQ(where(), "m@b");
}

TEST_F(Reloading, WithdrawalsCoverWhatIsAdded) {
  start({"a"});
  router->set_withdrawals(
      {{.id = "wd_1", .kind = WithdrawalKind::kProvider, .name = "b", .mode = WithdrawalMode::kCut}});
  reload({"b", "a"});
  EXPECT_EQ(where(), "m@a");
  reload({"b"});
  EXPECT_EQ(where(), "withdrawn");
}

TEST_F(Reloading, WhoWaitsForASlotLooksAgain) {
  router.emplace(loop, at({"a"}, 1), workloads, RoutingOptions{}, &slots);
  std::unique_ptr<AttemptLease> first = begin();
  std::string got;
  auto wait = [](Reloading& t, std::string& name) -> Task<void> {
    Result<std::unique_ptr<AttemptLease>> lease = co_await t.router->begin(t.ask, Deadline::never(), t.client);
    name = lease.ok() ? (*lease)->deployment().name : lease.error().reason;
  };
  TaskGroup group(loop);
  group.spawn(wait(*this, got));
  auto a_moment = [](Loop& l) -> Task<void> { co_await sleep_for(l, 10ms); };
  loop.run(a_moment(loop));
  EXPECT_EQ(got, "");
  reload({"b"}, 1);
  loop.run(a_moment(loop));
  EXPECT_EQ(got, "m@b");
  loop.run(group.join());
  EXPECT_EQ(first->ended({}), Fault::kNone) << "its slot goes back to where it was taken";
  first.reset();
  reload({"a"}, 2);
  EXPECT_EQ(where(), "m@a");
  EXPECT_EQ(router->deployments()[0].slots->taken(), 0u);
}

}  // namespace
}  // namespace perdure
