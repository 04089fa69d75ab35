// Canonical requests as bodies of POST /chat/completions, trap by trap.

#include <gtest/gtest.h>

#include <algorithm>

#include "dialect/chat_upstream.h"
#include "dialect/testing/items.h"

namespace perdure {
namespace {

Item system_message(std::string text, Role role = Role::kSystem) {
  return {.role = role, .content = {{.text = std::move(text)}}};
}

Result<std::string> write_chat_request(const Request& request, const std::vector<Item>& context, std::string model,
                                       const ChatVariant& variant, std::string_view held = {},
                                       std::string_view ask = {}) {
  TRY(UpstreamMessage message, write_chat_request({.request = request,
                                                   .context = context,
                                                   .model = std::move(model),
                                                   .issuer = "me",
                                                   .held = std::string(held),
                                                   .ask = std::string(ask),
                                                   .max_output_tokens = request.max_output_tokens},
                                                  variant));
  return std::move(message.body);
}

// The messages of the body, or the error as "param: message".
std::string messages(const std::vector<Item>& context, const Request& request = {.model = "m"},
                     const ChatVariant& variant = {}, std::string_view held = {}, std::string_view ask = {}) {
  auto body = write_chat_request(request, context, "upstream", variant, held, ask);
  if (!body) return body.error().param + ": " + body.error().message;
  auto document = json::Document::parse(*body);
  EXPECT_TRUE(document.ok()) << *body;
  return std::string(document->root()["messages"].raw());
}

constexpr std::string_view kCallA = R"({"id":"a","type":"function","function":{"name":"f","arguments":"{}"}})";
constexpr std::string_view kCallB = R"({"id":"b","type":"function","function":{"name":"f","arguments":"{}"}})";
std::string turn(std::string_view content, std::string_view calls) {
  return R"({"role":"assistant","content":)" + std::string(content) + R"(,"tool_calls":[)" + std::string(calls) + "]}";
}
std::string answer(std::string_view id, std::string_view text) {
  return R"({"role":"tool","tool_call_id":")" + std::string(id) + R"(","content":")" + std::string(text) + R"("})";
}
std::string both() { return std::string(kCallA) + "," + std::string(kCallB); }

TEST(ChatRequest, AsksForAStream) {
  EXPECT_EQ(
      *write_chat_request({.model = "m"}, std::vector{user("hi")}, "upstream", {}),
      R"({"model":"upstream","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(*write_chat_request({.model = "m"}, std::vector{user("hi")}, "upstream", {.stream_usage = false}),
            R"({"model":"upstream","messages":[{"role":"user","content":"hi"}],"stream":true})");
}

TEST(ChatRequest, SendsWhatWasGiven) {
  Request request{.model = "m"};
  request.tools = {{.name = "f", .description = "d", .parameters = R"({ "n" : 1.0e400 })", .strict = true},
                   {.name = "g"}};
  request.tool_choice = {.mode = ToolChoice::Mode::kFunction, .function = "f"};
  request.parallel_tool_calls = false;
  request.format = {
      .kind = TextFormat::Kind::kJsonSchema, .name = "n", .schema = R"({"type":"object"})", .strict = true};
  request.temperature = 0.5;
  request.top_p = 1;
  request.presence_penalty = -1;
  request.frequency_penalty = 2;
  request.max_output_tokens = 16;
  request.reasoning_effort = "low";
  request.verbosity = "low";
  request.user = "someone";
  request.safety_identifier = "someone";
  request.prompt_cache_key = "key";
  request.metadata = {{"a", "b"}};
  request.service_tier = "flex";
  EXPECT_EQ(
      *write_chat_request(request, std::vector{user("hi")}, "u", {.stream_usage = false}),
      R"({"model":"u","messages":[{"role":"user","content":"hi"}],"stream":true,)"
      R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{ "n" : 1.0e400 },"strict":true}},{"type":"function","function":{"name":"g"}}],)"
      R"("tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,)"
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},)"
      R"("temperature":0.5,"top_p":1,"presence_penalty":-1,"frequency_penalty":2,"max_completion_tokens":16,"reasoning_effort":"low","verbosity":"low"})");
  auto older = write_chat_request(request, std::vector{user("hi")}, "u", {.max_completion_tokens = false});
  EXPECT_NE(older->find(R"("max_tokens":16)"), std::string::npos);
  EXPECT_EQ(older->find("max_completion_tokens"), std::string::npos);
}

