#include "simulate/messages_request.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

const Signer kSigner(1, "");

Result<MessagesRequest> parse(const std::string& body, MessagesRules rules = {}) {
  return parse_messages_request(body, kSigner, rules);
}
std::string with(const std::string& more, const std::string& messages = R"([{"role":"user","content":"x"}])") {
  return R"({"model":"m","max_tokens":100,"messages":)" + messages + (more.empty() ? "" : "," + more) + "}";
}
std::string conversation(const std::string& messages) { return with("", "[" + messages + "]"); }

const std::string kUser = R"({"role":"user","content":"Weather?"})";
const std::string kUse = R"({"role":"assistant","content":[{"type":"text","text":"I look."},
  {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"f","input":{}}]})";

TEST(MessagesRequest, ReadsWhatItKnows) {
  const auto request = parse(with(
      R"("system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
         "tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"integer"}}}}],
         "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},"stop_sequences":["END"],
         "temperature":0.5,"top_k":4,"stream":true,"metadata":{"user_id":"u"})",
      "[" + kUser + "," + kUse + R"(,{"role":"user","content":[
        {"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"wet"},
          {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
        {"type":"tool_result","tool_use_id":"toolu_1","content":"dry","is_error":true},
        {"type":"text","text":"And now?"},
        {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}])"));
  ASSERT_TRUE(request.ok()) << request.error().message;
  ASSERT_EQ(request->messages.size(), 6u);
  EXPECT_EQ(request->messages[0].role, Role::kSystem);
  EXPECT_EQ(request->messages[2].calls.size(), 2u);
  EXPECT_EQ(request->messages[2].calls[0].arguments, R"({"a":1})");
  EXPECT_EQ(request->messages[3].call_id, "toolu_2");
  EXPECT_EQ(request->messages[3].text, "wet");
  EXPECT_EQ(request->messages[3].media, std::vector<std::string>{"image/png of 8 bytes (crc32 7a0709a4)"});
  EXPECT_EQ(request->messages[5].text, "And now?");
  EXPECT_EQ(request->messages[5].media.size(), 1u);
  EXPECT_FALSE(request->parallel_tool_calls);
  EXPECT_EQ(request->tool_named, "f");
  EXPECT_EQ(request->stop, std::vector<std::string>{"END"});
  EXPECT_EQ(request->tokens_max, 100);
  EXPECT_TRUE(request->stream);
  EXPECT_EQ(request->thinking, Thinking::kOff);
  EXPECT_FALSE(request->prefix.empty());
}

TEST(MessagesRequest, RefusesWhatAnthropicRefuses) {
  const std::string tool = R"("tools":[{"name":"f","input_schema":{"type":"object"}}])";
  const std::string image = R"({"type":"image","source":{"type":"base64","media_type":)";
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"{", "not valid JSON"},
      {"[]", "valid dictionary"},
      {R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}]})", "model: Field required"},
      {R"({"model":"m","messages":[{"role":"user","content":"x"}]})", "max_tokens: Field required"},
      {R"({"model":"m","max_tokens":1})", "messages: Field required"},
      {with("", "[]"), "at least one message"},
      {with(R"("n":1)"), "n: Extra inputs are not permitted"},
      {with(R"("temperature":1.5)"), "less than or equal to 1"},
      {with(R"("stop_sequences":[" "])"), "non-whitespace"},
      {with(R"("metadata":{"a":"b"})"), "metadata.a: Extra inputs"},
      {with(R"("tool_choice":{"type":"any"})"), "only be specified while providing tools"},
      {with(tool + R"(,"tool_choice":{"type":"tool","name":"g"})"), "not found in provided tools"},
      {with(tool + R"(,"tool_choice":"any")"), "valid dictionary"},
      {with(R"("tools":[{"name":"f g","input_schema":{"type":"object"}}])"), "match pattern"},
      {with(R"("tools":[{"name":"f","input_schema":{}}])"), "input_schema.type"},
      {with(R"("tools":[{"name":"f","parameters":{}}])"), "Extra inputs"},
      {with(R"("tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"f","input_schema":{"type":"object"}}])"),
       "must be unique"},
      {with(R"("tools":[{"type":"web_search_20250305","name":"web_search"}])"), "Input tag 'web_search_20250305'"},
      {with(R"("tools":[{"name":"f","strict":true,"input_schema":{"type":"object"}}])"), "additionalProperties"},
      {with(R"("system":[{"type":"text","text":""}])"), "must be non-empty"},
      {with(R"("system":7)"), "system"},
      {with(R"("thinking":{"type":"enabled","budget_tokens":1024})"), "must be greater than `thinking.budget_tokens`"},
      {with(R"("thinking":{"type":"enabled","budget_tokens":100})"), "greater than or equal to 1024"},
      {with(R"("thinking":{"type":"enabled"})"), "budget_tokens: Field required"},
      {with(R"("thinking":{"type":"adaptive"},"temperature":0)"), "may only be set to 1"},
      {with(R"("thinking":{"type":"adaptive"},)" + tool + R"(,"tool_choice":{"type":"any"})"), "forces tool use"},
      {with(R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{}}}})"),
       "additionalProperties"},
      {with(R"("output_config":{"format":{"type":"json_schema","schema":{"type":"integer","minimum":1}}})"),
       "'minimum' is not supported"},
      {with(
           R"("output_config":{"format":{"type":"json_schema","schema":{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}}})"),
       "Circular reference"},
      {conversation(R"({"role":"system","content":"x"})"), "Unexpected role \"system\""},
      {conversation(R"({"role":"assistant","content":"x"})"), "first message must use the \"user\" role"},
      {conversation(R"({"role":"user","content":""})"), "non-empty content"},
      {conversation(R"({"role":"user","content":[]})"), "non-empty content"},
      {conversation(R"({"role":"user","content":[{"type":"text","text":""}]})"), "must be non-empty"},
      {conversation(R"({"role":"user","content":[{"type":"text","text":" \n"}]})"), "non-whitespace text"},
      {conversation(R"({"role":"user","content":"x","name":"bob"})"), "messages.0.name: Extra inputs"},
      {conversation(R"({"role":"user","content":[{"type":"input_text","text":"x"}]})"), "Input tag 'input_text'"},
      {conversation(R"({"role":"user","content":[{"type":"text","text":"x","id":"1"}]})"),
       "messages.0.content.0.text.id: Extra inputs"},
      {conversation(R"({"role":"user","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]})"),
       "only be specified by `assistant`"},
      {conversation(kUser +
                    R"(,{"role":"assistant","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]})"),
       "only be specified by `user`"},
      {conversation(R"({"role":"user","content":[)" + image + R"("image/bmp","data":"AAAA"}}]})"), "media_type"},
      {conversation(R"({"role":"user","content":[)" + image + R"("image/png","data":"AAAA"}}]})"), "Could not process"},
      {conversation(R"({"role":"user","content":[)" + image + R"("image/jpeg","data":"iVBORw0KGgo="}}]})"),
       "does not match the provided media type"},
      {conversation(R"({"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://x"}}]})"),
       "Only HTTPS"},
      {conversation(kUser + R"(,{"role":"assistant","content":"so far "})"), "trailing whitespace"},
      {conversation(kUser +
                    R"(,{"role":"assistant","content":[{"type":"tool_use","id":"a.b","name":"f","input":{}}]})"),
       "should match pattern"},
      {conversation(kUser + "," + kUse), "`tool_use` ids were found without `tool_result` blocks immediately after"},
      {conversation(kUser + "," + kUse + "," + kUser), "immediately after: toolu_1, toolu_2"},
      {conversation(kUser + "," + kUse +
                    R"(,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"}]})"),
       "immediately after: toolu_2"},
      {conversation(kUser + "," + kUse +
                    R"(,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"}]},
                       {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_2"}]})"),
       "immediately after: toolu_2"},
      {conversation(
           kUser + "," + kUse +
           R"(,{"role":"user","content":[{"type":"text","text":"Here:"},{"type":"tool_result","tool_use_id":"toolu_1"},{"type":"tool_result","tool_use_id":"toolu_2"}]})"),
       "must come before any other content"},
      {conversation(
           kUser + "," + kUse +
           R"(,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"},{"type":"tool_result","tool_use_id":"toolu_2"},{"type":"tool_result","tool_use_id":"toolu_2"}]})"),
       "multiple `tool_result` blocks"},
      {conversation(R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_9","content":"x"}]})"),
       "unexpected `tool_use_id`"},
      {conversation(
           kUser +
           R"(,{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"text","text":"so"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]})"),
       "immediately after: a"},
      {conversation(kUser +
                    R"(,{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"{}"}]})"),
       "input: Input should be a valid dictionary"},
      {with(
           R"("system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}])"),
       "must not come after"},
      {with(R"("cache_control":{"type":"ephemeral","ttl":"1d"})"), "ttl"},
  };
  for (const auto& [body, words] : refusals) {
    const auto request = parse(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_NE(request.error().message.find(words), std::string::npos) << body << "\n" << request.error().message;
  }
  std::string wide;  // every definition uses the next one twice
  for (int i = 0; i < 40; ++i)
    wide += (i ? "," : "") + ("\"d" + std::to_string(i)) + R"(":{"type":"array","items":{"anyOf":[{"$ref":"#/$defs/d)" +
            std::to_string(i + 1) + R"("},{"$ref":"#/$defs/d)" + std::to_string(i + 1) + R"("}]}})";
  EXPECT_NE(parse(with(R"("output_config":{"format":{"type":"json_schema","schema":{"$ref":"#/$defs/d0","$defs":{)" +
                       wide + R"(,"d40":{"type":"string"}}}}})"))
                .error()
                .message.find("too complex"),
            std::string::npos);
  std::string many = "[";
  for (int i = 0; i < 5; ++i)
    many += std::string(i ? "," : "") + R"({"type":"text","text":"a","cache_control":{"type":"ephemeral"}})";
  EXPECT_NE(parse(with(R"("system":)" + many + "]")).error().message.find("maximum of 4"), std::string::npos);
}

