// Canonical requests as bodies of POST /messages, trap by trap.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "dialect/messages_upstream.h"

namespace perdure {
namespace {

using Pieces = std::vector<Item>;

constexpr MessagesVariant kManual{.strict_tools = true};  // thinks within a budget
constexpr MessagesVariant kNew{.thinking_budget = false,
                               .thinking_adaptive = true,
                               .effort = true,
                               .xhigh = true,
                               .max_effort = true,
                               .structured_output = true,
                               .strict_tools = true,
                               .prefill = false,
                               .sampling = false};

Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
Item from(Role role, std::string text) { return {.role = role, .content = {{.text = std::move(text)}}}; }
Item assistant(std::string text) {
  return {.role = Role::kAssistant, .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
Item call(std::string id, std::string arguments = "{}", std::string name = "f") {
  return {.kind = ItemKind::kFunctionCall,
          .call_id = std::move(id),
          .name = std::move(name),
          .arguments = std::move(arguments)};
}
Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
}
Item thinking(std::string text, std::string signature, std::string issuer = "us") {
  Item item{.kind = ItemKind::kReasoning, .encrypted = std::move(signature), .opaque = OpaqueKind::kSignature};
  if (!text.empty()) item.content = {{.kind = PartKind::kReasoningText, .text = std::move(text)}};
  item.issuer = std::move(issuer);
  return item;
}
Item redacted(std::string data, std::string issuer = "us") {
  Item item = thinking("", std::move(data), std::move(issuer));
  item.opaque = OpaqueKind::kRedacted;
  return item;
}
Item with_part(Part part) { return {.role = Role::kUser, .content = {std::move(part)}}; }

struct Asked {
  Request request{.model = "m"};
  std::vector<Item> context{user("hi")};
  MessagesVariant variant = kManual;
  std::string held = {}, ask = {};
  std::optional<int64_t> limit = {};
  bool counting = false;

  Result<UpstreamMessage> write() const {
    const UpstreamAsk asked{.request = request,
                            .context = context,
                            .model = "claude",
                            .issuer = "us",
                            .held = held,
                            .ask = ask,
                            .max_output_tokens = limit};
    return counting ? write_messages_count(asked, variant) : write_messages_request(asked, variant);
  }
  // Of the body; or the error as "param: message".
  std::string field(std::string_view name) const {
    auto message = write();
    if (!message) return message.error().param + ": " + message.error().message;
    auto document = json::Document::parse(message->body);
    EXPECT_TRUE(document.ok()) << message->body;
    return std::string(document->root()[name].raw());
  }
  std::string messages() const { return field("messages"); }
  std::string refused() const {  // the field, or nothing
    auto message = write();
    if (message) return "";
    EXPECT_EQ(message.error().code, Code::kInvalid);
    return message.error().param;
  }
  std::vector<std::string> dropped() {
    request.lenient = true;
    auto message = write();
    EXPECT_TRUE(message.ok()) << message.error().message;
    return message ? message->dropped : std::vector<std::string>();
  }
};

std::string text_block(std::string_view text) { return R"({"type":"text","text":")" + std::string(text) + R"("})"; }
std::string use(std::string_view id, std::string_view input = "{}") {
  return R"({"type":"tool_use","id":")" + std::string(id) + R"(","name":"f","input":)" + std::string(input) + "}";
}
std::string result(std::string_view id, std::string_view text) {
  return R"({"type":"tool_result","tool_use_id":")" + std::string(id) + R"(","content":")" + std::string(text) +
         R"("})";
}
std::string turn(std::string_view role, std::initializer_list<std::string> blocks) {
  std::string out = R"({"role":")" + std::string(role) + R"(","content":[)";
  for (const auto& block : blocks) out.append(out.ends_with('[') ? "" : ",").append(block);
  return out + "]}";
}
std::string list(std::initializer_list<std::string> turns) {
  std::string out = "[";
  for (const auto& one : turns) out.append(out.ends_with('[') ? "" : ",").append(one);
  return out + "]";
}

TEST(MessagesRequest, TheWhole) {
  Asked asked;
  auto message = asked.write();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/messages");
  EXPECT_EQ(
      message->body,
      R"({"model":"claude","max_tokens":8192,"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]})");
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"Content-Type", "application/json"}, {"Accept", "text/event-stream"}, {"anthropic-version", "2023-06-01"}};
  EXPECT_EQ(message->headers, headers);
}