TEST(ChatRequest, T8_MapsToolChoices) {
  const auto choice = [](ToolChoice given, bool tools = true, size_t shown = 2) {
    Request request{.model = "m", .tool_choice = std::move(given)};
    if (tools) request.tools = {{.name = "f"}, {.name = "g"}};
    auto body = write_chat_request(request, std::vector{user("hi")}, "u", {});
    auto document = json::Document::parse(*body);
    EXPECT_EQ(document->root()["tools"].size(), tools ? shown : 0u);
    return std::string(document->root()["tool_choice"].raw());
  };
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(choice({}), "");
  EXPECT_EQ(choice({.mode = Mode::kNone}), R"("none")");
  EXPECT_EQ(choice({.mode = Mode::kRequired}), R"("required")");
  // Which ones may be called is said by showing no others, unless there is one that must be.
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed = {"f"}}, true, 1), R"("auto")");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"f", "g"}}), R"("required")");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"f"}}),
            R"({"type":"function","function":{"name":"f"}})");
  EXPECT_EQ(choice({.mode = Mode::kNone}, false), "");
}

TEST(ChatRequest, T6_SystemMessagesStandWhereTheyStood) {
  const std::vector context = {user("a"), system_message("s"), assistant("b"), system_message("d", Role::kDeveloper),
                               user("c")};
  const std::string a = R"({"role":"user","content":"a"},)", b = R"({"role":"assistant","content":"b"},)",
                    c = R"({"role":"user","content":"c"}])";
  EXPECT_EQ(messages(context, {.model = "m", .instructions = "i"}), R"([{"role":"developer","content":"i"},)" + a +
                                                                        R"({"role":"system","content":"s"},)" + b +
                                                                        R"({"role":"developer","content":"d"},)" + c);
  EXPECT_EQ(messages(context, {.model = "m", .instructions = "i"}, {.developer_role = false}),
            R"([{"role":"system","content":"i"},)" + a + R"({"role":"system","content":"s"},)" + b +
                R"({"role":"system","content":"d"},)" + c);
  // Templates of local models often have room for one, in front.
  EXPECT_EQ(messages(context, {.model = "m", .instructions = "i"}, {.developer_role = false, .system_in_place = false}),
            R"([{"role":"system","content":"i\n\ns\n\nd"},)" + a + b + c);
}

TEST(ChatRequest, T1_T6_WhatTheSystemSaysPartsNoCallFromItsOutput) {
  const std::vector context = {user("a"), call("a"), system_message("s"), output("a", "1"), user("c")};
  EXPECT_EQ(messages(context), R"([{"role":"user","content":"a"},)" + turn("null", kCallA) + "," + answer("a", "1") +
                                   R"(,{"role":"system","content":"s"},{"role":"user","content":"c"}])");
}

TEST(ChatRequest, T12_WritesPartsOfUserMessages) {
  Item item{.role = Role::kUser};
  item.content = {{.text = ""},
                  {.text = "look"},
                  {.kind = PartKind::kInputImage, .url = "data:,", .detail = "low"},
                  {.kind = PartKind::kInputImage, .url = "https://x"},
                  {.kind = PartKind::kInputFile, .file_data = "data:,", .filename = "f.pdf"}};
  EXPECT_EQ(
      messages({item}),
      R"([{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:,","detail":"low"}},)"
      R"({"type":"image_url","image_url":{"url":"https://x"}},{"type":"file","file":{"filename":"f.pdf","file_data":"data:,"}}]}])");
}

