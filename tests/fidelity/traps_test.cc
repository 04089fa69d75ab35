// The traps of wire formats that every upstream dialect may fall into, one test for each: the same conversation for all
// of them, judged by simulated suppliers that refuse what the services refuse. What one dialect alone may do wrong is
// tested beside it.

#include <gtest/gtest.h>

#include <algorithm>

#include "corpus.h"
#include "deployments.h"
#include "dialect/chat_client_request.h"
#include "dialect/left_out.h"
#include "dialect/responses_request.h"

namespace perdure::fidelity {
namespace {

using simulate::Message;
using simulate::Prompt;
using Spoken = simulate::Role;

Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
Item said(std::string text, PartKind kind = PartKind::kOutputText) {
  return {.role = Role::kAssistant, .content = {{.kind = kind, .text = std::move(text)}}};
}
Item system(std::string text, Role role = Role::kSystem) {
  return {.role = role, .content = {{.text = std::move(text)}}};
}
Item call(std::string id, std::string arguments = "{}") {
  return {.kind = ItemKind::kFunctionCall, .call_id = std::move(id), .name = "look", .arguments = std::move(arguments)};
}
Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
}
Item thought(std::string text, std::string issuer = std::string(kOurs)) {
  Item item{.kind = ItemKind::kReasoning,
            .encrypted = "foreign",
            .opaque = OpaqueKind::kSignature,
            .issuer = std::move(issuer)};
  if (!text.empty()) item.content = {{.kind = PartKind::kReasoningText, .text = std::move(text)}};
  return item;
}

class Traps : public testing::Test {
 protected:
  Result<UpstreamMessage> write(Dialect dialect, const std::vector<Item>& context, Request request = {.model = "m"}) {
    at_ = deployment_of(dialect, 1);
    request.input = sealed_for(dialect, context, signer_);
    const UpstreamAsk ask{.request = request,
                          .context = request.input,
                          .model = at_.model,
                          .issuer = std::string(kOurs),
                          .max_output_tokens = request.max_output_tokens};
    return upstream_of(dialect)->write(ask);
  }
  // What the supplier of `dialect` understood. The test fails where it refuses.
  Prompt heard(Dialect dialect, const std::vector<Item>& context, const Request& request = {.model = "m"}) {
    auto message = write(dialect, context, request);
    EXPECT_TRUE(message.ok()) << name_of(dialect) << ": " << message.error().message;
    Prompt nothing;
    nothing.messages.emplace_back();
    if (!message.ok()) return nothing;
    body_ = message->body;
    auto prompt = read_by_supplier(at_, message->body, signer_);
    EXPECT_TRUE(prompt.ok()) << name_of(dialect) << ": " << prompt.error().message << "\n" << message->body;
    return prompt.ok() ? *prompt : nothing;
  }
  static std::vector<Spoken> roles(const Prompt& prompt) {
    std::vector<Spoken> out;
    for (const Message& message : prompt.messages) out.push_back(message.role);
    return out;
  }
  static std::vector<std::string> texts(const Prompt& prompt, Spoken role) {
    std::vector<std::string> out;
    for (const Message& message : prompt.messages)
      if (message.role == role) out.push_back(message.text);
    return out;
  }
  // Blocks that only their issuer can read.
  static std::vector<std::string> blocks(const Prompt& prompt) {
    std::vector<std::string> out;
    for (const Message& message : prompt.messages)
      for (const simulate::Part& part : message.parts)
        if (!part.signature.empty() && part.signature != "skip_thought_signature_validator")
          out.push_back(part.signature);
    return out;
  }
  static Request with_tool() {
    Request request{.model = "m"};
    request.tools = {{.name = "look", .parameters = R"({"type":"object","properties":{"n":{"type":"number"}}})"},
                     {.name = "other"}};
    return request;
  }

  const simulate::Signer signer_{1, "account"};
  Deployment at_;
  std::string body_;
};

TEST_F(Traps, T1_ResultsOfParallelCallsFollowThemWhateverStandsBetween) {
  const std::vector<Item> context = {user("x"),        call("1"),        call("2"),        call("3"),
                                     output("3", "c"), output("1", "a"), output("2", "b"), user("y")};
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect, context, with_tool());
    auto results = texts(prompt, Spoken::kTool);
    if (dialect == Dialect::kResponses) std::ranges::sort(results);  // there they stay where they were
    EXPECT_EQ(results, (std::vector<std::string>{"a", "b", "c"})) << name_of(dialect);
  }
}

