// WithdrawalDesk over the memory store: durable, told to every Router, safe against others who change the set at the
// same time and against a store that fails.
#include "routing/withdrawal_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "async/epoll_loop.h"
#include "async/sim_loop.h"
#include "async/task_group.h"
#include "routing/testing/silent_provider.h"
#include "store/memory_store.h"
#include "store/testing/faulty_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Deployment> three(Provider& azure, Provider& openai) {
  std::vector<Deployment> out{Deployment::simple("m", azure), Deployment::simple("m", openai),
                              Deployment::simple("only-here", azure)};
  out[0].party = out[2].party = "Microsoft";
  out[1].party = "openai";  // the party's name is the provider's too
  out[0].region = "eu";
  out[1].priority = 1;
  return out;
}

struct Desk : testing::Test {
  SimLoop loop{3};
  SilentProvider azure{"azure"}, openai{"openai"};
  std::unique_ptr<Store> memory = memory_store(Key256{});
  StoreFault::Kind swap_fault = StoreFault::Kind::kNone;
  FaultyStore store{*memory, [this](std::string_view call) {
                      return StoreFault{call == "swap_setting" ? swap_fault : StoreFault::Kind::kNone};
                    }};
  Router router{loop, three(azure, openai)}, second{loop, three(azure, openai)};
  std::unique_ptr<WithdrawalDesk> desk = make();
  Cancellation client{loop};

  std::unique_ptr<WithdrawalDesk> make() {
    auto out = std::make_unique<WithdrawalDesk>(store, std::vector<Router*>{&router, &second}, Log());
    return out;
  }
  // A Task must run in a coroutine of the loop, for call_on.
  template <class T>
  T run(Task<T> task) {
    return loop.run(std::move(task));
  }
  Result<WithdrawalResult> withdraw(std::string name, WithdrawalMode mode = WithdrawalMode::kDrain,
                                    std::optional<WithdrawalKind> kind = {}) {
    return run(desk->withdraw({.kind = kind, .name = std::move(name), .mode = mode, .reason = "drill", .by = "key_1"}));
  }
  std::string where(Router& at, std::string_view model = "m") {
    Result<Placed> placed = at.place({.model = model, .traffic = {}, .needs = {}, .tried = {}, .author = {}});
    return placed.ok() ? at.deployments()[placed->deployment].deployment.name : placed.error().reason;
  }
};

TEST_F(Desk, EveryRouterKnowsAtOnce) {
  EXPECT_EQ(where(second), "m@azure");
  Result<WithdrawalResult> done = withdraw("azure");
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(where(router), "m@openai");
  EXPECT_EQ(where(second), "m@openai");
  EXPECT_EQ(done->withdrawal.kind, WithdrawalKind::kProvider);
  EXPECT_EQ(done->withdrawal.by, "key_1");
  Result<Withdrawal> back = run(desk->restore(done->withdrawal.id));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(where(router), "m@azure");
  EXPECT_EQ(where(second), "m@azure");
  EXPECT_EQ(run(desk->restore(done->withdrawal.id)).error().code, Code::kNotFound);
}

TEST_F(Desk, ItOutlivesTheProcess) {
  ASSERT_TRUE(withdraw("azure").ok());
  desk.reset();
  Router fresh(loop, three(azure, openai));
  WithdrawalDesk again(store, {&fresh}, Log());
  EXPECT_EQ(where(fresh), "m@azure");
  ASSERT_TRUE(run(again.load()).ok());
  EXPECT_EQ(where(fresh), "m@openai");
  EXPECT_EQ(run(again.list()).size(), 1u);
}

TEST_F(Desk, WhatMakesNoSenseInTheStoreIsNotTakenForNothing) {
  ASSERT_TRUE(run(memory->put_setting("withdrawals", "rubbish", false)).ok());
  EXPECT_EQ(run(desk->load()).error().code, Code::kCorrupt);
  EXPECT_EQ(withdraw("azure").error().code, Code::kCorrupt);
}

