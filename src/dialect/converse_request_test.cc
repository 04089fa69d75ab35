// The canonical context as turns of Converse, trap by trap.

#include <gtest/gtest.h>

#include "dialect/testing/converse_asked.h"
#include "dialect/tool_ids.h"

namespace perdure {
namespace {

using namespace converse;

TEST(ConverseRequest, TextAndItsAddress) {
  Asked asked{.context = {user("Hi")}};
  auto message = asked.write();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/model/anthropic.claude-sonnet-4-6/converse-stream");
  EXPECT_EQ(message->body, R"({"messages":[{"role":"user","content":[{"text":"Hi"}]}]})");
  EXPECT_EQ(message->headers[0].second, "application/json");
  EXPECT_EQ(message->headers[1].second, "application/vnd.amazon.eventstream");
  EXPECT_TRUE(message->dropped.empty());
}

TEST(ConverseRequest, T26_ModelAndStreamLiveInTheAddress) {
  Asked asked{.context = {user("Hi")},
              .model = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.x-v1:0"};
  asked.stream = false;
  auto message = asked.write();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path,
            "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.x-v1%3A0/converse");
  EXPECT_EQ(message->headers[1].second, "application/json");
  EXPECT_EQ(message->body.find("arn"), std::string::npos);
  EXPECT_EQ(message->body.find("stream"), std::string::npos);
}

TEST(ConverseRequest, T1_parallel_tool_results_are_one_user_message) {
  const std::string expected =
      R"([{"role":"user","content":[{"text":"go"}]},)"
      R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{"x":1}}},{"toolUse":{"toolUseId":"b","name":"g","input":{}}}]},)"
      R"({"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"A"}]}},{"toolResult":{"toolUseId":"b","content":[{"text":"B"}]}},{"text":"more"}]}])";
  const Item a = tool_call("a", "f", R"({"x":1})"), b = tool_call("b", "g");
  // However the client orders them.
  for (const std::vector<Item>& context : {
           std::vector<Item>{user("go"), a, b, output("a", "A"), output("b", "B"), user("more")},
           std::vector<Item>{user("go"), a, b, output("b", "B"), output("a", "A"), user("more")},
           std::vector<Item>{user("go"), a, b, output("a", "A"), user("more"), output("b", "B")},
           std::vector<Item>{user("go"), a, b, user("more"), output("a", "A"), output("b", "B")},
       }) {
    Asked asked{.context = context};
    asked.request.tools = {tool("f"), tool("g")};
    EXPECT_EQ(asked.messages(), expected);
  }
}

TEST(ConverseRequest, T1_calls_one_after_another_are_turns_of_their_own) {
  Asked asked{
      .context = {user("go"), tool_call("a"), output("a", "A"), tool_call("b"), output("b", "B"), assistant("done")}};
  asked.request.tools = {tool("f")};
  EXPECT_EQ(asked.messages(),
            R"([{"role":"user","content":[{"text":"go"}]},)"
            R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},)"
            R"({"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"A"}]}}]},)"
            R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"b","name":"f","input":{}}}]},)"
            R"({"role":"user","content":[{"toolResult":{"toolUseId":"b","content":[{"text":"B"}]}}]},)"
            R"({"role":"assistant","content":[{"text":"done"}]}])");
}

TEST(ConverseRequest, T1_an_id_that_is_used_again_finds_its_own_result) {
  Asked asked{.context = {user("go"), tool_call("a"), output("a", "first"), tool_call("a"), output("a", "second")}};
  asked.request.tools = {tool("f")};
  const std::string all = asked.messages();
  EXPECT_LT(all.find("first"), all.find("second"));
  EXPECT_EQ(asked.refused(), "nothing");
  // Claude wants ids that differ: the second use becomes another one, and its result with it.
  const std::string again = supplier_tool_id("a~2", kConverseToolIds);
  EXPECT_NE(all.find(R"({"toolUseId":")" + again + R"(","name")"), std::string::npos) << all;
  EXPECT_NE(all.find(R"({"toolUseId":")" + again + R"(","content")"), std::string::npos) << all;
  asked.context.push_back(user("and on"));
  EXPECT_TRUE(asked.messages().starts_with(all.substr(0, all.size() - 3))) << "the same in every later request";
}

