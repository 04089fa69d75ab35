#include <gtest/gtest.h>

#include "async/epoll_loop.h"
#include "async/sim_loop.h"
#include "async/task_group.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

Task<int> add_later(Loop& loop, int a, int b) {
  co_await sleep_for(loop, 5s);
  co_return a + b;
}

TEST(Task, AwaitsASleepInVirtualTime) {
  SimLoop loop;
  EXPECT_EQ(loop.run(add_later(loop, 2, 3)), 5);
  EXPECT_EQ(loop.now().time_since_epoch(), 5s);
}

TEST(Notifier, TellsNotifiedFromTimedOut) {
  SimLoop loop;
  Notifier notifier(loop);
  TaskGroup group(loop);
  auto wait = [](Notifier& n, Deadline d) -> Task<bool> { co_return co_await n.wait(d); };
  EXPECT_FALSE(loop.run(wait(notifier, deadline_in(loop, 1s))));
  auto later = [](Loop& l, Notifier& n) -> Task<void> {
    co_await sleep_for(l, 1s);
    n.notify_all();
  };
  group.spawn(later(loop, notifier));
  EXPECT_TRUE(loop.run(wait(notifier, deadline_in(loop, 10s))));
  loop.run(group.join());
}

TEST(Cancellation, RunsHooksOnceAndWakesWaiters) {
  SimLoop loop;
  Cancellation cancel(loop);
  int ran = 0;
  Cancellation::Hook kept(&cancel, [&] { ++ran; });
  {
    Cancellation::Hook withdrawn(&cancel, [&] { ran += 100; });
  }
  cancel.request();
  cancel.request();
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(loop.run(cancel.wait(Deadline::never())));
}

TEST(Timer, FiresInOrderAndMayRearmItself) {
  SimLoop loop;
  struct Ticker {
    Timer timer;
    int ticks = 0;
    explicit Ticker(Loop& l)
        : timer(l, [](void* self) { static_cast<Ticker*>(self)->tick(l_of(self)); }, this), loop(l) {}
    static Loop& l_of(void* self) { return static_cast<Ticker*>(self)->loop; }
    void tick(Loop& l) {
      if (++ticks < 3) timer.arm(l.now() + 1s);
    }
    Loop& loop;
  } ticker(loop);
  ticker.timer.arm(loop.now() + 1s);
  loop.run_until_idle();
  EXPECT_EQ(ticker.ticks, 3);
  EXPECT_EQ(loop.now().time_since_epoch(), 3s);
}

TEST(SimLoop, TheSameSeedGivesTheSameOrder) {
  auto order = [](uint64_t seed) {
    SimLoop loop(seed);
    std::string seen;
    for (char c = 'a'; c < 'k'; ++c) loop.post([&seen, c] { seen.push_back(c); });
    loop.run_until_idle();
    return seen;
  };
  EXPECT_EQ(order(7), order(7));
  EXPECT_NE(order(7), order(8));
}

Task<int> add_there(int a, int b) { co_return a + b; }

Task<void> cross(EpollLoop& here, EpollLoop& there, int& value, bool& came_back) {
  auto before = std::this_thread::get_id();
  value = co_await call_on(there, [] { return add_there(40, 2); });
  came_back = before == std::this_thread::get_id() && Loop::current() == &here;
  here.stop();
}

TEST(CallOn, CrossesToAnotherThreadAndComesBack) {
  EpollLoop here, there;
  std::thread other([&] { there.run(); });
  int value = 0;
  bool came_back = false;
  TaskGroup group(here);
  group.spawn(cross(here, there, value, came_back));
  here.run();
  there.stop();
  other.join();
  EXPECT_EQ(value, 42);
  EXPECT_TRUE(came_back);
}

}  // namespace
}  // namespace perdure
