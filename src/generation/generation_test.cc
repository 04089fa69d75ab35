// generate() with a scripted supplier and a sink in memory, in virtual time.
#include "generation/generation.h"

#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "generation/retry.h"
#include "provider/testing/scripted_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct MemorySink final : GenerationSink {
  std::vector<AttemptStarted> started;
  std::vector<AttemptEnded> ended;
  std::vector<std::vector<Delta>> batches;
  AnswerItems answer;
  std::optional<size_t> fail_at;  // the batch that is refused
  Task<Result<void>> attempt_started(AttemptStarted attempt) override {
    started.push_back(std::move(attempt));
    co_return Result<void>();
  }
  Task<Result<void>> deltas(std::vector<Delta> deltas) override {
    if (fail_at == batches.size()) co_return Error{Code::kConflict, "the journal has moved on"};
    for (const Delta& delta : deltas) CHECK(answer.apply(delta).ok(), "order");
    batches.push_back(std::move(deltas));
    co_return Result<void>();
  }
  Task<Result<void>> attempt_ended(AttemptEnded attempt) override {
    ended.push_back(std::move(attempt));
    co_return Result<void>();
  }
};

struct Bench {
  SimLoop loop{3};
  ScriptedProvider::Script script;
  ScriptedProvider provider{loop, [this](const ScriptedCall& call) { return script(call); }};
  Router router{loop, {Deployment::simple("*", provider)}};
  MemorySink sink;
  Request request{.model = "m"};
  Cancellation cancel{loop};
  bool halt = false;
  GenerationLimits limits;

  std::optional<ResponseEnded> go(GenerationInput input = {}) {
    input.request = &request;
    return loop.run(generate(std::move(input), router, sink, loop, {cancel, halt}, limits, {}));
  }
};

Piece reasoning(std::string text) { return {.kind = Piece::Kind::kReasoning, .text = std::move(text)}; }

TEST(Generation, WaitsAsLongAsTheSupplierAsks) {
  Bench b;
  b.script = [](const ScriptedCall& call) {
    if (call.number == 0)
      return ScriptedAnswer{.refusal =
                                Error{.code = Code::kOverloaded, .message = "slow down", .retry_after_ms = 7000}};
    return ScriptedAnswer{.pieces = {text_piece("hi"), finish_piece()}};
  };
  ASSERT_TRUE(b.go());
  EXPECT_GE(b.loop.now().time_since_epoch(), 7s);
  EXPECT_EQ(b.sink.ended[0].outcome, "failed");
  EXPECT_EQ(b.sink.ended[1].outcome, "completed");
}

TEST(Generation, ReasoningOfALaterAttemptStaysHidden) {
  Bench b;
  b.script = [](const ScriptedCall& call) {
    if (call.number == 0)
      return ScriptedAnswer{.pieces = {reasoning("first "), reasoning("thoughts")},
                            .cut = Error{Code::kUnavailable, "cut"}};
    return ScriptedAnswer{.pieces = {reasoning("second thoughts"), text_piece("answer"), finish_piece()}};
  };
  ASSERT_TRUE(b.go());
  ASSERT_EQ(b.sink.answer.items().size(), 2u);
  EXPECT_EQ(b.sink.answer.items()[0].content[0].text, "first thoughts");
  EXPECT_EQ(b.sink.answer.items()[1].content[0].text, "answer");
}

TEST(Generation, NothingVisibleStartsOverWithoutAskingToGoOn) {
  Bench b;
  std::vector<std::string> asks;
  b.script = [&](const ScriptedCall& call) {
    asks.push_back(call.ask);
    if (call.number == 0) return ScriptedAnswer{.cut = Error{Code::kUnavailable, "cut"}};
    return ScriptedAnswer{.pieces = {text_piece("answer"), finish_piece()}};
  };
  ASSERT_TRUE(b.go());
  EXPECT_EQ(asks, (std::vector<std::string>{"", ""}));
}

TEST(Generation, GivesUpAfterFruitlessAttempts) {
  Bench b;
  b.script = [](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kUnavailable, "down"}}; };
  std::optional<ResponseEnded> ended = b.go();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, ResponseStatus::kFailed);
  EXPECT_EQ(static_cast<int64_t>(b.sink.started.size()), b.limits.fruitless_attempts_max);
}

