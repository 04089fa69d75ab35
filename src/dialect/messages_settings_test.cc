// How an answer is to be, as fields of POST /messages: tools, formats, limits, reasoning; and what has no place there.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "dialect/testing/messages_asked.h"

namespace perdure {
namespace {

using namespace messages;

std::string choice(ToolChoice wish, std::optional<bool> parallel = {}) {
  Asked asked;
  asked.request.tools = {{.name = "f"}, {.name = "g"}};
  asked.request.tool_choice = std::move(wish);
  asked.request.parallel_tool_calls = parallel;
  return asked.field("tool_choice");
}

TEST(MessagesRequest, T8_EveryToolChoice) {
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(choice({}), "");
  EXPECT_EQ(choice({}, true), "");
  EXPECT_EQ(choice({}, false), R"({"type":"auto","disable_parallel_tool_use":true})");
  EXPECT_EQ(choice({.mode = Mode::kNone}, false), R"({"type":"none"})");
  EXPECT_EQ(choice({.mode = Mode::kRequired}), R"({"type":"any"})");
  EXPECT_EQ(choice({.mode = Mode::kRequired}, false), R"({"type":"any","disable_parallel_tool_use":true})");
  EXPECT_EQ(choice({.mode = Mode::kFunction, .function = "g"}), R"({"type":"tool","name":"g"})");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed = {"g"}}), "");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"g", "f"}}), R"({"type":"any"})");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"g"}}),
            R"({"type":"tool","name":"g"})");
  // Which ones may be called is said by showing no others, unless there is one that must be.
  Asked asked;
  asked.request.tools = {{.name = "f"}, {.name = "g"}};
  asked.request.tool_choice = {.mode = Mode::kAllowed, .allowed = {"g"}};
  EXPECT_EQ(asked.field("tools"), R"([{"name":"g","input_schema":{"type":"object","properties":{}}}])");
}

TEST(MessagesRequest, T8_AHistoryWithCallsKeepsTools) {
  Asked asked{.context = {user("hi"), call("a"), call("b", "{}", "g"), output("a", "1"), output("b", "2"), call("c"),
                          output("c", "3")}};
  EXPECT_EQ(
      asked.field("tools"),
      R"([{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"type":"object","properties":{}}}])");
  EXPECT_EQ(asked.field("tool_choice"), R"({"type":"none"})");
}

TEST(MessagesRequest, T8_AForcedToolChoiceIsNotThoughtAbout) {
  Asked asked;
  asked.request.tools = {{.name = "f"}};
  asked.request.tool_choice = {.mode = ToolChoice::Mode::kRequired};
  asked.request.reasoning_effort = "high";
  EXPECT_EQ(asked.refused(), "tool_choice");
  asked.variant = kNew;  // an effort can be said without thinking
  EXPECT_EQ(asked.refused(), "");
  EXPECT_EQ(asked.field("thinking"), "");
  EXPECT_EQ(asked.field("output_config"), R"({"effort":"high"})");
  asked.variant = kManual;
  EXPECT_EQ(asked.dropped(), std::vector<std::string>{"reasoning.effort"}) << "it is the reasoning that gives way";
  EXPECT_EQ(asked.field("tool_choice"), R"({"type":"any"})");
  EXPECT_EQ(asked.field("thinking"), "");
}

TEST(MessagesRequest, T10_SchemasAsTheyWereGiven) {
  Asked asked;
  asked.request.tools = {{.name = "a",
                          .description = "d",
                          .parameters = R"({ "type": "object", "$defs" : {"n":1.0e400} })",
                          .strict = true},
                         {.name = "b", .parameters = "{}"},
                         {.name = "c", .parameters = R"({"properties":{}})", .strict = false},
                         {.name = "d"}};
  EXPECT_EQ(
      asked.field("tools"),
      R"([{"name":"a","description":"d","input_schema":{ "type": "object", "$defs" : {"n":1.0e400} },"strict":true},)"
      R"({"name":"b","input_schema":{"type":"object"}},)"
      R"({"name":"c","input_schema":{"type":"object","properties":{}}},)"
      R"({"name":"d","input_schema":{"type":"object","properties":{}}}])");
  asked.variant.strict_tools = false;
  EXPECT_EQ(asked.refused(), "tools[0].strict");
  asked.request.tools[2].parameters = R"({"type":"string"})";
  asked.variant.strict_tools = true;
  EXPECT_EQ(asked.refused(), "tools[2].parameters");
}

