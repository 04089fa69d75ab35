#include "dialect/responses_request.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

Result<Request> parse(std::string text) {
  auto document = json::Document::parse(std::move(text));
  if (!document) return document.error();
  return parse_responses_request(document->root());
}

// A body with `fields` beside a model and an input.
std::string with(std::string_view fields) { return R"({"model":"m","input":"hi",)" + std::string(fields) + "}"; }
std::string with_item(std::string_view item) {
  return R"({"model":"m","input":[{"role":"user","content":"a"},)" + std::string(item) + "]}";
}

TEST(ResponsesRequest, AStringIsAMessageOfTheUser) {
  auto request = parse(R"({"model":"m","input":"hello"})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  Request expected{.model = "m"};
  expected.input = {{.role = Role::kUser, .content = {{.text = "hello"}}}};
  EXPECT_EQ(*request, expected);
}

TEST(ResponsesRequest, MessagesNeedNoType) {
  auto request = parse(
      R"({"model":"m","input":[{"role":"developer","content":"a"},{"role":"assistant","content":"b","id":null,"phase":null},
    {"type":"message","role":"assistant","id":"msg_7","status":"incomplete","phase":"commentary","content":[{"type":"output_text","text":"c","annotations":[],"logprobs":[]}]}]})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  ASSERT_EQ(request->input.size(), 3u);
  EXPECT_EQ(request->input[0].role, Role::kDeveloper);
  EXPECT_EQ(request->input[0].content[0].kind, PartKind::kInputText);
  EXPECT_EQ(request->input[1].content[0].kind, PartKind::kOutputText);
  EXPECT_EQ(request->input[1].id, "");
  EXPECT_EQ(request->input[2].id, "msg_7");
  EXPECT_EQ(request->input[2].status, ItemStatus::kIncomplete);
  EXPECT_EQ(request->input[2].phase, "commentary");
  EXPECT_EQ(request->input[2].content[0].annotations, "");
}

TEST(ResponsesRequest, ReadsEveryItem) {
  auto request = parse(R"({"model":"m","input":[
    {"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"auto"},
      {"type":"input_image","image_url":"https://x/y.png","detail":"low","file_id":null},{"type":"input_file","file_data":"data:,","filename":"f"}]},
    {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"r"}],"encrypted_content":"e","status":null},
    {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{bad","status":"completed"},
    {"type":"function_call_output","call_id":"c1","output":"o"},
    {"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"o"}]},
    {"type":"compaction","encrypted_content":"pdc1.{\"summary\":\"s\"}","created_by":"x"}]})");
  ASSERT_TRUE(request.ok()) << request.error().message << request.error().param;
  const auto& in = request->input;
  EXPECT_EQ(in[0].content[1].detail, "");
  EXPECT_EQ(in[0].content[2].detail, "low");
  EXPECT_EQ(in[0].content[3].filename, "f");
  EXPECT_EQ(in[1].summary[0].kind, PartKind::kSummaryText);
  EXPECT_EQ(in[1].content[0].kind, PartKind::kReasoningText);
  EXPECT_EQ(in[1].encrypted, "e");
  EXPECT_EQ(in[2].arguments, "{bad");
  EXPECT_EQ(in[3].output, "o");
  EXPECT_FALSE(in[4].output_is_text);
  EXPECT_EQ(in[4].content[0].text, "o");
  EXPECT_EQ(in[5].encrypted, R"(pdc1.{"summary":"s"})");
}

