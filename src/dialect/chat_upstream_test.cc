#include "dialect/chat_upstream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace perdure {
namespace {

Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
Item system_message(std::string text, Role role = Role::kSystem) {
  return {.role = role, .content = {{.text = std::move(text)}}};
}
Item assistant(std::string text) {
  return {.role = Role::kAssistant, .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
Item call(std::string id, std::string arguments = "{}") {
  return {.kind = ItemKind::kFunctionCall, .call_id = std::move(id), .name = "f", .arguments = std::move(arguments)};
}
Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
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

// --- answers ---

struct Told {
  std::string text, reasoning, refusal, finish;
  std::vector<std::string> calls;  // "id name arguments"
  std::vector<std::string> opaque, annotations;
  std::string summary, model, id, stop_sequence;
  std::vector<std::string> problems;
  Usage usage;
  int starts = 0, finishes = 0;
  bool operator==(const Told&) const = default;
};

Told told(const std::vector<Piece>& pieces) {
  Told out;
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        ++out.starts, out.id = piece.id, out.model = piece.model;
        break;
      case Piece::Kind::kText:
        out.text += piece.text;
        break;
      case Piece::Kind::kRefusal:
        out.refusal += piece.text;
        break;
      case Piece::Kind::kReasoning:
        out.reasoning += piece.text;
        break;
      case Piece::Kind::kToolCall:
        if (piece.index != static_cast<int>(out.calls.size())) out.problems.push_back("a call out of order");
        out.calls.push_back(piece.call_id + " " + piece.name + " ");
        break;
      case Piece::Kind::kToolArguments:
        if (piece.index >= static_cast<int>(out.calls.size())) {
          out.problems.push_back("arguments before their call");
        } else {
          out.calls[static_cast<size_t>(piece.index)] += piece.text;
        }
        break;
      case Piece::Kind::kUsage:
        out.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        out.finish = piece.text, ++out.finishes, out.stop_sequence = piece.name;
        break;
      case Piece::Kind::kSummary:
        out.summary += piece.text;
        break;
      case Piece::Kind::kOpaque:
        out.opaque.push_back(std::string(name_of(piece.opaque)) + " " + piece.text);
        break;
      case Piece::Kind::kAnnotation:
        out.annotations.push_back(piece.text);
        break;
      case Piece::Kind::kMessage:
        out.problems.push_back("a piece that this dialect has not");
        break;
    }
  }
  return out;
}

Result<std::vector<Piece>> feed(std::string_view bytes, size_t piece_size = 1 << 20) {
  ChatStreamParser parser;
  std::vector<Piece> out;
  for (size_t at = 0; at < bytes.size(); at += piece_size) TRY_VOID(parser.feed(bytes.substr(at, piece_size), out));
  TRY_VOID(parser.end());
  return out;
}

std::string chunk(std::string_view choice) {
  return "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0," + std::string(choice) + "}]}\n\n";
}
constexpr std::string_view kStop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

TEST(ChatStream, TellsTextAndUsage) {
  auto pieces = feed(
      "data: "
      "{\"id\":\"c1\",\"model\":\"m1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{"
      "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}}],\"usage\":null}\r\n\r\n"
      ": ping\n\n" +
      chunk(R"("delta":{"content":"Gr\u00fc"})") + "data:\n\n" +
      chunk(R"("delta":{"content":"ße"},"finish_reason":null)") + std::string(kStop) +
      "data: "
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"prompt_tokens_details\":{\"cached_"
      "tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  const std::vector<Piece> expected = {{.kind = Piece::Kind::kStarted, .id = "c1", .model = "m1"},
                                       {.text = "Grü"},
                                       {.text = "ße"},
                                       {.kind = Piece::Kind::kFinish, .text = "stop", .finish = Finish::kStop},
                                       {.kind = Piece::Kind::kUsage, .usage = {5, 3, 7, 2, true}}};
  EXPECT_EQ(*pieces, expected);
}

TEST(ChatStream, T22_TellsToolCallsInEveryForm) {
  const auto calls = [](std::string_view deltas) {
    auto pieces = feed(std::string(deltas) + chunk(R"("delta":{},"finish_reason":"tool_calls")"));
    EXPECT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_EQ(all.problems, std::vector<std::string>{});
    return all.calls;
  };
  const auto delta = [](std::string_view list) {
    return chunk(R"("delta":{"tool_calls":[)" + std::string(list) + "]}");
  };
  using Calls = std::vector<std::string>;
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}})") +
                  delta(R"({"index":0,"function":{"arguments":"{\"x\""}})") +
                  delta(R"({"index":0,"function":{"arguments":":1}"}})")),
            (Calls{"a f {\"x\":1}"}));
  EXPECT_EQ(
      calls(
          delta(
              R"({"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"name":"g","arguments":"["}})") +
          delta(
              R"({"index":1,"id":"","function":{"name":"","arguments":"]"}},{"index":0,"function":{"arguments":"}"}})")),
      (Calls{"a f {}", "b g []"}))
      << "interleaved, with empty ids and names later";
  EXPECT_EQ(calls(delta(R"({"index":1,"id":"a","function":{"name":"f","arguments":"{}"}})")), (Calls{"a f {}"}))
      << "counted from one";
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"{}"}})") +
                  delta(R"({"index":0,"id":"b","function":{"name":"f","arguments":"{}"}})")),
            (Calls{"a f {}", "b f {}"}))
      << "whole calls under one index";
  EXPECT_EQ(
      calls(delta(R"({"id":"a","function":{"name":"f","arguments":{"x": 1}}},{"id":"b","function":{"name":"g"}})")),
      (Calls{"a f {\"x\": 1}", "b g "}))
      << "no index, object";
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","function":{"arguments":"{"}})") +
                  delta(R"({"index":0,"function":{"name":"f","arguments":"}"}})")),
            (Calls{"a f {}"}))
      << "name later";
  EXPECT_EQ(calls(delta(R"({"index":0,"function":{"name":"f","arguments":"{}"}})")), (Calls{" f {}"})) << "no id";
  EXPECT_EQ(
      calls(delta(R"({"index":0,"id":"a","function":{"arguments":"{"}},{"index":1,"id":"b","function":{"name":"g"}})") +
            delta(R"({"index":0,"function":{"name":"f","arguments":"}"}})")),
      (Calls{"b g ", "a f {}"}))
      << "in the order of names";
}