TEST(ChatRequest, T5_T19_LeavesOutEmptyTextsAndOthersReasoning) {
  Item reasoning{.kind = ItemKind::kReasoning,
                 .content = {{.kind = PartKind::kReasoningText, .text = "secret"}},
                 .encrypted = "e"};
  EXPECT_EQ(messages({user(""), user("a"), reasoning, assistant(""), user("b")}),
            R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])");
  EXPECT_EQ(messages({user("")}), "input: The input holds nothing that a model could be given.");
  Item two = assistant("one ");
  two.content.push_back({.kind = PartKind::kOutputText, .text = "two"});
  EXPECT_EQ(messages({user("a"), two}), R"([{"role":"user","content":"a"},{"role":"assistant","content":"one two"}])");
}

TEST(ChatRequest, T14_KeepsRefusals) {
  Item item{.role = Role::kAssistant,
            .content = {{.kind = PartKind::kOutputText, .text = "t"}, {.kind = PartKind::kRefusal, .text = "no"}}};
  EXPECT_EQ(messages({item}),
            R"([{"role":"assistant","content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"no"}]}])");
}

TEST(ChatRequest, T1_OutputsFollowTheirCalls) {
  const std::string parallel = "[" + turn("null", both()) + "," + answer("a", "1") + "," + answer("b", "2");
  EXPECT_EQ(messages({call("a"), call("b"), output("a", "1"), output("b", "2")}), parallel + "]");
  EXPECT_EQ(messages({call("a"), call("b"), output("b", "2"), output("a", "1")}), parallel + "]")
      << "in the order of the calls";
  EXPECT_EQ(messages({call("a"), call("b"), output("b", "2"), user("x"), output("a", "1")}),
            parallel + R"(,{"role":"user","content":"x"}])")
      << "interleaved";
  Item thought{.kind = ItemKind::kReasoning};
  EXPECT_EQ(messages({call("a"), thought, call("b"), output("b", "2"), output("a", "1")}), parallel + "]")
      << "reasoning in between";
  EXPECT_EQ(messages({assistant("so"), call("a"), call("b"), output("a", "1"), output("b", "2"), assistant("done")}),
            "[" + turn("\"so\"", both()) + "," + answer("a", "1") + "," + answer("b", "2") +
                R"(,{"role":"assistant","content":"done"}])");
  const std::string three = both() + R"(,{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}})";
  EXPECT_EQ(messages({call("a"), call("b"), output("a", "1"), call("c"), output("b", "2"), output("c", "3")}),
            "[" + turn("null", three) + "," + answer("a", "1") + "," + answer("b", "2") + "," + answer("c", "3") + "]")
      << "a call among the outputs of its group";
}

TEST(ChatRequest, T1_CallsMadeWithAnswersKnownAreTurnsOfTheirOwn) {
  EXPECT_EQ(
      messages({call("a"), output("a", "1"), call("b"), output("b", "2")}),
      "[" + turn("null", kCallA) + "," + answer("a", "1") + "," + turn("null", kCallB) + "," + answer("b", "2") + "]");
  EXPECT_EQ(
      messages({call("a"), output("a", "1"), call("a"), output("a", "2")}),
      "[" + turn("null", kCallA) + "," + answer("a", "1") + "," + turn("null", kCallA) + "," + answer("a", "2") + "]")
      << "a model that uses a call_id again";
}

TEST(ChatRequest, T11_ArgumentsAreSentAsTheyWereWritten) {
  EXPECT_EQ(
      messages({call("a", "{bad"), output("a", "")}),
      R"([{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{bad"}}]},)" +
          answer("a", "") + "]");
  EXPECT_EQ(messages({call("a", ""), output("a", "1")}), "[" + turn("null", kCallA) + "," + answer("a", "1") + "]");
  Item parts{.kind = ItemKind::kFunctionCallOutput,
             .call_id = "a",
             .output_is_text = false,
             .content = {{.text = "1"}, {.text = "2"}}};
  EXPECT_EQ(messages({call("a"), parts}), "[" + turn("null", kCallA) + "," + answer("a", "1\\n2") + "]");
}