TEST(ConverseRequest, T2_reasoning_then_text_then_calls) {
  Asked asked{.context = {user("go"), reasoning("think", OpaqueKind::kSignature, "sig"), tool_call("a"),
                          assistant("text"), output("a", "A")}};
  asked.request.tools = {tool("f")};
  EXPECT_EQ(asked.messages(),
            R"([{"role":"user","content":[{"text":"go"}]},{"role":"assistant","content":[)"
            R"({"reasoningContent":{"reasoningText":{"text":"think","signature":"sig"}}},{"text":"text"},)"
            R"({"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},)"
            R"({"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"A"}]}}]}])");
}

TEST(ConverseRequest, T3_results_may_fail_and_hold_images_and_files) {
  Item result = output("a", "");
  result.output_is_text = false;
  result.tool_failed = true;
  result.content = {
      {.text = "see"},
      {.kind = PartKind::kInputImage, .url = "data:image/png;base64,iVBORw0="},
      {.kind = PartKind::kInputFile, .file_data = "data:application/pdf;base64,JVBERg==", .filename = "r.pdf"}};
  Asked asked{.context = {user("go"), tool_call("a"), result}};
  asked.request.tools = {tool("f")};
  EXPECT_NE(
      asked.messages().find(
          R"({"toolResult":{"toolUseId":"a","content":[{"text":"see"},{"image":{"format":"png","source":{"bytes":"iVBORw0="}}},)"
          R"({"document":{"format":"pdf","name":"r","source":{"bytes":"JVBERg=="}}}],"status":"error"}})"),
      std::string::npos)
      << asked.messages();
}

TEST(ConverseRequest, T4_turns_alternate_and_the_user_begins) {
  Asked asked{.context = {user("a"), user("b"), assistant("c"), assistant("d"), user("e")}};
  EXPECT_EQ(
      asked.messages(),
      R"([{"role":"user","content":[{"text":"a"},{"text":"b"}]},{"role":"assistant","content":[{"text":"c"},{"text":"d"}]},)"
      R"({"role":"user","content":[{"text":"e"}]}])");
  asked.context = {assistant("hello"), user("a")};
  EXPECT_EQ(asked.refused(), "input[0] unsupported_parameter");
  EXPECT_EQ(asked.dropped(), Words{"input[0]"});
  asked.request.lenient = true;
  EXPECT_EQ(asked.messages(), R"([{"role":"user","content":[{"text":"a"}]}])");
}

TEST(ConverseRequest, T5_empty_and_blank_text_is_left_out) {
  Item null_content{.role = Role::kAssistant};
  Asked asked{.context = {user("a"), user(""), user(" \n"), assistant(""), null_content, user("b"), tool_call("x"),
                          output("x", "")}};
  asked.request.tools = {tool("f")};
  asked.request.instructions = "";
  EXPECT_EQ(asked.messages(), R"([{"role":"user","content":[{"text":"a"},{"text":"b"}]},)"
                              R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"x","name":"f","input":{}}}]},)"
                              R"({"role":"user","content":[{"toolResult":{"toolUseId":"x","content":[]}}]}])");
  EXPECT_EQ(asked.part("system"), "");
  asked.context = {user("")};
  EXPECT_EQ(asked.refused(), "input invalid_value");
}

TEST(ConverseRequest, T6_leading_system_messages_go_to_the_top_and_later_ones_stay) {
  Asked asked{.context = {{.role = Role::kSystem, .content = {{.text = "one"}, {.text = "two", .cache = "1h"}}},
                          user("Hi"),
                          {.role = Role::kDeveloper, .content = {{.text = "three"}}}}};
  asked.request.instructions = "zero";
  EXPECT_EQ(asked.part("system"),
            R"([{"text":"zero"},{"text":"one"},{"text":"two"},{"cachePoint":{"type":"default","ttl":"1h"}}])");
  EXPECT_EQ(asked.messages(), R"([{"role":"user","content":[{"text":"Hi"},{"text":"<system>\nthree\n</system>"}]}])");
  asked.context[0].content.push_back({.kind = PartKind::kInputImage, .url = "data:image/png;base64,iVBORw0="});
  EXPECT_EQ(asked.refused(), "input[0].content[2] unsupported_parameter");
}