TEST(ResponsesRequest, ReadsEveryOption) {
  auto request =
      parse(with(R"("instructions":"i","previous_response_id":"resp_0","stream":true,"store":true,"background":true,
    "tools":[{"type":"function","name":"f","description":"d","parameters":{ "a" : 1.00 },"strict":null},{"type":"function","name":"g"}],
    "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]},"parallel_tool_calls":false,
    "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"high"},
    "reasoning":{"effort":"minimal","summary":"auto"},"temperature":0,"top_p":1.0,"presence_penalty":-2,"frequency_penalty":0.5,
    "max_output_tokens":16,"max_tool_calls":1,"top_logprobs":20,"truncation":"auto","service_tier":"flex","user":"u","safety_identifier":"s",
    "prompt_cache_key":"k","include":["reasoning.encrypted_content"],"metadata":{"a":"1","b":""},"stream_options":{"include_obfuscation":false})"));
  ASSERT_TRUE(request.ok()) << request.error().message << request.error().param;
  EXPECT_EQ(request->tools[0].parameters, R"({ "a" : 1.00 })");
  EXPECT_EQ(request->tools[0].description, "d");
  EXPECT_FALSE(request->tools[0].strict.has_value());
  EXPECT_EQ(request->tools[1].parameters, "");
  EXPECT_EQ(request->tool_choice,
            (ToolChoice{.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"g"}}));
  EXPECT_EQ(request->format.kind, TextFormat::Kind::kJsonSchema);
  EXPECT_EQ(request->format.schema, R"({"type":"object"})");
  EXPECT_EQ(request->temperature, 0);
  EXPECT_EQ(request->max_output_tokens, 16);
  EXPECT_EQ(request->parallel_tool_calls, false);
  EXPECT_EQ(request->metadata, (std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"b", ""}}));
  EXPECT_TRUE(request->stream && request->store && request->background);
  EXPECT_EQ(request->truncation, "auto");
}

TEST(ResponsesRequest, ANullAsksForNothing) {
  auto request = parse(with(
      R"("instructions":null,"previous_response_id":null,"tools":null,"tool_choice":null,"text":null,"reasoning":null,"temperature":null,
    "max_output_tokens":null,"metadata":null,"stream":null,"store":null,"include":null,"conversation":null,"prompt":null,"truncation":null,"never_heard_of":null)"));
  ASSERT_TRUE(request.ok()) << request.error().message << request.error().param;
  Request expected{.model = "m"};
  expected.input = {{.role = Role::kUser, .content = {{.text = "hi"}}}};
  EXPECT_EQ(*request, expected);
}

TEST(ResponsesRequest, ReadsEveryFormOfToolChoice) {
  const std::string tools = R"("tools":[{"type":"function","name":"f"}],"tool_choice":)";
  EXPECT_EQ(parse(with(tools + R"("auto")"))->tool_choice.mode, ToolChoice::Mode::kAuto);
  EXPECT_EQ(parse(with(tools + R"("none")"))->tool_choice.mode, ToolChoice::Mode::kNone);
  EXPECT_EQ(parse(with(tools + R"("required")"))->tool_choice.mode, ToolChoice::Mode::kRequired);
  EXPECT_EQ(parse(with(tools + R"({"type":"function","name":"f"})"))->tool_choice.function, "f");
  EXPECT_EQ(
      parse(with(tools + R"({"type":"allowed_tools","tools":[{"type":"function","name":"f"}]})"))->tool_choice.allowed,
      std::vector<std::string>{"f"});
}

TEST(ResponsesRequest, WhatReasoningIsShownAgainIsNoMatterHere) {
  for (const char* words : {"auto", "current_turn", "all_turns"})
    EXPECT_TRUE(parse_responses_request(json::Document::parse(R"({"model":"m","input":"x","reasoning":{"context":")" +
                                                              std::string(words) + R"(","mode":"standard"}})")
                                            ->root())
                    .ok());
  auto pro = json::Document::parse(R"({"model":"m","input":"x","reasoning":{"mode":"pro"}})");
  EXPECT_EQ(parse_responses_request(pro->root()).error().param, "reasoning.mode");
}

