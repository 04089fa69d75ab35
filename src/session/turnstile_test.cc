#include "session/turnstile.h"

#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "async/task_group.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Line {
  SimLoop loop{3};
  Turnstiles turnstiles{loop};
  SessionId session = SessionId::make(loop.random());
  TaskGroup group{loop};
  std::vector<std::string> seen;

  Task<void> visit(std::string name, Duration stay, size_t waiting_max = 8, Duration patience = 1h) {
    Result<Turn> turn = co_await turnstiles.take(session, waiting_max, deadline_in(loop, patience));
    seen.push_back(name + (turn.ok() ? "" : " " + turn.error().reason));
    if (turn.ok()) co_await sleep_for(loop, stay);
  }
  void spawn(std::string name, Duration stay, size_t waiting_max = 8, Duration patience = 1h) {
    group.spawn(visit(std::move(name), stay, waiting_max, patience));
    loop.run_until([] { return false; }, 1ms);  // arrivals are in order
  }
  void finish() { loop.run(group.join()); }
};

TEST(Turnstiles, OneAtATimeInOrderOfArrival) {
  Line line;
  for (std::string name : {"a", "b", "c", "d"}) line.spawn(name, 10s);
  Instant began = line.loop.now();
  line.finish();
  EXPECT_EQ(line.seen, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_GE(line.loop.now() - began, 39s);
  EXPECT_EQ(line.turnstiles.size(), 0u);
}

TEST(Turnstiles, OtherSessionsAreNotHeldUp) {
  Line line;
  Turn held = line.turnstiles.try_take(line.session);
  EXPECT_TRUE(held);
  EXPECT_FALSE(line.turnstiles.try_take(line.session));
  EXPECT_TRUE(line.turnstiles.try_take(SessionId::make(line.loop.random())));
  held.release();
  EXPECT_TRUE(line.turnstiles.try_take(line.session));
  EXPECT_EQ(line.turnstiles.size(), 0u);
}

TEST(Turnstiles, TheLineIsBoundedAndSoIsThePatience) {
  Line line;
  line.spawn("a", 1min);
  line.spawn("b", 1s, 2);
  line.spawn("c", 1s, 2, 5s);
  line.spawn("d", 1s, 2);  // two wait
  EXPECT_EQ(line.seen, (std::vector<std::string>{"a", "d session_busy"}));
  line.finish();
  EXPECT_EQ(line.seen, (std::vector<std::string>{"a", "d session_busy", "c session_busy", "b"}));
  EXPECT_EQ(line.turnstiles.size(), 0u);
}

TEST(Turnstiles, WhoGivesUpAtTheHeadOfTheLineLetsTheNextIn) {
  Line line;
  line.spawn("a", 10s);
  line.spawn("b", 1s, 8, 5s);
  line.spawn("c", 1s);
  line.finish();
  EXPECT_EQ(line.seen, (std::vector<std::string>{"a", "b session_busy", "c"}));
}

TEST(Turnstiles, ClosingEndsEveryWait) {
  Line line;
  line.spawn("a", 10s);
  line.spawn("b", 1s);
  line.spawn("c", 1s);
  line.turnstiles.close();
  line.finish();
  EXPECT_EQ(line.seen, (std::vector<std::string>{"a", "b server_stopping", "c server_stopping"}));
  EXPECT_EQ(line.turnstiles.size(), 0u);
}

}  // namespace
}  // namespace perdure