TEST(ChatStream, T14_TellsReasoningAndRefusals) {
  const Told all = told(*feed(
      chunk(R"("delta":{"reasoning_content":"a","reasoning":"a"})") +
      chunk(R"("delta":{"reasoning":"b","content":null})") +
      chunk(
          R"("delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"c"}]},{"type":"text","text":"x"}]})") +
      chunk(R"("delta":{"refusal":"no"},"finish_reason":"content_filter")")));
  EXPECT_EQ(all.reasoning, "abc");
  EXPECT_EQ(all.text, "x");
  EXPECT_EQ(all.refusal, "no");
  EXPECT_EQ(all.finish, "content_filter");
}

TEST(ChatStream, KnowsFinishReasons) {
  const std::pair<const char*, Finish> cases[] = {{"stop", Finish::kStop},
                                                  {"length", Finish::kLength},
                                                  {"tool_calls", Finish::kToolCalls},
                                                  {"function_call", Finish::kToolCalls},
                                                  {"content_filter", Finish::kContentFilter},
                                                  {"something_else", Finish::kOther}};
  for (const auto& [word, finish] : cases) {
    auto pieces = feed(chunk("\"delta\":{},\"finish_reason\":\"" + std::string(word) + "\""));
    ASSERT_TRUE(pieces.ok());
    EXPECT_EQ(pieces->back().finish, finish) << word;
    EXPECT_EQ(pieces->back().text, word);
  }
}

TEST(ChatStream, T21AnAnswerThatBrokeOffIsNoAnswer) {
  for (std::string_view word : {"error", "insufficient_system_resource"}) {
    auto pieces = feed(chunk("\"delta\":{},\"finish_reason\":\"" + std::string(word) + "\""));
    ASSERT_FALSE(pieces.ok());
    EXPECT_EQ(pieces.error().reason, "cut");
  }
}

TEST(ChatStream, T27StopSequencesAndRefusals) {
  auto met = feed(chunk(R"("delta":{},"finish_reason":"stop","stop_reason":"END")"));
  EXPECT_EQ(met->back().finish, Finish::kStopSequence);
  EXPECT_EQ(met->back().name, "END");
  met = feed(chunk(R"("delta":{},"finish_reason":"stop","matched_stop":1)"));
  EXPECT_EQ(met->back().finish, Finish::kStop) << "a token";
  auto refused = feed(chunk(R"("delta":{"refusal":"no"})") + std::string(kStop));
  EXPECT_EQ(refused->back().finish, Finish::kRefusal);
}

