// Slots, Sticky and RetryTokens: what bounds and remembers.
#include "routing/slots.h"

#include <gtest/gtest.h>

#include <thread>

#include "async/epoll_loop.h"
#include "async/sim_loop.h"
#include "async/task_group.h"
#include "routing/retry_budget.h"
#include "routing/sticky.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

TEST(Slots, AreGrantedInOrderAndNeverTooMany) {
  SimLoop loop;
  auto slots = std::make_shared<Slots>(2, 3);
  auto changed = std::make_shared<Notifier>(loop);
  EXPECT_TRUE(slots->take());
  EXPECT_TRUE(slots->take());
  EXPECT_FALSE(slots->take());
  EXPECT_FALSE(slots->free());
  EXPECT_TRUE(slots->has_room());
  std::optional<Slots::Ticket> a, b, c, d;
  for (auto* ticket : {&a, &b, &c, &d}) ticket->emplace(slots, changed);
  EXPECT_TRUE(a->join());
  EXPECT_TRUE(b->join());
  EXPECT_TRUE(c->join());
  EXPECT_FALSE(slots->has_room());
  EXPECT_FALSE(d->join()) << "the queue is full";
  slots->give_back();
  EXPECT_TRUE(a->granted());
  EXPECT_FALSE(b->granted());
  EXPECT_FALSE(slots->take()) << "never past those who wait";
  b.reset();  // leaves the queue
  slots->give_back();
  EXPECT_TRUE(c->granted());
  c->taken();
  c.reset();
  EXPECT_EQ(slots->taken(), 2u) << "the owner's now";
  a.reset();  // granted and not wanted any more: given back
  EXPECT_EQ(slots->taken(), 1u);
  slots->give_back();
  EXPECT_EQ(slots->taken(), 0u);
  EXPECT_TRUE(slots->free());
}

TEST(Slots, WithoutALimitCostNothing) {
  Slots slots(0, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(slots.take());
  EXPECT_EQ(slots.taken(), 0u);
}

// Two threads, one slot: what one gives back the other gets, and nobody waits for ever.
TEST(Slots, AreSharedByLoops) {
  auto slots = std::make_shared<Slots>(1, 100);
  std::atomic<int> inside{0}, most{0}, done{0};
  auto worker = [&](Loop& loop) -> Task<void> {
    auto changed = std::make_shared<Notifier>(loop);
    for (int i = 0; i < 500; ++i) {
      if (!slots->take()) {
        Slots::Ticket ticket(slots, changed);
        EXPECT_TRUE(ticket.join());
        while (!ticket.granted()) (void)co_await changed->wait({loop.now() + 10s});
        ticket.taken();
      }
      int now = ++inside;
      most = std::max<int>(most, now);
      co_await sleep_until(loop, loop.now());
      --inside;
      slots->give_back();
    }
    ++done;
  };
  EpollLoop loops[2];
  std::vector<std::unique_ptr<TaskGroup>> groups;
  for (EpollLoop& loop : loops) {
    groups.push_back(std::make_unique<TaskGroup>(loop));
    for (int i = 0; i < 3; ++i) groups.back()->spawn(worker(loop));
  }
  std::vector<std::thread> threads;
  for (EpollLoop& loop : loops) threads.emplace_back([&loop] { loop.run(); });
  for (int i = 0; i < 3000 && done < 6; ++i) std::this_thread::sleep_for(10ms);
  for (EpollLoop& loop : loops) loop.stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 6);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(slots->taken(), 0u);
}

TEST(Sticky, ForgetsTheLeastRecentlyUsedAndTheOld) {
  Sticky sticky(3, 10min);
  Instant now{};
  for (uint64_t key = 1; key <= 3; ++key) sticky.put(key, static_cast<uint32_t>(key * 10), now);
  sticky.put(1, 11, now + 1s);
  sticky.put(4, 40, now + 2s);
  EXPECT_EQ(sticky.find(1, now + 3s), 11u);
  EXPECT_EQ(sticky.find(2, now + 3s), Sticky::kNone);
  EXPECT_EQ(sticky.find(3, now + 3s), 30u);
  EXPECT_EQ(sticky.find(4, now + 3s), 40u);
  EXPECT_EQ(sticky.find(4, now + 11min), Sticky::kNone);
  for (uint64_t key = 100; key < 10'000; ++key) sticky.put(key, 1, now + 4s);
  EXPECT_EQ(sticky.size(), 3u);
}

TEST(RetryTokens, RunOutAndComeBack) {
  Instant now{};
  RetryTokens tokens({.ratio = 0.5, .per_second = 1});
  int taken = 0;
  for (; tokens.has_one(now); ++taken) tokens.take();
  EXPECT_EQ(taken, 10);
  EXPECT_GT(tokens.next(now), now);
  EXPECT_TRUE(tokens.has_one(tokens.next(now)));
  tokens.take();
  tokens.answer_begun(now);
  tokens.answer_begun(now + 1s);  // half a token each, and one for the second
  int more = 0;
  for (; tokens.has_one(now + 1s); ++more) tokens.take();
  EXPECT_EQ(more, 1);
}

}  // namespace
}  // namespace perdure
