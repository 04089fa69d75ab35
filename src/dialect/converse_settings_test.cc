// How an answer is to be, as fields of Converse: tools, formats, limits, reasoning; and what has no place there.

#include <gtest/gtest.h>

#include "dialect/testing/converse_asked.h"

namespace perdure {
namespace {

using namespace converse;

TEST(ConverseRequest, T8_tool_choice) {
  Asked asked{.context = {user("go")}};
  asked.request.tools = {tool("f"), tool("g"), tool("h")};
  const auto choice = [&](ToolChoice chosen) {
    asked.request.tool_choice = std::move(chosen);
    auto document = json::Document::parse(asked.body());
    json::Value config = document->root()["toolConfig"];
    std::string out;
    for (json::Value one : config["tools"].elements()) out += std::string(one["toolSpec"]["name"].text()) + " ";
    return out + std::string(config["toolChoice"].raw());
  };
  EXPECT_EQ(choice({}), "f g h ");
  EXPECT_EQ(choice({.mode = ToolChoice::Mode::kRequired, .function = {}, .allowed = {}}), R"(f g h {"any":{}})");
  EXPECT_EQ(choice({.mode = ToolChoice::Mode::kFunction, .function = "g", .allowed = {}}),
            R"(f g h {"tool":{"name":"g"}})");
  EXPECT_EQ(choice({.mode = ToolChoice::Mode::kAllowed, .function = {}, .allowed = {"h", "f"}}), "f h ");
  EXPECT_EQ(
      choice({.mode = ToolChoice::Mode::kAllowed, .function = {}, .allowed_required = true, .allowed = {"h", "f"}}),
      R"(f h {"any":{}})");
  EXPECT_EQ(choice({.mode = ToolChoice::Mode::kAllowed, .function = {}, .allowed_required = true, .allowed = {"h"}}),
            R"(f g h {"tool":{"name":"h"}})");
  EXPECT_EQ(choice({.mode = ToolChoice::Mode::kNone, .function = {}, .allowed = {}}), "") << "there is no 'none'";
}

TEST(ConverseRequest, T8_a_history_with_calls_keeps_a_tool_config) {
  Asked asked{.context = {user("go"), tool_call("a"), output("a", "A"), user("sum up")}};
  const std::string inert =
      R"({"tools":[{"toolSpec":{"name":"no_tool_is_to_be_called","description":"Not to be called.",)"
      R"("inputSchema":{"json":{"type":"object","properties":{}}}}}]})";
  EXPECT_EQ(asked.part("toolConfig"), inert) << "the client gives no tools any more";
  asked.request.tools = {tool("f")};
  asked.request.tool_choice.mode = ToolChoice::Mode::kNone;
  EXPECT_EQ(asked.part("toolConfig"), inert) << "the client wants none called";
  asked.request.parallel_tool_calls = false;
  EXPECT_EQ(asked.part("additionalModelRequestFields"), "") << "and nothing speaks of calls";
}

TEST(ConverseRequest, T8_one_call_at_a_time) {
  Asked asked{.context = {user("go")}};
  asked.request.tools = {tool("f")};
  asked.request.parallel_tool_calls = false;
  EXPECT_EQ(asked.part("additionalModelRequestFields"),
            R"({"tool_choice":{"type":"auto","disable_parallel_tool_use":true}})");
  asked.request.tool_choice.mode = ToolChoice::Mode::kRequired;
  EXPECT_EQ(asked.part("additionalModelRequestFields"), R"({"tool_choice":{"disable_parallel_tool_use":true}})");
  asked.request.parallel_tool_calls = true;
  EXPECT_EQ(asked.part("additionalModelRequestFields"), "");
  asked.model = "meta.llama3-1-70b-instruct-v1:0";
  EXPECT_EQ(asked.refused(), "nothing");
  asked.request.parallel_tool_calls = false;
  EXPECT_EQ(asked.refused(), "nothing") << "what is shown of the answer keeps to it";
  EXPECT_EQ(asked.part("additionalModelRequestFields"), "");
}

TEST(ConverseRequest, T8_no_forced_call_together_with_reasoning) {
  Asked asked{.context = {user("go")}};
  asked.request.tools = {tool("f")};
  asked.request.tool_choice.mode = ToolChoice::Mode::kRequired;
  asked.request.reasoning_effort = "high";
  EXPECT_EQ(asked.refused(), "tool_choice unsupported_parameter");
  EXPECT_EQ(asked.dropped(), Words{"reasoning.effort"});
  asked.request.lenient = true;
  EXPECT_EQ(asked.body().find("thinking"), std::string::npos);
  EXPECT_NE(asked.body().find(R"("toolChoice":{"any":{}})"), std::string::npos);
}

TEST(ConverseRequest, T10_schemas_stay_as_they_are) {
  Asked asked{.context = {user("go")}};
  const std::string schema =
      R"({"$schema":"x","type":"object", "properties":{"n":{"type":"integer","maximum":123456789012345678901234567890}},"$defs":{}})";
  asked.request.tools = {
      {.name = "a", .description = {}, .parameters = schema, .strict = true, .cache = "5m"},
      {.name = "b", .description = "", .parameters = "", .strict = false, .cache = {}},
      {.name = "c", .description = {}, .parameters = " {} ", .strict = {}, .cache = {}},
      {.name = "d", .description = {}, .parameters = R"({ "properties":{"x":{}}})", .strict = {}, .cache = {}}};
  EXPECT_EQ(asked.part("toolConfig"),
            R"({"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":)" + schema +
                R"(},"strict":true}},{"cachePoint":{"type":"default"}},)"
                R"({"toolSpec":{"name":"b","inputSchema":{"json":{"type":"object","properties":{}}}}},)"
                R"({"toolSpec":{"name":"c","inputSchema":{"json":{"type":"object","properties":{}}}}},)"
                R"({"toolSpec":{"name":"d","inputSchema":{"json":{"type":"object", "properties":{"x":{}}}}}}]})");
}

TEST(ConverseRequest, T10_structured_output) {
  Asked asked{.context = {user("go")}};
  asked.request.format = {.kind = TextFormat::Kind::kJsonSchema,
                          .name = "person",
                          .description = "who",
                          .schema = R"({"type":"object","x":"\u00e4"})",
                          .strict = true};
  EXPECT_EQ(
      asked.part("outputConfig"),
      R"({"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"x\":\"\\u00e4\"}","name":"person","description":"who"}}}})");
  asked.request.format = {
      .kind = TextFormat::Kind::kJsonObject, .name = {}, .description = {}, .schema = {}, .strict = {}};
  EXPECT_EQ(asked.refused(), "text.format unsupported_parameter");
  EXPECT_EQ(asked.dropped(), Words{"text.format"});
}

