// Router: what becomes of attempts for whom there is no room: they queue, spill over, or are refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "routing/testing/router_bench.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

using Bench = RouterBench;

struct Queued : Bench {
  std::vector<int> order;
  std::vector<std::string> errors;
  TaskGroup group{loop};
  std::vector<std::unique_ptr<AttemptLease>> held;

  explicit Queued(uint32_t concurrency, uint32_t queue) {
    deployments.resize(1);
    deployments[0].concurrency_max = concurrency;
    deployments[0].queue_max = queue;
  }
  void ask_for_one(int number) {
    auto go = [](Queued& q, int n) -> Task<void> {
      Result<std::unique_ptr<AttemptLease>> lease = co_await q.router().begin(q.ask, Deadline::never(), q.client);
      if (lease.ok()) {
        q.order.push_back(n);
        q.held.push_back(*std::move(lease));
      } else {
        q.errors.push_back(lease.error().reason);
      }
    };
    group.spawn(go(*this, number));
  }
  void let_run(Duration time) {
    auto wait = [](Loop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); };
    loop.run(wait(loop, time));
  }
};

TEST(Router, WhatIsFullQueuesInOrderAndNoFurther) {
  Queued q(1, 2);
  for (int i = 0; i < 4; ++i) {
    q.ask_for_one(i);
    q.let_run(1ms);
  }
  EXPECT_EQ(q.order, (std::vector{0}));
  EXPECT_EQ(q.where(), "provider_queue_full");
  EXPECT_EQ(q.code(), "overloaded");
  for (int i = 1; i < 4; ++i) {
    q.held.erase(q.held.begin());
    q.let_run(1ms);
  }
  EXPECT_THAT(q.order, ElementsAre(0, 1, 2, 3)) << "the last one waited for room in the queue";
  q.held.clear();
  q.loop.run(q.group.join());
}

TEST(Router, WaitingInAQueueEndsWithThePatience) {
  Queued q(1, 5);
  q.ask_for_one(0);
  q.let_run(1ms);
  q.ask_for_one(1);
  q.let_run(61s);
  EXPECT_THAT(q.errors, ElementsAre("provider_queue_timeout"));
  q.loop.run(q.group.join());
  q.held.clear();
  EXPECT_EQ(q.router().deployments()[0].slots->taken(), 0u);
}

TEST(Router, AWithdrawalOrACancellationEndsTheWaiting) {
  Queued q(1, 5);
  q.ask_for_one(0);
  q.let_run(1ms);
  q.ask_for_one(1);
  q.let_run(1ms);
  q.withdraw(WithdrawalKind::kProvider, "a");
  q.let_run(1ms);
  EXPECT_THAT(q.errors, ElementsAre("withdrawn"));
  q.router().set_withdrawals({});
  q.ask_for_one(2);
  q.let_run(1ms);
  q.client.request();
  q.let_run(1ms);
  EXPECT_THAT(q.errors, ElementsAre("withdrawn", ""));
  q.loop.run(q.group.join());
  q.held.clear();
  EXPECT_EQ(q.router().deployments()[0].slots->waiting(), 0u);
}

TEST(Router, AFullDeploymentSpillsOverBeforeItQueues) {
  Bench b;
  b.deployments[0].concurrency_max = 1;
  b.deployments[0].queue_max = 10;
  Result<std::unique_ptr<AttemptLease>> first = b.begin();
  EXPECT_EQ((*first)->deployment().name, "m@a");
  EXPECT_EQ(b.where(), "m@b");
}

TEST(Router, SlotsAreOneCountForAllLoops) {
  Bench b;
  b.deployments.resize(1);
  b.deployments[0].concurrency_max = 1;
  SlotBook book;
  Router one(b.loop, b.deployments, {}, {}, &book), two(b.loop, b.deployments, {}, {}, &book);
  Result<std::unique_ptr<AttemptLease>> lease = b.loop.run(one.begin(b.ask, Deadline::never(), b.client));
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(two.place(b.ask).error().reason, "provider_queue_full");
  lease->reset();
  EXPECT_TRUE(two.place(b.ask).ok());
}

}  // namespace
}  // namespace perdure