TEST_F(Traps, T2_TextThatStandsBehindCallsPartsNoneFromItsResult) {
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(
        dialect, {user("x"), said("before"), call("1"), said("behind"), output("1", "a"), user("y")}, with_tool());
    std::string all;
    for (const std::string& text : texts(prompt, Spoken::kAssistant)) all += text + ";";
    EXPECT_NE(all.find("before"), std::string::npos) << name_of(dialect);
    EXPECT_NE(all.find("behind"), std::string::npos) << name_of(dialect);
    EXPECT_EQ(texts(prompt, Spoken::kTool), std::vector<std::string>{"a"}) << name_of(dialect);
  }
}

TEST_F(Traps, T3_AResultIsAResultAndAFailureIsSaid) {
  Item failed = output("1", "no such thing");
  failed.tool_failed = true;
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect, {user("x"), call("1"), failed}, with_tool());
    ASSERT_EQ(prompt.messages.back().role, Spoken::kTool) << name_of(dialect);
    const Message& result = prompt.messages.back();
    EXPECT_TRUE(result.failed || result.text.starts_with(kToolFailed)) << name_of(dialect);
    EXPECT_TRUE(result.text.ends_with("no such thing")) << name_of(dialect);
  }
}

TEST_F(Traps, T4_TurnsAlternateAndTheUserBegins) {
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect, {user("a"), user("b"), said("c"), said("d"), user("e")});
    std::string all;
    for (const std::string& text : texts(prompt, Spoken::kUser)) all += text;
    std::erase(all, '\n');
    EXPECT_EQ(all, "abe") << name_of(dialect);
    EXPECT_EQ(roles(prompt).front(), Spoken::kUser) << name_of(dialect);
  }
}

TEST_F(Traps, T5_EmptyTextIsLeftOutAndNothingIsPutInItsPlace) {
  Item empty = said("");
  for (Dialect dialect : kDialects) {
    const Prompt prompt =
        heard(dialect, {user("x"), empty, call("1"), output("1", ""), said("done"), user(""), user("y")}, with_tool());
    EXPECT_EQ(body_.find(R"(" ")"), std::string::npos) << name_of(dialect);
    EXPECT_EQ(texts(prompt, Spoken::kTool), std::vector<std::string>{""}) << name_of(dialect);
  }
}

TEST_F(Traps, T6_WhatTheSystemSaysIsHeardWhereverItStands) {
  for (Dialect dialect : kDialects) {
    Request request{.model = "m"};
    request.instructions = "one";
    const Prompt prompt =
        heard(dialect, {system("two"), user("x"), said("y"), system("three", Role::kDeveloper), user("z")}, request);
    std::string all;
    for (Spoken role : {Spoken::kSystem, Spoken::kDeveloper})
      for (const std::string& text : texts(prompt, role)) all += text + "\n";
    for (const char* word : {"one", "two"}) EXPECT_NE(all.find(word), std::string::npos) << name_of(dialect);
    // Amid the conversation it is heard where it stood: in a role of its own, or in the user's turn and marked.
    const bool has_role = dialect == Dialect::kChat || dialect == Dialect::kResponses;
    std::string amid;
    for (const std::string& text : texts(prompt, has_role ? Spoken::kDeveloper : Spoken::kUser)) amid += text + "\n";
    EXPECT_NE(amid.find(has_role ? "three" : "<system>\nthree\n</system>"), std::string::npos)
        << name_of(dialect) << ": " << amid;
  }
}

TEST_F(Traps, T7_AnyIdOfACallFindsItsResult) {
  const std::string ids[] = {"call_1", "functions.get_weather:0/\xc3\xa9", std::string(120, 'x'), "toolu_01", "call_1"};
  std::vector<Item> context = {user("x")};
  for (const std::string& id : ids) {
    context.push_back(call(id));
    context.push_back(output(id, "of " + id.substr(0, 9) + std::to_string(context.size())));
  }
  for (Dialect dialect : kDialects)
    EXPECT_EQ(texts(heard(dialect, context, with_tool()), Spoken::kTool).size(), 5u) << name_of(dialect);
}