TEST(ResponsesRequest, AContinuationNeedsNoInput) {
  auto request = parse(R"({"model":"m","previous_response_id":"resp_1"})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_TRUE(request->input.empty());
}

TEST(ResponsesRequest, NamesTheFieldThatIsWrong) {
  const std::string long_name(65, 'n'), long_value(513, 'v');
  std::string seventeen, deep;
  for (int i = 0; i < 17; ++i) seventeen += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  for (int i = 0; i < 110; ++i) deep += "{\"a\":";
  deep += "0" + std::string(110, '}');
  const struct {
    std::string body, param, reason;
  } cases[] = {
      {"[]", "", "invalid_type"},
      {R"({"input":"a"})", "model", "missing_required_parameter"},
      {R"({"model":7,"input":"a"})", "model", "invalid_type"},
      {R"({"model":"","input":"a"})", "model", "empty_string"},
      {R"({"model":"m"})", "input", "missing_required_parameter"},
      {R"({"model":"m","input":[]})", "input", "missing_required_parameter"},
      {R"({"model":"m","input":7})", "input", "invalid_type"},
      {R"({"model":"m","input":["a"]})", "input[0]", "invalid_type"},
      {with(R"("surprise":1)"), "surprise", "unknown_parameter"},
      {with(R"("conversation":"c","previous_response_id":"r")"), "conversation", "mutually_exclusive_parameters"},
      {with(R"("conversation":"")"), "conversation", "empty_string"},
      {with(R"("conversation":{"id":"c","x":1})"), "conversation.x", "unknown_parameter"},
      {with(R"("conversation":{})"), "conversation.id", "missing_required_parameter"},
      {with(R"("conversation":7)"), "conversation", "invalid_type"},
      {with(R"("conversation":"c","store":false)"), "store", "invalid_value"},
      {with(R"("prompt":{"id":"p"})"), "prompt", "unsupported_parameter"},
      {with(R"("context_management":{})"), "context_management", "invalid_type"},
      {with(R"("context_management":[{"type":"other"}])"), "context_management[0].type", "invalid_value"},
      {with(R"("context_management":[{"type":"compaction","compact_threshold":999}])"),
       "context_management[0].compact_threshold", "integer_below_min_value"},
      {with(R"("context_management":[{"type":"compaction"},{"type":"compaction"}])"), "context_management",
       "invalid_value"},
      {with(R"("moderation":{})"), "moderation", "unsupported_parameter"},
      {with(R"("max_output_tokens":15)"), "max_output_tokens", "integer_below_min_value"},
      {with(R"("max_output_tokens":"16")"), "max_output_tokens", "invalid_type"},
      {with(R"("max_tool_calls":0)"), "max_tool_calls", "integer_below_min_value"},
      {with(R"("top_logprobs":21)"), "top_logprobs", "integer_above_max_value"},
      {with(R"("temperature":2.1)"), "temperature", "decimal_above_max_value"},
      {with(R"("top_p":-1)"), "top_p", "decimal_below_min_value"},
      {with(R"("stream":"yes")"), "stream", "invalid_type"},
      {with(R"("truncation":"some")"), "truncation", "invalid_value"},
      {with(R"("service_tier":"gold")"), "service_tier", "invalid_value"},
      {with(R"("include":["file_search_call.results"])"), "include[0]", "unsupported_parameter"},
      {with(R"("include":[1])"), "include[0]", "invalid_type"},
      {with("\"safety_identifier\":\"" + long_name + "\""), "safety_identifier", "string_above_max_length"},
      {with("\"metadata\":{\"a\":\"" + long_value + "\"}"), "metadata.a", "string_above_max_length"},
      {with("\"metadata\":{\"" + long_name + "\":\"\"}"), "metadata", "string_above_max_length"},
      {with("\"metadata\":{" + seventeen + "}"), "metadata", "object_above_max_properties"},
      {with(R"("metadata":{"a":1})"), "metadata.a", "invalid_type"},
      {with(R"("reasoning":{"effort":"huge"})"), "reasoning.effort", "invalid_value"},
      {with(R"("reasoning":{"budget":1})"), "reasoning.budget", "unknown_parameter"},
      {with(R"("stream_options":{"include_obfuscation":true})"), "stream_options.include_obfuscation",
       "unsupported_parameter"},
      {with(R"("text":{"format":{"type":"xml"}})"), "text.format.type", "invalid_value"},
      {with(R"("text":{"format":{"type":"json_schema","name":"n"}})"), "text.format.schema",
       "missing_required_parameter"},
      {with(R"("text":{"format":{"type":"json_schema","schema":{}}})"), "text.format.name",
       "missing_required_parameter"},
      {with(R"("text":{"verbosity":"loud"})"), "text.verbosity", "invalid_value"},
      {with(R"("tools":{})"), "tools", "invalid_type"},
      {with(R"("tools":[{"type":"function","name":"f"},{"type":"web_search"}])"), "tools[1].type",
       "unsupported_parameter"},
      {with(R"("tools":[{"type":"function","function":{"name":"f"}}])"), "tools[0].function", "unknown_parameter"},
      {with(R"("tools":[{"type":"function","name":"a b"}])"), "tools[0].name", "invalid_value"},
      {with("\"tools\":[{\"type\":\"function\",\"name\":\"" + long_name + "\"}]"), "tools[0].name",
       "string_above_max_length"},
      {with(R"("tools":[{"type":"function","name":"f","parameters":[]}])"), "tools[0].parameters", "invalid_type"},
      {with("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":" + deep + "}]"), "tools[0].parameters",
       "invalid_value"},
      {with(R"("tools":[{"type":"function","name":"f"},{"type":"function","name":"f"}])"), "tools[1].name",
       "invalid_value"},
      {with(R"("tools":[{"type":"function","name":"f","defer_loading":true}])"), "tools[0].defer_loading",
       "unknown_parameter"},
      {with(R"("tool_choice":"required")"), "tool_choice", "invalid_value"},
      {with(R"("tool_choice":"any")"), "tool_choice", "invalid_value"},
      {with(R"("tool_choice":{"type":"function","name":"f"})"), "tool_choice", "invalid_value"},
      {with(R"("tool_choice":{"type":"web_search"})"), "tool_choice.type", "unsupported_parameter"},
      {with(
           R"("tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]})"),
       "tool_choice.tools", "invalid_value"},
      {with(
           R"("tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]})"),
       "tool_choice.tools[0]", "invalid_value"},
      {with_item(R"({})"), "input[1].type", "missing_required_parameter"},
      {with_item(R"({"id":"msg_1"})"), "input[1].type", "unsupported_parameter"},
      {with_item(R"({"type":"item_reference","id":"msg_1"})"), "input[1].type", "unsupported_parameter"},
      {with_item(R"({"type":"web_search_call","id":"ws_1"})"), "input[1].type", "unsupported_parameter"},
      {with_item(R"({"role":"tool","content":"a"})"), "input[1].role", "invalid_value"},
      {with_item(R"({"role":"user"})"), "input[1].content", "missing_required_parameter"},
      {with_item(R"({"role":"user","content":{}})"), "input[1].content", "invalid_type"},
      {with_item(R"({"role":"user","content":"a","phase":"commentary"})"), "input[1].phase", "invalid_value"},
      {with_item(R"({"role":"user","content":"a","extra":1})"), "input[1].extra", "unknown_parameter"},
      {with_item(R"({"role":"user","content":[{"type":"output_text","text":"a"}]})"), "input[1].content[0].type",
       "invalid_value"},
      {with_item(R"({"role":"user","content":[{"type":"input_text"}]})"), "input[1].content[0].text",
       "missing_required_parameter"},
      {with_item(R"({"role":"assistant","content":[{"type":"input_text","text":"a"}]})"), "input[1].content[0].type",
       "invalid_value"},
      {with_item(R"({"role":"user","content":[{"type":"input_image","file_id":"file_1"}]})"),
       "input[1].content[0].file_id", "unsupported_parameter"},
      {with_item(R"({"role":"user","content":[{"type":"input_image","image_url":"file:///etc/passwd"}]})"),
       "input[1].content[0].image_url", "invalid_value"},
      {with_item(R"({"role":"user","content":[{"type":"input_file","file_id":"file_1"}]})"),
       "input[1].content[0].file_id", "unsupported_parameter"},
      {with_item(R"({"role":"user","content":[{"type":"input_video","video_url":"x"}]})"), "input[1].content[0].type",
       "invalid_value"},
      {with_item(R"({"type":"function_call","call_id":"","name":"f","arguments":""})"), "input[1].call_id",
       "empty_string"},
      {with_item(R"({"type":"function_call","call_id":"c","name":"f"})"), "input[1].arguments",
       "missing_required_parameter"},
      {with_item(R"({"type":"function_call_output","call_id":"c"})"), "input[1].output", "missing_required_parameter"},
      {with_item(R"({"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":7}]})"),
       "input[1].output[0].image_url", "invalid_type"},
      {with_item(R"({"type":"reasoning","summary":[{"type":"text","text":""}]})"), "input[1].summary[0].type",
       "invalid_value"},
      {with_item(R"({"type":"compaction"})"), "input[1].encrypted_content", "missing_required_parameter"},
      {with_item(R"({"type":"compaction","encrypted_content":"gAAAAABpM0Yj-"})"), "input[1].encrypted_content",
       "invalid_encrypted_content"},
  };
  for (const auto& c : cases) {
    auto request = parse(c.body);
    ASSERT_FALSE(request.ok()) << c.body;
    EXPECT_EQ(request.error().code, Code::kInvalid) << c.body;
    EXPECT_EQ(request.error().param, c.param) << c.body;
    EXPECT_EQ(request.error().reason, c.reason) << c.body << request.error().message;
    EXPECT_FALSE(request.error().message.empty());
  }
}

