// The first commit of a fresh response, and when it waits for the answer.
#include "session/pace.h"

#include <gtest/gtest.h>

#include "session/testing/session_world.h"
#include "store/testing/faulty_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

TEST(CommitPace, AStreamIsHeldBackOnlyWhereMostAnswersComeFasterThanACommit) {
  CommitPace pace;
  EXPECT_EQ(pace.hold(true), 0ns);
  for (int i = 0; i < 50; ++i) pace.committed(1ms);
  EXPECT_EQ(pace.hold(true), 0ns) << "nothing is known of answers";
  for (int i = 0; i < 10; ++i) pace.answered(200us);
  EXPECT_GT(pace.hold(true), 900us);
  EXPECT_LE(pace.hold(true), 1ms);
  for (int i = 0; i < 10; ++i) pace.answered(2ms);
  EXPECT_EQ(pace.hold(true), 0ns);
  for (int i = 0; i < 50; ++i) pace.committed(80ms);
  for (int i = 0; i < 10; ++i) pace.answered(200us);
  EXPECT_EQ(pace.hold(true), CommitPace::kHoldMax);
}

TEST(CommitPace, WhoWaitsForTheWholeIsNotDelayedByWaitingForIt) {
  CommitPace pace;
  EXPECT_EQ(pace.hold(false), 0ns) << "nothing is known of answers";
  for (int i = 0; i < 50; ++i) pace.committed(100us);
  for (int i = 0; i < 10; ++i) pace.answered(2ms);
  EXPECT_EQ(pace.hold(false), CommitPace::kHoldMax) << "however quick the disk";
  for (int i = 0; i < 10; ++i) pace.answered(300ms);
  EXPECT_EQ(pace.hold(false), 0ns);
}

// A store whose commits take a millisecond, behind a supplier that takes `answer_time`.
struct Paced : testing::Test {
  std::unique_ptr<Store> inner;  // outlives the world
  World w;
  int commits = 0, looked_up = 0;
  std::vector<StoreFault> faults;  // for the next commits
  Duration answer_time{};

  void SetUp() override {
    w.stop();
    inner = std::move(w.store);
    w.store = std::make_unique<FaultyStore>(*inner, [this](std::string_view call) {
      if (call != "commit") {
        looked_up += call != "append_ledger";
        return StoreFault{};
      }
      ++commits;
      StoreFault fault;
      if (!faults.empty()) {
        fault = faults.front();
        faults.erase(faults.begin());
      }
      fault.delay = 1ms;
      return fault;
    });
    w.script = [this, normal = w.script](const ScriptedCall& call) {
      ScriptedAnswer answer = normal(call);
      answer.pause = answer_time / static_cast<int64_t>(answer.pieces.size());
      return answer;
    };
    w.start();
  }
  void TearDown() override { w.stop(); }
  // Returns how many commits it took.
  int answer() {
    int before = commits;
    ResponseId id = w.create(w.ask("hello"))->id;
    Response response = w.whole(id);
    EXPECT_EQ(text_of(response), kAnswer);
    EXPECT_EQ(response.status, ResponseStatus::kCompleted);
    return commits - before;
  }
};

TEST_F(Paced, AnAnswerFasterThanACommitIsOneCommit) {
  for (int i = 0; i < 30; ++i) (void)answer();  // finds out how it is here
  EXPECT_EQ(answer(), 1);
  ResponseId id = w.create(w.ask("hello"))->id;
  std::vector<RenderedEvent> events = w.events(id);
  EXPECT_EQ(events.front().type, "response.created");
  EXPECT_EQ(events.back().type, "response.completed");
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence_number, i);
  Response stored = *w.loop.run(w.responses->get(kTenant, id));
  EXPECT_EQ(text_of(stored), kAnswer);
  EXPECT_TRUE(w.loop.run(w.store->unfinished(std::nullopt, 10))->empty());
  Result<Created> next = w.create(w.ask("and on", id.value));
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(text_of(w.whole(next->id)), kAnswer);
  EXPECT_EQ(w.loop.run(w.responses->list(kTenant, 0, 100))->front().status, "completed");
}