TEST(ConverseRequest, T7_ids_and_names_that_converse_takes) {
  const std::string long_id(200, 'x');
  Asked asked{.context = {user("go"), tool_call("call 1/2"), tool_call(long_id), output("call 1/2", "A"),
                          output(long_id, "B")}};
  asked.request.tools = {tool("f")};
  const std::string all = asked.messages();
  EXPECT_EQ(all.find(long_id), std::string::npos);
  EXPECT_NE(all.find(R"("toolUse":{"toolUseId":"pdx_call-201-2f2")"), std::string::npos);
  EXPECT_NE(all.find(R"("toolResult":{"toolUseId":"pdx_call-201-2f2")"), std::string::npos);
  EXPECT_EQ(all, asked.messages());

  asked.request.tools = {tool("f"), tool("mcp.server/read")};
  EXPECT_EQ(asked.refused(), "tools[1].name unsupported_parameter");
  EXPECT_EQ(asked.dropped(), Words{"tools[1]"});
  asked.request.tools = {tool(std::string(65, 'n'))};
  EXPECT_EQ(asked.refused(), "tools[0].name unsupported_parameter");
  asked.request.tools = {tool("f")};
  asked.context = {user("go"), tool_call("a", "mcp.read"), output("a", "A")};
  EXPECT_EQ(asked.refused(), "input[1].name unsupported_parameter");
}