TEST(ConverseRequest, T13_limits_and_sampling) {
  Asked asked{.context = {user("go")}};
  EXPECT_EQ(asked.part("inferenceConfig"), "");
  asked.request.max_output_tokens = 100;
  asked.request.temperature = 0.5;
  asked.request.top_p = 0.25;
  asked.request.stop = {"END", "\n\n"};
  EXPECT_EQ(asked.part("inferenceConfig"),
            R"({"maxTokens":100,"temperature":0.5,"topP":0.25,"stopSequences":["END","\n\n"]})");
  EXPECT_EQ(asked.part("additionalModelResponseFieldPaths"), R"(["/delta/stop_sequence"])");
  asked.stream = false;
  EXPECT_EQ(asked.part("additionalModelResponseFieldPaths"), R"(["/stop_sequence"])");
  asked.request.top_k = 5;
  EXPECT_EQ(asked.part("additionalModelRequestFields"), R"({"top_k":5})");
  asked.model = "eu.amazon.nova-pro-v1:0";
  EXPECT_EQ(asked.part("additionalModelRequestFields"), R"({"inferenceConfig":{"topK":5}})");
  asked.model = "mistral.x";
  EXPECT_EQ(asked.refused(), "top_k unsupported_parameter");
}

TEST(ConverseRequest, WhatHasNoPlaceIsRefusedOrNamed) {
  const std::pair<std::string, void (*)(Request&)> kCases[] = {
      {"temperature", [](Request& r) { r.temperature = 1.5; }},
      {"presence_penalty", [](Request& r) { r.presence_penalty = 0.5; }},
      {"frequency_penalty", [](Request& r) { r.frequency_penalty = -0.5; }},
      {"seed", [](Request& r) { r.seed = 7; }},
      {"top_logprobs", [](Request& r) { r.top_logprobs = 2; }},
      {"include", [](Request& r) { r.include = {"message.output_text.logprobs"}; }},
      {"text.verbosity", [](Request& r) { r.verbosity = "low"; }},
      {"reasoning.effort", [](Request& r) { r.reasoning_effort = "extreme"; }},
  };
  for (const auto& [param, set] : kCases) {
    Asked asked{.context = {user("go")}};
    const std::string without = asked.body();
    set(asked.request);
    EXPECT_EQ(asked.refused(), param + " unsupported_parameter");
    EXPECT_EQ(asked.dropped(), Words{param});
    asked.request.lenient = true;
    EXPECT_EQ(asked.body(), without) << param;
  }
  Asked neutral{.context = {user("go")}};
  const std::string without = neutral.body();
  neutral.request.presence_penalty = 0;
  neutral.request.frequency_penalty = 0;
  neutral.request.top_logprobs = 0;
  neutral.request.verbosity = "medium";
  neutral.request.user = "u";
  neutral.request.metadata = {{"a", "b"}};
  neutral.request.service_tier = "auto";
  EXPECT_EQ(neutral.body(), without);
  neutral.context.push_back({.kind = ItemKind::kCompaction, .encrypted = "x"});
  EXPECT_EQ(neutral.refused(), "input[1] unsupported_parameter");
}