TEST(ChatRequest, NamesWhatItCannotSay) {
  Item image_output{.kind = ItemKind::kFunctionCallOutput,
                    .call_id = "a",
                    .output_is_text = false,
                    .content = {{.text = "1"}, {.kind = PartKind::kInputImage, .url = "data:,"}}};
  EXPECT_EQ(messages({call("a"), image_output}),
            "input[1].output[1]: The model's supplier cannot be given images or files in the output of a tool.");
  EXPECT_TRUE(
      messages({user("a"), {.role = Role::kUser, .content = {{.kind = PartKind::kInputFile, .file_id = "file_1"}}}})
          .starts_with("input[1].content[0].file_id: "));
  EXPECT_TRUE(
      messages({user("a"), {.role = Role::kUser, .content = {{.kind = PartKind::kInputFile, .url = "https://x"}}}})
          .starts_with("input[1].content[0].file_url: "));
  EXPECT_TRUE(messages({{.role = Role::kSystem, .content = {{.kind = PartKind::kInputImage, .url = "data:,"}}}})
                  .starts_with("input[0].content[0]: "));
  EXPECT_TRUE(messages({user("a"), {.kind = ItemKind::kCompaction, .encrypted = "e"}}).starts_with("input[1]: "));
  EXPECT_EQ(messages({call("a"), user("x")}), "input: No tool output found for function call a.");
  EXPECT_EQ(messages({user("x"), output("a", "1")}),
            "input[1]: No tool call found for function call output with call_id a.");
  EXPECT_TRUE(messages({user("a")}, {.model = "m", .top_logprobs = 1}).starts_with("top_logprobs: "));
  Request chained{.model = "m", .input = {user("new")}, .previous_response_id = "resp_1"};
  EXPECT_TRUE(messages({{.kind = ItemKind::kCompaction}, user("new")}, chained).starts_with("previous_response_id: "));
  EXPECT_TRUE(messages({user("old"), {.kind = ItemKind::kCompaction}}, chained).starts_with("input[0]: "));
}

TEST(ChatRequest, ContinuesWhatIsHeld) {
  EXPECT_EQ(
      messages({user("a")}, {.model = "m"}, {}, "Once upon", "Go on."),
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"Once upon"},{"role":"user","content":"Go on."}])");
  EXPECT_EQ(messages({user("a")}, {.model = "m"}, {}, "Once upon"),
            ": The model's supplier cannot be given an answer to go on with: it starts over.");
  EXPECT_EQ(messages({user("a")}, {.model = "m"}, {}, "", "Go on."), R"([{"role":"user","content":"a"}])");
}

TEST(ChatRequest, T37PrefillIsAskedForAsTheSupplierWantsIt) {
  const auto body = [](ChatPrefill prefill) {
    return *write_chat_request({.model = "m"}, std::vector{user("a")}, "u", {.stream_usage = false, .prefill = prefill},
                               "Once upon");
  };
  const std::string before = R"({"model":"u","messages":[{"role":"user","content":"a"},)";
  const std::string held = R"({"role":"assistant","content":"Once upon")";
  EXPECT_EQ(body(ChatPrefill::kPlain), before + held + R"(}],"stream":true})");
  EXPECT_EQ(body(ChatPrefill::kPrefixOfMessage), before + held + R"(,"prefix":true}],"stream":true})");
  EXPECT_EQ(body(ChatPrefill::kContinueFinal),
            before + held + R"(}],"stream":true,"add_generation_prompt":false,"continue_final_message":true})");
}