TEST(MessagesRequest, T9_AToolThatCannotBeNamedIsRefused) {
  Asked asked;
  asked.request.tools = {{.name = "a.b"}};
  asked.request.tool_choice = {.mode = ToolChoice::Mode::kRequired};
  EXPECT_EQ(asked.refused(), "tools[0].name");
  EXPECT_EQ(asked.dropped(), std::vector<std::string>{"tools[0].name"});
  EXPECT_EQ(asked.field("tools") + asked.field("tool_choice"), "");
  asked.request.tools.push_back({.name = "f"});
  EXPECT_EQ(asked.field("tools"), R"([{"name":"f","input_schema":{"type":"object","properties":{}}}])");
}

TEST(MessagesRequest, T10_StructuredOutput) {
  Asked asked{.variant = kNew};
  asked.request.format = {.kind = TextFormat::Kind::kJsonSchema,
                          .name = "shape",
                          .description = "A \"shape\".",
                          .schema = R"({"type":"object","n":12345678901234567890})"};
  EXPECT_EQ(
      asked.field("output_config"),
      R"({"format":{"type":"json_schema","schema":{"description":"A \"shape\".","type":"object","n":12345678901234567890}}})");
  asked.request.format.description.reset();
  asked.request.reasoning_effort = "low";
  EXPECT_EQ(asked.field("output_config"),
            R"({"effort":"low","format":{"type":"json_schema","schema":{"type":"object","n":12345678901234567890}}})");
  asked.variant = kManual;
  EXPECT_EQ(asked.refused(), "text.format");
  EXPECT_EQ(asked.dropped(), std::vector<std::string>{"text.format"});
  asked.request.lenient = false;
  asked.variant = kNew;
  asked.request.format = {.kind = TextFormat::Kind::kJsonObject};
  EXPECT_EQ(asked.refused(), "text.format");
}

TEST(MessagesRequest, T13_ThereIsAlwaysALimitAndTheBudgetIsBelowIt) {
  Asked asked;
  asked.limit = 100;
  EXPECT_EQ(asked.field("max_tokens"), "100");
  asked.limit.reset();
  EXPECT_EQ(asked.field("max_tokens"), "8192");
  const auto budget = [](std::string effort, std::optional<int64_t> limit) {
    Asked one{.limit = limit};
    one.request.reasoning_effort = std::move(effort);
    return one.field("thinking");
  };
  EXPECT_EQ(budget("minimal", 64000), R"({"type":"enabled","budget_tokens":1024})");
  EXPECT_EQ(budget("low", 64000), R"({"type":"enabled","budget_tokens":2048})");
  EXPECT_EQ(budget("medium", 64000), R"({"type":"enabled","budget_tokens":8192})");
  EXPECT_EQ(budget("high", 64000), R"({"type":"enabled","budget_tokens":16384})");
  EXPECT_EQ(budget("xhigh", 64000), R"({"type":"enabled","budget_tokens":32768})");
  EXPECT_EQ(budget("high", {}), R"({"type":"enabled","budget_tokens":6144})");
  EXPECT_EQ(budget("high", 1366), R"({"type":"enabled","budget_tokens":1025})");
  EXPECT_EQ(budget("high", 1000), "");  // no room for it
  asked.request.reasoning_tokens_max = 5000;
  asked.limit = 6000;
  EXPECT_EQ(asked.field("thinking"), R"({"type":"enabled","budget_tokens":5000})");
  asked.limit = 1000;
  EXPECT_EQ(asked.refused(), "thinking.budget_tokens");
  asked.held = "so far";  // what is left of the limit is no fault of the client's
  asked.ask = "Go on.";
  EXPECT_EQ(asked.field("thinking"), "");
}

TEST(MessagesRequest, T15_WhatIsShownOfThinkingIsTheModelsDefault) {
  Asked asked{.variant = kNew};
  asked.request.reasoning_effort = "high";
  EXPECT_EQ(asked.field("thinking"), R"({"type":"adaptive"})");
  asked.request.reasoning_summary = "auto";
  EXPECT_EQ(asked.field("thinking"), R"({"type":"adaptive","display":"summarized"})");
  asked.request.reasoning_summary = "none";
  EXPECT_EQ(asked.field("thinking"), R"({"type":"adaptive","display":"omitted"})");
  asked.variant = kManual;
  EXPECT_EQ(asked.field("thinking"), R"({"type":"enabled","budget_tokens":6144,"display":"omitted"})");
  asked.request.reasoning_summary = "auto";
  EXPECT_EQ(asked.field("thinking"), R"({"type":"enabled","budget_tokens":6144})");
}