TEST(ConverseRequest, Families) {
  using F = ConverseFamily;
  const std::pair<const char*, F> kNames[] = {
      {"anthropic.claude-v2:1", F::kClaudePlain},
      {"anthropic.claude-3-5-sonnet-20241022-v2:0", F::kClaudePlain},
      {"us.anthropic.claude-3-7-sonnet-20250219-v1:0", F::kClaudeBudget},
      {"anthropic.claude-sonnet-4-20250514-v1:0", F::kClaudeBudget},
      {"anthropic.claude-opus-4-1-20250805-v1:0", F::kClaudeBudget},
      {"eu.anthropic.claude-haiku-4-5-20251001-v1:0", F::kClaudeBudget},
      {"anthropic.claude-opus-4-6-v1", F::kClaude},
      {"anthropic.claude-opus-4-7", F::kClaude},
      {"global.anthropic.claude-opus-4-8", F::kClaude},
      {"anthropic.claude-opus-5", F::kClaude},
      {"anthropic.claude-mythos-preview", F::kClaude},
      {"amazon.nova-pro-v1:0", F::kNovaPlain},
      {"us.amazon.nova-2-lite-v1:0", F::kNova},
      {"openai.gpt-oss-120b-1:0", F::kGptOss},
      {"deepseek.r1-v1:0", F::kOther},
      {"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", F::kOther},
  };
  for (const auto& [name, family] : kNames) EXPECT_EQ(converse_family(name), family) << name;
}

// A turn whose tools are being answered must begin with thoughts of Claude's own where it thinks within a budget.
TEST(ConverseRequest, T15_T19_no_thinking_in_a_tool_loop_that_another_supplier_began) {
  Asked asked{.context = {user("go"), tool_call("a"), output("a", "A")},
              .model = "anthropic.claude-sonnet-4-5-20250929-v1:0"};
  asked.request.tools = {tool("f")};
  asked.request.reasoning_effort = "low";
  EXPECT_EQ(asked.part("additionalModelRequestFields"), "");
  asked.context.insert(asked.context.begin() + 1, reasoning("think", OpaqueKind::kSignature, "sig"));
  EXPECT_NE(asked.part("additionalModelRequestFields"), "");
  asked.context.push_back(user("and on"));
  asked.context.erase(asked.context.begin() + 1);
  EXPECT_EQ(asked.part("additionalModelRequestFields"), "") << "its results stand in that very message";
  asked.context.insert(asked.context.end() - 1, assistant("done"));
  EXPECT_NE(asked.part("additionalModelRequestFields"), "") << "a new turn";
  asked.model = "anthropic.claude-opus-4-7";
  asked.context = {user("go"), tool_call("a"), output("a", "A")};
  EXPECT_NE(asked.part("additionalModelRequestFields"), "") << "thinks as much as it sees fit";
}