TEST_F(Traps, T8_EveryToolChoiceAndToolsOfAHistory) {
  using Mode = ToolChoice::Mode;
  const std::vector<Item> history = {user("x"), call("1"), output("1", "a"), user("y")};
  for (Dialect dialect : kDialects) {
    for (Mode mode : {Mode::kAuto, Mode::kNone, Mode::kRequired, Mode::kFunction, Mode::kAllowed}) {
      Request request = with_tool();
      request.tool_choice = {
          .mode = mode, .function = mode == Mode::kFunction ? "other" : "", .allowed_required = true, .allowed = {}};
      if (mode == Mode::kAllowed) request.tool_choice.allowed = {"other"};
      const Prompt prompt = heard(dialect, history, request);
      const bool none = prompt.tool_choice == simulate::ToolChoice::kNone ||
                        (dialect == Dialect::kConverse && prompt.tools.size() == 1);
      EXPECT_EQ(none, mode == Mode::kNone) << name_of(dialect);
      const bool named = prompt.tool_named == "other" || prompt.tools_allowed == std::vector<std::string>{"other"};
      EXPECT_EQ(named, mode == Mode::kFunction || mode == Mode::kAllowed) << name_of(dialect);
    }
    heard(dialect, history);  // no tools any more, and calls in the history
  }
}

TEST_F(Traps, T10_ASchemaWithEveryKeywordIsTakenOrRefusedByName) {
  for (Dialect dialect : kDialects) {
    Request request{.model = "m"};
    request.tools = {
        {.name = "look",
         .parameters =
             R"({"$schema":"http://json-schema.org/draft-07/schema#","title":"T","type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"type":"number","exclusiveMinimum":0,"default":1,"examples":[2]}},"additionalProperties":false,"$defs":{"x":{"type":"integer"}}})"},
        {.name = "nothing"},
        {.name = "empty", .parameters = "{}"}};
    auto message = write(dialect, {user("x")}, request);
    if (!message.ok()) {
      EXPECT_TRUE(message.error().param.starts_with("tools[0]")) << name_of(dialect);
      continue;
    }
    auto prompt = read_by_supplier(at_, message->body, signer_);
    EXPECT_TRUE(prompt.ok()) << name_of(dialect) << ": " << prompt.error().message;
  }
}

TEST_F(Traps, T11_NumbersOfArgumentsKeepTheirDigitsAndWhatIsNoObjectIsStillSaid) {
  const std::string digits = R"({"n":12345678901234567890,"f":1.50,"e":1e3})";
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect,
                                {user("x"), call("1", digits), call("2", ""), call("3", "{cut"), output("1", ""),
                                 output("2", ""), output("3", "")},
                                with_tool());
    std::vector<std::string> arguments;
    for (const Message& message : prompt.messages)
      for (const auto& one : message.calls) arguments.push_back(one.arguments);
    ASSERT_EQ(arguments.size(), 3u) << name_of(dialect);
    EXPECT_EQ(arguments[0], digits) << name_of(dialect);
    EXPECT_EQ(arguments[1], "{}") << name_of(dialect);
    EXPECT_NE(arguments[2].find("{cut"), std::string::npos) << name_of(dialect);
  }
}

TEST_F(Traps, T12_TheBytesOfAnImageArriveAndAnAddressIsRefusedWhereItCannotBeFetched) {
  Item shown = user("see");
  shown.content.push_back({.kind = PartKind::kInputImage,
                           .url = "data:image/"
                                  "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+"
                                  "M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="});
  Item linked = user("see");
  linked.content.push_back({.kind = PartKind::kInputImage, .url = "https://example.com/a.png"});
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect, {shown});
    ASSERT_EQ(prompt.messages.back().media.size(), 1u) << name_of(dialect);
    EXPECT_TRUE(prompt.messages.back().media[0].starts_with("image/png of 70 bytes"))
        << prompt.messages.back().media[0];
    auto message = write(dialect, {linked});
    if (dialect != Dialect::kConverse) {
      EXPECT_TRUE(message.ok()) << name_of(dialect);
      continue;
    }
    ASSERT_FALSE(message.ok());
    EXPECT_EQ(message.error().param, "input[0].content[1].image_url");
  }
}