TEST(MessagesRequest, T37_StopLimitAndSchemaSurviveTheSeam) {
  Asked asked{.variant = kNew, .held = "so far", .ask = "Go on.", .limit = 7};
  asked.request.stop = {"END"};
  asked.request.format = {.kind = TextFormat::Kind::kJsonSchema, .name = "n", .schema = R"({"type":"object"})"};
  EXPECT_EQ(asked.field("stop_sequences"), R"(["END"])");
  EXPECT_EQ(asked.field("max_tokens"), "7");
  EXPECT_NE(asked.field("output_config"), "");
  // The service takes no beginning of an answer that is to fit a schema: it is asked in words instead.
  asked.variant.prefill = true;
  asked.ask.clear();
  EXPECT_TRUE(asked.field("output_config").starts_with("text.format: ")) << asked.field("output_config");
}

TEST(MessagesRequest, Efforts) {
  const auto said = [](std::string effort, const MessagesVariant& variant) {
    Asked asked{.variant = variant};
    asked.request.reasoning_effort = std::move(effort);
    return asked.field("output_config");
  };
  EXPECT_EQ(said("minimal", kNew), R"({"effort":"low"})");
  EXPECT_EQ(said("max", kNew), R"({"effort":"max"})");
  MessagesVariant few = kNew;
  few.xhigh = few.max_effort = false;
  EXPECT_EQ(said("xhigh", few), R"({"effort":"high"})");
  EXPECT_EQ(said("max", few), R"({"effort":"high"})");
  EXPECT_EQ(said("none", kNew), "");
  Asked none{.variant = kNew};
  none.request.reasoning_effort = "none";
  EXPECT_EQ(none.field("thinking"), R"({"type":"disabled"})");
  Asked budget{.variant = kNew};
  budget.request.reasoning_tokens_max = 2048;
  EXPECT_EQ(budget.refused(), "thinking.budget_tokens");
  EXPECT_EQ(budget.dropped(), std::vector<std::string>{"thinking.budget_tokens"});
  EXPECT_EQ(budget.field("thinking"), R"({"type":"adaptive"})");
  Asked answer_only{.variant = kNew};  // an effort without thinking
  answer_only.request.reasoning_effort = "medium";
  answer_only.request.reasoning_tokens_max = 0;
  EXPECT_EQ(answer_only.field("thinking"), "");
  EXPECT_EQ(answer_only.field("output_config"), R"({"effort":"medium"})");
  Asked plain{.variant = {.thinking_budget = false}};
  plain.request.reasoning_effort = "low";
  EXPECT_EQ(plain.refused(), "reasoning.effort");
}

TEST(MessagesRequest, Sampling) {
  Asked asked;
  asked.request.temperature = 0.5;
  asked.request.top_p = 0.25;
  asked.request.top_k = 40;
  EXPECT_EQ(asked.field("temperature"), "0.5");
  EXPECT_EQ(asked.field("top_p"), "0.25");
  EXPECT_EQ(asked.field("top_k"), "40");
  asked.variant.temperature_with_top_p = false;
  EXPECT_EQ(asked.refused(), "top_p");
  asked.request.temperature = 1;
  EXPECT_EQ(asked.refused(), "");
  asked.request.reasoning_effort = "low";
  EXPECT_EQ(asked.refused(), "top_p");
  asked.request.top_p = 0.95;
  EXPECT_EQ(asked.refused(), "top_k");
  asked.request.temperature = 0;
  EXPECT_EQ(asked.dropped(), (std::vector<std::string>{"temperature", "top_k"}));
  Asked hot;
  hot.request.temperature = 1.5;
  EXPECT_EQ(hot.refused(), "temperature");
  Asked fresh{.variant = kNew};
  fresh.request.temperature = 1;
  fresh.request.top_p = 1;
  EXPECT_EQ(fresh.field("temperature"), "");
  EXPECT_EQ(fresh.field("top_p"), "");
  fresh.request.top_p = 0.5;
  EXPECT_EQ(fresh.refused(), "top_p");
}

