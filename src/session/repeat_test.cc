// Creates that are repeated with their idempotency key, for responses that are not stored: the answer is given again
// while this process has it, refused when it has not, and never made a second time.
#include <gtest/gtest.h>

#include "session/claim.h"
#include "session/testing/session_world.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Repeats : testing::Test {
  World w;
  CreateCall keyed(std::string text, std::string key = "k1") {
    CreateCall call = w.ask(text);
    call.request.store = false;
    call.idempotency_key = std::move(key);
    call.body_hash = sha256(text);
    return call;
  }
  void pass(Duration time) {
    auto sleep = [](Loop& loop, Duration d) -> Task<void> { co_await sleep_for(loop, d); };
    w.loop.run(sleep(w.loop, time));
  }
  std::string why_not(CreateCall call) {
    Result<Created> created = w.create(std::move(call));
    return created.ok() ? "created" : created.error().reason;
  }
  void restart_with(std::function<void(SessionLimits&)> change) {
    w.stop();
    change(w.limits);
    w.start();
  }
};

TEST_F(Repeats, AreGivenTheSameAnswerFromItsStartDuringAndAfter) {
  Result<Created> first = w.create(keyed("a"));
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->stored);
  std::vector<RenderedEvent> seen = w.events(first->id, 4);
  w.loop.run(w.responses->abandon(kTenant, first->id));  // its client leaves
  Result<Created> again = w.create(keyed("a"));
  ASSERT_TRUE(again.ok() && again->repeated && !again->stored);
  EXPECT_EQ(again->id, first->id);
  std::vector<RenderedEvent> during = w.events(again->id);
  std::vector<RenderedEvent> after = w.events(w.create(keyed("a"))->id);
  EXPECT_EQ(during.back().type, "response.completed");
  ASSERT_EQ(during.size(), after.size());
  for (size_t i = 0; i < during.size(); ++i) EXPECT_EQ(during[i].data, after[i].data);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(during[i].data, seen[i].data);
  EXPECT_EQ(w.provider.calls(), 1u);
  EXPECT_EQ(w.loop.run(w.responses->get(kTenant, first->id)).error().code, Code::kNotFound) << "it is not stored";
}

TEST_F(Repeats, WithoutAReaderItIsStillMade) {
  Result<Created> first = w.create(keyed("a"));
  pass(1min);
  EXPECT_EQ(text_of(w.whole(w.create(keyed("a"))->id)), kAnswer);
  EXPECT_EQ(w.provider.calls(), 1u);
}

TEST_F(Repeats, TwoAtOnceAreOne) {
  std::vector<Result<Created>> made;
  TaskGroup group(w.loop);
  auto create = [](World& world, CreateCall call, std::vector<Result<Created>>& out) -> Task<void> {
    Result<Created> created = co_await world.responses->create(std::move(call));
    out.push_back(std::move(created));
  };
  for (int i = 0; i < 5; ++i) group.spawn(create(w, keyed("a"), made));
  w.loop.run(group.join());
  for (const Result<Created>& each : made) {
    ASSERT_TRUE(each.ok()) << each.error().message;
    EXPECT_EQ(each->id, made.front()->id);
  }
  EXPECT_EQ(text_of(w.whole(made.front()->id)), kAnswer);
  EXPECT_EQ(w.provider.calls(), 1u);
}

TEST_F(Repeats, AnotherRequestWithTheKeyIsRefusedStoredOrNot) {
  ASSERT_TRUE(w.create(keyed("a")).ok());
  EXPECT_EQ(why_not(keyed("b")), "idempotency_key_reused");
  CreateCall stored = keyed("b");
  stored.request.store = true;
  EXPECT_EQ(why_not(stored), "idempotency_key_reused");
  CreateCall stranger = keyed("b");
  stranger.tenant = TenantId{"stranger"};
  EXPECT_EQ(why_not(stranger), "created") << "a key belongs to its tenant";
}

TEST_F(Repeats, AfterARestartTheyAreToldAndNotMadeAgain) {
  ResponseId id = w.create(keyed("a"))->id;
  w.events(id, 3);
  w.stop();
  w.start();
  Result<Created> again = w.create(keyed("a"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().reason, "idempotency_answer_gone");
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_EQ(w.provider.calls(), 1u);
}

TEST_F(Repeats, TheShelfIsBoundedInTimeAndNumber) {
  restart_with([](SessionLimits& limits) { limits.shelf = {.responses_max = 2, .bytes_max = 1 << 20, .time = 10min}; });
  ASSERT_TRUE(w.loop.run(w.responses->recover()).ok());  // begins to tidy
  for (std::string key : {"k1", "k2", "k3"}) w.whole(w.create(keyed("a", key))->id);
  pass(2s);
  EXPECT_EQ(why_not(keyed("a", "k1")), "idempotency_answer_gone");
  EXPECT_EQ(why_not(keyed("a", "k3")), "created");
  pass(12min);
  EXPECT_EQ(why_not(keyed("a", "k3")), "idempotency_answer_gone");
  EXPECT_EQ(w.responses->running(), 0u);
  EXPECT_EQ(w.responses->bytes_held(), 0u);
  EXPECT_EQ(w.provider.calls(), 3u);
}

TEST_F(Repeats, WhoReadsIsNotCutOffWhenTheShelfIsFull) {
  restart_with([](SessionLimits& limits) { limits.shelf = {.responses_max = 0, .bytes_max = 0, .time = 10min}; });
  ResponseId id = w.create(keyed("a"))->id;
  EXPECT_EQ(w.events(id).back().type, "response.completed");
  w.loop.run(w.responses->abandon(kTenant, id));
  EXPECT_EQ(why_not(keyed("a")), "idempotency_answer_gone");
}

TEST_F(Repeats, AKeyIsForgottenAfterItsTime) {
  ResponseId id = w.create(keyed("a"))->id;
  w.whole(id);
  EXPECT_EQ(*w.loop.run(w.responses->expire(w.loop.wall() + 23h)), 0u);
  EXPECT_TRUE(w.create(keyed("a"))->repeated);
  ASSERT_TRUE(w.loop.run(w.responses->expire(w.loop.wall() + 25h)).ok());
  Result<Created> anew = w.create(keyed("a"));
  ASSERT_TRUE(anew.ok());
  EXPECT_FALSE(anew->repeated);
  EXPECT_TRUE(w.loop.run(w.store->due(w.loop.wall() + 23h, 10))->empty());
}

TEST_F(Repeats, WhatStandsInTheWayOfANewRequestDoesNotStandInTheirs) {
  ResponseId stored = w.create(w.ask("before"))->id;
  w.whole(stored);
  CreateCall call = keyed("a");
  call.request.previous_response_id = stored.value;
  CreateCall same = call;
  ResponseId id = w.create(std::move(call))->id;
  w.whole(id);
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, stored)).ok());
  Result<Created> again = w.create(std::move(same));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->id, id);
}

TEST(Claim, IsReadBackAndOldEntriesAreOfStoredResponses) {
  for (bool stored : {true, false}) {
    CreateCall call{.tenant = kTenant};
    Claim claim = claim_of(call, ResponseId("resp_1"), stored);
    EXPECT_EQ(Claim::decode(claim.encode()), claim);
  }
  EXPECT_EQ(Claim::decode("ab resp_2"), (Claim{ResponseId("resp_2"), "ab", true}));
  EXPECT_NE(claims_session(TenantId("a")), claims_session(TenantId("b")));
}

}  // namespace
}  // namespace perdure