TEST(ChatStream, T17SignaturesComeBeforeTheirCall) {
  const Told all = told(*feed(chunk(
      R"("delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"S"}}}]},"finish_reason":"tool_calls")")));
  EXPECT_EQ(all.opaque, std::vector<std::string>{"signature S"});
  EXPECT_EQ(all.calls, std::vector<std::string>{"a f {}"});
}

TEST(ChatStream, TellsCitations) {
  const Told all = told(*feed(
      R"(data: {"citations":["https://a"],"choices":[{"delta":{"content":"x [1]"}}]})"
      "\n\n"
      R"(data: {"citations":["https://a","https://b"],"search_results":[{"url":"https://a","title":"A"}],"choices":[{"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://c","start_index":1}}]},"finish_reason":"stop"}]})"
      "\n\n"));
  EXPECT_EQ(all.annotations,
            (std::vector<std::string>{
                R"({"type":"url_citation","url":"https://c","start_index":1})",
                R"({"type":"url_citation","url":"https://a","title":"A","start_index":0,"end_index":0})",
                R"({"type":"url_citation","url":"https://b","title":"","start_index":0,"end_index":0})"}));
}

TEST(ChatStream, T9WhatHasNoPlaceIsRefusedByName) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"content":[{"type":"image_url","image_url":"x"}]})", "image_url"},
      {R"({"audio":{"id":"a"}})", "audio"},
      {R"({"images":[{"type":"image_url"}]})", "images"},
      {R"({"reasoning_details":[{"type":"reasoning.smell"}]})", "reasoning.smell"},
      {R"({"content":[{"type":"thinking","thinking":[{"type":"image_url","image_url":"x"}]}]})", "image_url"},
  };
  for (const auto& [delta, word] : cases) {
    auto pieces = feed(chunk("\"delta\":" + std::string(delta)) + std::string(kStop));
    ASSERT_FALSE(pieces.ok()) << delta;
    EXPECT_EQ(pieces.error().reason, "unsupported_item");
    EXPECT_NE(pieces.error().message.find(word), std::string::npos) << pieces.error().message;
  }
}

TEST(ChatStream, T29_CountsAsOpenAiDoes) {
  const auto usage = [](std::string_view fields) {
    auto pieces = feed("data: {\"choices\":[],\"usage\":{" + std::string(fields) + "}}\n\ndata: [DONE]\n\n");
    EXPECT_TRUE(pieces.ok());
    return pieces->back().usage;
  };
  EXPECT_EQ(
      usage(
          R"("prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196})"),
      (Usage{291, 0, 222, 196, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":4)"),
            (Usage{10, 4, 5, 0, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":10,"completion_tokens":5,"cached_tokens":4)"), (Usage{10, 4, 5, 0, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":0,"completion_tokens":0)"), (Usage{0, 0, 0, 0, true})) << "zero is not missing";
  EXPECT_EQ(usage(R"("prompt_tokens":-3,"completion_tokens":9223372036854775807)"),
            (Usage{0, 0, int64_t{1} << 53, 0, true}));
}

TEST(ChatStream, T21_IsWholeOnlyIfTheSupplierSaidSo) {
  EXPECT_TRUE(feed("data: [DONE]\n\n").ok());
  EXPECT_TRUE(feed(kStop).ok());
  for (std::string bytes : {std::string(), chunk(R"("delta":{"content":"a"})"),
                            std::string(kStop.substr(0, kStop.size() - 1)), std::string("data: [DO")}) {
    auto pieces = feed(bytes);
    ASSERT_FALSE(pieces.ok()) << bytes;
    EXPECT_EQ(pieces.error().code, Code::kUnavailable);
    EXPECT_EQ(pieces.error().reason, "cut");
  }
}

TEST(ChatStream, T20_ReportsTheSuppliersErrors) {
  const std::pair<std::string_view, Code> cases[] = {
      {R"({"error":{"message":"busy","type":"server_error"}})", Code::kUnavailable},
      {R"({"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}})", Code::kOverloaded},
      {R"({"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}})",
       Code::kInvalid},
      {R"({"error":{"message":"gone","code":502},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})",
       Code::kUnavailable},
      {R"({"error":"plain words"})", Code::kUnavailable},
      {R"({"object":"error","message":"no","type":"rate_limited","code":429})", Code::kOverloaded},
  };
  for (const auto& [data, code] : cases) {
    auto pieces = feed(chunk(R"("delta":{"content":"a"})") + "data: " + std::string(data) + "\n\n");
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, code) << data;
  }
  EXPECT_EQ(feed("event: error\ndata: {\"message\":\"m\",\"type\":\"overloaded_error\"}\n\n").error().code,
            Code::kOverloaded);
}