TEST_F(Paced, AnAnswerThatTakesAFewCommitsIsOneCommitForWhoWaitsForTheWhole) {
  answer_time = 3ms;
  for (int i = 0; i < 30; ++i) (void)answer();
  Instant began = w.loop.now();
  EXPECT_EQ(answer(), 1);
  EXPECT_LT(w.loop.now() - began, 4200us) << "the answer and its commit, and nothing besides";
  CreateCall call = w.ask("hello");
  call.request.stream = true;
  began = w.loop.now();
  ResponseId id = w.create(std::move(call))->id;
  EXPECT_LT(w.loop.now() - began, 1100us) << "the beginning of a stream waits for its commit alone";
  EXPECT_EQ(text_of(w.whole(id)), kAnswer);
}

// What has just been made is at hand, whether it has ended meanwhile or not.
TEST_F(Paced, WhoHasMadeAResponseIsGivenItWithoutALookIntoTheStore) {
  for (Duration time : {Duration(0us), Duration(2ms), Duration(300ms)}) {
    answer_time = time;
    for (int i = 0; i < 10; ++i) (void)answer();
    looked_up = 0;
    Created made = *w.create(w.ask("hello"));
    Response whole = *w.loop.run(w.responses->wait(kTenant, made.id, nullptr, std::exchange(made.run, nullptr)));
    EXPECT_EQ(text_of(whole), kAnswer);

    CreateCall call = w.ask("hello");
    call.request.stream = true;
    made = *w.create(std::move(call));
    std::vector<RenderedEvent> events = w.events_of(made.id, std::exchange(made.run, nullptr));
    EXPECT_EQ(events.back().type, "response.completed");
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence_number, i);

    call = w.ask("hello");
    call.request.background = true;
    made = *w.create(std::move(call));
    EXPECT_EQ(w.loop.run(w.responses->get(kTenant, made.id, std::move(made.run)))->id, made.id);
    EXPECT_EQ(looked_up, 0);
    EXPECT_EQ(text_of(w.whole(made.id)), kAnswer);
    EXPECT_GT(looked_up, 0);
  }
}

TEST_F(Paced, WhoHasMadeAResponseIsGivenItOnceItIsDeletedToo) {
  for (int i = 0; i < 30; ++i) (void)answer();
  Created made = *w.create(w.ask("hello"));
  (void)w.whole(made.id);
  ASSERT_TRUE(w.loop.run(w.responses->remove(kTenant, made.id)).ok());
  EXPECT_FALSE(w.loop.run(w.responses->get(kTenant, made.id)).ok());
  EXPECT_EQ(text_of(*w.loop.run(w.responses->wait(kTenant, made.id, nullptr, std::move(made.run)))), kAnswer);
}

TEST_F(Paced, ASlowAnswerIsNotWaitedFor) {
  for (int i = 0; i < 30; ++i) (void)answer();
  answer_time = 300ms;
  for (int i = 0; i < 10; ++i) EXPECT_GT(answer(), 1);
  Instant began = w.loop.now();
  CreateCall call = w.ask("hello");
  call.request.background = true;
  ResponseId id = w.create(std::move(call))->id;
  EXPECT_LT(w.loop.now() - began, 1100us) << "one commit, and no more";
  EXPECT_EQ(text_of(w.whole(id)), kAnswer);
}

TEST_F(Paced, WhereTheOneCommitFailsNothingWasShownAndNothingIsLeft) {
  for (int i = 0; i < 30; ++i) (void)answer();
  faults = {{.kind = StoreFault::Kind::kFailBefore}};
  Result<Created> created = w.create(w.ask("hello"));
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().code, Code::kUnavailable);
  EXPECT_EQ(w.responses->running(), 0u);
  faults = {{.kind = StoreFault::Kind::kFailAfter}};  // and where nobody knows, it is looked up
  EXPECT_EQ(answer(), 1);
}

}  // namespace
}  // namespace perdure