TEST(ChatRequest, T37TheClientsOwnBeginningIsAPrefillOrRefused) {
  Item begun = assistant("Once");
  begun.status = ItemStatus::kInProgress;
  Request request{.model = "m", .dialect = ClientDialect::kMessages};
  EXPECT_EQ(messages({user("a"), begun}, request),
            "input[1]: The model's supplier cannot be given the beginning of its answer: it starts over.");
  EXPECT_EQ(messages({user("a"), begun}, request, {.prefill = ChatPrefill::kPrefixOfMessage}),
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"Once","prefix":true}])");
  EXPECT_NE(write_chat_request(request, std::vector{user("a"), begun}, "u", {.prefill = ChatPrefill::kContinueFinal})
                ->find(R"("continue_final_message":true)"),
            std::string::npos);
}

TEST(ChatRequest, SendsStopSeedAndWhatTheVariantKnows) {
  Request request{.model = "m", .top_k = 40, .seed = 7, .stop = {"END", "\n\n"}};
  EXPECT_EQ(
      *write_chat_request(request, std::vector{user("a")}, "u", {.stream_usage = false, .top_k = true}),
      R"({"model":"u","messages":[{"role":"user","content":"a"}],"stream":true,"top_k":40,"stop":["END","\n\n"],"seed":7})");
  EXPECT_EQ(write_chat_request(request, std::vector{user("a")}, "u", {}).error().param, "top_k");
}

TEST(ChatRequest, LenientRequestsNameWhatTheyLose) {
  Request request{.model = "m", .reasoning_summary = "detailed", .reasoning_tokens_max = 1024, .top_k = 3};
  request.top_logprobs = 2;
  request.lenient = true;
  Item picture{.kind = ItemKind::kFunctionCallOutput,
               .call_id = "a",
               .output_is_text = false,
               .content = {{.text = "1"}, {.kind = PartKind::kInputImage, .url = "data:,"}}};
  Item files{.role = Role::kUser,
             .content = {{.kind = PartKind::kInputFile, .url = "https://x"},
                         {.kind = PartKind::kInputImage, .file_id = "file_1"}}};
  request.input = {call("a"), picture, files};
  auto message = write_chat_request({.request = request, .context = request.input, .model = "u"}, ChatVariant{});
  ASSERT_TRUE(message.ok()) << message.error().message;
  EXPECT_EQ(message->dropped,
            (std::vector<std::string>{"top_logprobs", "top_k", "reasoning.summary", "input[1].output[1]",
                                      "input[2].content[0].file_url", "input[2].content[1].file_id"}));
  EXPECT_NE(message->body.find("[" + turn("null", kCallA) + "," + answer("a", "1") + "]"), std::string::npos);
  EXPECT_NE(message->body.find(R"("reasoning_effort":"low")"), std::string::npos) << "the word nearest to the limit";
}

TEST(ChatRequest, T3_NamesOfParticipantsAndFailuresOfTools) {
  Item named = user("a");
  named.name = "ann";
  Item failed = output("a", "no such file");
  failed.tool_failed = true;
  EXPECT_EQ(messages({named, call("a"), failed}), R"([{"role":"user","name":"ann","content":"a"},)" +
                                                      turn("null", kCallA) + "," +
                                                      answer("a", "The tool reports an error:\\nno such file") + "]");
}

TEST(ChatRequest, T7IdsOfCallsFitTheSupplier) {
  const std::string longer(41, 'x');
  const std::string sent = messages({call(longer), output(longer, "1")});
  EXPECT_EQ(sent.find(longer), std::string::npos);
  auto document = json::Document::parse(sent);
  const std::string_view id = document->root().at(0)["tool_calls"].at(0)["id"].text();
  EXPECT_EQ(id.size(), 40u);
  EXPECT_EQ(document->root().at(1)["tool_call_id"].text(), id);
  EXPECT_EQ(messages({call(longer), output(longer, "1")}), sent);
  const auto nine = [](const std::string& given) {
    auto one =
        json::Document::parse(messages({call(given), output(given, "1")}, {.model = "m"}, {.call_ids_of_nine = true}));
    return std::string(one->root().at(1)["tool_call_id"].text());
  };
  EXPECT_EQ(nine("abcdEF123"), "abcdEF123");
  EXPECT_EQ(nine("call_1").size(), 9u);
  EXPECT_NE(nine("call_1"), nine("call_2"));
}