TEST(ConverseRequest, T11_arguments_are_objects_and_keep_their_numbers) {
  const auto input = [](std::string arguments) {
    Asked asked{.context = {user("go"), tool_call("a", "f", std::move(arguments)), output("a", "A")}};
    asked.request.tools = {tool("f")};
    auto document = json::Document::parse(asked.body());
    return document.ok() ? std::string(document->root()["messages"].at(1)["content"].at(0)["toolUse"]["input"].raw())
                         : asked.body();
  };
  EXPECT_EQ(input(""), "{}");
  EXPECT_EQ(input("  "), "{}");
  EXPECT_EQ(input(R"({"big":123456789012345678901234567890,"small":1.10,"e":1e400})"),
            R"({"big":123456789012345678901234567890,"small":1.10,"e":1e400})");
  EXPECT_EQ(input(R"({"cut": "of)"), R"({"invalid_arguments":"{\"cut\": \"of"})");
  EXPECT_EQ(input("[1]"), R"({"invalid_arguments":"[1]"})");
  EXPECT_EQ(input("7"), R"({"invalid_arguments":"7"})");
}

TEST(ConverseRequest, T12_images_are_bytes) {
  const auto image = [](std::string url, bool lenient = false) {
    Asked asked{.context = {user("see")}};
    asked.context[0].content.push_back({.kind = PartKind::kInputImage, .url = std::move(url), .detail = "high"});
    asked.request.lenient = lenient;
    auto message = asked.write();
    return message.ok() ? message->body : message.error().param + " " + message.error().reason;
  };
  const auto shown = [](std::string block) {
    return R"({"messages":[{"role":"user","content":[{"text":"see"},)" + block + "]}]}";
  };
  for (const auto& [type, format] : std::vector<std::pair<std::string, std::string>>{{"image/png", "png"},
                                                                                     {"image/jpeg", "jpeg"},
                                                                                     {"image/jpg", "jpeg"},
                                                                                     {"image/gif", "gif"},
                                                                                     {"IMAGE/WebP;a=b", "webp"}})
    EXPECT_EQ(image("data:" + type + ";base64,AAAA"),
              shown(R"({"image":{"format":")" + format + R"(","source":{"bytes":"AAAA"}}})"));
  EXPECT_EQ(image("s3://bucket/a/b.JPG"),
            shown(R"({"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://bucket/a/b.JPG"}}}})"));
  const std::string unsupported = "input[0].content[1].image_url unsupported_parameter",
                    invalid = "input[0].content[1].image_url invalid_value";
  for (const char* url : {"https://example.com/a.png", "gs://bucket/a.png", "data:image/bmp;base64,AAAA",
                          "data:;base64,AAAA", "s3://bucket/a"})
    EXPECT_EQ(image(url), unsupported) << url;
  for (const char* url : {"data:image/png,AAAA", "data:image/png;base64", "data:image/png;base64,",
                          "data:image/png;base64,AAA", "data:image/png;base64,AA=A", "data:image/png;base64,AA\"A"})
    EXPECT_EQ(image(url), invalid) << url;
  EXPECT_EQ(image("https://example.com/a.png", true), R"({"messages":[{"role":"user","content":[{"text":"see"}]}]})");
  EXPECT_EQ(image("", false), "input[0].content[1].file_id unsupported_parameter");
}

TEST(ConverseRequest, FilesAreDocumentsWithNamesOfTheirOwn) {
  const auto file = [](std::string data, std::string name, std::string url = "") {
    return Part{
        .kind = PartKind::kInputFile, .url = std::move(url), .file_data = std::move(data), .filename = std::move(name)};
  };
  const std::string pdf = "data:application/pdf;base64,AAAA";
  Asked asked{.context = {user("read"), user("and")}};
  asked.context[0].content.push_back(file(pdf, "C:\\x\\John's  r\xc3\xa9port_1.pdf"));
  asked.context[0].content.push_back(file(pdf, ""));
  asked.context[1].content.push_back(file(pdf, "document.docx"));
  asked.context[1].content.push_back(file("AAAA", "DOCUMENT.csv"));
  asked.context[1].content.push_back(file("", "", "s3://b/\xc3\xa4.html"));
  auto document = json::Document::parse(asked.body());
  ASSERT_TRUE(document.ok()) << asked.body();
  Words names;
  for (json::Value block : document->root()["messages"].at(0)["content"].elements()) {
    if (json::Value one = block["document"]; one.is_object())
      names.push_back(std::string(one["format"].text()) + " " + std::string(one["name"].text()));
  }
  EXPECT_EQ(names, (Words{"pdf John s r port 1", "pdf document", "pdf document (2)", "csv DOCUMENT (3)",
                          "html document (4)"}));

  asked.context = {user("")};
  asked.context[0].content.push_back(file(pdf, "a.pdf"));
  EXPECT_EQ(asked.refused(), "input[0].content[1] unsupported_parameter") << "Converse wants text beside a document";
  asked.context = {user("read")};
  for (const auto& [part, refusal] : std::vector<std::pair<Part, std::string>>{
           {file("", "", "https://example.com/a.pdf"), ".file_url unsupported_parameter"},
           {{.kind = PartKind::kInputFile, .file_id = "file_1"}, ".file_id unsupported_parameter"},
           {file("data:application/zip;base64,AAAA", "a.zip"), ".file_data unsupported_parameter"},
           {file("data:application/pdf;base64,A", "a.pdf"), ".file_data invalid_value"}}) {
    asked.context[0].content.resize(1);
    asked.context[0].content.push_back(part);
    EXPECT_EQ(asked.refused(), "input[0].content[1]" + refusal);
  }
}

TEST(ConverseRequest, T15_reasoning_goes_back_byte_for_byte_and_in_place) {
  const std::string odd = "a\n\t\"\\\xc3\xa4 ";
  Asked asked{.context = {user("go"), reasoning(odd, OpaqueKind::kSignature, "EqQ+/=="),
                          reasoning("", OpaqueKind::kRedacted, "cmVk"), reasoning("", OpaqueKind::kSignature, "only"),
                          tool_call("a"), output("a", "A")}};
  asked.request.tools = {tool("f")};
  auto document = json::Document::parse(asked.body());
  ASSERT_TRUE(document.ok());
  json::Value content = document->root()["messages"].at(1)["content"];
  ASSERT_EQ(content.size(), 4u);
  EXPECT_EQ(content.at(0)["reasoningContent"]["reasoningText"]["text"].text(), odd);
  EXPECT_EQ(content.at(0)["reasoningContent"]["reasoningText"]["signature"].text(), "EqQ+/==");
  EXPECT_EQ(content.at(1).raw(), R"({"reasoningContent":{"redactedContent":"cmVk"}})");
  EXPECT_EQ(content.at(2).raw(), R"({"reasoningContent":{"reasoningText":{"text":"","signature":"only"}}})");
  EXPECT_TRUE(content.at(3)["toolUse"].is_object());
}

TEST(ConverseRequest, T19_foreign_blocks_are_left_out) {
  const std::string without = Asked{.context = {user("go"), assistant("yes")}}.body();
  for (const Item& foreign :
       {reasoning("hm", OpaqueKind::kSignature, "sig", "anthropic"), reasoning("hm", OpaqueKind::kSignature, "sig", ""),
        reasoning("", OpaqueKind::kRedacted, "red", "bedrock/us-east-1"), reasoning("hm", OpaqueKind::kNone, ""),
        reasoning("", OpaqueKind::kEncrypted, "enc")})
    EXPECT_EQ((Asked{.context = {user("go"), foreign, assistant("yes")}}.body()), without);
}

TEST(ConverseRequest, T32_cache_points_stand_behind_what_they_mark) {
  Asked asked{.context = {user("a"), tool_call("x"), output("x", "X")}};
  asked.context[0].content[0].cache = "5m";
  asked.context[1].cache = "5m";
  asked.context[2].cache = "1h";
  asked.request.tools = {tool("f")};
  EXPECT_EQ(
      asked.messages(),
      R"([{"role":"user","content":[{"text":"a"},{"cachePoint":{"type":"default"}}]},)"
      R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"x","name":"f","input":{}}},{"cachePoint":{"type":"default"}}]},)"
      R"({"role":"user","content":[{"toolResult":{"toolUseId":"x","content":[{"text":"X"}]}},{"cachePoint":{"type":"default","ttl":"1h"}}]}])");
}

