// A second attempt beside a first one that stays silent: two scripted suppliers, virtual time. Everything that the sink
// is told is folded as the journal's records are, so that the order of an account is checked too.
#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "generation/generation.h"
#include "generation/opening.h"
#include "generation/testing/record_sink.h"
#include "model/response.h"
#include "provider/testing/scripted_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct FoldSink final : RecordSink {
  FoldSink(Loop& loop, const Request& request) : RecordSink(loop) {
    add({.body = ResponseCreated{.id = ResponseId("resp_1"), .request = request, .key = {}}});
  }
  void take(const Record& record) override {
    Result<void> applied = apply(response, record);
    EXPECT_TRUE(applied.ok()) << applied.error().message;
  }
  // "a hedged_away, b completed"
  std::string account() const {
    std::string out;
    for (const Placement& placement : response.placements) {
      out += (out.empty() ? "" : ", ") + placement.started.provider + " ";
      out += placement.ended ? placement.ended->outcome : "open";
      if (placement.started.beside != 0) out += " beside " + std::to_string(placement.started.beside);
    }
    return out;
  }
  std::string text() const {
    std::string out;
    for (const Item& item : response.output()) out += text_of(item);
    return out;
  }
  Response response;
};

// Says `text` after `pause`.
ScriptedAnswer says(std::string text, Duration pause) {
  return {.pieces = {text_piece(std::move(text)), finish_piece()}, .pause = pause};
}
ScriptedAnswer fails(Duration pause) { return {.cut = Error{Code::kUnavailable, "cut"}, .pause = pause}; }

struct Permissions final : PlacementGuard {
  Permits only;
  bool set = false;
  const Permits* permits(const Traffic&) override { return set ? &only : nullptr; }
  Result<void> may_spend(const SpendAsk&) override { return {}; }
  Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk&) override {
    ++held;
    if (no_money) return Error{Code::kOverloaded, "no money is left"};
    return std::unique_ptr<SpendingBook::Hold>();
  }
  int held = 0;
  bool no_money = false;
};

struct Bench {
  SimLoop loop{5};
  ScriptedProvider::Script of_a, of_b;
  ScriptedProvider a{loop, [this](const ScriptedCall& call) { return of_a(call); }, "a"};
  ScriptedProvider b{loop, [this](const ScriptedCall& call) { return of_b(call); }, "b"};
  std::vector<Deployment> deployments{Deployment::simple("m", a), Deployment::simple("m", b)};
  Workload workload{.hedge_after = 500ms};
  Permissions permissions;
  std::unique_ptr<Router> made;
  Request request{.model = "m"};
  Cancellation cancel{loop};
  bool halt = false;
  GenerationLimits limits;
  std::unique_ptr<FoldSink> sink;

  Bench() {
    deployments[1].priority = 1;
    of_a = [](const ScriptedCall&) { return says("from a", 100ms); };
    of_b = [](const ScriptedCall&) { return says("from b", 100ms); };
  }
  Router& router() {
    if (!made) made = std::make_unique<Router>(loop, deployments, std::vector{workload});
    made->set_guard(&permissions);
    return *made;
  }
  std::optional<ResponseEnded> go() {
    sink = std::make_unique<FoldSink>(loop, request);
    GenerationInput input{.request = &request};
    std::optional<ResponseEnded> ended =
        loop.run(generate(std::move(input), router(), *sink, loop, {cancel, halt}, limits, {}));
    if (ended) sink->add({.body = *ended});
    EXPECT_EQ(router().attempts_running(), 0u);
    return ended;
  }
  // What a first attempt at a silent supplier comes to: seconds from now.
  double seconds() const { return std::chrono::duration<double>(loop.now().time_since_epoch()).count(); }
};

TEST(Hedge, NobodyIsAskedBesideOneThatSpeaksInTime) {
  Bench t;
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->account(), "a completed");
  EXPECT_EQ(t.b.calls(), 0u);
}

TEST(Hedge, WhoSpeaksFirstIsGoneOnWith) {
  Bench t;
  t.of_a = [](const ScriptedCall&) { return says("from a", 30s); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->text(), "from b");
  EXPECT_EQ(t.sink->account(), "a hedged_away, b completed beside 1");
  EXPECT_NEAR(t.seconds(), 0.7, 0.001);
  ASSERT_EQ(t.sink->response.placements[1].wrote.size(), 1u);
  EXPECT_TRUE(t.sink->response.placements[0].wrote.empty());
}

TEST(Hedge, TheFirstMayStillWin) {
  Bench t;
  t.of_a = [](const ScriptedCall&) { return says("from a", 600ms); };
  t.of_b = [](const ScriptedCall&) { return says("from b", 30s); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->text(), "from a");
  EXPECT_EQ(t.sink->account(), "a completed, b hedged_away beside 1");
}

TEST(Hedge, WhatIsNoWordDoesNotCount) {
  Bench t;
  t.of_a = [](const ScriptedCall&) {
    return ScriptedAnswer{.pieces = {{.kind = Piece::Kind::kStarted, .id = "up_1"}, text_piece("late"), finish_piece()},
                          .pause = 400ms};
  };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->account(), "a hedged_away, b completed beside 1");
  EXPECT_EQ(t.sink->response.placements[0].ended->upstream_id, "up_1");
}