TEST(ChatStream, RefusesWhatIsNotThisDialect) {
  for (std::string_view data :
       {"{", "7", "[]", R"({"type":"message_start"})", R"({"choices":{}})", R"({"choices":[7]})",
        R"({"choices":[{"delta":7}]})", R"({"choices":[{"delta":{"content":7}}]})",
        R"({"choices":[{"delta":{"tool_calls":{}}}]})", R"({"choices":[{"delta":{"tool_calls":[7]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":7}}]}}]})",
        R"({"choices":[{"delta":{},"finish_reason":7}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]},"finish_reason":"tool_calls"}]})",
        R"({"choices":[{"delta":{"function_call":{"name":"f"}}}]})"}) {
    auto pieces = feed("data: " + std::string(data) + "\n\n");
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt) << data;
  }
}

TEST(ChatAnswer, TellsTheSameAsAStream) {
  auto pieces = parse_chat_answer(
      R"({"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null,
    "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"[]"}}]},"finish_reason":"tool_calls"}],
    "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})");
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  const Told all = told(*pieces);
  EXPECT_EQ(all.text, "hi");
  EXPECT_EQ(all.calls, (std::vector<std::string>{"a f {}", "b g []"}));
  EXPECT_EQ(all.usage, (Usage{1, 0, 2, 0, true}));
  EXPECT_EQ(parse_chat_answer("<html>").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_chat_answer(R"({"choices":[]})").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_chat_answer(R"({"error":{"message":"m"}})").error().code, Code::kUnavailable);
}

TEST(ChatError, IsClassedByStatus) {
  const std::pair<int, Code> cases[] = {{400, Code::kInvalid},     {401, Code::kDenied},      {402, Code::kDenied},
                                        {403, Code::kDenied},      {404, Code::kNotFound},    {408, Code::kUnavailable},
                                        {413, Code::kInvalid},     {422, Code::kInvalid},     {429, Code::kOverloaded},
                                        {500, Code::kUnavailable}, {502, Code::kUnavailable}, {503, Code::kUnavailable},
                                        {504, Code::kUnavailable}, {529, Code::kOverloaded}};
  for (const auto& [status, code] : cases) {
    for (std::string_view body : {"", "<html>", R"({"error":{"message":"words","type":"t","code":null}})",
                                  R"({"detail":"words"})", R"({"error":"words"})"}) {
      const Error error = parse_chat_error(status, "", body);
      EXPECT_EQ(error.code, code) << status << body;
      EXPECT_EQ(error.upstream_status, status);
      EXPECT_EQ(error.retry_after_ms, -1);
      EXPECT_FALSE(error.message.empty());
      if (body.find("words") != std::string_view::npos && code != Code::kDenied)
        EXPECT_NE(error.message.find("words"), std::string::npos) << status << body;
    }
  }
}

TEST(ChatError, ReadsRetryAfter) {
  EXPECT_EQ(parse_chat_error(429, "7", "").retry_after_ms, 7000);
  EXPECT_EQ(parse_chat_error(429, "0.25", "").retry_after_ms, 250);
  EXPECT_EQ(parse_chat_error(429, "0", "").retry_after_ms, 0);
  for (const char* text : {"-1", "Wed, 21 Oct 2026 07:28:00 GMT", "1e99", "nan", "7s"})
    EXPECT_EQ(parse_chat_error(429, text, "").retry_after_ms, -1) << text;
}

