#include "async/epoll_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "async/frame_pool.h"
#include "async/task_group.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

// Two sockets that are each other's peers; the near one is watched.
class Ends final : public EpollLoop::Watcher {
 public:
  explicit Ends(EpollLoop& loop) : loop_(loop) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_), 0);
    EXPECT_TRUE(loop.watch(ends_[0], *this).ok());
  }
  ~Ends() {
    loop_.forget(*this);
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void ready(uint32_t events) override {
    ++told;
    seen |= events;
    if (on_ready) on_ready();
  }
  void say(std::string_view text) {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void hang_up() { ::shutdown(ends_[1], SHUT_WR); }

  int told = 0;
  uint32_t seen = 0;
  std::function<void()> on_ready;

 private:
  EpollLoop& loop_;
  int ends_[2];
};

// Runs the loop until nothing has happened for a while.
void turn(EpollLoop& loop, Duration time = 30ms) {
  TaskGroup group(loop);
  auto stop_later = [](EpollLoop& l, Duration d) -> Task<void> {
    co_await sleep_for(l, d);
    l.stop();
  };
  group.spawn(stop_later(loop, time));
  loop.run();
}

TEST(EpollLoop, TellsOfEachChangeOnce) {
  EpollLoop loop;
  Ends ends(loop);
  ends.say("x");
  turn(loop);
  EXPECT_EQ(ends.told, 1) << "what is ready already is told once, and not again while nothing changes";
  EXPECT_EQ(ends.seen & (EPOLLIN | EPOLLOUT | EPOLLRDHUP), static_cast<uint32_t>(EPOLLIN | EPOLLOUT));
}

TEST(EpollLoop, TellsOfTheEnd) {
  EpollLoop loop;
  Ends ends(loop);
  ends.hang_up();
  turn(loop);
  EXPECT_NE(ends.seen & EPOLLRDHUP, 0u);
}

TEST(EpollLoop, AWatcherThatIsForgottenInTheSameTurnIsNotTold) {
  EpollLoop loop;
  auto a = std::make_unique<Ends>(loop), b = std::make_unique<Ends>(loop);
  a->say("x");
  b->say("x");
  int told = 0;
  // Both are ready in one turn; whichever is told first destroys the other.
  a->on_ready = [&] {
    ++told;
    b.reset();
  };
  b->on_ready = [&] {
    ++told;
    a.reset();
  };
  turn(loop);
  EXPECT_EQ(told, 1);
}

TEST(EpollLoop, AnotherThreadWakesIt) {
  EpollLoop loop;
  std::thread::id ran_on;
  std::thread other([&] {
    loop.post([&] {
      ran_on = std::this_thread::get_id();
      loop.stop();
    });
  });
  loop.run();
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(EpollLoop, WorkWithoutEndLeavesDescriptorsAndTimersTheirTurn) {
  EpollLoop loop;
  Ends ends(loop);
  ends.say("x");
  std::function<void()> again = [&] { loop.post(again); };
  loop.post(again);
  turn(loop);  // ends by a timer
  EXPECT_EQ(ends.told, 1);
}

TEST(EpollLoop, TimeStandsStillWithinACallbackAndGoesOnForWhoWaits) {
  EpollLoop loop;
  Instant first, second, outside, waited;
  loop.post([&] {
    first = loop.now();
    std::this_thread::sleep_for(2ms);
    second = loop.now();
    std::thread([&] { outside = loop.now(); }).join();
    Instant end = first + 1ms;
    while ((waited = loop.now()) < end) {
    }
    loop.post([&] {
      EXPECT_GE(loop.now(), first + 2ms) << "each callback reads the clock anew";
      loop.stop();
    });
  });
  loop.run();
  EXPECT_EQ(first, second);
  EXPECT_GE(outside, first + 2ms) << "other threads read the clock itself";
  EXPECT_GE(waited, first + 1ms);
}

TEST(FramePool, GivesOutTheSameRoomAgain) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "under a sanitizer nothing is kept";
#endif
#endif
  void* first = FramePool::take(200);
  FramePool::give(first, 200);
  void* other_class = FramePool::take(500);
  EXPECT_NE(other_class, first);
  EXPECT_EQ(FramePool::take(193), first) << "of the same class of sizes";
  FramePool::give(first, 193);
  FramePool::give(other_class, 500);
  void* large = FramePool::take(1 << 20);
  FramePool::give(large, 1 << 20);
}

}  // namespace
}  // namespace perdure
