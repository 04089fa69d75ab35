#include "dialect/chat_upstream.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
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

TEST(ChatRequest, MapsToolChoices) {
  const auto choice = [](ToolChoice given, bool tools = true) {
    Request request{.model = "m", .tool_choice = std::move(given)};
    if (tools) request.tools = {{.name = "f"}, {.name = "g"}};
    auto body = write_chat_request(request, std::vector{user("hi")}, "u", {});
    auto document = json::Document::parse(*body);
    EXPECT_EQ(document->root()["tools"].size(), tools ? 2u : 0u) << "all tools stay in sight";
    return std::string(document->root()["tool_choice"].raw());
  };
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(choice({}), "");
  EXPECT_EQ(choice({.mode = Mode::kNone}), R"("none")");
  EXPECT_EQ(choice({.mode = Mode::kRequired}), R"("required")");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed = {"f"}}), R"("auto")");
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"f"}}), R"("required")");
  EXPECT_EQ(choice({.mode = Mode::kNone}, false), "");
}

TEST(ChatRequest, PutsSystemMessagesFirst) {
  const std::vector context = {user("a"), system_message("s"), assistant("b"), system_message("d", Role::kDeveloper),
                               user("c")};
  const std::string rest =
      R"({"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}])";
  EXPECT_EQ(
      messages(context, {.model = "m", .instructions = "i"}),
      R"([{"role":"developer","content":"i"},{"role":"system","content":"s"},{"role":"developer","content":"d"},)" +
          rest);
  EXPECT_EQ(messages(context, {.model = "m", .instructions = "i"}, {.developer_role = false}),
            R"([{"role":"system","content":"i\n\ns\n\nd"},)" + rest);
}

TEST(ChatRequest, WritesPartsOfUserMessages) {
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

TEST(ChatRequest, LeavesOutEmptyTextsAndOthersReasoning) {
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

TEST(ChatRequest, KeepsRefusals) {
  Item item{.role = Role::kAssistant,
            .content = {{.kind = PartKind::kOutputText, .text = "t"}, {.kind = PartKind::kRefusal, .text = "no"}}};
  EXPECT_EQ(messages({item}),
            R"([{"role":"assistant","content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"no"}]}])");
}

TEST(ChatRequest, OutputsFollowTheirCalls) {
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

TEST(ChatRequest, CallsMadeWithAnswersKnownAreTurnsOfTheirOwn) {
  EXPECT_EQ(
      messages({call("a"), output("a", "1"), call("b"), output("b", "2")}),
      "[" + turn("null", kCallA) + "," + answer("a", "1") + "," + turn("null", kCallB) + "," + answer("b", "2") + "]");
  EXPECT_EQ(
      messages({call("a"), output("a", "1"), call("a"), output("a", "2")}),
      "[" + turn("null", kCallA) + "," + answer("a", "1") + "," + turn("null", kCallA) + "," + answer("a", "2") + "]")
      << "a model that uses a call_id again";
}

TEST(ChatRequest, ArgumentsAreSentAsTheyWereWritten) {
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
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"Once upon"}])");
  EXPECT_EQ(messages({user("a")}, {.model = "m"}, {}, "", "Go on."), R"([{"role":"user","content":"a"}])");
}

// --- answers ---

struct Told {
  std::string text, reasoning, refusal, finish;
  std::vector<std::string> calls;  // "id name arguments"
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
        ++out.starts;
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
        out.finish = piece.text, ++out.finishes;
        break;
      case Piece::Kind::kMessage:
      case Piece::Kind::kSummary:
      case Piece::Kind::kOpaque:
      case Piece::Kind::kAnnotation:
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

TEST(ChatStream, TellsToolCallsInEveryForm) {
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

TEST(ChatStream, TellsReasoningAndRefusals) {
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
                                                  {"insufficient_system_resource", Finish::kOther}};
  for (const auto& [word, finish] : cases) {
    auto pieces = feed(chunk("\"delta\":{},\"finish_reason\":\"" + std::string(word) + "\""));
    ASSERT_TRUE(pieces.ok());
    EXPECT_EQ(pieces->back().finish, finish) << word;
    EXPECT_EQ(pieces->back().text, word);
  }
}

TEST(ChatStream, CountsAsOpenAiDoes) {
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

TEST(ChatStream, IsWholeOnlyIfTheSupplierSaidSo) {
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

TEST(ChatStream, ReportsTheSuppliersErrors) {
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

class Recordings : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path("../shared/data/upstream-recordings") / GetParam();
    if (!std::filesystem::is_directory(folder_)) GTEST_SKIP() << "no recordings at " << folder_;
  }
  std::filesystem::path folder_;
};

TEST_P(Recordings, StreamsAreReadHoweverTheyAreCut) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    std::string bytes;
    if (name.ends_with(".sse")) {
      bytes = content_of(entry.path());
    } else if (name.ends_with(".chunks.txt")) {
      std::istringstream lines(content_of(entry.path()));
      for (std::string line; std::getline(lines, line);) {
        if (!line.empty()) append_sse(bytes, "", line);
      }
      bytes += "data: [DONE]\n\n";
    } else {
      continue;
    }
    SCOPED_TRACE(name);
    auto whole = feed(bytes);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const Told all = told(*whole);
    EXPECT_EQ(all.problems, std::vector<std::string>{});
    EXPECT_EQ(all.starts, 1);
    EXPECT_EQ(all.finishes, 1);
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
    if (bytes.size() > 4096) continue;
    for (size_t at = 0; at <= bytes.size(); ++at) {
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
    SCOPED_TRACE(name);
    auto pieces = parse_chat_answer(content_of(entry.path()));
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
  }
}

INSTANTIATE_TEST_SUITE_P(Suppliers, Recordings,
                         testing::Values("openai/chat", "groq", "deepseek/chat", "mistral", "xai", "alibaba",
                                         "moonshotai", "openai-compatible/chat"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) {
                             if (c == '/' || c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace perdure