TEST(ChatError, NeverTellsCredentials) {
  for (std::string_view words : {"Incorrect API key provided: sk-proj-abcdefghijklmnop. Find it at https://x.",
                                 "header 'Authorization: Bearer topsecretvalue' is bad", "key gsk_abcdefghijklmnop",
                                 "your key abcd****wxyz is spent"}) {
    for (int status : {400, 401, 429, 500}) {
      json::Writer body;
      body.begin_object()
          .key("error")
          .begin_object()
          .field("message", words)
          .field("type", "invalid_request_error")
          .end_object()
          .end_object();
      const std::string message = parse_chat_error(status, "", body.text()).message;
      for (std::string_view secret : {"abcdefghijklmnop", "topsecretvalue", "abcd****"})
        EXPECT_EQ(message.find(secret), std::string::npos) << status << message;
    }
  }
  const Error error = parse_chat_error(
      400, "",
      R"({"error":{"message":"This model's maximum context length is 8192 tokens: gpt-4.1-nano-2025-04-14.","code":"context_length_exceeded"}})");
  EXPECT_EQ(error.message,
            "The model's supplier said: This model's maximum context length is 8192 tokens: gpt-4.1-nano-2025-04-14.");
  EXPECT_EQ(error.reason, "context_length_exceeded");
  std::string umlauts;
  for (int i = 0; i < 400; ++i) umlauts += "\xc3\xa4";
  EXPECT_TRUE(json::valid_utf8(parse_chat_error(400, "", "{\"message\":\"x" + umlauts + "\"}").message));
}

// --- what suppliers really sent ---

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every string, number and boolean, with its path: "choices[].delta.content".
void walk(json::Value value, const std::string& path, const std::function<void(const std::string&, json::Value)>& see) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.members())
      walk(member, path.empty() ? std::string(key) : path + "." + std::string(key), see);
  } else if (value.is_array()) {
    for (json::Value element : value.elements()) walk(element, path + "[]", see);
  } else if (!value.absent() && !(value.is_string() && value.text().empty())) {
    see(path, value);
  }
}

// What an answer says must come out; all else is listed here with why it may stay behind.
void expect_told(json::Value root, const Told& all) {
  static const std::set<std::string_view> kTold = {"content",
                                                   "content[].text",
                                                   "content[].thinking[].text",
                                                   "reasoning",
                                                   "reasoning_content",
                                                   "tool_calls[].function.arguments",
                                                   "tool_calls[].function.name",
                                                   "tool_calls[].id",
                                                   "citations[]",
                                                   "choices[].text",
                                                   "choices[].finish_reason",
                                                   "id",
                                                   "model"};
  static const std::set<std::string_view> kStructure = {"object",
                                                        "role",
                                                        "choices[].index",
                                                        "index",
                                                        "content[].type",
                                                        "content[].thinking[].type",
                                                        "tool_calls[].type",
                                                        "tool_calls[].index"};
  static const std::set<std::string_view> kBooks = {
      "created",   "system_fingerprint", "service_tier",          "obfuscation",
      "x_groq.id", "x_groq.seed",        "choices[].matched_stop"};
  static const std::set<std::string_view> kNotTokensOfAnswers = {"audio_prompt_tokens",
                                                                 "completion_time",
                                                                 "prompt_time",
                                                                 "queue_time",
                                                                 "total_time",
                                                                 "cost_in_usd_ticks",
                                                                 "num_sources_used",
                                                                 "completion_tokens_details.accepted_prediction_tokens",
                                                                 "completion_tokens_details.rejected_prediction_tokens",
                                                                 "completion_tokens_details.audio_tokens",
                                                                 "prompt_tokens_details.audio_tokens",
                                                                 "prompt_tokens_details.image_tokens",
                                                                 "prompt_tokens_details.text_tokens",
                                                                 "prompt_cache_miss_tokens"};
  static const std::set<std::string_view> kCounted = {"prompt_tokens",
                                                      "completion_tokens",
                                                      "total_tokens",
                                                      "reasoning_tokens",
                                                      "cached_tokens",
                                                      "prompt_cache_hit_tokens",
                                                      "prompt_tokens_details.cached_tokens",
                                                      "completion_tokens_details.reasoning_tokens"};
  std::string said = all.text + "\n" + all.reasoning + "\n" + all.finish + "\n" + all.id + "\n" + all.model;
  for (const auto* list : {&all.calls, &all.annotations})
    for (const std::string& one : *list) said += "\n" + one;
  walk(root, "", [&](const std::string& path, json::Value value) {
    std::string_view rest = path;
    for (std::string_view prefix : {"choices[].delta.", "choices[].message."})
      if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
    for (std::string_view prefix : {"usage.", "x_groq.usage."}) {
      if (!rest.starts_with(prefix)) continue;
      rest.remove_prefix(prefix.size());
      if (kNotTokensOfAnswers.contains(rest)) return;
      EXPECT_TRUE(kCounted.contains(rest)) << "nobody counts " << path;
      const Usage& u = all.usage;
      const int64_t count = *value.integer(), counts[] = {u.input_tokens,
                                                          u.output_tokens,
                                                          u.cached_tokens,
                                                          u.reasoning_tokens,
                                                          u.output_tokens - u.reasoning_tokens,
                                                          u.input_tokens + u.output_tokens};
      EXPECT_TRUE(std::ranges::find(counts, count) != std::end(counts) ||
                  !root["choices"].at(0)["finish_reason"].is_string())
          << path << " " << count;
      return;
    }
    if (kTold.contains(rest))
      EXPECT_NE(said.find(value.text()), said.npos) << path << ": " << value.text().substr(0, 80);
    else
      EXPECT_TRUE(kStructure.contains(rest) || kBooks.contains(rest)) << "nobody reads " << path;
  });
}