TEST(ResponsesRequest, LimitsCountCharacters) {
  std::string value;
  for (int i = 0; i < 512; ++i) value += "\xc3\xa4";
  EXPECT_TRUE(parse(with("\"metadata\":{\"a\":\"" + value + "\"}")).ok());
}

TEST(ResponsesRequest, GoesOnWithAConversation) {
  auto by_id = parse(with(R"("conversation":"conv_1")"));
  auto by_object = parse(with(R"("conversation":{"id":"conv_1"})"));
  ASSERT_TRUE(by_id.ok() && by_object.ok());
  EXPECT_EQ(by_id->conversation, "conv_1");
  EXPECT_EQ(*by_id, *by_object);
  EXPECT_TRUE(parse(R"({"model":"m","conversation":"conv_1"})").ok());
}

TEST(ResponsesRequest, AsksForCompaction) {
  auto asked = parse(with(R"("context_management":[{"type":"compaction","compact_threshold":5000}])"));
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked->compact_threshold, 5000);
  EXPECT_EQ(parse(with(R"("context_management":[{"type":"compaction"}])"))->compact_threshold, 100'000);
  EXPECT_EQ(parse(with(R"("context_management":[])"))->compact_threshold, std::nullopt);
}

TEST(ResponsesRequest, ReferencesSayWhereTheyBelong) {
  auto document = json::Document::parse(
      R"({"model":"m","input":[{"id":"msg_a"},{"role":"user","content":"x"},{"type":"item_reference","id":"fc_b"}]})");
  ASSERT_TRUE(document.ok());
  std::vector<ItemReference> references;
  auto request = parse_responses_request(document->root(), {.references = &references});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->input.size(), 1u);
  ASSERT_EQ(references.size(), 2u);
  EXPECT_EQ(references[0].id, "msg_a");
  EXPECT_EQ(references[0].before, 0u);
  EXPECT_EQ(references[1].id, "fc_b");
  EXPECT_EQ(references[1].before, 1u);
  EXPECT_EQ(references[1].param, "input[2].id");
  for (const char* input : {R"({"type":"item_reference"})", R"({"id":""})", R"({"type":"item_reference","id":7})",
                            R"({"type":"item_reference","id":"a","more":1})"}) {
    auto wrong = json::Document::parse(R"({"model":"m","input":[)" + std::string(input) + "]}");
    EXPECT_FALSE(parse_responses_request(wrong->root(), {.references = &references}).ok()) << input;
  }
}

}  // namespace
}  // namespace perdure
