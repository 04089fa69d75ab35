// Compaction and truncation over a scripted supplier, in virtual time: who is shown what, what the journal keeps, and
// that neither happens without being asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/testing/session_world.h"
#include "session/window.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string shown(const Item& item) {
  return item.kind == ItemKind::kFunctionCall         ? "call " + item.call_id
         : item.kind == ItemKind::kFunctionCallOutput ? "result " + item.call_id
         : item.content.empty()                       ? ""
                                                      : item.content[0].text;
}

struct CompactionWorld : World {
  std::vector<std::vector<std::string>> contexts;  // of answers
  std::vector<std::string> transcripts;            // of compactions
  std::string summary = "They spoke of slate.";
  Usage usage{.input_tokens = 100, .output_tokens = 10, .known = true};
  CompactionWorld() {
    script = [this](const ScriptedCall& call) {
      Piece counted{.kind = Piece::Kind::kUsage};
      counted.usage = usage;
      std::string text = shown(call.context[0]);
      if (call.context.size() == 1 && text.starts_with("<conversation>")) {
        transcripts.push_back(text);
        return ScriptedAnswer{.pieces = {text_piece(summary), counted, finish_piece()}};
      }
      contexts.emplace_back();
      for (const Item& item : call.context) contexts.back().push_back(shown(item));
      return ScriptedAnswer{
          .pieces = {text_piece("answer " + std::to_string(contexts.size())), counted, finish_piece()}};
    };
  }
  CreateCall compacting(std::string text, std::string previous, int64_t threshold) {
    CreateCall call = ask(std::move(text), std::move(previous));
    call.request.compact_threshold = threshold;
    return call;
  }
  Response turn(CreateCall call) {
    Result<Created> made = create(std::move(call));
    CHECK(made.ok(), made.ok() ? "" : made.error().message);
    return whole(made->id);
  }
};