TEST(Hedge, NeverOnceAnythingWasShown) {
  Bench t;
  t.of_a = [](const ScriptedCall& call) {
    if (call.number == 0)
      return ScriptedAnswer{.pieces = {text_piece("the beginning, ")}, .cut = Error{Code::kUnavailable, "cut"}};
    return says("never", 1h);
  };
  t.of_b = [](const ScriptedCall&) { return says("and the end", 20s); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->text(), "the beginning, and the end");
  EXPECT_EQ(t.sink->account(), "a failed, b completed");
}

TEST(Hedge, OneThatFailsLeavesTheFieldToTheOther) {
  Bench t;
  t.of_a = [](const ScriptedCall&) { return fails(700ms); };
  t.of_b = [](const ScriptedCall&) { return says("from b", 3s); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->text(), "from b");
  EXPECT_EQ(t.sink->account(), "a failed, b completed beside 1");

  Bench u;
  u.of_a = [](const ScriptedCall&) { return says("from a", 3s); };
  u.of_b = [](const ScriptedCall&) { return fails(100ms); };
  ASSERT_TRUE(u.go());
  EXPECT_EQ(u.sink->text(), "from a");
  EXPECT_EQ(u.sink->account(), "a completed, b failed beside 1");
  EXPECT_EQ(u.b.calls(), 1u) << "one beside, not one after another";
}

TEST(Hedge, BothMayFailAndTheAnswerGoesOn) {
  Bench t;
  t.of_a = [](const ScriptedCall& call) { return call.number == 0 ? fails(2s) : says("from a", 100ms); };
  t.of_b = [](const ScriptedCall& call) { return call.number == 0 ? fails(1s) : says("from b", 100ms); };
  std::optional<ResponseEnded> ended = t.go();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, ResponseStatus::kCompleted);
  ASSERT_EQ(t.sink->response.placements.size(), 3u);
  EXPECT_EQ(t.sink->response.placements[0].ended->outcome, "failed");
  EXPECT_EQ(t.sink->response.placements[1].ended->outcome, "failed");
  EXPECT_EQ(t.sink->response.placements[2].ended->outcome, "completed");
}

TEST(Hedge, TakesNoSlotThatIsNotFree) {
  Bench t;
  t.of_a = [](const ScriptedCall&) { return says("from a", 3s); };
  t.deployments[1].concurrency_max = 1;
  t.deployments[1].queue_max = 10;
  PlacementAsk other{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}, .beside = 0};
  std::unique_ptr<AttemptLease> taken = t.router().begin_beside(other, t.cancel);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->number(), 1u);
  EXPECT_EQ(t.router().begin_beside(other, t.cancel), nullptr);
  t.sink = std::make_unique<FoldSink>(t.loop, t.request);
  GenerationInput input{.request = &t.request};
  ASSERT_TRUE(t.loop.run(generate(std::move(input), t.router(), *t.sink, t.loop, {t.cancel, t.halt}, t.limits, {})));
  EXPECT_EQ(t.sink->account(), "a completed");
}

TEST(Hedge, TakesATokenOfTheRetryBudget) {
  Bench t;
  t.workload.retry = {.ratio = 0, .per_second = 0};  // there are ten to begin with
  t.of_a = [](const ScriptedCall&) { return says("from a", 3s); };
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(t.go());
    EXPECT_EQ(t.sink->text(), i < 10 ? "from b" : "from a") << i;
  }
}

TEST(Hedge, GoesNowhereThatIsWithdrawnOrForbidden) {
  for (bool withdrawn : {true, false}) {
    Bench t;
    t.of_a = [](const ScriptedCall&) { return says("from a", 3s); };
    t.deployments[0].party = "Acme";
    t.deployments[1].party = "Bolt";
    if (withdrawn)
      t.router().set_withdrawals({{.id = "wd_1", .kind = WithdrawalKind::kProvider, .name = "b"}});
    else
      t.permissions.only.parties = {"Acme"}, t.permissions.set = true;
    ASSERT_TRUE(t.go());
    EXPECT_EQ(t.sink->account(), "a completed");
    EXPECT_EQ(t.b.calls(), 0u);
  }
}

TEST(Hedge, IsNotMadeWithoutMoney) {
  Bench t;
  t.of_a = [&](const ScriptedCall&) {
    t.permissions.no_money = true;
    return says("from a", 3s);
  };
  t.deployments[1].concurrency_max = 1;
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->account(), "a completed");
  EXPECT_EQ(t.permissions.held, 2) << "it was asked for";
  EXPECT_TRUE(t.router().deployments()[1].slots->free()) << "and its slot was given back";
}

TEST(Hedge, IsNoReasonForAStandIn) {
  Bench t;
  t.deployments[1].model = "other";
  t.deployments[1].name = "other@b";
  t.workload.stand_ins = {{.model = "m", .others = {"other"}}};
  t.of_a = [](const ScriptedCall&) { return says("from a", 3s); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->account(), "a completed");
}

