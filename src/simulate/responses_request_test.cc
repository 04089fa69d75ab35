#include "simulate/responses_request.h"

#include "simulate/responses_item_id.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

const Signer kSigner(1, "");

Result<ResponsesRequest> parse(const std::string& body, const ResponseShelf* shelf = nullptr) {
  return parse_responses_request(body, kSigner, shelf);
}
std::string with(const std::string& more, const std::string& input = R"("x")") {
  return R"({"model":"m","store":false,"input":)" + input + (more.empty() ? "" : "," + more) + "}";
}
std::string items(const std::string& list) { return with("", "[" + list + "]"); }

const std::string kUser = R"({"role":"user","content":"Weather?"})";
const std::string kCall = R"({"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"})";
const std::string kOutput = R"({"type":"function_call_output","call_id":"call_1","output":"dry"})";
const std::string kTool = R"("tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}])";

std::string reasoning(const std::string& sealed) {
  return R"({"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":")" + sealed + "\"}";
}

TEST(ResponsesRequest, ReadsWhatItKnows) {
  const auto request = parse(with(
      R"("instructions":"Be brief.",)" + kTool +
          R"(,"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"max_output_tokens":20,"stream":true,
        "include":["reasoning.encrypted_content"],"reasoning":{"effort":"low","summary":"auto"},"temperature":0.5,
        "text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"}}},"metadata":{"a":"b"},"truncation":"auto")",
      R"([{"role":"developer","content":"Hm."},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},
        {"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"},{"type":"input_text","text":"b"}]},)" +
          reasoning(kSigner.seal(kReasoningPurpose, "r")) + "," + kCall +
          R"(,{"type":"function_call","call_id":"call_2","name":"f","arguments":"{}","id":"fc_x","status":"completed"},
        {"type":"function_call_output","call_id":"call_2","output":[{"type":"input_text","text":"wet"}]},)" +
          kOutput + "]"));
  ASSERT_TRUE(request.ok()) << request.error().message;
  ASSERT_EQ(request->messages.size(), 6u);
  EXPECT_EQ(request->messages[2].text, "a\nb");
  EXPECT_EQ(request->messages[2].media.size(), 1u);
  EXPECT_EQ(request->messages[3].calls.size(), 2u);
  EXPECT_EQ(request->messages[4].text, "wet");
  EXPECT_EQ(request->tool_choice, ToolChoice::kNamed);
  EXPECT_TRUE(request->encrypted);
  EXPECT_TRUE(request->summary);
  EXPECT_EQ(request->tokens_max, 20);
  EXPECT_EQ(request->thinking, Thinking::kOn);
  EXPECT_TRUE(request->items.empty()) << "nothing is kept";
}

