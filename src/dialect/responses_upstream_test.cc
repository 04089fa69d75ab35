// Canonical requests as bodies of POST /responses, trap by trap.

#include "dialect/responses_upstream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "dialect/chat_upstream.h"
#include "dialect/responses_request.h"
#include "dialect/testing/items.h"

namespace perdure {
namespace {

Item assistant(std::string text, std::string phase = {}) {
  return {.role = Role::kAssistant,
          .phase = std::move(phase),
          .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
Item reasoning(std::string block, std::string issuer, OpaqueKind kind = OpaqueKind::kEncrypted) {
  return {.kind = ItemKind::kReasoning,
          .id = "rs_1",
          .summary = {{.kind = PartKind::kSummaryText, .text = "thought"}},
          .encrypted = std::move(block),
          .opaque = kind,
          .issuer = std::move(issuer)};
}

Result<UpstreamMessage> write(const std::vector<Item>& context, const Request& request = {.model = "m"},
                              const ResponsesVariant& variant = {}, std::string held = {}, std::string ask = {}) {
  return write_responses_upstream({.request = request,
                                   .context = context,
                                   .model = "up",
                                   .issuer = "me",
                                   .held = std::move(held),
                                   .ask = std::move(ask),
                                   .max_output_tokens = request.max_output_tokens},
                                  variant);
}
// The input of the body, or the error as "param: message".
std::string input(const std::vector<Item>& context, const Request& request = {.model = "m"}) {
  auto message = write(context, request);
  if (!message) return message.error().param + ": " + message.error().message;
  auto document = json::Document::parse(message->body);
  EXPECT_TRUE(document.ok()) << message->body;
  return std::string(document->root()["input"].raw());
}

TEST(ResponsesUpstream, T18_NeverLeavesStateAtTheSupplier) {
  Request request{.model = "m", .user = "u", .prompt_cache_key = "k"};
  request.previous_response_id = "resp_1";
  request.metadata = {{"a", "b"}};
  auto message = write({user("hi")}, request);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/responses");
  EXPECT_EQ(
      message->body,
      R"({"model":"up","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"store":false,"stream":true,"include":["reasoning.encrypted_content"]})");
}

TEST(ResponsesUpstream, SaysWhatWasAsked) {
  Request request{.model = "m"};
  request.instructions = "Be brief.";
  request.tools = {{.name = "f", .description = "d", .parameters = R"({ "n" : 1.0e400 })", .strict = true},
                   {.name = "g"}};
  request.tool_choice = {.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"g"}};
  request.parallel_tool_calls = false;
  request.format = {
      .kind = TextFormat::Kind::kJsonSchema, .name = "s", .schema = R"({"type":"object"})", .strict = true};
  request.verbosity = "low";
  request.reasoning_effort = "high";
  request.reasoning_summary = "auto";
  request.temperature = 0.5;
  request.top_p = 0.25;
  request.max_output_tokens = 100;
  auto message = write({user("hi")}, request, {.encrypted_reasoning = false});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(
      message->body,
      R"({"model":"up","instructions":"Be brief.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"store":false,"stream":true,)"
      R"("tools":[{"type":"function","name":"f","description":"d","parameters":{ "n" : 1.0e400 },"strict":true},{"type":"function","name":"g","parameters":null,"strict":null}],)"
      R"("tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]},"parallel_tool_calls":false,)"
      R"("text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"},"strict":true},"verbosity":"low"},"reasoning":{"effort":"high","summary":"auto"},)"
      R"("temperature":0.5,"top_p":0.25,"max_output_tokens":100})");
}

TEST(ResponsesUpstream, T10ToolsOfOtherApisAreNotMadeStrict) {
  Request request{.model = "m", .dialect = ClientDialect::kChat};
  request.tools = {{.name = "f"}};
  EXPECT_NE(write({user("hi")}, request)->body.find(R"("strict":false)"), std::string::npos);
}