TEST(MessagesRequest, WhatCannotBeSaidIsNamed) {
  const std::pair<std::string, void (*)(Request&)> wishes[] = {
      {"presence_penalty", [](Request& r) { r.presence_penalty = 1; }},
      {"frequency_penalty", [](Request& r) { r.frequency_penalty = -1; }},
      {"seed", [](Request& r) { r.seed = 1; }},
      {"top_logprobs", [](Request& r) { r.top_logprobs = 1; }},
      {"include", [](Request& r) { r.include = {"message.output_text.logprobs"}; }},
      {"text.verbosity", [](Request& r) { r.verbosity = "low"; }},
      {"stop", [](Request& r) { r.stop = {"\n\n"}; }},
  };
  for (const auto& [field, wish] : wishes) {
    Asked asked;
    wish(asked.request);
    EXPECT_EQ(asked.refused(), field);
    EXPECT_EQ(asked.dropped(), std::vector<std::string>{field});
  }
  Item compaction{.kind = ItemKind::kCompaction, .encrypted = "x"};
  EXPECT_NE((Asked{.context = {user("hi"), compaction}}.refused()), "");
  Asked nothing;
  nothing.request.presence_penalty = nothing.request.frequency_penalty = 0;
  nothing.request.top_logprobs = 0;
  nothing.request.verbosity = "medium";
  EXPECT_EQ(nothing.refused(), "");
}

TEST(MessagesRequest, WhoseRequestItIsStaysHere) {
  Asked asked;
  asked.request.user = asked.request.safety_identifier = asked.request.prompt_cache_key = "someone";
  asked.request.metadata = {{"someone", "someone"}};
  asked.request.service_tier = "flex";
  const std::string body = asked.write()->body;
  EXPECT_FALSE(body.contains("someone"));
  EXPECT_FALSE(body.contains("flex"));
  asked.request.dialect = ClientDialect::kMessages;
  asked.request.service_tier = "standard_only";
  EXPECT_EQ(asked.field("service_tier"), R"("standard_only")");
}

TEST(MessagesRequest, T33_TokensAreCountedByTheSupplier) {
  Asked asked{.variant = kNew, .counting = true};
  asked.request.instructions = "s";
  asked.request.tools = {{.name = "f"}};
  asked.request.reasoning_effort = "high";
  asked.request.temperature = 1;
  asked.request.stop = {"x"};
  auto message = asked.write();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/messages/count_tokens");
  EXPECT_EQ(
      message->body,
      R"({"model":"claude","tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}})");
  EXPECT_EQ(*parse_messages_count(R"({"input_tokens":2095})"), 2095);
  for (const char* wrong : {"", "{}", R"({"input_tokens":-1})", R"({"input_tokens":"1"})", "[1]"})
    EXPECT_EQ(parse_messages_count(wrong).error().code, Code::kCorrupt) << wrong;
}

TEST(MessagesVariant, ByTheModelsName) {
  const auto of = [](std::string_view name) { return messages_variant_of(name); };
  for (const char* name :
       {"claude-3-haiku-20240307", "claude-3-5-sonnet-latest", "claude-2.1", "claude-instant-1.2", "claude-instant"}) {
    EXPECT_FALSE(of(name).thinking_budget || of(name).thinking_adaptive || of(name).structured_output) << name;
    EXPECT_TRUE(of(name).prefill && of(name).sampling) << name;
  }
  for (const char* name : {"claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514", "claude-opus-4-0"}) {
    EXPECT_TRUE(of(name).thinking_budget && of(name).temperature_with_top_p && of(name).prefill) << name;
    EXPECT_FALSE(of(name).thinking_adaptive || of(name).effort || of(name).structured_output) << name;
  }
  EXPECT_TRUE(of("claude-opus-4-1-20250805").structured_output);
  EXPECT_FALSE(of("claude-opus-4-1-20250805").temperature_with_top_p);
  EXPECT_TRUE(of("claude-sonnet-4-5-20250929").structured_output);
  EXPECT_FALSE(of("claude-sonnet-4-5-20250929").effort);
  EXPECT_TRUE(of("claude-opus-4-5").effort);
  EXPECT_EQ(of("anthropic/claude-sonnet-4.6"), of("claude-sonnet-4-6"));
  EXPECT_TRUE(of("claude-sonnet-4-6").thinking_budget && of("claude-sonnet-4-6").thinking_adaptive);
  EXPECT_FALSE(of("claude-sonnet-4-6").prefill || of("claude-sonnet-4-6").xhigh);
  for (const char* name : {"claude-opus-4-7", "claude-opus-5", "claude-mythos-preview", "claude-fable-5-20260901"}) {
    EXPECT_TRUE(of(name).thinking_adaptive && of(name).effort && of(name).xhigh && of(name).structured_output) << name;
    EXPECT_FALSE(of(name).thinking_budget || of(name).prefill || of(name).sampling) << name;
  }
  EXPECT_EQ(of("glm-5"), MessagesVariant());
}

}  // namespace
}  // namespace perdure
