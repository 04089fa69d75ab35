#include "simulate/converse_request.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

const Signer kSigner(1, "");

Result<Prompt> parse(const std::string& body, ConverseRules rules = {}) {
  return parse_converse_request(body, "m", kSigner, rules);
}
std::string with(const std::string& more,
                 const std::string& messages = R"([{"role":"user","content":[{"text":"x"}]}])") {
  return R"({"messages":)" + messages + (more.empty() ? "" : "," + more) + "}";
}
const std::string kTools =
    R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}}}}]})";
std::string talk(const std::string& messages) { return with(kTools, "[" + messages + "]"); }

const std::string kUser = R"({"role":"user","content":[{"text":"Weather?"}]})";
std::string assistant(const std::string& blocks) { return R"({"role":"assistant","content":[)" + blocks + "]}"; }
std::string user(const std::string& blocks) { return R"({"role":"user","content":[)" + blocks + "]}"; }
std::string use(const std::string& id) {
  return R"({"toolUse":{"toolUseId":")" + id + R"(","name":"f","input":{"a":1}}})";
}
std::string result(const std::string& id) {
  return R"({"toolResult":{"toolUseId":")" + id + R"(","content":[{"text":"dry"}],"status":"success"}})";
}
std::string thought(const std::string& text, const std::string& signature) {
  return R"({"reasoningContent":{"reasoningText":{"text":")" + text + R"(","signature":")" + signature + "\"}}}";
}

TEST(ConverseRequest, ReadsWhatItKnows) {
  const auto request = parse(with(
      R"("system":[{"text":"Be brief."},{"cachePoint":{"type":"default"}}],"inferenceConfig":{"maxTokens":50,"temperature":0.5,"topP":0.9,"stopSequences":["END"]},)" +
          kTools.substr(0, kTools.size() - 1) +
          R"(,"toolChoice":{"tool":{"name":"f"}}},"additionalModelRequestFields":{"top_k":4},"requestMetadata":{"a":"b"},
        "outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"s"}}}})",
      "[" + user(R"({"text":"a"},{"image":{"format":"png","source":{"bytes":"iVBORw0KGgo="}}},{"text":"b"})") + "," +
          assistant(thought("hm", kSigner.seal(kReasoningContentPurpose, "hm")) + R"(,{"text":"I look."},)" +
                    use("t1") + "," + use("t2")) +
          "," +
          user(
              result("t2") +
              R"(,{"toolResult":{"toolUseId":"t1","content":[{"json":{"a":1}},{"image":{"format":"png","source":{"bytes":"iVBORw0KGgo="}}}],"status":"error"}},{"text":"And?"})") +
          "]"));
  ASSERT_TRUE(request.ok()) << request.error().message;
  ASSERT_EQ(request->messages.size(), 6u);
  EXPECT_EQ(request->messages[1].text, "a\nb");
  EXPECT_EQ(request->messages[1].media, std::vector<std::string>{"image/png of 8 bytes (crc32 7a0709a4)"});
  EXPECT_EQ(request->messages[2].calls.size(), 2u);
  EXPECT_EQ(request->messages[4].text, R"({"a":1})");
  EXPECT_EQ(request->messages[4].media.size(), 1u);
  EXPECT_EQ(request->messages[5].text, "And?");
  EXPECT_EQ(request->tool_named, "f");
  EXPECT_EQ(request->tokens_max, 50);
  EXPECT_EQ(request->schema, R"({"type":"object"})");
  EXPECT_FALSE(request->prefix.empty());
}