TEST(ConverseRequest, T13_claude_thinks_at_its_own_temperature) {
  Asked asked{.context = {user("go")}};
  asked.request.temperature = 0.5;
  EXPECT_EQ(asked.refused(), "nothing");
  asked.request.reasoning_effort = "low";
  EXPECT_EQ(asked.refused(), "temperature unsupported_parameter");
  asked.request.temperature = 1;
  asked.request.top_p = 0.5;
  EXPECT_EQ(asked.refused(), "top_p unsupported_parameter");
  asked.request.top_p = 0.97;
  asked.request.top_k = 4;
  EXPECT_EQ(asked.refused(), "top_k unsupported_parameter");
  EXPECT_EQ(asked.dropped(), std::vector<std::string>{"top_k"});
}

TEST(ConverseRequest, T13_reasoning_in_the_words_of_the_models_maker) {
  const auto fields = [](std::string model, std::string effort, std::optional<int64_t> budget = {},
                         std::optional<int64_t> limit = {}) {
    Asked asked{.context = {user("go")}, .model = std::move(model)};
    asked.request.reasoning_effort = std::move(effort);
    asked.request.reasoning_tokens_max = budget;
    asked.request.max_output_tokens = limit;
    if (auto message = asked.write(); !message.ok()) return message.error().param;
    return asked.part("additionalModelRequestFields") + asked.part("outputConfig");
  };
  const std::string sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0", opus = "anthropic.claude-opus-4-7";
  const auto enabled = [](int tokens) {
    return R"({"thinking":{"type":"enabled","budget_tokens":)" + std::to_string(tokens) + "}}";
  };
  EXPECT_EQ(fields(opus, "xhigh"), R"({"thinking":{"type":"adaptive"}}{"effort":"xhigh"})");
  EXPECT_EQ(fields(opus, "minimal"), R"({"thinking":{"type":"adaptive"}}{"effort":"low"})");
  EXPECT_EQ(fields(opus, "none"), "");
  EXPECT_EQ(fields(opus, ""), "");
  EXPECT_EQ(fields(opus, "", 2000), "thinking.budget_tokens");
  EXPECT_EQ(fields(sonnet, "low"), enabled(2048));
  EXPECT_EQ(fields(sonnet, "high"), enabled(16384));
  EXPECT_EQ(fields(sonnet, "", 5000), enabled(5000));
  EXPECT_EQ(fields(sonnet, "none", 5000), enabled(5000));
  EXPECT_EQ(fields(sonnet, "high", {}, 4096), enabled(2048)) << "the budget is less than max_tokens";
  EXPECT_EQ(fields(sonnet, "high", {}, 1500), "") << "no room for thinking and an answer";
  EXPECT_EQ(fields("us.amazon.nova-2-lite-v1:0", "max"),
            R"({"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}})");
  EXPECT_EQ(fields("us.amazon.nova-2-lite-v1:0", "", 5000), "thinking.budget_tokens");
  EXPECT_EQ(fields("openai.gpt-oss-20b-1:0", "medium"), R"({"reasoning_effort":"medium"})");
  EXPECT_EQ(fields("meta.llama3-1-70b-instruct-v1:0", "low"), "reasoning.effort");
  EXPECT_EQ(fields("anthropic.claude-3-5-sonnet-20241022-v2:0", "low"), "reasoning.effort");

  Asked profile{.context = {user("go")},
                .model = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"};
  profile.request.reasoning_effort = "high";
  EXPECT_FALSE(profile.write().ok());
  auto told = profile.write({.family = ConverseFamily::kClaude});
  ASSERT_TRUE(told.ok());
  EXPECT_NE(told->body.find("adaptive"), std::string::npos);
}

}  // namespace
}  // namespace perdure