TEST(Generation, ProgressEarnsNewAttempts) {
  Bench b;
  const std::string answer = "0123456789 qwertzuiop; #+*~! %&/()= XYZ <>|-_";
  b.script = [&](const ScriptedCall& call) {
    std::string rest = answer.substr(call.held.size());
    if (rest.size() <= 4) return ScriptedAnswer{.pieces = {text_piece(rest), finish_piece()}};
    return ScriptedAnswer{.pieces = {text_piece(rest.substr(0, 4))}, .cut = Error{Code::kUnavailable, "cut"}};
  };
  EXPECT_EQ(b.go()->status, ResponseStatus::kCompleted);
  EXPECT_EQ(b.sink.answer.items()[0].content[0].text, answer);
}

TEST(Generation, AHaltLeavesTheAnswerOpenAndACancelEndsIt) {
  for (bool halt : {true, false}) {
    Bench b;
    b.script = [&](const ScriptedCall&) {
      b.halt = halt;
      b.loop.post([&] { b.cancel.request(); });
      return ScriptedAnswer{.pieces = {text_piece("never"), finish_piece()}, .pause = 1h};
    };
    std::optional<ResponseEnded> ended = b.go();
    EXPECT_EQ(ended.has_value(), !halt);
    if (ended) EXPECT_EQ(ended->status, ResponseStatus::kCancelled);
  }
}

TEST(Generation, ASinkThatFailsEndsWithoutAnEnding) {
  for (size_t at = 0; at < 3; ++at) {
    Bench b;
    b.sink.fail_at = at;
    b.script = [](const ScriptedCall&) {
      return ScriptedAnswer{.pieces = {text_piece("a"), text_piece("b"), finish_piece()}};
    };
    EXPECT_FALSE(b.go().has_value());
  }
}

TEST(Generation, AToolGroupThatIsOutNeedsNoFurtherAttempt) {
  Bench b;
  b.script = [](const ScriptedCall&) { return ScriptedAnswer{}; };
  GenerationInput input;
  for (Delta& delta : std::vector<Delta>{
           Delta::item_begin({.kind = ItemKind::kFunctionCall, .id = "fc_1", .call_id = "c", .name = "f"}),
           Delta::append("{}"), Delta::item_end(ItemStatus::kCompleted)})
    ASSERT_TRUE(input.held.apply(delta).ok());
  EXPECT_EQ(b.go(std::move(input))->status, ResponseStatus::kCompleted);
  EXPECT_EQ(b.provider.calls(), 0u);
}

TEST(Generation, OneCallAtATimeHoldsWhateverTheSupplierMakesOfIt) {
  for (std::optional<bool> parallel : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
    Bench b;
    b.request.tools = {{.name = "f"}, {.name = "g"}};
    b.request.parallel_tool_calls = parallel;
    b.script = [](const ScriptedCall&) {
      ScriptedAnswer answer;
      for (int i = 0; i < 2; ++i)
        answer.pieces.push_back(
            {.kind = Piece::Kind::kToolCall, .index = i, .call_id = i ? "d" : "c", .name = i ? "g" : "f"});
      answer.pieces.push_back(finish_piece());
      return answer;
    };
    EXPECT_EQ(b.go()->status, ResponseStatus::kCompleted);
    ASSERT_EQ(b.sink.answer.items().size(), parallel == false ? 1u : 2u);
    EXPECT_EQ(b.sink.answer.items()[0].name, "f");
  }
}