class Recordings : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* given = std::getenv("PERDURE_SHARED_DATA");
    folder_ = std::filesystem::path(given ? given : "../shared/data") / "upstream-recordings" / GetParam();
    if (!std::filesystem::is_directory(folder_)) GTEST_SKIP() << "no recordings at " << folder_;
  }
  std::filesystem::path folder_;
};

TEST_P(Recordings, StreamsAreReadHoweverTheyAreCut) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".chunks.txt")) continue;
    std::istringstream lines(content_of(entry.path()));
    std::string bytes;
    std::vector<std::string> chunks;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      append_sse(bytes, "", line);
      chunks.push_back(std::move(line));
    }
    bytes += "data: [DONE]\n\n";
    if (bytes.find("\"choices\"") == bytes.npos) continue;  // another dialect's
    SCOPED_TRACE(name);
    auto whole = feed(bytes);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const Told all = told(*whole);
    EXPECT_EQ(all.problems, std::vector<std::string>{});
    EXPECT_EQ(all.starts, 1);
    EXPECT_EQ(all.finishes, 1);
    for (const std::string& line : chunks) expect_told(json::Document::parse(line)->root(), all);
    if (name.find("text") != std::string::npos) EXPECT_FALSE(all.text.empty());
    if (name.find("reasoning") != std::string::npos) EXPECT_FALSE(all.reasoning.empty());
    if (name.find("tool-call") != std::string::npos) {
      ASSERT_FALSE(all.calls.empty());
      for (const auto& one : all.calls) {
        EXPECT_TRUE(json::Document::parse(one.substr(one.find(' ', one.find(' ') + 1) + 1)).ok()) << one;
      }
    }
    for (size_t size : {1, 2, 3, 7, 64, 1000}) {
      auto cut = feed(bytes, size);
      ASSERT_TRUE(cut.ok());
      EXPECT_EQ(*cut, *whole) << "in pieces of " << size;
    }
    const size_t step = bytes.size() > 20'000 ? 997 : 1;
    for (size_t at = 0; at <= bytes.size(); at += step) {
      ChatStreamParser parser;
      std::vector<Piece> pieces;
      ASSERT_TRUE(parser.feed(bytes.substr(0, at), pieces).ok());
      ASSERT_TRUE(parser.feed(bytes.substr(at), pieces).ok());
      ASSERT_TRUE(parser.end().ok());
      ASSERT_EQ(pieces, *whole) << "cut at " << at;
    }
  }
}

TEST_P(Recordings, WholeAnswersAreRead) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".json")) continue;
    const std::string body = content_of(entry.path());
    if ((body.find("\"choices\"") == body.npos && body.find("\"error\"") == body.npos)) continue;
    if (body.find("\"output\"") != body.npos) continue;  // another dialect's
    SCOPED_TRACE(name);
    auto pieces = parse_chat_answer(body);
    if (name.find("error") != std::string::npos) {
      ASSERT_FALSE(pieces.ok());
      const Error error = parse_chat_error(400, "", content_of(entry.path()));
      EXPECT_EQ(error.code, Code::kInvalid);
      EXPECT_FALSE(error.reason.empty());
      continue;
    }
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_EQ(all.finishes, 1);
    EXPECT_TRUE(all.usage.known);
    EXPECT_FALSE(all.text.empty() && all.calls.empty());
    expect_told(json::Document::parse(body)->root(), all);

    // The same as chunks: streamed = unstreamed.
    std::string chunks(body);
    for (size_t at; (at = chunks.find("\"message\"")) != chunks.npos;) chunks.replace(at, 9, "\"delta\"");
    std::string bytes;
    append_sse(bytes, "", chunks);
    auto streamed = feed(bytes);
    ASSERT_TRUE(streamed.ok()) << streamed.error().message;
    EXPECT_EQ(*streamed, *pieces);
  }
}

INSTANTIATE_TEST_SUITE_P(Suppliers, Recordings,
                         testing::Values("openai/chat", "openai/completion", "azure", "groq", "deepseek/chat",
                                         "mistral", "xai", "alibaba", "moonshotai", "perplexity",
                                         "openai-compatible/chat"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) {
                             if (c == '/' || c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace perdure