TEST(MessagesRequest, AllowsWhatAnthropicAllows) {
  for (
      const std::string& body :
      {conversation(kUser + "," + kUser), conversation(kUser + R"(,{"role":"assistant","content":""})"),
       conversation(kUser + R"(,{"role":"assistant","content":[]})"),
       conversation(
           R"({"role":"user","content":[{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"x"}}]})"),
       conversation(
           R"({"role":"user","content":[{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]}]})"),
       with(R"("system":"x","tools":[],"thinking":{"type":"disabled"},"service_tier":"auto","temperature":null)")})
    EXPECT_TRUE(parse(body).ok()) << body << "\n" << parse(body).error().message;
}

TEST(MessagesRequest, RefusesPrefillWhereToldTo) {
  const std::string body = conversation(kUser + R"(,{"role":"assistant","content":"So"})");
  EXPECT_TRUE(parse(body).ok());
  EXPECT_NE(parse(body, {.prefill = false}).error().message.find("does not support assistant message prefill"),
            std::string::npos);
  EXPECT_TRUE(parse(conversation(kUser), {.prefill = false}).ok());
}

TEST(MessagesRequest, CountsWithoutWhatOnlyAnAnswerNeeds) {
  EXPECT_TRUE(parse(R"({"model":"m","messages":[{"role":"user","content":"x"}]})", {.counting = true}).ok());
  EXPECT_FALSE(parse(with(""), {.counting = true}).ok()) << "max_tokens";
}