TEST(ResponsesRequest, RefusesWhatOpenAiRefuses) {
  const std::vector<std::tuple<std::string, std::string, std::string>> refusals = {
      {"{", "", ""},
      {"[]", "", ""},
      {R"({"store":false,"input":"x"})", "model", "missing_required_parameter"},
      {R"({"model":"m","store":false})", "input", "missing_required_parameter"},
      {R"({"model":"m","input":"x"})", "store", "unsupported_value"},
      {R"({"model":"m","input":"x","store":true})", "store", "unsupported_value"},
      {with(R"("previous_response_id":"resp_1")"), "previous_response_id", "unsupported_parameter"},
      {with(R"("background":true)"), "background", "unsupported_parameter"},
      {with(R"("conversation":"c")"), "conversation", "unsupported_parameter"},
      {with(R"("messages":[])"), "messages", "unknown_parameter"},
      {with(R"("max_tokens":5)"), "max_tokens", "unknown_parameter"},
      {with(R"("max_output_tokens":15)"), "max_output_tokens", "integer_below_min_value"},
      {with(R"("temperature":3)"), "temperature", "decimal_above_max_value"},
      {with(R"("include":["everything"])"), "include[0]", "invalid_value"},
      {with(R"("reasoning":{"effort":"huge"})"), "reasoning.effort", "invalid_value"},
      {with(R"("stream_options":{"include_obfuscation":false})"), "stream_options", ""},
      {with(R"("stream":true,"stream_options":{"include_usage":true})"), "stream_options.include_usage",
       "unknown_parameter"},
      {with("", "[]"), "input", "empty_array"},
      {with("", "7"), "input", "invalid_type"},
      {items(R"({"role":"robot","content":"x"})"), "input[0].role", "invalid_value"},
      {items(R"({"role":"user"})"), "input[0].content", "missing_required_parameter"},
      {items(R"({"role":"user","content":[{"type":"text","text":"x"}]})"), "input[0].content[0].type", "invalid_value"},
      {items(R"({"role":"assistant","content":[{"type":"input_text","text":"x"}]})"), "input[0].content[0].type",
       "invalid_value"},
      {items(R"({"role":"user","content":[{"type":"output_text","text":"x"}]})"), "input[0].content[0].type",
       "invalid_value"},
      {items(R"({"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]})"),
       "input[0].content[0].image_url", "invalid_image_format"},
      {items(R"({"role":"user","content":"x","mood":"good"})"), "input[0].mood", "unknown_parameter"},
      {items(R"({"type":"message","role":"assistant","id":"abc","content":"x"})"), "input[0].id", "invalid_value"},
      {items(R"({"type":"web_search_call","id":"ws_1"})"), "input[0].type", "invalid_value"},
      {items(kUser + "," + kCall), "input", ""},
      {items(kUser + "," + kOutput), "input", ""},
      {items(kUser + "," + kCall + "," + kCall + "," + kOutput), "input", ""},
      {items(kUser + "," + kCall + "," + kOutput + "," + kOutput), "input", ""},
      {items(R"({"type":"function_call","call_id":"","name":"f","arguments":"{}"})"), "input[0].call_id",
       "string_below_min_length"},
      {items(R"({"type":"function_call","call_id":")" + std::string(65, 'a') + R"(","name":"f","arguments":"{}"})"),
       "input[0].call_id", "string_above_max_length"},
      {items(R"({"type":"function_call","call_id":"c","name":"f g","arguments":"{}"})"), "input[0].name",
       "invalid_value"},
      {items(R"({"type":"function_call","call_id":"c","name":"f","arguments":{}})"), "input[0].arguments",
       "invalid_type"},
      {items(R"({"type":"function_call","call_id":"c","id":"call_1","name":"f","arguments":"{}"})"), "input[0].id",
       "invalid_value"},
      {with(R"("tools":[{"type":"function","function":{"name":"f"}}])"), "tools[0].function", "unknown_parameter"},
      {with(R"("tools":[{"type":"web_search"}])"), "tools[0].type", "invalid_value"},
      {with(R"("tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object"}}])"),
       "tools[0].parameters", "invalid_function_parameters"},
      {with(kTool + R"(,"tool_choice":{"type":"function","name":"g"})"), "tool_choice", "invalid_value"},
      {with(kTool + R"(,"tool_choice":"some")"), "tool_choice", "invalid_value"},
      {with(R"("tool_choice":"required")"), "tool_choice", "invalid_value"},
      {with(R"("text":{"format":{"type":"yaml"}})"), "text.format.type", "invalid_value"},
      {with(R"("text":{"format":{"type":"json_object"}})"), "input", ""},
      {with(R"("text":{"format":{"type":"json_schema","schema":{}}})"), "text.format.name",
       "missing_required_parameter"},
      {with(
           R"("text":{"format":{"type":"json_schema","name":"s","strict":true,"schema":{"type":"object","properties":{}}}})"),
       "text.format.schema", "invalid_json_schema"},
  };
  for (const auto& [body, param, reason] : refusals) {
    const auto request = parse(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_EQ(request.error().param, param) << body << "\n" << request.error().message;
    EXPECT_EQ(request.error().reason, reason) << body << "\n" << request.error().message;
  }
  EXPECT_TRUE(parse(with(R"("text":{"format":{"type":"json_object"}})", R"("As JSON, please.")")).ok());
}

// T18: reasoning goes with the item that followed it, and only to whoever sealed it.
TEST(ResponsesRequest, KnowsItsOwnReasoning) {
  const std::string ours = reasoning(kSigner.seal(kReasoningPurpose, "r"));
  const std::string said = R"({"type":"message","role":"assistant","content":"Hello."})";
  EXPECT_TRUE(parse(items(kUser + "," + ours + "," + said + "," + kUser)).ok());
  EXPECT_TRUE(parse(items(kUser + "," + ours + "," + kCall + "," + kOutput)).ok());
  for (const std::string& alone :
       {kUser + "," + ours, kUser + "," + ours + "," + kUser, kUser + "," + ours + "," + ours + "," + said,
        kUser + "," + kCall + "," + ours + "," + kOutput}) {
    const auto request = parse(items(alone));
    ASSERT_FALSE(request.ok()) << alone;
    EXPECT_NE(request.error().message.find("without its required following item"), std::string::npos)
        << request.error().message;
  }
  const Signer other(1, "other");
  const auto foreign = parse(items(kUser + "," + reasoning(other.seal(kReasoningPurpose, "r")) + "," + said));
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().reason, "invalid_encrypted_content");
  const auto bare = parse(items(kUser + R"(,{"type":"reasoning","id":"rs_1","summary":[]},)" + said));
  ASSERT_FALSE(bare.ok());
  EXPECT_EQ(bare.error().code, Code::kNotFound);
  EXPECT_EQ(parse(items(R"({"type":"item_reference","id":"msg_1"})")).error().code, Code::kNotFound);

  // And the other way round: an item that came after reasoning does not go without it.
  const auto message = [&](bool after) {
    return R"({"type":"message","role":"assistant","id":")" + mint_item_id(kSigner, "msg_", "0123456789abcdef", after) +
           R"(","status":"completed","content":[{"type":"output_text","text":"Hello.","annotations":[]}]})";
  };
  EXPECT_TRUE(parse(items(kUser + "," + message(false) + "," + kUser)).ok());
  EXPECT_TRUE(parse(items(kUser + "," + ours + "," + message(true) + "," + kUser)).ok());
  const auto without = parse(items(kUser + "," + message(true) + "," + kUser));
  ASSERT_FALSE(without.ok());
  EXPECT_NE(without.error().message.find("without its required 'reasoning' item"), std::string::npos);
}

}  // namespace
}  // namespace perdure::simulate
