#include <gtest/gtest.h>

#include "dialect/converse_upstream.h"
#include "dialect/tool_ids.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::string_view kMe = "bedrock/eu-central-1";

Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
Item assistant(std::string text) {
  return {.role = Role::kAssistant, .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
Item call(std::string id, std::string name = "f", std::string arguments = "{}") {
  return {.kind = ItemKind::kFunctionCall,
          .call_id = std::move(id),
          .name = std::move(name),
          .arguments = std::move(arguments)};
}
Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
}
Item reasoning(std::string text, OpaqueKind kind, std::string block, std::string issuer = std::string(kMe)) {
  Item out{.kind = ItemKind::kReasoning, .encrypted = std::move(block), .opaque = kind, .issuer = std::move(issuer)};
  if (!text.empty()) out.content.push_back({.kind = PartKind::kReasoningText, .text = std::move(text)});
  return out;
}
Tool tool(std::string name) {
  return {.name = std::move(name),
          .description = "d",
          .parameters = R"({"type":"object","properties":{}})",
          .strict = {},
          .cache = {}};
}

struct Asked {
  Request request;
  std::vector<Item> context;
  std::string model = "anthropic.claude-sonnet-4-6";
  std::string held, ask;
  bool stream = true;

  Result<UpstreamMessage> write(ConverseVariant variant = {}) const {
    Request given = request;
    if (given.previous_response_id.empty()) given.input = context;
    UpstreamAsk asked{.request = given, .context = context, .model = model, .issuer = std::string(kMe)};
    asked.held = held;
    asked.ask = ask;
    asked.max_output_tokens = request.max_output_tokens;
    asked.stream = stream;
    return converse_upstream(variant)->write(asked);
  }
  std::string body() const {
    auto message = write();
    return message.ok() ? message->body : "error: " + message.error().message;
  }
  // One part of the body, as it is written there.
  std::string part(std::string_view name) const {
    auto document = json::Document::parse(body());
    return document.ok() ? std::string(document->root()[name].raw()) : body();
  }
  std::string messages() const { return part("messages"); }
  std::string refused() const {
    auto message = write();
    if (message.ok()) return "nothing";
    EXPECT_EQ(message.error().code, Code::kInvalid);
    return message.error().param + " " + message.error().reason;
  }
  // What a lenient request leaves out.
  std::vector<std::string> dropped() const {
    Asked lenient = *this;
    lenient.request.lenient = true;
    auto message = lenient.write();
    EXPECT_TRUE(message.ok()) << message.error().message;
    return message.ok() ? message->dropped : std::vector<std::string>();
  }
};

using Words = std::vector<std::string>;

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

// --- messages, roles, tools ---

TEST(ConverseRequest, T1_parallel_tool_results_are_one_user_message) {
  const std::string expected =
      R"([{"role":"user","content":[{"text":"go"}]},)"
      R"({"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{"x":1}}},{"toolUse":{"toolUseId":"b","name":"g","input":{}}}]},)"
      R"({"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"A"}]}},{"toolResult":{"toolUseId":"b","content":[{"text":"B"}]}},{"text":"more"}]}])";
  const Item a = call("a", "f", R"({"x":1})"), b = call("b", "g");
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
  Asked asked{.context = {user("go"), call("a"), output("a", "A"), call("b"), output("b", "B"), assistant("done")}};
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
  Asked asked{.context = {user("go"), call("a"), output("a", "first"), call("a"), output("a", "second")}};
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
  Asked asked{.context = {user("go"), reasoning("think", OpaqueKind::kSignature, "sig"), call("a"), assistant("text"),
                          output("a", "A")}};
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
  Asked asked{.context = {user("go"), call("a"), result}};
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
  Asked asked{.context = {user("a"), user(""), user(" \n"), assistant(""), null_content, user("b"), call("x"),
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
  Asked asked{.context = {user("go"), call("call 1/2"), call(long_id), output("call 1/2", "A"), output(long_id, "B")}};
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
  asked.context = {user("go"), call("a", "mcp.read"), output("a", "A")};
  EXPECT_EQ(asked.refused(), "input[1].name unsupported_parameter");
}

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
  Asked asked{.context = {user("go"), call("a"), output("a", "A"), user("sum up")}};
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

TEST(ConverseRequest, T11_arguments_are_objects_and_keep_their_numbers) {
  const auto input = [](std::string arguments) {
    Asked asked{.context = {user("go"), call("a", "f", std::move(arguments)), output("a", "A")}};
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

// --- reasoning ---

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
  Asked asked{.context = {user("go"), call("a"), output("a", "A")},
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
  asked.context = {user("go"), call("a"), output("a", "A")};
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

TEST(ConverseRequest, T15_reasoning_goes_back_byte_for_byte_and_in_place) {
  const std::string odd = "a\n\t\"\\\xc3\xa4 ";
  Asked asked{.context = {user("go"), reasoning(odd, OpaqueKind::kSignature, "EqQ+/=="),
                          reasoning("", OpaqueKind::kRedacted, "cmVk"), reasoning("", OpaqueKind::kSignature, "only"),
                          call("a"), output("a", "A")}};
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

// --- cache, continuation ---

TEST(ConverseRequest, T32_cache_points_stand_behind_what_they_mark) {
  Asked asked{.context = {user("a"), call("x"), output("x", "X")}};
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
                           assistant("b"),   call("x"),
                           call("y"),        output("y", "Y"),
                           output("x", "X"), assistant("c"),
                           user("d"),        call("z", "f", R"({ "k" : 1.0 })"),
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
  Asked asked{.context = {user("go"), call("a")}};
  asked.request.tools = {tool("f")};
  EXPECT_EQ(asked.refused(), "input tool_output_not_found");
  asked.context = {user("go"), output("a", "A")};
  EXPECT_EQ(asked.refused(), "input[1] tool_call_not_found");
  asked.request.previous_response_id = "resp_1";
  asked.request.input = {asked.context[1]};
  EXPECT_EQ(asked.refused(), "input[0] tool_call_not_found") << "counted from the client's own input";
  asked.context = {call("a"), output("a", "A"), user("go")};
  asked.request.previous_response_id = "";
  EXPECT_EQ(asked.refused(), "input[0] unsupported_parameter");
}

}  // namespace
}  // namespace perdure
