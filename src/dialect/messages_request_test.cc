// The canonical context as turns of POST /messages, trap by trap.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "dialect/testing/messages_asked.h"

namespace perdure {
namespace {

using namespace messages;

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
  const std::vector<Item> grown = {user("hi"),       call("c"), output("c", "1"), call("c"),
                                   output("c", "2"), call("c"), output("c", "3")};
  EXPECT_EQ(Asked{.context = grown}.messages(),
            list({turn("user", {text_block("hi")}), turn("assistant", {use("c")}), turn("user", {result("c", "1")}),
                  turn("assistant", {use("pdx_c-7e2")}), turn("user", {result("pdx_c-7e2", "2")}),
                  turn("assistant", {use("pdx_c-7e3")}), turn("user", {result("pdx_c-7e3", "3")})}));
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

TEST(MessagesRequest, T15_ThinkingGoesBackAsItCameAndInPlace) {
  const std::vector<Item> context = {
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
    std::vector<Item> context = {user("hi")};
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

}  // namespace
}  // namespace perdure