TEST_F(Desk, NamesAreUnderstoodOrAskedAbout) {
  EXPECT_EQ(withdraw("eu")->withdrawal.kind, WithdrawalKind::kRegion);
  EXPECT_EQ(withdraw("Microsoft")->withdrawal.kind, WithdrawalKind::kParty);
  EXPECT_EQ(withdraw("only-here@azure")->withdrawal.kind, WithdrawalKind::kDeployment);
  Error ambiguous = withdraw("openai").error();
  EXPECT_EQ(ambiguous.code, Code::kInvalid);
  EXPECT_EQ(ambiguous.reason, "ambiguous_target");
  EXPECT_THAT(ambiguous.message, HasSubstr("provider party"));
  EXPECT_EQ(withdraw("openai", WithdrawalMode::kDrain, WithdrawalKind::kParty)->withdrawal.kind,
            WithdrawalKind::kParty);
  EXPECT_EQ(withdraw("azur").error().reason, "unknown_target");
  EXPECT_EQ(withdraw("").error().code, Code::kInvalid);
  EXPECT_EQ(withdraw("azure", WithdrawalMode::kDrain, WithdrawalKind::kRegion).error().reason, "unknown_target");
  EXPECT_EQ(run(desk->withdraw({.kind = {}, .name = "azure", .reason = std::string(501, 'x')})).error().param,
            "reason");
}

TEST_F(Desk, TheSameAgainIsOneWithdrawalAndACutGoesBeforeADrain) {
  std::string id = withdraw("azure")->withdrawal.id;
  EXPECT_EQ(withdraw("azure")->withdrawal.id, id);
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
  Result<WithdrawalResult> cut = withdraw("azure", WithdrawalMode::kCut);
  EXPECT_EQ(cut->withdrawal.id, id);
  EXPECT_EQ(cut->withdrawal.mode, WithdrawalMode::kCut);
  EXPECT_EQ(withdraw("azure", WithdrawalMode::kDrain)->withdrawal.mode, WithdrawalMode::kCut);
  EXPECT_EQ(run(desk->list()).size(), 1u);
}

TEST_F(Desk, APreviewSaysWhatItWouldTouchAndTouchesNothing) {
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
  std::vector<std::unique_ptr<AttemptLease>> running;
  for (int i = 0; i < 3; ++i) running.push_back(*run((i == 0 ? router : second).begin(ask, Deadline::never(), client)));
  for (auto& lease : running) ASSERT_TRUE(lease->dispatch().ok());
  Result<WithdrawalResult> preview =
      run(desk->preview({.kind = {}, .name = "azure", .mode = WithdrawalMode::kCut, .reason = {}, .by = {}}));
  ASSERT_TRUE(preview.ok());
  const WithdrawalTouch& touch = preview->touch;
  EXPECT_EQ(touch.running, 3);
  ASSERT_EQ(touch.deployments.size(), 2u);
  EXPECT_EQ(touch.deployments[0].deployment, "m@azure");
  EXPECT_EQ(touch.deployments[0].running, 3);
  EXPECT_EQ(touch.deployments[1].running, 0);
  EXPECT_EQ(touch.models_left_with_none, 1u);
  ASSERT_EQ(touch.models.size(), 2u);
  EXPECT_EQ(touch.models[0].model, "only-here");
  EXPECT_EQ(touch.models[0].remaining, 0u);
  EXPECT_EQ(touch.models[1].model, "m");
  EXPECT_EQ(touch.models[1].remaining, 1u);
  for (auto& lease : running) EXPECT_FALSE(lease->withdrawn());
  EXPECT_EQ(where(router), "m@azure");
  Result<WithdrawalResult> cut = withdraw("azure", WithdrawalMode::kCut);
  EXPECT_EQ(cut->touch.running, 3) << "and then it does just that";
  for (auto& lease : running) EXPECT_TRUE(lease->withdrawn());
}

TEST_F(Desk, TwoOperatorsAtOnceLoseNothing) {
  WithdrawalDesk other(store, {&second}, Log());
  TaskGroup group(loop);
  int good = 0;
  auto order = [](WithdrawalDesk& at, std::string name, int& count) -> Task<void> {
    Result<WithdrawalResult> done = co_await at.withdraw({.kind = {}, .name = std::move(name), .reason = {}, .by = {}});
    count += done.ok();
  };
  for (const char* name : {"azure", "eu", "Microsoft"}) {
    group.spawn(order(*desk, name, good));
    group.spawn(order(other, name, good));
  }
  run(group.join());
  EXPECT_EQ(good, 6);
  ASSERT_TRUE(run(desk->load()).ok());
  EXPECT_EQ(run(desk->list()).size(), 3u);
}