// T15, T19: thinking comes back as it was given, by whoever gave it.
TEST(MessagesRequest, KnowsItsOwnThinking) {
  const std::string signature = kSigner.seal(kThinkingPurpose, "I think.");
  const auto turn = [&](const std::string& block) {
    return conversation(
        kUser + R"(,{"role":"assistant","content":[)" + block +
        R"(,{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]})");
  };
  const auto thinking = [](const std::string& text, const std::string& its) {
    return R"({"type":"thinking","thinking":")" + text + R"(","signature":")" + its + "\"}";
  };
  EXPECT_TRUE(parse(turn(thinking("I think.", signature))).ok());
  EXPECT_TRUE(parse(turn(thinking("", signature))).ok()) << "shown without its text";
  EXPECT_NE(parse(turn(thinking("I thought.", signature))).error().message.find("cannot be modified"),
            std::string::npos);
  const Signer other(1, "other");
  for (const std::string& foreign : {std::string(), std::string("c2ln"), other.seal(kThinkingPurpose, "I think."),
                                     kSigner.seal(kRedactedPurpose, "I think.")})
    EXPECT_NE(parse(turn(thinking("I think.", foreign))).error().message.find("Invalid `signature`"),
              std::string::npos);
  const auto redacted = [](const std::string& data) {
    return R"({"type":"redacted_thinking","data":")" + data + "\"}";
  };
  EXPECT_TRUE(parse(turn(redacted(kSigner.seal(kRedactedPurpose, "hidden")))).ok());
  EXPECT_NE(parse(turn(redacted(signature))).error().message.find("Invalid `data`"), std::string::npos);
  EXPECT_FALSE(parse(turn(R"({"type":"thinking","thinking":"x"})")).ok());

  // With a budget the turn that is being gone on with begins with thinking.
  const auto enabled = [](std::string body) {
    return body.substr(0, body.size() - 1) + R"(,"thinking":{"type":"enabled","budget_tokens":1024}})";
  };
  const auto more = [](std::string body) { return body.replace(body.find("100"), 3, "9000"); };
  EXPECT_TRUE(parse(more(enabled(turn(thinking("I think.", signature))))).ok());
  const auto bare = parse(more(enabled(turn(R"({"type":"text","text":"I look."})"))));
  ASSERT_FALSE(bare.ok());
  EXPECT_NE(bare.error().message.find("Expected `thinking` or `redacted_thinking`, but found `text`"),
            std::string::npos);
  EXPECT_TRUE(parse(more(enabled(conversation(kUser + R"(,{"role":"assistant","content":"x"},)" + kUser)))).ok())
      << "an earlier turn need not";
}

}  // namespace
}  // namespace perdure::simulate