TEST(ResponsesUpstream, T3ImagesInToolResultsAndFailures) {
  Item image{.kind = ItemKind::kFunctionCallOutput, .call_id = "a", .output_is_text = false};
  image.content = {{.text = "seen"}, {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AA=="}};
  EXPECT_EQ(
      input({call("a"), image}),
      R"([{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"seen"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"auto"}]}])");
  Item failed = output("a", "no such file");
  failed.tool_failed = true;
  EXPECT_NE(input({call("a"), failed}).find(R"("output":"The tool reports an error:\nno such file")"),
            std::string::npos);
}

TEST(ResponsesUpstream, T14_PhasesAndRefusalsComeBack) {
  Item refusal = assistant("");
  refusal.content = {{.kind = PartKind::kRefusal, .text = "no"}};
  EXPECT_EQ(
      input({assistant("a", "commentary"), refusal}),
      R"([{"type":"message","role":"assistant","phase":"commentary","content":"a"},{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}])");
}

TEST(ResponsesUpstream, T5EmptyTextIsLeftOut) {
  EXPECT_EQ(input({user("a"), assistant(""), user("")}),
            R"([{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}])");
  EXPECT_EQ(input({user("")}).substr(0, 6), "input:");
}

TEST(ResponsesUpstream, T7ToolPairs) {
  EXPECT_EQ(write({output("a", "x")}).error().reason, "tool_call_not_found");
  EXPECT_EQ(write({call("a"), user("hi")}).error().reason, "tool_output_not_found");
  EXPECT_TRUE(write({call("a"), call("b"), output("b", "x"), output("a", "x")}).ok());
}

TEST(ResponsesUpstream, T18ReasoningGoesBackOnlyWithItsItem) {
  const std::string block =
      R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"thought"}],"encrypted_content":"gAA=/+_"})";
  const std::string last = R"({"type":"message","role":"user","content":[{"type":"input_text","text":"u"}]})";
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant("a"), user("u")}),
            "[" + block + R"(,{"type":"message","role":"assistant","content":"a"},)" + last + "]");
  EXPECT_EQ(
      input({reasoning("gAA=/+_", "me"), call("c"), output("c", "r")}),
      "[" + block +
          R"(,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}])");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), user("u")}), "[" + last + "]") << "what it led to is not there";
  EXPECT_EQ(input({user("u"), reasoning("gAA=/+_", "me")}), "[" + last + "]");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant(""), user("u")}), "[" + last + "]");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant(""), call("c"), output("c", "r")}),
            input({reasoning("gAA=/+_", "me"), call("c"), output("c", "r")}))
      << "it led to the call";
  Item visible = reasoning("", "");
  visible.opaque = OpaqueKind::kNone;
  EXPECT_EQ(input({visible, assistant("a"), user("u")}),
            R"([{"type":"message","role":"assistant","content":"a"},)" + last + "]")
      << "an rs_ id without encrypted content is not found at the supplier";
}

TEST(ResponsesUpstream, T19ForeignBlocksStayHere) {
  for (const Item& foreign : {reasoning("x", "you"), reasoning("x", ""), reasoning("x", "me", OpaqueKind::kSignature)})
    EXPECT_EQ(input({foreign, assistant("a"), user("u")}).find("reasoning"), std::string::npos);
  const Item compaction{.kind = ItemKind::kCompaction, .encrypted = "c", .issuer = "you"};
  EXPECT_EQ(write({compaction, user("u")}).error().param, "input[0]");
}

TEST(ResponsesUpstream, T32EqualContextGivesEqualBytes) {
  const std::vector<Item> turn{user("u"), reasoning("x", "me"), call("c"), output("c", "r"), assistant("a")};
  std::vector<Item> longer = turn;
  longer.push_back(user("next"));
  const std::string before = input(turn), after = input(longer);
  EXPECT_EQ(after.substr(0, before.size() - 1), before.substr(0, before.size() - 1));
}