TEST(ChatRequest, T32MarksOfPromptCaches) {
  Item system = system_message("s");
  system.content[0].cache = "1h";
  Item marked = user("a");
  marked.content[0].cache = "5m";
  EXPECT_EQ(messages({system, marked}), R"([{"role":"system","content":"s"},{"role":"user","content":"a"}])")
      << "the supplier caches by itself";
  EXPECT_EQ(
      messages({system, system_message("t"), marked}, {.model = "m"}, {.developer_role = false, .cache_marks = true}),
      R"([{"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"t"}]},)"
      R"({"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}])");
}

TEST(ChatRequest, T15T19ReasoningGoesBackWhereItIsWanted) {
  Item visible{.kind = ItemKind::kReasoning, .content = {{.kind = PartKind::kReasoningText, .text = "hm"}}};
  Item signature{.kind = ItemKind::kReasoning, .encrypted = "SIG", .opaque = OpaqueKind::kSignature, .issuer = "me"};
  const std::vector context{user("u"),        visible,   assistant("so"), call("a"),
                            output("a", "1"), signature, call("b"),       output("b", "2")};
  const std::string plain = R"([{"role":"user","content":"u"},)" + turn("\"so\"", kCallA) + "," + answer("a", "1") +
                            "," + turn("null", kCallB) + "," + answer("b", "2") + "]";
  EXPECT_EQ(messages(context), plain);
  EXPECT_NE(messages(context, {.model = "m"}, {.reasoning_field = "reasoning_content"})
                .find(R"("content":"so","reasoning_content":"hm","tool_calls")"),
            std::string::npos);
  const std::string signed_call = R"("arguments":"{}"},"extra_content":{"google":{"thought_signature":"SIG"}}}]})";
  EXPECT_NE(messages(context, {.model = "m"}, {.google_signatures = true}).find(signed_call), std::string::npos);
  std::vector<Item> foreign = context;
  foreign[5].issuer = "you";
  EXPECT_EQ(messages(foreign, {.model = "m"}, {.google_signatures = true}), plain);
}

TEST(ChatRequest, T15ReasoningDetailsComeBackAsTheyCame) {
  const std::string_view detail =
      R"({"type":"reasoning.text","text":"I think","signature":"S==","format":"anthropic-claude-v1","index":0})";
  const std::string_view hidden = R"({"type":"reasoning.encrypted","data":"D","id":"rs_1","index":1})";
  auto pieces =
      parse_chat_answer(R"({"choices":[{"message":{"content":"x","reasoning":"I think","reasoning_details":[)" +
                        std::string(detail) + "," + std::string(hidden) + R"(]},"finish_reason":"stop"}]})");
  ASSERT_TRUE(pieces.ok());
  ASSERT_EQ(pieces->size(), 5u);
  EXPECT_EQ((*pieces)[0], (Piece{.kind = Piece::Kind::kReasoning, .text = "I think"}));
  Item text{.kind = ItemKind::kReasoning,
            .content = {{.kind = PartKind::kReasoningText, .text = "I think"}},
            .encrypted = (*pieces)[1].text,
            .opaque = (*pieces)[1].opaque,
            .issuer = "me"};
  Item block{
      .kind = ItemKind::kReasoning, .encrypted = (*pieces)[2].text, .opaque = (*pieces)[2].opaque, .issuer = "me"};
  const std::string sent = messages({text, block, assistant("x")}, {.model = "m"}, {.reasoning_details = true});
  EXPECT_EQ(
      sent,
      R"([{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.text","signature":"S==","format":"anthropic-claude-v1","index":0,"text":"I think"},)" +
          std::string(hidden) + "]}]");
  text.issuer = block.issuer = "you";
  EXPECT_EQ(messages({text, block, assistant("x")}, {.model = "m"}, {.reasoning_details = true}),
            R"([{"role":"assistant","content":"x"}])");
}

}  // namespace
}  // namespace perdure
