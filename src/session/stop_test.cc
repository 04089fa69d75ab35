// Stopping while somebody creates: whatever was asked for, nothing begins behind the back of who stops.
#include <gtest/gtest.h>

#include "session/testing/session_world.h"
#include "store/testing/faulty_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

// Every call to the store takes a millisecond, and an answer an hour.
struct Stopping : testing::Test {
  std::unique_ptr<Store> inner;  // outlives the world
  World w;

  void SetUp() override {
    w.stop();
    inner = std::move(w.store);
    w.store = std::make_unique<FaultyStore>(*inner, [](std::string_view) {
      StoreFault fault;
      fault.delay = 1ms;
      return fault;
    });
    w.start();
  }
  void TearDown() override { w.stop(); }

  // Stops `after` the create has begun. How long stopping took, in virtual time.
  Duration stop_during(CreateCall call, Duration after, std::optional<Result<Created>>& created) {
    w.script = [normal = w.script](const ScriptedCall& asked) {
      ScriptedAnswer answer = normal(asked);
      answer.pause = 1h;
      return answer;
    };
    auto create = [](World& world, CreateCall asked, std::optional<Result<Created>>& out) -> Task<void> {
      out = co_await world.responses->create(std::move(asked));
    };
    auto both = [&](CreateCall asked) -> Task<Duration> {
      TaskGroup group(w.loop);
      group.spawn(create(w, std::move(asked), created));
      co_await sleep_until(w.loop, w.loop.now() + after);
      const Instant began = w.loop.now();
      co_await w.responses->stop({w.loop.now()});
      const Duration took = w.loop.now() - began;
      co_await group.join();
      co_return took;
    };
    const Duration took = w.loop.run(both(std::move(call)));
    w.responses.reset();
    return took;
  }
};

TEST_F(Stopping, EndsAtOnceWhereverACreateIs) {
  const ScriptedProvider::Script script = w.script;
  int refused = 0, made = 0;
  for (const bool store : {true, false}) {
    for (Duration after = 0ms; after <= 12ms; after += 500us) {
      w.script = script;
      const ResponseId first = w.create(w.ask("hello"))->id;
      (void)w.whole(first);
      CreateCall call = w.ask("and on", first.value);
      call.request.store = store;
      std::optional<Result<Created>> created;
      EXPECT_LT(stop_during(std::move(call), after, created), 1s) << after.count() << " store " << store;
      ASSERT_TRUE(created);
      if (created->ok())
        ++made;
      else
        EXPECT_EQ(created->error().reason, "server_stopping") << after.count() << " store " << store;
      refused += !created->ok();
      w.start();
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(made, 0);
}

}  // namespace
}  // namespace perdure