TEST(Hedge, AWithdrawalInTheMiddleOfTheRaceLeavesTheOther) {
  Bench t;
  t.of_a = [](const ScriptedCall&) { return says("from a", 5s); };
  t.of_b = [&](const ScriptedCall&) {
    t.loop.post([&] {
      Withdrawal cut{.id = "wd_1", .kind = WithdrawalKind::kProvider, .name = "a", .mode = WithdrawalMode::kCut};
      t.router().set_withdrawals({cut});
    });
    return says("from b", 3s);
  };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->text(), "from b");
  EXPECT_EQ(t.sink->account(), "a withdrawn, b completed beside 1");
}

TEST(Hedge, TheDeadlineIsForBoth) {
  Bench t;
  t.workload.deadline = 1s;
  t.of_a = t.of_b = [](const ScriptedCall&) { return says("never", 1h); };
  std::optional<ResponseEnded> ended = t.go();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, ResponseStatus::kFailed);
  EXPECT_EQ(t.sink->account(), "a failed, b failed beside 1");
  EXPECT_LT(t.seconds(), 1.5);
}

TEST(Hedge, ACancellationEndsBothAndAHaltLeavesBothOpen) {
  for (bool halt : {false, true}) {
    Bench t;
    t.of_a = [](const ScriptedCall&) { return says("never", 1h); };
    t.of_b = [&](const ScriptedCall&) {
      t.halt = halt;
      t.loop.post([&] { t.cancel.request(); });
      return says("never", 1h);
    };
    std::optional<ResponseEnded> ended = t.go();
    EXPECT_EQ(ended.has_value(), !halt);
    EXPECT_EQ(t.sink->account(), halt ? "a open, b open beside 1" : "a cancelled, b cancelled beside 1");
  }
}

TEST(Hedge, ASinkThatFailsEndsBoth) {
  struct FailingSink final : GenerationSink {
    int ended = 0;
    Task<Result<void>> attempt_started(AttemptStarted) override { co_return Result<void>(); }
    Task<Result<void>> deltas(std::vector<Delta>) override { co_return Result<void>(); }
    Task<Result<void>> attempt_ended(AttemptEnded) override {
      ++ended;
      co_return Error{Code::kConflict, "the journal has moved on"};
    }
  };
  Bench t;
  t.of_a = [](const ScriptedCall&) { return fails(1s); };
  t.of_b = [](const ScriptedCall&) { return says("never", 1h); };
  FailingSink sink;
  GenerationInput input{.request = &t.request};
  std::optional<ResponseEnded> ended =
      t.loop.run(generate(std::move(input), t.router(), sink, t.loop, {t.cancel, t.halt}, t.limits, {}));
  EXPECT_FALSE(ended);
  EXPECT_EQ(sink.ended, 1);
  EXPECT_LT(t.seconds(), 1.1) << "nobody is waited for";
  EXPECT_EQ(t.router().attempts_running(), 0u);
}

TEST(Hedge, AfterAPercentileOfWhatTheDeploymentTookOfLate) {
  Bench t;
  t.workload.hedge_after = std::nullopt;
  t.workload.hedge_percentile = 95;
  for (int i = 0; i < 20; ++i) {
    // The first ones take their time, and nobody is asked beside them: nothing is known yet.
    t.of_a = [i](const ScriptedCall&) { return says("from a", i < 2 ? Duration(5s) : Duration(200ms)); };
    ASSERT_TRUE(t.go());
    EXPECT_EQ(t.sink->account(), "a completed");
  }
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(t.go());
  Instant before = t.loop.now();
  t.of_a = [](const ScriptedCall&) { return says("from a", 1h); };
  ASSERT_TRUE(t.go());
  EXPECT_EQ(t.sink->account(), "a hedged_away, b completed beside 1");
  EXPECT_NEAR(std::chrono::duration<double>(t.loop.now() - before).count(), 0.2 + 0.2, 0.01);
}

TEST(Race, DecidesByWhoSpeaks) {
  using S = Race::State;
  using N = Race::Next;
  EXPECT_EQ(Race::next(S::kSilent, S::kAbsent, false, true), N::kWait);
  EXPECT_EQ(Race::next(S::kSilent, S::kAbsent, true, true), N::kStart);
  EXPECT_EQ(Race::next(S::kSilent, S::kAbsent, true, false), N::kWait);
  EXPECT_EQ(Race::next(S::kOver, S::kAbsent, true, true), N::kFailed);
  EXPECT_EQ(Race::next(S::kSpeaks, S::kSpeaks, true, false), N::kFirst);
  EXPECT_EQ(Race::next(S::kSilent, S::kSpeaks, true, false), N::kSecond);
  EXPECT_EQ(Race::next(S::kOver, S::kSilent, true, false), N::kWait);
  EXPECT_EQ(Race::next(S::kSilent, S::kOver, true, false), N::kWait);
  EXPECT_EQ(Race::next(S::kOver, S::kOver, true, false), N::kFailed);
}

}  // namespace
}  // namespace perdure
