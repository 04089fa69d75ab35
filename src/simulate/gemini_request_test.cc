#include "simulate/gemini_request.h"

#include <gtest/gtest.h>

#include "simulate/gemini_schema.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

const Signer kSigner(1, "");

Result<GeminiRequest> parse(const std::string& body, GeminiRules rules = {}) {
  return parse_gemini_request(body, "m", kSigner, rules);
}
std::string with(const std::string& more, const std::string& contents = R"([{"role":"user","parts":[{"text":"x"}]}])") {
  return R"({"contents":)" + contents + (more.empty() ? "" : "," + more) + "}";
}
std::string talk(const std::string& contents) { return with("", "[" + contents + "]"); }

const std::string kUser = R"({"role":"user","parts":[{"text":"Weather?"}]})";
const std::string kTools =
    R"("tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}}]}])";

std::string call(const std::string& name, const std::string& signature) {
  return R"({"functionCall":{"name":")" + name + R"(","args":{}})" +
         (signature.empty() ? "" : R"(,"thoughtSignature":")" + signature + "\"") + "}";
}
std::string ours(const std::string& name) { return kSigner.seal(kThoughtPurpose, name); }
std::string model(const std::string& parts) { return R"({"role":"model","parts":[)" + parts + "]}"; }
std::string user(const std::string& parts) { return R"({"role":"user","parts":[)" + parts + "]}"; }
std::string response(const std::string& name, const std::string& json = R"({"output":"dry"})") {
  return R"({"functionResponse":{"name":")" + name + R"(","response":)" + json + "}}";
}

TEST(GeminiRequest, ReadsWhatItKnows) {
  const auto request = parse(with(
      R"("systemInstruction":{"parts":[{"text":"Be brief."}]},)" + kTools +
          R"(,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
        "generationConfig":{"temperature":1,"topP":0.9,"topK":40,"maxOutputTokens":50,"stopSequences":["END"],
          "thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}},
        "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}])",
      "[" + user(R"({"text":"a"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}},{"text":"b"})") + "," +
          model(R"({"text":"I look","thought":true},{"text":"Let me "},{"text":"see."},)" + call("f", ours("f")) + "," +
                call("f", "")) +
          "," + user(response("f") + "," + response("f", R"({"a":1})")) + "]"));
  ASSERT_TRUE(request.ok()) << request.error().message;
  ASSERT_EQ(request->messages.size(), 5u);
  EXPECT_EQ(request->messages[1].text, "a\nb");
  EXPECT_EQ(request->messages[1].media.size(), 1u);
  EXPECT_EQ(request->messages[2].text, "Let me see.");
  ASSERT_EQ(request->messages[2].calls.size(), 2u);
  EXPECT_EQ(request->messages[3].text, "dry");
  EXPECT_EQ(request->messages[3].call_id, request->messages[2].calls[0].id);
  EXPECT_EQ(request->messages[4].text, R"({"a":1})");
  EXPECT_EQ(request->messages[4].call_id, request->messages[2].calls[1].id);
  EXPECT_EQ(request->tool_choice, ToolChoice::kRequired);
  EXPECT_EQ(request->tools_allowed, std::vector<std::string>{"f"});
  EXPECT_EQ(request->thinking, Thinking::kOn);
  EXPECT_TRUE(request->include_thoughts);
}

TEST(GeminiRequest, RefusesWhatGoogleRefuses) {
  const auto declared = [](const std::string& declaration) {
    return with(R"("tools":[{"functionDeclarations":[)" + declaration + "]}]");
  };
  const auto schema = [&](const std::string& inner) {
    return declared(R"({"name":"f","parameters":{"type":"OBJECT","properties":{"a":)" + inner + "}}}");
  };
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"{", "Invalid JSON payload"},
      {"[]", "must be a message"},
      {"{}", "contents is not specified"},
      {with("", "[]"), "contents is not specified"},
      {with(R"("messages":[])"), "Unknown name \"messages\""},
      {with(R"("system_instruction":{"parts":[{"text":"x"}]})"), "Unknown name"},
      {with(R"("cachedContent":"c")"), "CachedContent not found"},
      {talk(R"({"role":"assistant","parts":[{"text":"x"}]})"), "valid role"},
      {talk(R"({"role":"user","parts":[]})"), "must not be empty"},
      {talk(R"({"role":"user","parts":[{}]})"), "required oneof field 'data'"},
      {talk(R"({"role":"user","parts":[{"text":"x","inlineData":{"mimeType":"image/png","data":"AAAA"}}]})"),
       "already set"},
      {talk(R"({"role":"user","parts":[{"text":""}]})"), "empty text parameter"},
      {talk(R"({"role":"user","parts":[{"text":"x","id":"1"}]})"), "Unknown name \"id\" at 'contents[0].parts[0]'"},
      {talk(R"({"role":"user","parts":[{"inlineData":{"mimeType":"image/bmp","data":"AAAA"}}]})"),
       "Unsupported MIME type"},
      {talk(R"({"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]})"),
       "Unable to process input image"},
      {talk(R"({"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"A*"}}]})"), "Base64"},
      {talk(model(R"({"text":"x"})")), "first turn has role user"},
      {talk(kUser + "," + user(call("f", ours("f")))), "function call turn has role model"},
      {talk(kUser + "," + model(R"({"text":"a"})") + "," + model(call("f", ours("f"))) + "," + user(response("f"))),
       "immediately after a user turn"},
      {talk(user(response("f"))), "immediately after a function call turn"},
      {talk(kUser + "," + model(call("f", ours("f")))), "number of function response parts"},
      {talk(kUser + "," + model(call("f", ours("f")) + "," + call("f", "")) + "," + user(response("f"))),
       "number of function response parts"},
      {talk(kUser + "," + model(call("f", ours("f"))) + "," + user(response("g"))), "no call of 'g' is left"},
      {talk(kUser + "," + model(call("f", ours("f"))) + "," + user(response("f", R"("dry")"))), "expected an object"},
      {talk(kUser + "," + model(R"({"text":" "},)" + call("f", ours("f"))) + "," + user(response("f"))), "blank text"},
      {declared(R"({"name":"9f"})"), "Invalid function name"},
      {declared(R"({"name":"f","strict":true})"), "Unknown name \"strict\""},
      {declared(R"({"name":"f","parameters":{}})"), "parameters.type"},
      {declared(R"({"name":"f"},{"name":"f"})"), "Duplicate function declaration"},
      {declared(R"({"name":"f","parameters":{"type":"OBJECT"},"parametersJsonSchema":{}})"), "only one of"},
      {declared(R"({"name":"f","parameters":{"type":"OBJECT","properties":{},"required":["a"]}})"), "not defined"},
      {with(R"("tools":[{"googleSearch":{}}])"), "Unknown name \"googleSearch\""},
      {with(R"("toolConfig":{"functionCallingConfig":{"mode":"ANY"}})"), "without function_declarations"},
      {with(kTools + R"(,"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}})"),
       "only supported when the mode is ANY"},
      {with(kTools + R"(,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}})"),
       "not declared"},
      {with(R"("generationConfig":{"maxTokens":5})"), "Unknown name \"maxTokens\" at 'generation_config'"},
      {with(R"("generationConfig":{"stopSequences":["1","2","3","4","5","6"]})"), "above the limit of 5"},
      {with(R"("generationConfig":{"candidateCount":2})"), "candidate_count"},
      {with(R"("generationConfig":{"responseSchema":{"type":"OBJECT"}})"), "application/json"},
      {with(R"("generationConfig":{"thinkingConfig":{"thinkingBudget":100,"thinkingLevel":"LOW"}})"), "only one of"},
      {with(R"("safetySettings":[{"category":"X","threshold":"BLOCK_NONE"}])"), "Invalid value"},
      {schema(R"({"type":["STRING","NULL"]})"), "cannot start list"},
      {schema(R"({"type":"TEXT"})"), "Invalid value"},
      {schema(R"({"type":"ARRAY"})"), "items: missing field"},
      {schema(R"({"type":"INTEGER","enum":["1"]})"), "only allowed for STRING"},
      {schema(R"({"type":"STRING","enum":[""]})"), "cannot be empty"},
      {schema(R"({"type":"STRING","format":"uuid"})"), "only 'enum' and 'date-time'"},
  };
  for (const auto& [body, words] : refusals) {
    const auto request = parse(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_NE(request.error().message.find(words), std::string::npos) << body << "\n" << request.error().message;
  }
  // T10
  for (const char* keyword : {R"("$schema":"x")", R"("$ref":"#")", R"("$defs":{})", R"("additionalProperties":false)",
                              R"("default":1)", R"("title":"t")", R"("examples":[])", R"("exclusiveMinimum":0)",
                              R"("const":1)", R"("oneOf":[])", R"("allOf":[])", R"("multipleOf":2)"}) {
    const auto request = parse(schema(R"({"type":"STRING",)" + std::string(keyword) + "}"));
    ASSERT_FALSE(request.ok()) << keyword;
    EXPECT_NE(request.error().message.find("Cannot find field"), std::string::npos) << request.error().message;
  }
}