TEST(ConverseRequest, RefusesWhatAwsRefuses) {
  const std::string calls = kUser + "," + assistant(use("t1") + "," + use("t2"));
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"{", "not valid JSON"},
      {"[]", "not a JSON object"},
      {"{}", "must start with a user message"},
      {with("", "[]"), "must start with a user message"},
      {with(R"("modelId":"m")"), "extraneous key [modelId]"},
      {with(R"("max_tokens":5)"), "extraneous key"},
      {with(R"("inferenceConfig":{"maxTokens":0})"), "greater than or equal to 1"},
      {with(R"("inferenceConfig":{"temperature":1.5})"), "less than or equal to 1"},
      {with(R"("inferenceConfig":{"topK":1})"), "extraneous key [topK]"},
      {with(R"("system":"x")"), "array"},
      {with(R"("system":[{"text":""}])"), "length greater than or equal to 1"},
      {with(R"("guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"})"), "does not exist"},
      {with(R"("toolConfig":{"tools":[]})"), "length greater than or equal to 1"},
      {with(R"("toolConfig":{"tools":[{"toolSpec":{"name":"f g","inputSchema":{"json":{"type":"object"}}}}]})"),
       "regular expression pattern"},
      {with(R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}]})"),
       "must be one of the following: object"},
      {with(
           R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"","inputSchema":{"json":{"type":"object"}}}}]})"),
       "length greater than or equal to 1"},
      {with(kTools.substr(0, kTools.size() - 1) + R"(,"toolChoice":{"none":{}}})"), "extraneous key [none]"},
      {with(kTools.substr(0, kTools.size() - 1) + R"(,"toolChoice":{"tool":{"name":"g"}}})"), "not among the tools"},
      {with(R"("additionalModelRequestFields":{"colour":1})"), "extraneous key [colour]"},
      {with(
           R"("additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}},"inferenceConfig":{"maxTokens":1000})"),
       "must be greater than"},
      {with(R"("outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"no"}}}})"),
       "not a JSON schema"},
      {talk(assistant(R"({"text":"x"})")), "must start with a user message"},
      {talk(kUser + "," + kUser), "must alternate"},
      {talk(user("")), "is empty"},
      {talk(user(R"({"text":" "})")), "is blank"},
      {talk(user(R"({"text":""})")), "is blank"},
      {talk(user(R"({"text":"x","image":{}})")), "exactly one"},
      {talk(user(R"({"type":"text","text":"x"})")), "extraneous key [type]"},
      {talk(user(R"({"image":{"format":"bmp","source":{"bytes":"AAAA"}}})")), "enum value set"},
      {talk(user(R"({"image":{"format":"png","source":{"s3Location":{"uri":"s3://a/b"}}}})")), "s3Location"},
      {talk(user(R"({"image":{"format":"png","source":{"bytes":""}}})")), "non-empty blob"},
      {talk(user(R"({"image":{"format":"png","source":{"bytes":"AAAA"}}})")), "does not appear to be one"},
      {talk(user(R"({"document":{"format":"pdf","name":"a","source":{"bytes":"AAAA"}}})")), "must come with a text"},
      {talk(user(R"({"text":"x"},{"document":{"format":"pdf","name":"a.pdf","source":{"bytes":"AAAA"}}})")),
       "file name"},
      {talk(user(use("t1"))), "only allowed in an assistant message"},
      {talk(calls), "Expected toolResult blocks at messages.2.content for the following Ids: t1, t2"},
      {talk(calls + "," + user(result("t1"))), "following Ids: t2"},
      {talk(calls + "," + user(result("t1") + "," + result("t1"))), "following Ids: t2"},
      {talk(calls + "," + user(result("t1") + "," + result("t3"))), "following Ids: t2"},
      {talk(user(result("t1"))), "exceeds the number of toolUse blocks"},
      {talk(calls + "," + user(R"({"text":"Here:"},)" + result("t1") + "," + result("t2"))),
       "must come before any other content"},
      {talk(kUser + "," + assistant(use("t1") + R"(,{"text":"so"})") + "," + user(result("t1"))),
       "after a toolUse block"},
      {talk(kUser + "," + assistant(R"({"text":"so"},)" + thought("a", "b")) + "," + kUser), "must come before text"},
      {talk(kUser + "," + assistant(use("call/1"))), "[a-zA-Z0-9_.:-]+"},
      {talk(kUser + "," + assistant(use(std::string(65, 'a')))), "less than or equal to 64"},
      {with("", "[" + calls + "," + user(result("t1") + "," + result("t2")) + "]"), "toolConfig field must be defined"},
      {talk(kUser + "," + assistant(R"({"text":"so far "})")), "trailing whitespace"},
      {talk(kUser + "," + assistant(thought("hm", "c2ln") + R"(,{"text":"x"})")), "Invalid `signature`"},
      {talk(kUser + "," + assistant(thought("ha", kSigner.seal(kReasoningContentPurpose, "hm")) + R"(,{"text":"x"})")),
       "cannot be modified"},
      {talk(kUser + "," + assistant(thought("hm", "") + R"(,{"text":"x"})")), "signature: Field required"},
      {talk(kUser + "," + assistant(R"({"reasoningContent":{"redactedContent":"AAAA"}},{"text":"x"})")),
       "Invalid `data`"},
  };
  for (const auto& [body, words] : refusals) {
    const auto request = parse(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_NE(request.error().message.find(words), std::string::npos) << body << "\n" << request.error().message;
  }
  EXPECT_TRUE(parse(talk(calls + "," + user(result("t1") + "," + result("t2")))).ok());
  EXPECT_TRUE(parse(talk(kUser + "," + assistant(R"({"text":"So"})"))).ok());
  EXPECT_FALSE(parse(talk(kUser + "," + assistant(R"({"text":"So"})")), {.prefill = false}).ok());
}

}  // namespace
}  // namespace perdure::simulate