TEST(ConverseRequest, T32_a_longer_conversation_begins_with_the_same_bytes) {
  std::vector<Item> all = {user("a"),        reasoning("t", OpaqueKind::kSignature, "s"),
                           assistant("b"),   tool_call("x"),
                           tool_call("y"),   output("y", "Y"),
                           output("x", "X"), assistant("c"),
                           user("d"),        tool_call("z", "f", R"({ "k" : 1.0 })"),
                           output("z", "Z"), assistant("e"),
                           user("f")};
  all[0].content.push_back({.kind = PartKind::kInputFile, .file_data = "data:application/pdf;base64,AAAA"});
  all[8].content.push_back({.kind = PartKind::kInputFile, .file_data = "data:application/pdf;base64,BBBB"});
  std::string before;
  for (size_t size : {1u, 7u, 8u, 9u, 11u, 12u, 13u}) {
    Asked asked{.context = std::vector<Item>(all.begin(), all.begin() + static_cast<long>(size))};
    asked.request.tools = {tool("f")};
    const std::string now = asked.messages();
    EXPECT_TRUE(now.starts_with(std::string_view(before).substr(0, before.size() < 3 ? 0 : before.size() - 3)))
        << size;  // "]}]"
    before = now;
  }
}

TEST(ConverseRequest, T37_an_answer_goes_on) {
  Asked asked{.context = {user("go")}, .held = "once upon \n"};
  asked.request.reasoning_effort = "high";
  EXPECT_EQ(asked.messages(),
            R"([{"role":"user","content":[{"text":"go"}]},{"role":"assistant","content":[{"text":"once upon"}]}])")
      << "no white space at the end of a prefill";
  EXPECT_EQ(asked.body().find("thinking"), std::string::npos) << "no thinking before a prefill";
  asked.ask = "Go on.";
  EXPECT_EQ(
      asked.messages(),
      R"([{"role":"user","content":[{"text":"go"}]},{"role":"assistant","content":[{"text":"once upon \n"}]},{"role":"user","content":[{"text":"Go on."}]}])");
  EXPECT_NE(asked.body().find("thinking"), std::string::npos);
}

TEST(ConverseRequest, CallsAndResultsThatDoNotPair) {
  Asked asked{.context = {user("go"), tool_call("a")}};
  asked.request.tools = {tool("f")};
  EXPECT_EQ(asked.refused(), "input tool_output_not_found");
  asked.context = {user("go"), output("a", "A")};
  EXPECT_EQ(asked.refused(), "input[1] tool_call_not_found");
  asked.request.previous_response_id = "resp_1";
  asked.request.input = {asked.context[1]};
  EXPECT_EQ(asked.refused(), "input[0] tool_call_not_found") << "counted from the client's own input";
  asked.context = {tool_call("a"), output("a", "A"), user("go")};
  asked.request.previous_response_id = "";
  EXPECT_EQ(asked.refused(), "input[0] unsupported_parameter");
}

}  // namespace
}  // namespace perdure