TEST(MessagesRequest, T1_ResultsOfParallelCallsAreInOneUserMessage) {
  const std::string want = list({turn("user", {text_block("hi")}), turn("assistant", {use("a"), use("b")}),
                                 turn("user", {result("a", "1"), result("b", "2")})});
  EXPECT_EQ((Asked{.context = {user("hi"), call("a"), call("b"), output("a", "1"), output("b", "2")}}.messages()),
            want);
  EXPECT_EQ((Asked{.context = {user("hi"), call("a"), call("b"), output("b", "2"), output("a", "1")}}.messages()),
            want);
}

TEST(MessagesRequest, T1_AlsoWhereTheClientInterleavesThem) {
  const std::string want = list({turn("user", {text_block("hi")}), turn("assistant", {use("a"), use("b")}),
                                 turn("user", {result("a", "1"), result("b", "2"), text_block("and?")})});
  EXPECT_EQ((Asked{.context = {user("hi"), call("a"), call("b"), output("a", "1"), user("and?"), output("b", "2")}}
                 .messages()),
            want);
  EXPECT_EQ((Asked{.context = {user("hi"), call("a"), call("b"), user("and?"), output("b", "2"), output("a", "1")}}
                 .messages()),
            want);
}

TEST(MessagesRequest, T1_CallsMadeWithTheAnswersKnownAreATurnOfTheirOwn) {
  EXPECT_EQ((Asked{.context = {user("hi"), call("a"), output("a", "1"), call("b"), output("b", "2")}}.messages()),
            list({turn("user", {text_block("hi")}), turn("assistant", {use("a")}), turn("user", {result("a", "1")}),
                  turn("assistant", {use("b")}), turn("user", {result("b", "2")})}));
}

TEST(MessagesRequest, T2_ThinkingThenTextThenCalls) {
  const std::string think = R"({"type":"thinking","thinking":"hm","signature":"s"})";
  const std::string want =
      list({turn("user", {text_block("hi")}), turn("assistant", {think, text_block("Let me see."), use("a"), use("b")}),
            turn("user", {result("a", "1"), result("b", "2")})});
  EXPECT_EQ((Asked{.context = {user("hi"), thinking("hm", "s"), assistant("Let me see."), call("a"), call("b"),
                               output("a", "1"), output("b", "2")}}
                 .messages()),
            want);
  EXPECT_EQ((Asked{.context = {user("hi"), thinking("hm", "s"), call("a"), assistant("Let me see."), call("b"),
                               output("a", "1"), output("b", "2")}}
                 .messages()),
            want);
  EXPECT_EQ((Asked{.context = {user("hi"), thinking("hm", "s"), call("a"), call("b"), assistant("Let me see."),
                               output("a", "1"), output("b", "2")}}
                 .messages()),
            want);
}