// T17: the first function call of every step of the current turn comes back signed, by us.
TEST(GeminiRequest, WantsItsSignaturesBack) {
  const auto turn = [&](const std::string& first, const std::string& second, const std::string& after = "") {
    return talk(kUser + "," + model(call("f", first) + "," + call("g", "")) + "," +
                user(response("f") + "," + response("g")) + "," + model(call("g", second)) + "," + user(response("g")) +
                after);
  };
  EXPECT_TRUE(parse(turn(ours("f"), ours("g"))).ok());
  const auto missing = parse(turn(ours("f"), ""));
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("missing a thought_signature in functionCall parts"), std::string::npos);
  EXPECT_FALSE(parse(turn("", ours("g"))).ok());
  EXPECT_TRUE(parse(turn("", "", "," + model(R"({"text":"Dry."})") + "," + kUser)).ok()) << "an earlier turn need not";
  const Signer other(1, "other");
  for (const std::string& wrong : {other.seal(kThoughtPurpose, "f"), ours("g"), std::string("c2ln")})
    EXPECT_EQ(parse(turn(wrong, ours("g"))).error().message, "Thought signature is not valid.");
  EXPECT_TRUE(parse(turn("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")).ok());
}

TEST(GeminiRequest, RefusesPrefillWhereToldTo) {
  const std::string body = talk(kUser + "," + model(R"({"text":"So"})"));
  EXPECT_TRUE(parse(body).ok());
  EXPECT_FALSE(parse(body, {.prefill = false}).ok());
}

TEST(GeminiSchema, BecomesJsonSchema) {
  const auto schema = json::Document::parse(
      R"({"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"type":{"type":"ARRAY","items":{"anyOf":[{"type":"INTEGER"}]}}},"propertyOrdering":["a"],"required":["a"]})");
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(
      as_json_schema(schema->root()),
      R"({"type":"object","properties":{"a":{"type":["string","null"]},"type":{"type":"array","items":{"anyOf":[{"type":"integer"}]}}},"required":["a"]})");
}

}  // namespace
}  // namespace perdure::simulate