TEST_F(Traps, T13_ALimitIsThereWhereItMustBeAndABudgetIsBelowIt) {
  for (Dialect dialect : kDialects) {
    Request request{.model = "m"};
    request.max_output_tokens = 4000;
    request.reasoning_effort = "high";
    EXPECT_EQ(heard(dialect, {user("x")}, request).tokens_max, 4000) << name_of(dialect);
    request.max_output_tokens.reset();
    const Prompt prompt = heard(dialect, {user("x")}, request);
    EXPECT_EQ(prompt.tokens_max.has_value(), dialect == Dialect::kMessages) << name_of(dialect);
  }
}

TEST_F(Traps, T14_ARefusalOfLongAgoIsStillSaid) {
  for (Dialect dialect : kDialects) {
    const Prompt prompt = heard(dialect, {user("x"), said("I would rather not.", PartKind::kRefusal), user("y")});
    bool found = false;
    for (const Message& message : prompt.messages)
      for (const simulate::Part& part : message.parts) found = found || part.text == "I would rather not.";
    EXPECT_TRUE(found) << name_of(dialect);
  }
}

TEST_F(Traps, T15_T18_ReasoningGoesBackByteForByteWithItsItem) {
  for (Dialect dialect : kDialects) {
    if (dialect == Dialect::kChat) continue;  // has no place for it
    for (const char* words : {"hm", ""}) {    // with its text, and the signature alone
      const std::vector<Item> context = {user("x"), thought(words), call("1"), output("1", "a")};
      const Prompt prompt = heard(dialect, context, with_tool());
      EXPECT_EQ(blocks(prompt), std::vector<std::string>{sealed_for(dialect, context, signer_)[1].encrypted})
          << name_of(dialect);
    }
    // Led to nothing: it stays away, or the whole request would be refused.
    heard(dialect, {user("x"), thought("hm"), user("y")});
  }
}

TEST_F(Traps, T17_T19_ReasoningOfOthersStaysHereAndTheSessionGoesOn) {
  for (Dialect dialect : kDialects) {
    Request request = with_tool();
    request.reasoning_effort = "low";
    for (const char* issuer : {"another", ""}) {
      const Prompt prompt = heard(dialect, {user("x"), thought("hm", issuer), call("1"), output("1", "a")}, request);
      EXPECT_EQ(blocks(prompt), std::vector<std::string>()) << name_of(dialect);
      EXPECT_EQ(body_.find("foreign"), std::string::npos) << name_of(dialect);
    }
  }
}

// Words of the developer amid a conversation, from clients of either API of OpenAI's: what was sent before is the
// beginning of what is sent then, for every supplier.
TEST_F(Traps, T32_WhatADeveloperSaysLaterChangesNoBeginning) {
  const std::string chat[] = {
      R"({"role":"developer","content":"be kind"},{"role":"user","content":"x"})",
      R"(,{"role":"assistant","content":"y"},{"role":"developer","content":"now in French"},{"role":"user","content":"z"})",
      R"(,{"role":"assistant","content":"zut"},{"role":"system","content":"no slang"})"};
  for (const bool responses : {false, true}) {
    for (Dialect dialect : kDialects) {
      SCOPED_TRACE(std::string(name_of(dialect)) + (responses ? " for responses" : " for chat"));
      std::string said, before;
      for (const std::string& more : chat) {
        said += more;
        auto document = json::Document::parse(
            std::string(responses ? R"({"model":"m","store":false,"input":[)" : R"({"model":"m","messages":[)") + said +
            "]}");
        ASSERT_TRUE(document.ok());
        Request request;
        if (responses) {
          auto parsed = parse_responses_request(document->root());
          ASSERT_TRUE(parsed.ok()) << parsed.error().message;
          request = *std::move(parsed);
        } else {
          auto parsed = parse_chat_request(document->root());
          ASSERT_TRUE(parsed.ok()) << parsed.error().message;
          request = std::move(parsed->request);
        }
        auto message = write(dialect, std::vector<Item>(request.input), request);
        ASSERT_TRUE(message.ok()) << message.error().message;
        auto body = json::Document::parse(message->body);
        ASSERT_TRUE(body.ok());
        const json::Value root = body->root();
        std::string now(root["system"].raw());
        now.append(root["systemInstruction"].raw());
        for (const char* name : {"messages", "input", "contents"}) now += root[name].raw();
        while (!now.empty() && (now.back() == ']' || now.back() == '}')) now.pop_back();
        EXPECT_TRUE(now.starts_with(before)) << before << "\n" << now;
        EXPECT_GT(now.size(), before.size());
        before = now;
      }
    }
  }
}

}  // namespace
}  // namespace perdure::fidelity