TEST(ResponsesUpstream, T37ContinuationAsksInWords) {
  Request request{.model = "m"};
  request.max_output_tokens = 5;
  auto message = write({user("u")}, request, {}, "half an ans", "Go on.");
  ASSERT_TRUE(message.ok());
  EXPECT_NE(
      message->body.find(
          R"({"type":"message","role":"assistant","content":"half an ans"},{"type":"message","role":"user","content":"Go on."}])"),
      std::string::npos);
  EXPECT_NE(message->body.find(R"("max_output_tokens":16)"), std::string::npos);
  EXPECT_EQ(write({user("u")}, {.model = "m"}, {}, "half").error().code, Code::kInvalid) << "there is no prefill";
}

TEST(ResponsesUpstream, T33CountsTheInputOfThisVeryRequest) {
  Request request{.model = "m", .max_output_tokens = 5, .stop = {"x"}};
  request.tools = {{.name = "f"}};
  auto message = write_responses_count(
      {.request = request, .context = std::vector{user("u")}, .model = "up", .issuer = "me"}, {.counts = true});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/responses/input_tokens");
  EXPECT_EQ(
      message->body,
      R"({"model":"up","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"u"}]}],"tools":[{"type":"function","name":"f","parameters":null,"strict":null}]})");
  EXPECT_EQ(*parse_responses_count(R"({"object":"response.input_tokens","input_tokens":11})"), 11);
  EXPECT_EQ(parse_responses_count(R"({"tokens":11})").error().code, Code::kCorrupt);
  EXPECT_FALSE(responses_upstream()->counts());
}

TEST(ResponsesUpstream, T37TheClientsOwnBeginningIsRefusedByName) {
  Request request{.model = "m", .dialect = ClientDialect::kMessages};
  Item begun = assistant("Once");
  begun.status = ItemStatus::kInProgress;
  EXPECT_EQ(write({user("u"), begun}, request).error().param, "input[1]");
}

TEST(ResponsesUpstream, ALimitToReasoningBecomesAnEffort) {
  const std::pair<int64_t, std::string_view> cases[] = {
      {1024, "low"}, {2048, "low"}, {8192, "medium"}, {31999, "high"}};
  for (const auto& [tokens, effort] : cases) {
    Request request{.model = "m", .reasoning_tokens_max = tokens};
    EXPECT_NE(write({user("u")}, request)->body.find(R"("reasoning":{"effort":")" + std::string(effort)),
              std::string::npos)
        << tokens;
  }
  Request both{.model = "m", .reasoning_effort = "xhigh", .reasoning_tokens_max = 1024};
  EXPECT_NE(write({user("u")}, both)->body.find(R"("effort":"xhigh")"), std::string::npos);
}

TEST(ResponsesUpstream, WhatCannotBeSaidIsNamed) {
  const std::pair<std::string_view, std::function<void(Request&)>> cases[] = {
      {"stop", [](Request& r) { r.stop = {"x"}; }},
      {"seed", [](Request& r) { r.seed = 1; }},
      {"top_k", [](Request& r) { r.top_k = 1; }},
      {"presence_penalty", [](Request& r) { r.presence_penalty = 1; }},
      {"frequency_penalty", [](Request& r) { r.frequency_penalty = 1; }},
      {"top_logprobs", [](Request& r) { r.top_logprobs = 1; }},
      {"include", [](Request& r) { r.include = {"message.output_text.logprobs"}; }},
      {"max_output_tokens", [](Request& r) { r.max_output_tokens = 1; }},
  };
  const std::string plain = write({user("u")})->body;
  for (const auto& [param, set] : cases) {
    Request request{.model = "m"};
    set(request);
    auto message = write({user("u")}, request);
    ASSERT_FALSE(message.ok()) << param;
    EXPECT_EQ(message.error().param, param);
    EXPECT_EQ(message.error().reason, "unsupported_parameter");
    request.lenient = true;
    message = write({user("u")}, request);
    ASSERT_TRUE(message.ok()) << param;
    EXPECT_EQ(message->dropped, std::vector<std::string>{std::string(param)});
    if (param != "max_output_tokens") EXPECT_EQ(message->body, plain);
  }
  Request penalties{.model = "m", .presence_penalty = 1};
  EXPECT_NE(write({user("u")}, penalties, {.penalties = true})->body.find(R"("presence_penalty":1)"),
            std::string::npos);
}

}  // namespace
}  // namespace perdure