// Whatever a supplier makes of a choice of tools: calls outside of it are never shown.
TEST(Generation, CallsThatAreNotAllowedAreSuppressed) {
  struct Case {
    ToolChoice choice;
    std::vector<std::string> shown;
  };
  const Case cases[] = {
      {{.mode = ToolChoice::Mode::kAllowed, .allowed = {"b"}}, {"b"}},
      {{.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"a", "c"}}, {"a", "c"}},
      {{.mode = ToolChoice::Mode::kNone}, {}},
      {{.mode = ToolChoice::Mode::kAuto}, {"a", "b", "c"}},
  };
  for (const Case& c : cases) {
    Bench b;
    b.request.tools = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    b.request.tool_choice = c.choice;
    b.script = [](const ScriptedCall&) {
      return ScriptedAnswer{.pieces = {text_piece("I look."), tool_piece(0, "1", "a", "{}"),
                                       tool_piece(1, "2", "b", "{}"), tool_piece(2, "3", "c", "{}"),
                                       finish_piece(Finish::kToolCalls)}};
    };
    EXPECT_EQ(b.go()->status, ResponseStatus::kCompleted);
    std::vector<std::string> shown;
    for (const Item& item : b.sink.answer.items())
      if (item.kind == ItemKind::kFunctionCall) shown.push_back(item.name);
    EXPECT_EQ(shown, c.shown);
    EXPECT_EQ(b.sink.answer.items()[0].content[0].text, "I look.");
  }
}

// Two suppliers of one model, asked in turn.
struct BenchOfTwo {
  SimLoop loop{9};
  ScriptedAnswer of_first, of_second;
  ScriptedProvider first{loop, [this](const ScriptedCall&) { return of_first; }, "first"};
  ScriptedProvider second{loop, [this](const ScriptedCall&) { return of_second; }, "second"};
  std::vector<Deployment> deployments{Deployment::simple("m", first), Deployment::simple("m", second)};
  Router router;
  MemorySink sink;

  explicit BenchOfTwo(std::vector<Workload> workloads = {}) : router(loop, in_turn(), std::move(workloads)) {}
  std::vector<Deployment> in_turn() {
    deployments[1].priority = 1;
    return deployments;
  }
  std::optional<ResponseEnded> go() {
    Request request{.model = "m"};
    Cancellation cancel{loop};
    bool halt = false;
    GenerationLimits limits;
    return loop.run(generate({.request = &request}, router, sink, loop, {cancel, halt}, limits, {}));
  }
};

// What a supplier's dialect has no words for, nobody was asked: another supplier is, whatever the workload's rule for
// answers that broke off. Where none has words for it, the caller hears which field it is.
TEST(Generation, WhatOneSupplierCannotBeToldGoesToAnother) {
  const Error unsayable{.code = Code::kInvalid,
                        .message = "cannot be given it",
                        .param = "logit_bias",
                        .reason = "unsupported_parameter"};
  for (ContinuationRule rule : {ContinuationRule::kContinue, ContinuationRule::kRestart, ContinuationRule::kEnd}) {
    for (bool second_can : {true, false}) {
      BenchOfTwo b({Workload{.continuation = rule}});
      b.of_first = b.of_second = {.refusal = unsayable};
      if (second_can) b.of_second = {.pieces = {text_piece("said"), finish_piece()}};
      std::optional<ResponseEnded> ended = b.go();
      ASSERT_TRUE(ended);
      EXPECT_EQ(b.sink.ended.size(), 2u);
      EXPECT_EQ(ended->status, second_can ? ResponseStatus::kCompleted : ResponseStatus::kFailed);
      EXPECT_EQ(ended->error_code, second_can ? "" : "unsupported_parameter");
      EXPECT_EQ(ended->error_param, second_can ? "" : "logit_bias");
      EXPECT_TRUE(b.router.deployments()[0].health.breaker().until() == Instant::min());
    }
  }
}

// That one cannot be told is no answer while another is only not to be had for a moment.
TEST(Generation, WhatOneSupplierCannotBeToldIsNotTheCallersFaultWhileAnotherOneRests) {
  BenchOfTwo b;
  b.of_first.refusal =
      Error{.code = Code::kInvalid, .message = "no", .param = "stop", .reason = "unsupported_parameter"};
  b.router.hear({.kind = HealthNews::Kind::kRests, .number = 1, .until = b.loop.now() + 1h});
  std::optional<ResponseEnded> ended = b.go();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->error_code, "provider_overloaded");
}

TEST(Backoff, GrowsWithJitterUpToItsMost) {
  SeededRandom random(1);
  for (int64_t n = 1; n < 40; ++n) {
    Duration wait = backoff(n, Error{}, 100ms, 5s, random);
    EXPECT_GE(wait, 50ms);
    EXPECT_LE(wait, 5s);
  }
}

}  // namespace
}  // namespace perdure