TEST(MessagesRequest, T3_ResultsHoldErrorsAndImages) {
  Item failed = output("a", "no such city");
  failed.tool_failed = true;
  Item seen = output("b", "");
  seen.output_is_text = false;
  seen.content = {{.text = "a chart"}, {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AAAA"}};
  EXPECT_EQ(
      (Asked{.context = {user("hi"), call("a"), call("b"), failed, seen}}.messages()),
      list(
          {turn("user", {text_block("hi")}), turn("assistant", {use("a"), use("b")}),
           turn(
               "user",
               {R"({"type":"tool_result","tool_use_id":"a","content":"no such city","is_error":true})",
                R"({"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"a chart"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]})"})}));
}

TEST(MessagesRequest, T3_EveryCallHasItsResult) {
  EXPECT_EQ((Asked{.context = {user("hi"), call("a")}}.messages()), "input: No tool output found for function call a.");
  const Asked orphan{.context = {user("hi"), output("a", "1")}};
  EXPECT_TRUE(orphan.messages().ends_with("No tool call found for function call output with call_id a."));
}

TEST(MessagesRequest, T4_TurnsAlternate) {
  EXPECT_EQ((Asked{.context = {user("a"), user("b"), assistant("c"), assistant("d"), user("e")}}.messages()),
            list({turn("user", {text_block("a"), text_block("b")}),
                  turn("assistant", {text_block("c"), text_block("d")}), turn("user", {text_block("e")})}));
}

TEST(MessagesRequest, T4_TheFirstTurnIsTheUsers) {
  EXPECT_EQ((Asked{.context = {assistant("Welcome."), user("hi")}}.messages()),
            list({turn("user", {text_block("(The assistant begins.)")}), turn("assistant", {text_block("Welcome.")}),
                  turn("user", {text_block("hi")})}));
}

TEST(MessagesRequest, T5_EmptyTextIsLeftOut) {
  EXPECT_EQ(
      (Asked{.context = {user(""), user("hi"), user(" \n"), assistant(""), call("a"), output("a", "")}}.messages()),
      list({turn("user", {text_block("hi")}), turn("assistant", {use("a")}),
            turn("user", {R"({"type":"tool_result","tool_use_id":"a"})"})}));
  EXPECT_EQ((Asked{.context = {user("")}}.refused()), "input");
  EXPECT_EQ((Asked{.context = {}}.refused()), "input");
  Asked instructed{.request = {.model = "m", .instructions = "\n"}};
  EXPECT_EQ(instructed.field("system"), "");
}

TEST(MessagesRequest, T6_LeadingSystemMessagesAreTheSystemPromptAndLaterOnesStay) {
  Asked asked{.request = {.model = "m", .instructions = "Be brief."}};
  asked.context = {from(Role::kSystem, "one"), user("hi"), from(Role::kDeveloper, "two")};
  asked.context[0].content[0].cache = "1h";
  EXPECT_EQ(
      asked.field("system"),
      R"([{"type":"text","text":"Be brief."},{"type":"text","text":"one","cache_control":{"type":"ephemeral","ttl":"1h"}}])");
  EXPECT_EQ(asked.messages(), list({turn("user", {text_block("hi"), text_block("<system>\\ntwo\\n</system>")})}));
  asked.context[0].content.push_back({.kind = PartKind::kInputImage, .url = "https://a/b.png"});
  EXPECT_TRUE(asked.refused().ends_with(".content[1]"));
}

TEST(MessagesRequest, T7_IdsAreMappedWhereTheAlphabetForbidsThem) {
  EXPECT_EQ((Asked{.context = {user("hi"), call("functions.f:0"), output("functions.f:0", "1")}}.messages()),
            list({turn("user", {text_block("hi")}), turn("assistant", {use("pdx_functions-2ef-3a0")}),
                  turn("user", {result("pdx_functions-2ef-3a0", "1")})}));
}

TEST(MessagesRequest, T7_AnIdThatIsUsedAgainBecomesAnother) {
  const Pieces grown = {user("hi"),       call("c"), output("c", "1"), call("c"),
                        output("c", "2"), call("c"), output("c", "3")};
  EXPECT_EQ(Asked{.context = grown}.messages(),
            list({turn("user", {text_block("hi")}), turn("assistant", {use("c")}), turn("user", {result("c", "1")}),
                  turn("assistant", {use("pdx_c-7e2")}), turn("user", {result("pdx_c-7e2", "2")}),
                  turn("assistant", {use("pdx_c-7e3")}), turn("user", {result("pdx_c-7e3", "3")})}));
}

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

TEST(MessagesRequest, T11_ArgumentsAreAnObject) {
  const auto input = [](std::string arguments) {
    const std::string all =
        Asked{.context = {user("hi"), call("a", std::move(arguments)), output("a", "1")}}.messages();
    auto document = json::Document::parse(all);
    return std::string(document->root().at(1)["content"].at(0)["input"].raw());
  };
  EXPECT_EQ(input(""), "{}");
  EXPECT_EQ(input(" \n"), "{}");
  EXPECT_EQ(input(R"({ "n" : 12345678901234567890, "x": 1.10 })"), R"({ "n" : 12345678901234567890, "x": 1.10 })");
  EXPECT_EQ(input(R"({"a": 1)"), R"({"invalid_arguments":"{\"a\": 1"})");
  EXPECT_EQ(input("[1]"), R"({"invalid_arguments":"[1]"})");
}

TEST(MessagesRequest, T12_Images) {
  const auto block = [](std::string url, std::string detail = "") {
    return Asked{
        .context = {with_part({.kind = PartKind::kInputImage, .url = std::move(url), .detail = std::move(detail)})}};
  };
  EXPECT_EQ(
      block("data:image/png;base64,AAAA").messages(),
      list({turn("user", {R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}})"})}));
  EXPECT_EQ(
      block("data:image/jpg;base64,AAAA").messages(),
      list({turn("user", {R"({"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}})"})}));
  EXPECT_EQ(block("https://a/b.png").messages(),
            list({turn("user", {R"({"type":"image","source":{"type":"url","url":"https://a/b.png"}})"})}));
  for (const char* url : {"data:image/tiff;base64,AAAA", "data:image/png;base64,A", "data:image/png,AAAA",
                          "data:image/png;base64,", "AAAA"})
    EXPECT_TRUE(block(url).refused().ends_with(".content[0].image_url")) << url;
  EXPECT_TRUE(block("https://a/b.png", "high").refused().ends_with(".content[0].detail"));
  EXPECT_TRUE(block("").refused().ends_with(".content[0].file_id"));
  Asked lenient = block("https://a/b.png", "high");
  lenient.request.input = lenient.context;
  EXPECT_EQ(lenient.dropped(), std::vector<std::string>{"input[0].content[0].detail"});
}

TEST(MessagesRequest, T12_Files) {
  const auto block = [](Part part) {
    part.kind = PartKind::kInputFile;
    return Asked{.context = {with_part(std::move(part))}};
  };
  const auto document = [](std::string_view source, std::string_view more = "") {
    return list({turn("user", {R"({"type":"document","source":)" + std::string(source) + std::string(more) + "}"})});
  };
  constexpr std::string_view kPdf = R"({"type":"base64","media_type":"application/pdf","data":"JVBERi0x"})";
  EXPECT_EQ(block({.file_data = "data:application/pdf;base64,JVBERi0x", .filename = "a.pdf"}).messages(),
            document(kPdf, R"(,"title":"a.pdf")"));
  EXPECT_EQ(block({.file_data = "JVBERi0x"}).messages(), document(kPdf));
  EXPECT_EQ(block({.file_data = "data:text/plain;base64,Z3LDvMOfCg=="}).messages(),
            document(R"({"type":"text","media_type":"text/plain","data":"grüß\n"})"));
  EXPECT_EQ(block({.file_data = "YQ==", .filename = "a.md"}).messages(),
            document(R"({"type":"text","media_type":"text/plain","data":"a"})", R"(,"title":"a.md")"));
  EXPECT_EQ(block({.url = "https://a/b.pdf"}).messages(), document(R"({"type":"url","url":"https://a/b.pdf"})"));
  EXPECT_TRUE(block({.file_data = "data:application/zip;base64,AAAA"}).refused().ends_with(".file_data"));
  EXPECT_TRUE(block({.file_data = "data:text/plain;base64,/w=="}).refused().ends_with(".file_data"));
  EXPECT_TRUE(block({.file_data = "AAAA"}).refused().ends_with(".file_data"));
  EXPECT_TRUE(block({.file_id = "file_1"}).refused().ends_with(".file_id"));
  EXPECT_TRUE(block({.url = "s3://a/b"}).refused().ends_with(".file_url"));
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

TEST(MessagesRequest, T15_ThinkingGoesBackAsItCameAndInPlace) {
  const Pieces context = {
      user("hi"), redacted("r+/="), thinking("a \"b\"\n", "s1"), thinking("", "s2"), assistant("ok"),
      call("a"),  output("a", "1"), thinking("c", "s3"),         call("b"),          output("b", "2")};
  EXPECT_EQ(
      Asked{.context = context}.messages(),
      list({turn("user", {text_block("hi")}),
            turn("assistant", {R"({"type":"redacted_thinking","data":"r+/="})",
                               R"({"type":"thinking","thinking":"a \"b\"\n","signature":"s1"})",
                               R"({"type":"thinking","thinking":"","signature":"s2"})", text_block("ok"), use("a")}),
            turn("user", {result("a", "1")}),
            turn("assistant", {R"({"type":"thinking","thinking":"c","signature":"s3"})", use("b")}),
            turn("user", {result("b", "2")})}));
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

TEST(MessagesRequest, T15_ManualThinkingBeginsTheTurnWhoseToolsAreAnswered) {
  Asked asked{.context = {user("hi"), thinking("hm", "s"), call("a"), output("a", "1")}};
  asked.request.tools = {{.name = "f"}};
  asked.request.reasoning_effort = "low";
  EXPECT_NE(asked.field("thinking"), "");
  asked.context[1].issuer = "another";
  EXPECT_EQ(asked.field("thinking"), "");
  asked.variant.thinking_adaptive = true;
  EXPECT_EQ(asked.field("thinking"), R"({"type":"adaptive"})");
  asked.variant.thinking_adaptive = false;
  asked.context.push_back(assistant("done"));
  asked.context.push_back(user("again"));
  EXPECT_NE(asked.field("thinking"), "");
}

TEST(MessagesRequest, T19_ForeignThinkingIsLeftOut) {
  Item unsigned_one = thinking("mine", "", "us");
  unsigned_one.opaque = OpaqueKind::kNone;
  Item encrypted = thinking("", "blob", "us");
  encrypted.opaque = OpaqueKind::kEncrypted;
  EXPECT_EQ((Asked{.context = {user("hi"), thinking("a", "s", "them"), thinking("b", "s", ""), redacted("r", "them"),
                               unsigned_one, encrypted, assistant("ok"), user("so?")}}
                 .messages()),
            list({turn("user", {text_block("hi")}), turn("assistant", {text_block("ok")}),
                  turn("user", {text_block("so?")})}));
}

TEST(MessagesRequest, T19_ThinkingThatLedToNothingIsNoTurn) {
  EXPECT_EQ((Asked{.context = {user("hi"), thinking("a", "s"), user("so?")}}.messages()),
            list({turn("user", {text_block("hi"), text_block("so?")})}));
}

TEST(MessagesRequest, T32_CacheMarksAreKeptTheLastFour) {
  Asked asked;
  asked.request.tools = {{.name = "f", .cache = "5m"}};
  asked.context = {from(Role::kSystem, "s"), user("a"), assistant("b"), call("c"), output("c", "1"), user("d")};
  asked.context[1].content[0].cache = "5m";
  asked.context[2].content[0].cache = "5m";
  asked.context[3].cache = "5m";
  asked.context[4].cache = "1h";
  constexpr std::string_view kMark = R"("cache_control":{"type":"ephemeral"})";
  const auto count = [&](const std::string& all) {
    size_t found = 0;
    for (size_t at = 0; (at = all.find("cache_control", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(asked.field("tools"),
            R"([{"name":"f","input_schema":{"type":"object","properties":{}},"cache_control":{"type":"ephemeral"}}])");
  const std::string all = asked.messages();
  EXPECT_EQ(count(all), 3);
  EXPECT_EQ(all.find(kMark), all.find(R"("b",)") + 4);  // the first mark of the messages is gone
  EXPECT_TRUE(all.contains(R"("tool_use_id":"c","content":"1","cache_control":{"type":"ephemeral","ttl":"1h"}})"));
  asked.context[0].content.clear();
  for (int i = 0; i < 6; ++i) asked.context[0].content.push_back({.text = std::to_string(i), .cache = "5m"});
  EXPECT_EQ(count(asked.write()->body), 4);
  EXPECT_EQ(count(asked.field("system")), 4);
}

// What was said once is not said differently later.
TEST(MessagesRequest, T32_TheBodyOfALongerConversationBeginsWithThatOfAShorter) {
  SeededRandom random(32);
  for (int round = 0; round < 300; ++round) {
    Pieces context = {user("hi")};
    const auto before = [&] {
      std::string all = Asked{.context = context}.messages();
      return all.substr(0, all.size() - 3);  // within the user's last message
    };
    std::string shorter = before();
    for (int i = 0; i < 8; ++i) {
      const std::string id = random.below(3) == 0 ? "again" : "call." + std::to_string(i);
      if (random.below(2) == 0) context.push_back(thinking("t" + std::to_string(i), "s"));
      if (random.below(2) == 0) context.push_back(assistant("a" + std::to_string(i)));
      context.push_back(call(id));
      if (random.below(3) == 0) context.push_back(call(id + "-2", "{ }"));
      const bool two = context.back().call_id != id;
      context.push_back(output(id, "1"));
      if (two) context.push_back(output(id + "-2", "2"));
      if (random.below(2) == 0) context.push_back(user("u" + std::to_string(i)));
      const std::string longer = before();
      ASSERT_TRUE(longer.starts_with(shorter)) << shorter << "\n" << longer;
      shorter = longer;
    }
  }
}

TEST(MessagesRequest, T37_APrefillEndsInNoWhiteSpace) {
  Asked asked{.held = "So far \n"};
  EXPECT_EQ(asked.messages(), list({turn("user", {text_block("hi")}), turn("assistant", {text_block("So far")})}));
  asked.ask = "Go on.";
  EXPECT_EQ(asked.messages(),
            list({turn("user", {text_block("hi")}), turn("assistant", {R"({"type":"text","text":"So far \n"})"}),
                  turn("user", {text_block("Go on.")})}));
  asked.held = " ";
  asked.ask.clear();
  EXPECT_EQ(asked.messages(), list({turn("user", {text_block("hi")})}));
  asked.held = "{\"a\":";
  asked.request.reasoning_effort = "high";  // what goes on does not think
  EXPECT_EQ(asked.field("thinking"), "");
}

TEST(MessagesRequest, T37_AConversationThatEndsWithTheAssistant) {
  Asked asked{.context = {user("hi"), assistant("one \n"), assistant("two \n")}};
  EXPECT_EQ(asked.messages(), list({turn("user", {text_block("hi")}),
                                    turn("assistant", {R"({"type":"text","text":"one \n"})", text_block("two")})}));
  asked.request.reasoning_effort = "low";
  EXPECT_EQ(asked.refused(), "reasoning.effort");
  asked.request.reasoning_effort.clear();
  asked.variant = kNew;
  asked.request.input = asked.context;
  EXPECT_EQ(asked.refused(), "input[2]");
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