TEST(Compaction, HappensBeforeTheAnswerWhenTheContextIsLong) {
  CompactionWorld w;
  ResponseId a = w.turn(w.ask("one")).id;
  ResponseId b = w.turn(w.compacting("two", a.value, 1000)).id;
  EXPECT_TRUE(w.transcripts.empty()) << "the context is short";
  w.usage.input_tokens = 5000;
  ResponseId c = w.turn(w.compacting("three", b.value, 1000)).id;
  EXPECT_TRUE(w.transcripts.empty()) << "nobody knew yet";
  ResponseId d = w.create(w.compacting("four", c.value, 1000))->id;
  std::vector<RenderedEvent> events = w.events(d);
  ASSERT_EQ(w.transcripts.size(), 1u);
  EXPECT_THAT(w.transcripts[0], HasSubstr("[user]\none\n\n[assistant]\nanswer 1\n\n"));
  EXPECT_THAT(w.transcripts[0], testing::Not(HasSubstr("four")));
  ASSERT_EQ(w.contexts.back().size(), 5u);
  EXPECT_THAT(w.contexts.back(), ElementsAre("one", "two", "three", HasSubstr("They spoke of slate."), "four"));
  Response response = w.whole(d);
  ASSERT_EQ(response.output().size(), 2u);
  EXPECT_EQ(response.output()[0].kind, ItemKind::kCompaction);
  EXPECT_EQ(unpack_compaction(response.output()[0].encrypted)->summary, "They spoke of slate.");
  EXPECT_EQ(response.ended->usage.input_tokens, 10000) << "both calls are accounted";
  ASSERT_EQ(response.placements.size(), 2u);
  EXPECT_THAT(response.placements[0].started.reason, StartsWith("compaction"));
  EXPECT_EQ(response.placements[0].ended->outcome, "compacted");
  std::vector<std::string> types;
  for (const RenderedEvent& event : events) types.push_back(event.type);
  EXPECT_THAT(types,
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.output_item.done", "response.output_item.added", "response.content_part.added",
                          "response.output_text.delta", "response.output_text.done", "response.content_part.done",
                          "response.output_item.done", "response.completed"));
  EXPECT_THAT(events[3].data, HasSubstr("\"encrypted_content\":\"pdc1.{"));
  EXPECT_THAT(events[3].data, testing::Not(HasSubstr("issuer")));

  // Later turns of the chain: the window for who asks for it, the whole for who does not.
  w.usage.input_tokens = 100;
  ResponseId e = w.turn(w.compacting("five", d.value, 100'000)).id;
  EXPECT_THAT(w.contexts.back(), ElementsAre("one", "two", "three", HasSubstr("slate"), "four", "answer 4", "five"));
  w.turn(w.ask("six", e.value));
  EXPECT_THAT(w.contexts.back(), ElementsAre("one", "answer 1", "two", "answer 2", "three", "answer 3", "four",
                                             "answer 4", "five", "answer 5", "six"));
  EXPECT_EQ(w.transcripts.size(), 1u);
}

TEST(Compaction, KeepsTheCallsThatTheTurnAnswers) {
  CompactionWorld w;
  w.usage.input_tokens = 5000;
  auto normal = w.script;
  w.script = [](const ScriptedCall&) {
    Piece counted{.kind = Piece::Kind::kUsage};
    counted.usage = {.input_tokens = 5000, .known = true};
    return ScriptedAnswer{.pieces = {tool_piece(0, "call_a", "f", "{}"), counted, finish_piece(Finish::kToolCalls)}};
  };
  w.script = normal;
  ResponseId a = w.turn(w.ask("one")).id;
  w.script = [](const ScriptedCall&) {
    Piece counted{.kind = Piece::Kind::kUsage};
    counted.usage = {.input_tokens = 5000, .known = true};
    return ScriptedAnswer{.pieces = {tool_piece(0, "call_a", "f", "{}"), counted, finish_piece(Finish::kToolCalls)}};
  };
  ResponseId b = w.turn(w.ask("two", a.value)).id;
  w.script = normal;
  CreateCall call = w.compacting("", b.value, 1000);
  call.request.input = {{.kind = ItemKind::kFunctionCallOutput, .call_id = "call_a", .output = "42"}};
  ResponseId c = w.turn(std::move(call)).id;
  EXPECT_THAT(w.contexts.back(), ElementsAre("one", "two", HasSubstr("slate"), "call call_a", "result call_a"));
  w.turn(w.compacting("three", c.value, 100'000));
  EXPECT_THAT(w.contexts.back(),
              ElementsAre("one", "two", HasSubstr("slate"), "call call_a", "result call_a", "answer 2", "three"));
}

TEST(Compaction, SurvivesARestartAtEveryEvent) {
  auto prepare = [](CompactionWorld& w) {
    w.usage.input_tokens = 5000;
    auto normal = w.script;
    w.script = [normal](const ScriptedCall& call) {
      ScriptedAnswer answer = normal(call);
      if (shown(call.context[0]).starts_with("<conversation>")) return answer;
      answer.pieces = text_pieces(kAnswer.substr(call.held.size()));
      answer.pieces.push_back(finish_piece());
      return answer;
    };
    ResponseId a = w.turn(w.ask("one")).id;
    w.script = [next = w.script](const ScriptedCall& call) {
      ScriptedAnswer answer = next(call);
      return answer;
    };
    CreateCall call = w.compacting(std::string(8000, 'x'), a.value, 1000);
    return w.create(std::move(call))->id;
  };
  size_t total = 0;
  {
    CompactionWorld w;
    total = w.events(prepare(w)).size();
    EXPECT_EQ(w.transcripts.size(), 1u);
  }
  for (size_t seen = 1; seen < total; ++seen) {
    CompactionWorld w;
    ResponseId id = prepare(w);
    std::vector<RenderedEvent> before = w.events(id, seen);
    w.stop();
    w.start();
    ASSERT_TRUE(w.loop.run(w.responses->recover()).ok());
    Response response = w.whole(id);
    EXPECT_EQ(response.status, ResponseStatus::kCompleted);
    ASSERT_EQ(response.output().size(), 2u) << seen;
    EXPECT_EQ(response.output()[0].kind, ItemKind::kCompaction);
    EXPECT_EQ(response.output()[1].content[0].text, kAnswer);
    std::vector<RenderedEvent> after = w.events(id);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].data, after[i].data);
  }
}

TEST(Compaction, ThatFailsFailsTheResponseAndSaysWhy) {
  CompactionWorld w;
  w.usage.input_tokens = 5000;
  ResponseId a = w.turn(w.ask("one")).id;
  w.summary = "  \n";
  Response empty = w.turn(w.compacting("two", a.value, 1000));
  EXPECT_EQ(empty.status, ResponseStatus::kFailed);
  EXPECT_EQ(empty.ended->error_code, "compaction_failed");
  EXPECT_THAT(empty.ended->error_message, HasSubstr("no summary"));
  w.script = [](const ScriptedCall&) { return ScriptedAnswer{.refusal = Error{Code::kInvalid, "too much"}}; };
  Response refused = w.turn(w.compacting("two", a.value, 1000));
  EXPECT_THAT(refused.ended->error_message, HasSubstr("too much"));
}

TEST(Truncation, DropsTheOldestOnlyWhenAskedTo) {
  CompactionWorld w;
  ResponseId last;
  for (int i = 0; i < 6; ++i) last = w.turn(w.ask("question " + std::to_string(i), last.value)).id;
  auto normal = w.script;
  w.script = [&, normal](const ScriptedCall& call) {
    if (call.context.size() > 5)
      return ScriptedAnswer{.refusal = Error{Code::kInvalid, "This model's maximum context length is 5 items.", "",
                                             "context_length_exceeded", 400}};
    return normal(call);
  };
  Response refused = w.turn(w.ask("now", last.value));
  EXPECT_EQ(refused.status, ResponseStatus::kFailed);
  EXPECT_EQ(refused.ended->error_code, "context_length_exceeded");
  CreateCall call = w.ask("now", last.value);
  call.request.truncation = "auto";
  Response truncated = w.turn(std::move(call));
  EXPECT_EQ(truncated.status, ResponseStatus::kCompleted);
  EXPECT_LE(w.contexts.back().size(), 5u);
  EXPECT_EQ(w.contexts.back().back(), "now");
  EXPECT_THAT(w.contexts.back().front(), StartsWith("question"));
  EXPECT_GT(truncated.placements.size(), 1u) << "each try is accounted";
  // The journal has lost nothing.
  w.script = normal;
  w.turn(w.ask("all", truncated.id.value));
  EXPECT_EQ(w.contexts.back().size(), 15u);
}

}  // namespace
}  // namespace perdure