TEST_F(Desk, WhatTheStoreDoesNotTakeHasNoEffect) {
  swap_fault = StoreFault::Kind::kFailBefore;
  EXPECT_EQ(withdraw("azure").error().code, Code::kUnavailable);
  EXPECT_EQ(where(router), "m@azure");
  swap_fault = StoreFault::Kind::kNone;
  EXPECT_TRUE(withdraw("azure").ok());
}

TEST_F(Desk, AnUnknownOutcomeIsFoundOutByAskingAgain) {
  swap_fault = StoreFault::Kind::kFailAfter;
  EXPECT_EQ(withdraw("azure").error().code, Code::kUnknown);
  swap_fault = StoreFault::Kind::kNone;
  EXPECT_TRUE(withdraw("azure").ok());
  EXPECT_EQ(where(router), "m@openai");
  EXPECT_EQ(run(desk->list()).size(), 1u);
}

TEST_F(Desk, WhatOneLoopFindsOutTheOthersHear) {
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
  auto fail = [&](Error error) {
    Result<std::unique_ptr<AttemptLease>> lease = run(router.begin(ask, Deadline::never(), client));
    (*lease)->ended(std::move(error));
    lease->reset();
    loop.run_until([] { return false; }, 1ms);
  };
  fail({.code = Code::kOverloaded, .message = "m", .upstream_status = 429, .retry_after_ms = 30'000});
  EXPECT_EQ(where(second), "m@openai");
  fail({.code = Code::kDenied, .message = "m", .reason = "supplier_denied", .upstream_status = 401});
  EXPECT_EQ(where(second), "provider_overloaded") << "azure rests, openai refuses the credential";
  std::vector<DeploymentState> states = run(desk->deployments());
  ASSERT_EQ(states.size(), 3u);
  EXPECT_GT(states[0].resting, 29s);
  EXPECT_EQ(states[0].attempts, 1);
  EXPECT_TRUE(states[1].credential_refused);
  EXPECT_FALSE(states[0].credential_refused);
  EXPECT_GT(states[1].able_in, 59s);
}

// The same over real threads: a withdrawal made on one loop cuts an attempt on another.
TEST(DeskOverThreads, ReachesEveryLoop) {
  SilentProvider azure("azure"), openai("openai");
  std::unique_ptr<Store> store = memory_store(Key256{});
  EpollLoop loops[2];
  Router one(loops[0], three(azure, openai)), two(loops[1], three(azure, openai));
  WithdrawalDesk desk(*store, {&one, &two}, Log());
  std::atomic<bool> running{false}, cut{false}, done{false};
  auto attempt = [&]() -> Task<void> {
    Cancellation never(loops[1]);
    PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
    Result<std::unique_ptr<AttemptLease>> lease = co_await two.begin(ask, Deadline::never(), never);
    CHECK(lease.ok() && (*lease)->dispatch().ok(), "it runs");
    running = true;
    (void)co_await (*lease)->cancel().wait(deadline_in(loops[1], 10s));
    cut = (*lease)->withdrawn();
  };
  auto order = [&]() -> Task<void> {
    while (!running) co_await sleep_for(loops[0], 1ms);
    Result<WithdrawalResult> made =
        co_await desk.withdraw({.kind = {}, .name = "azure", .mode = WithdrawalMode::kCut, .reason = {}, .by = {}});
    CHECK(made.ok() && made->touch.running == 1, "it touches the attempt");
    while (!cut) co_await sleep_for(loops[0], 1ms);
    std::vector<DeploymentState> states = co_await desk.deployments();
    CHECK(states[0].withdrawn_by.size() == 1, "and shows it");
    done = true;
  };
  TaskGroup on_one(loops[0]), on_two(loops[1]);
  on_one.spawn(order());
  on_two.spawn(attempt());
  std::vector<std::thread> threads;
  for (EpollLoop& loop : loops) threads.emplace_back([&loop] { loop.run(); });
  for (int i = 0; i < 1000 && !done; ++i) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(20ms);
  for (EpollLoop& loop : loops) loop.stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(done);
  EXPECT_TRUE(cut);
}

}  // namespace
}  // namespace perdure
