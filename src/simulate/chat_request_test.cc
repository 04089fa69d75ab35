#include "simulate/chat_request.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

TEST(ChatRequest, ReadsWhatItKnows) {
  const auto request = parse_chat_request(R"({"model":"m","messages":[
    {"role":"system","content":"be brief"},
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},
                                                     {"id":"2","type":"function","function":{"name":"f","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"2","content":"y"},{"role":"tool","tool_call_id":"1","content":"x"}],
    "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","additionalProperties":false},"strict":true}}],
    "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"stop":["x","y"],
    "max_completion_tokens":5,"stream":true,"stream_options":{"include_usage":true},"temperature":0,"seed":3,"n":1,
    "metadata":{"a":"b"},"store":false,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"}}}})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->messages.size(), 5u);
  EXPECT_EQ(request->messages[1].text, "a\nb");
  EXPECT_EQ(request->messages[1].media, std::vector<std::string>{"image/png of 8 bytes (crc32 7a0709a4)"});
  EXPECT_EQ(request->messages[2].calls.size(), 2u);
  EXPECT_EQ(request->tool_choice, ToolChoice::kNamed);
  EXPECT_FALSE(request->parallel_tool_calls);
  EXPECT_EQ(request->schema, R"({"type":"object"})");
  EXPECT_EQ(request->tokens_max, 5);
  EXPECT_TRUE(request->include_usage);
}

TEST(ChatRequest, KnowsTheRulesOfStrictSchemas) {
  const auto with = [](std::string_view schema) {
    return parse_chat_request(
        R"({"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":)" +
        std::string(schema) + "}}}");
  };
  EXPECT_TRUE(
      with(
          R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":["object","null"],"properties":{},"additionalProperties":false}},"required":["a","b"],"additionalProperties":false})")
          .ok());
  for (
      const char* wrong :
      {R"({"type":"object","properties":{}})", R"({"type":"object","properties":{},"additionalProperties":true})",
       R"({"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{"type":"string"}},"required":[],"additionalProperties":false})",
       R"({"type":"object","properties":{},"required":["a"],"additionalProperties":false})",
       R"({"type":"array","items":{"type":"string"}})",
       R"({"type":"object","properties":{"a":{"type":"object","properties":{}}},"required":["a"],"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{"anyOf":[{"type":"object"}]}},"required":["a"],"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"object"}},"required":["a"],"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{"allOf":[]}},"required":["a"],"additionalProperties":false})"}) {
    const auto refused = with(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().reason, "invalid_json_schema");
  }
}

TEST(ChatRequest, LooksAtImagesAndFiles) {
  const auto with = [](std::string_view part) {
    return parse_chat_request(R"({"model":"m","messages":[{"role":"user","content":[)" + std::string(part) + "]}]}");
  };
  const auto good = with(
      R"({"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}})");
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(good->messages[0].media.size(), 3u);
  for (const char* wrong :
       {R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}})",
        R"({"type":"image_url","image_url":{"url":"ftp://x"}})", R"({"type":"image_url","image_url":{}})",
        R"({"type":"image_url","image_url":{"url":"https://x","detail":"huge"}})",
        R"({"type":"file","file":{"file_data":"JVBERg=="}})",
        R"({"type":"input_audio","input_audio":{"data":"UklGRg==","format":"ogg"}})"})
    EXPECT_FALSE(with(wrong).ok()) << wrong;
}

TEST(ChatRequest, RefusesWhatOpenAiRefuses) {
  const std::string user = R"("model":"m","messages":[{"role":"user","content":"x"}])";
  const std::string call =
      R"({"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]})";
  const std::vector<std::tuple<std::string, std::string, std::string>> refusals = {
      {"{", "", ""},
      {"[]", "", ""},
      {R"({"messages":[{"role":"user","content":"x"}]})", "model", "missing_required_parameter"},
      {R"({"model":"m"})", "messages", "missing_required_parameter"},
      {R"({"model":"m","messages":[]})", "messages", "empty_array"},
      {R"({"model":"m","messages":[{"role":"robot","content":"x"}]})", "messages[0].role", "invalid_value"},
      {R"({"model":"m","messages":[{"role":"user"}]})", "messages[0].content", "missing_required_parameter"},
      {R"({"model":"m","messages":[{"role":"user","content":null}]})", "messages[0].content", "invalid_type"},
      {R"({"model":"m","messages":[{"role":"user","content":7}]})", "messages[0].content", "invalid_type"},
      {R"({"model":"m","messages":[{"role":"user","content":"x","mood":"good"}]})", "messages[0].mood",
       "unknown_parameter"},
      {R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]})",
       "messages[0].content[0].type", "invalid_value"},
      {"{" + user + R"(,"previous_response_id":"r"})", "previous_response_id", "unknown_parameter"},
      {"{" + user + R"(,"temperature":3})", "temperature", "decimal_above_max_value"},
      {"{" + user + R"(,"n":2})", "n", "integer_above_max_value"},
      {"{" + user + R"(,"max_tokens":0})", "max_tokens", "integer_below_min_value"},
      {"{" + user + R"(,"stream":"yes"})", "stream", "invalid_type"},
      {"{" + user + R"(,"stream_options":{"include_usage":true}})", "stream_options", ""},
      {"{" + user + R"(,"stop":["1","2","3","4","5"]})", "stop", "array_above_max_length"},
      {"{" + user + R"(,"tools":[]})", "tools", "empty_array"},
      {"{" + user + R"(,"tools":[{"type":"function","name":"f"}]})", "tools[0].name", "unknown_parameter"},
      {"{" + user + R"(,"tool_choice":"auto"})", "tool_choice", ""},
      {"{" + user +
           R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}})",
       "tool_choice", ""},
      {"{" + user + R"(,"response_format":{"type":"yaml"}})", "response_format.type", "invalid_value"},
      {R"({"model":"m","messages":[{"role":"tool","tool_call_id":"1","content":"x"}]})", "messages.[0].role", ""},
      {R"({"model":"m","messages":[)" + call + R"(]})", "messages", ""},
      {R"({"model":"m","messages":[)" + call +
           R"(,{"role":"user","content":"x"},{"role":"tool","tool_call_id":"1","content":"x"}]})",
       "messages", ""},
      {R"({"model":"m","messages":[)" + call + R"(,{"role":"tool","tool_call_id":"9","content":"x"}]})",
       "messages.[1].tool_call_id", ""},
  };
  for (const auto& [body, param, reason] : refusals) {
    const auto request = parse_chat_request(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_EQ(request.error().param, param) << body;
    EXPECT_EQ(request.error().reason, reason) << body;
  }
}

}  // namespace
}  // namespace perdure::simulate
