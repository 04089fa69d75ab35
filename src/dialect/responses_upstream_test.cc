#include "dialect/responses_upstream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "dialect/chat_upstream.h"
#include "dialect/responses_request.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure {
namespace {

Item user(std::string text) { return {.role = Role::kUser, .content = {{.text = std::move(text)}}}; }
Item assistant(std::string text, std::string phase = {}) {
  return {.role = Role::kAssistant,
          .phase = std::move(phase),
          .content = {{.kind = PartKind::kOutputText, .text = std::move(text)}}};
}
Item call(std::string id, std::string arguments = "{}") {
  return {.kind = ItemKind::kFunctionCall, .call_id = std::move(id), .name = "f", .arguments = std::move(arguments)};
}
Item output(std::string id, std::string text) {
  return {.kind = ItemKind::kFunctionCallOutput, .call_id = std::move(id), .output = std::move(text)};
}
Item reasoning(std::string block, std::string issuer, OpaqueKind kind = OpaqueKind::kEncrypted) {
  return {.kind = ItemKind::kReasoning,
          .id = "rs_1",
          .summary = {{.kind = PartKind::kSummaryText, .text = "thought"}},
          .encrypted = std::move(block),
          .opaque = kind,
          .issuer = std::move(issuer)};
}

Result<UpstreamMessage> write(const std::vector<Item>& context, const Request& request = {.model = "m"},
                              const ResponsesVariant& variant = {}, std::string held = {}, std::string ask = {}) {
  return write_responses_upstream({.request = request,
                                   .context = context,
                                   .model = "up",
                                   .issuer = "me",
                                   .held = std::move(held),
                                   .ask = std::move(ask),
                                   .max_output_tokens = request.max_output_tokens},
                                  variant);
}
// The input of the body, or the error as "param: message".
std::string input(const std::vector<Item>& context, const Request& request = {.model = "m"}) {
  auto message = write(context, request);
  if (!message) return message.error().param + ": " + message.error().message;
  auto document = json::Document::parse(message->body);
  EXPECT_TRUE(document.ok()) << message->body;
  return std::string(document->root()["input"].raw());
}

TEST(ResponsesUpstream, T18_NeverLeavesStateAtTheSupplier) {
  Request request{.model = "m", .user = "u", .prompt_cache_key = "k"};
  request.previous_response_id = "resp_1";
  request.metadata = {{"a", "b"}};
  auto message = write({user("hi")}, request);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/responses");
  EXPECT_EQ(
      message->body,
      R"({"model":"up","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"store":false,"stream":true,"include":["reasoning.encrypted_content"]})");
}

TEST(ResponsesUpstream, SaysWhatWasAsked) {
  Request request{.model = "m"};
  request.instructions = "Be brief.";
  request.tools = {{.name = "f", .description = "d", .parameters = R"({ "n" : 1.0e400 })", .strict = true},
                   {.name = "g"}};
  request.tool_choice = {.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"g"}};
  request.parallel_tool_calls = false;
  request.format = {
      .kind = TextFormat::Kind::kJsonSchema, .name = "s", .schema = R"({"type":"object"})", .strict = true};
  request.verbosity = "low";
  request.reasoning_effort = "high";
  request.reasoning_summary = "auto";
  request.temperature = 0.5;
  request.top_p = 0.25;
  request.max_output_tokens = 100;
  auto message = write({user("hi")}, request, {.encrypted_reasoning = false});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(
      message->body,
      R"({"model":"up","instructions":"Be brief.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"store":false,"stream":true,)"
      R"("tools":[{"type":"function","name":"f","description":"d","parameters":{ "n" : 1.0e400 },"strict":true},{"type":"function","name":"g","parameters":null,"strict":null}],)"
      R"("tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]},"parallel_tool_calls":false,)"
      R"("text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"},"strict":true},"verbosity":"low"},"reasoning":{"effort":"high","summary":"auto"},)"
      R"("temperature":0.5,"top_p":0.25,"max_output_tokens":100})");
}

TEST(ResponsesUpstream, T10ToolsOfOtherApisAreNotMadeStrict) {
  Request request{.model = "m", .dialect = ClientDialect::kChat};
  request.tools = {{.name = "f"}};
  EXPECT_NE(write({user("hi")}, request)->body.find(R"("strict":false)"), std::string::npos);
}

TEST(ResponsesUpstream, T3ImagesInToolResultsAndFailures) {
  Item image{.kind = ItemKind::kFunctionCallOutput, .call_id = "a", .output_is_text = false};
  image.content = {{.text = "seen"}, {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AA=="}};
  EXPECT_EQ(
      input({call("a"), image}),
      R"([{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"seen"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"auto"}]}])");
  Item failed = output("a", "no such file");
  failed.tool_failed = true;
  EXPECT_NE(input({call("a"), failed}).find(R"("output":"The tool reports an error:\nno such file")"),
            std::string::npos);
}

TEST(ResponsesUpstream, T14_PhasesAndRefusalsComeBack) {
  Item refusal = assistant("");
  refusal.content = {{.kind = PartKind::kRefusal, .text = "no"}};
  EXPECT_EQ(
      input({assistant("a", "commentary"), refusal}),
      R"([{"type":"message","role":"assistant","phase":"commentary","content":"a"},{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}])");
}

TEST(ResponsesUpstream, T5EmptyTextIsLeftOut) {
  EXPECT_EQ(input({user("a"), assistant(""), user("")}),
            R"([{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}])");
  EXPECT_EQ(input({user("")}).substr(0, 6), "input:");
}

TEST(ResponsesUpstream, T7ToolPairs) {
  EXPECT_EQ(write({output("a", "x")}).error().reason, "tool_call_not_found");
  EXPECT_EQ(write({call("a"), user("hi")}).error().reason, "tool_output_not_found");
  EXPECT_TRUE(write({call("a"), call("b"), output("b", "x"), output("a", "x")}).ok());
}

TEST(ResponsesUpstream, T18ReasoningGoesBackOnlyWithItsItem) {
  const std::string block =
      R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"thought"}],"encrypted_content":"gAA=/+_"})";
  const std::string last = R"({"type":"message","role":"user","content":[{"type":"input_text","text":"u"}]})";
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant("a"), user("u")}),
            "[" + block + R"(,{"type":"message","role":"assistant","content":"a"},)" + last + "]");
  EXPECT_EQ(
      input({reasoning("gAA=/+_", "me"), call("c"), output("c", "r")}),
      "[" + block +
          R"(,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}])");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), user("u")}), "[" + last + "]") << "what it led to is not there";
  EXPECT_EQ(input({user("u"), reasoning("gAA=/+_", "me")}), "[" + last + "]");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant(""), user("u")}), "[" + last + "]");
  EXPECT_EQ(input({reasoning("gAA=/+_", "me"), assistant(""), call("c"), output("c", "r")}),
            input({reasoning("gAA=/+_", "me"), call("c"), output("c", "r")}))
      << "it led to the call";
  Item visible = reasoning("", "");
  visible.opaque = OpaqueKind::kNone;
  EXPECT_EQ(input({visible, assistant("a"), user("u")}),
            R"([{"type":"message","role":"assistant","content":"a"},)" + last + "]")
      << "an rs_ id without encrypted content is not found at the supplier";
}

TEST(ResponsesUpstream, T19ForeignBlocksStayHere) {
  for (const Item& foreign : {reasoning("x", "you"), reasoning("x", ""), reasoning("x", "me", OpaqueKind::kSignature)})
    EXPECT_EQ(input({foreign, assistant("a"), user("u")}).find("reasoning"), std::string::npos);
  const Item compaction{.kind = ItemKind::kCompaction, .encrypted = "c", .issuer = "you"};
  EXPECT_EQ(write({compaction, user("u")}).error().param, "input[0]");
}

TEST(ResponsesUpstream, T32EqualContextGivesEqualBytes) {
  const std::vector<Item> turn{user("u"), reasoning("x", "me"), call("c"), output("c", "r"), assistant("a")};
  std::vector<Item> longer = turn;
  longer.push_back(user("next"));
  const std::string before = input(turn), after = input(longer);
  EXPECT_EQ(after.substr(0, before.size() - 1), before.substr(0, before.size() - 1));
}

TEST(ResponsesUpstream, T37ContinuationAsksInWords) {
  Request request{.model = "m"};
  request.max_output_tokens = 5;
  auto message = write({user("u")}, request, {}, "half an ans", "Go on.");
  ASSERT_TRUE(message.ok());
  EXPECT_NE(
      message->body.find(
          R"({"type":"message","role":"assistant","content":"half an ans"},{"type":"message","role":"user","content":"Go on."}])"),
      std::string::npos);
  EXPECT_NE(message->body.find(R"("max_output_tokens":16)"), std::string::npos);
  EXPECT_EQ(write({user("u")}, {.model = "m"}, {}, "half").error().code, Code::kInvalid) << "there is no prefill";
}

TEST(ResponsesUpstream, T33CountsTheInputOfThisVeryRequest) {
  Request request{.model = "m", .max_output_tokens = 5, .stop = {"x"}};
  request.tools = {{.name = "f"}};
  auto message = write_responses_count(
      {.request = request, .context = std::vector{user("u")}, .model = "up", .issuer = "me"}, {.counts = true});
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->path, "/responses/input_tokens");
  EXPECT_EQ(
      message->body,
      R"({"model":"up","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"u"}]}],"tools":[{"type":"function","name":"f","parameters":null,"strict":null}]})");
  EXPECT_EQ(*parse_responses_count(R"({"object":"response.input_tokens","input_tokens":11})"), 11);
  EXPECT_EQ(parse_responses_count(R"({"tokens":11})").error().code, Code::kCorrupt);
  EXPECT_FALSE(responses_upstream()->counts());
}

TEST(ResponsesUpstream, T37TheClientsOwnBeginningIsRefusedByName) {
  Request request{.model = "m", .dialect = ClientDialect::kMessages};
  Item begun = assistant("Once");
  begun.status = ItemStatus::kInProgress;
  EXPECT_EQ(write({user("u"), begun}, request).error().param, "input[1]");
}

TEST(ResponsesUpstream, ALimitToReasoningBecomesAnEffort) {
  const std::pair<int64_t, std::string_view> cases[] = {
      {1024, "low"}, {2048, "low"}, {8192, "medium"}, {31999, "high"}};
  for (const auto& [tokens, effort] : cases) {
    Request request{.model = "m", .reasoning_tokens_max = tokens};
    EXPECT_NE(write({user("u")}, request)->body.find(R"("reasoning":{"effort":")" + std::string(effort)),
              std::string::npos)
        << tokens;
  }
  Request both{.model = "m", .reasoning_effort = "xhigh", .reasoning_tokens_max = 1024};
  EXPECT_NE(write({user("u")}, both)->body.find(R"("effort":"xhigh")"), std::string::npos);
}

TEST(ResponsesUpstream, WhatCannotBeSaidIsNamed) {
  const std::pair<std::string_view, std::function<void(Request&)>> cases[] = {
      {"stop", [](Request& r) { r.stop = {"x"}; }},
      {"seed", [](Request& r) { r.seed = 1; }},
      {"top_k", [](Request& r) { r.top_k = 1; }},
      {"presence_penalty", [](Request& r) { r.presence_penalty = 1; }},
      {"frequency_penalty", [](Request& r) { r.frequency_penalty = 1; }},
      {"top_logprobs", [](Request& r) { r.top_logprobs = 1; }},
      {"include", [](Request& r) { r.include = {"message.output_text.logprobs"}; }},
      {"max_output_tokens", [](Request& r) { r.max_output_tokens = 1; }},
  };
  const std::string plain = write({user("u")})->body;
  for (const auto& [param, set] : cases) {
    Request request{.model = "m"};
    set(request);
    auto message = write({user("u")}, request);
    ASSERT_FALSE(message.ok()) << param;
    EXPECT_EQ(message.error().param, param);
    EXPECT_EQ(message.error().reason, "unsupported_parameter");
    request.lenient = true;
    message = write({user("u")}, request);
    ASSERT_TRUE(message.ok()) << param;
    EXPECT_EQ(message->dropped, std::vector<std::string>{std::string(param)});
    if (param != "max_output_tokens") EXPECT_EQ(message->body, plain);
  }
  Request penalties{.model = "m", .presence_penalty = 1};
  EXPECT_NE(write({user("u")}, penalties, {.penalties = true})->body.find(R"("presence_penalty":1)"),
            std::string::npos);
}

// --- answers ---

struct Told {
  std::string text, refusal, reasoning, summary;
  std::vector<std::string> calls, opaque, annotations, messages;
  Usage usage;
  Finish finish = Finish::kNone;
  std::string id, model, word;
  bool operator==(const Told&) const = default;
};

Told told(const std::vector<Piece>& pieces) {
  Told all;
  int starts = 0, finishes = 0;
  std::map<int, std::string> calls;
  for (const Piece& piece : pieces) {
    EXPECT_EQ(finishes, 0) << "something comes after the finish";
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        ++starts;
        all.id = piece.id;
        all.model = piece.model;
        break;
      case Piece::Kind::kText:
        all.text += piece.text;
        break;
      case Piece::Kind::kRefusal:
        all.refusal += piece.text;
        break;
      case Piece::Kind::kReasoning:
        all.reasoning += piece.text;
        break;
      case Piece::Kind::kSummary:
        all.summary += piece.text;
        break;
      case Piece::Kind::kToolCall:
        EXPECT_FALSE(calls.contains(piece.index));
        calls[piece.index] = piece.call_id + " " + piece.name + " ";
        break;
      case Piece::Kind::kToolArguments:
        EXPECT_TRUE(calls.contains(piece.index));
        calls[piece.index] += piece.text;
        break;
      case Piece::Kind::kUsage:
        all.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        ++finishes;
        all.finish = piece.finish;
        all.word = piece.text;
        break;
      case Piece::Kind::kMessage:
        all.messages.push_back(piece.text);
        break;
      case Piece::Kind::kOpaque:
        EXPECT_EQ(piece.opaque, OpaqueKind::kEncrypted);
        all.opaque.push_back(piece.text);
        break;
      case Piece::Kind::kAnnotation:
        all.annotations.push_back(piece.text);
        break;
    }
  }
  for (auto& [index, one] : calls) all.calls.push_back(one);
  EXPECT_LE(starts, 1);
  EXPECT_EQ(finishes, 1);
  return all;
}

Result<std::vector<Piece>> feed(std::string_view bytes, size_t size = std::string_view::npos) {
  auto parser = responses_stream_parser();
  std::vector<Piece> pieces;
  while (!bytes.empty()) {
    TRY_VOID(parser->feed(bytes.substr(0, size), pieces));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  TRY_VOID(parser->end());
  EXPECT_TRUE(parser->done());
  return pieces;
}

std::string stream_of(std::initializer_list<std::string_view> events) {
  std::string out;
  for (std::string_view data : events) {
    auto document = json::Document::parse(std::string(data));
    EXPECT_TRUE(document.ok()) << data;
    append_sse(out, document->root()["type"].text(), data);
  }
  return out;
}

constexpr std::string_view kCreated = R"({"type":"response.created","response":{"id":"resp_s","model":"gpt"}})";
constexpr std::string_view kCompleted =
    R"({"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}}})";

TEST(ResponsesStream, T24EveryKindOfEvent) {
  auto pieces = feed(stream_of({
      kCreated,
      R"({"type":"response.queued","response":{"id":"resp_s"}})",
      R"({"type":"response.in_progress","response":{"id":"resp_s"}})",
      R"({"type":"keepalive","sequence_number":3})",
      R"({"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_x","summary":[],"encrypted_content":"early"}})",
      R"({"type":"response.reasoning_summary_part.added","item_id":"rs_x","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})",
      R"({"type":"response.reasoning_summary_text.delta","item_id":"rs_x","output_index":0,"summary_index":0,"delta":"I "})",
      R"({"type":"response.reasoning_summary_text.done","item_id":"rs_x","output_index":0,"summary_index":0,"text":"I think"})",
      R"({"type":"response.reasoning_text.delta","item_id":"rs_x","output_index":0,"content_index":0,"delta":"raw"})",
      R"({"type":"response.reasoning.delta","item_id":"rs_x","output_index":0,"content_index":0,"delta":" and"})",
      R"({"type":"response.reasoning.done","item_id":"rs_x","output_index":0,"content_index":0,"text":"raw and more"})",
      R"({"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_x","summary":[{"type":"summary_text","text":"I think"}],"encrypted_content":"late"}})",
      R"({"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"m","phase":"commentary","content":[]}})",
      R"({"type":"response.content_part.added","item_id":"m","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}})",
      R"({"type":"response.output_text.delta","item_id":"m","output_index":1,"content_index":0,"delta":"Hel"})",
      R"({"type":"response.output_text.annotation.added","item_id":"m","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"u"}})",
      R"({"type":"response.output_text.done","item_id":"m","output_index":1,"content_index":0,"text":"Hello"})",
      R"({"type":"response.content_part.done","item_id":"m","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"u"}]}})",
      R"({"type":"response.refusal.delta","item_id":"m","output_index":1,"content_index":1,"delta":"n"})",
      R"({"type":"response.refusal.done","item_id":"m","output_index":1,"content_index":1,"refusal":"no"})",
      R"({"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"m","content":[{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"u"},{"type":"file_citation","file_id":"f"}]},{"type":"refusal","refusal":"no"}]}})",
      R"({"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc","call_id":"c1","name":"f","arguments":""}})",
      R"({"type":"response.output_item.added","output_index":3,"item":{"type":"function_call","id":"fd","call_id":"c2","name":"g","arguments":""}})",
      R"({"type":"response.function_call_arguments.delta","item_id":"fd","output_index":3,"delta":"[1"})",
      R"({"type":"response.function_call_arguments.delta","item_id":"fc","output_index":2,"delta":"{}"})",
      R"({"type":"response.function_call_arguments.done","item_id":"fd","output_index":3,"arguments":"[1]"})",
      R"({"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc","call_id":"c1","name":"f","arguments":"{}"}})",
      R"({"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","id":"fd","call_id":"c2","name":"g","arguments":"[1]"}})",
      R"({"type":"response.something.new","output_index":9})",
      kCompleted,
  }));
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  const Told all = told(*pieces);
  EXPECT_EQ(all.id, "resp_s");
  EXPECT_EQ(all.model, "gpt");
  EXPECT_EQ(all.summary, "I think");
  EXPECT_EQ(all.reasoning, "raw and more");
  EXPECT_EQ(all.opaque, std::vector<std::string>{"late"});
  EXPECT_EQ(all.messages, std::vector<std::string>{"commentary"});
  EXPECT_EQ(all.text, "Hello");
  EXPECT_EQ(all.refusal, "no");
  EXPECT_EQ(all.annotations, (std::vector<std::string>{R"({"type":"url_citation","url":"u"})",
                                                       R"({"type":"file_citation","file_id":"f"})"}));
  EXPECT_EQ(all.calls, (std::vector<std::string>{"c1 f {}", "c2 g [1]"}));
  EXPECT_EQ(all.usage, (Usage{10, 4, 5, 2, true, 3}));
  EXPECT_EQ(all.finish, Finish::kToolCalls);
}

TEST(ResponsesStream, WhatIsNotStreamedIsTakenFromTheEnd) {
  const std::string_view whole =
      R"({"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"reasoning","id":"a","summary":[],"encrypted_content":"e"},{"type":"message","id":"b","content":[{"type":"output_text","text":"hi","annotations":[]}]},{"type":"function_call","id":"c","call_id":"x","name":"f","arguments":"{}"}]}})";
  auto pieces = feed(stream_of({whole}));
  ASSERT_TRUE(pieces.ok());
  const Told all = told(*pieces);
  EXPECT_EQ(all.text, "hi");
  EXPECT_EQ(all.calls, std::vector<std::string>{"x f {}"});
  EXPECT_EQ(all.opaque, std::vector<std::string>{"e"});
  // The same with all of it streamed before, under ids that change from event to event.
  pieces = feed(stream_of(
      {R"({"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"p","summary":[],"encrypted_content":"e"}})",
       R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"item_id":"q","delta":"hi"})",
       R"({"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"r","call_id":"x","name":"f","arguments":"{}"}})",
       whole}));
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  EXPECT_EQ(told(*pieces).text, all.text);
  EXPECT_EQ(told(*pieces).calls, all.calls);
  EXPECT_EQ(told(*pieces).opaque, all.opaque);
}

TEST(ResponsesStream, T9HostedItemsAreRefusedByName) {
  for (std::string_view type : {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call",
                                "mcp_call", "mcp_list_tools", "computer_call", "custom_tool_call", "local_shell_call",
                                "program", "compaction", "something_new"}) {
    const std::string item = "{\"type\":\"" + std::string(type) + "\",\"id\":\"x\"}";
    for (const std::string& event :
         {R"({"type":"response.output_item.added","output_index":0,"item":)" + item + "}",
          R"({"type":"response.output_item.done","output_index":0,"item":)" + item + "}",
          R"({"type":"response.completed","response":{"status":"completed","output":[)" + item + "]}}"}) {
      auto pieces = feed(stream_of({kCreated, event}));
      ASSERT_FALSE(pieces.ok()) << event;
      EXPECT_EQ(pieces.error().reason, "unsupported_item");
      EXPECT_NE(pieces.error().message.find(type), std::string::npos);
    }
    EXPECT_EQ(parse_responses_answer(R"({"status":"completed","output":[)" + item + "]}").error().reason,
              "unsupported_item");
  }
}

TEST(ResponsesStream, T20T21ErrorsInsideTheStream) {
  const std::pair<std::string_view, Code> cases[] = {
      {R"({"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}})",
       Code::kOverloaded},
      {R"({"type":"error","code":"rate_limit_exceeded","message":"m","param":null})", Code::kOverloaded},
      {R"({"type":"error","code":"server_error","message":"m","param":null})", Code::kUnavailable},
      {R"({"type":"error","status":429,"error":{"message":"m"}})", Code::kOverloaded},
      {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}})",
       Code::kUnavailable},
      {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_prompt","message":"m"}}})",
       Code::kInvalid},
      {R"({"type":"response.failed","response":{"status":"failed","error":null}})", Code::kUnavailable},
      {R"({"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"tired"}}})",
       Code::kUnavailable},
  };
  for (const auto& [event, code] : cases) {
    auto pieces = feed(stream_of({kCreated, event}));
    ASSERT_FALSE(pieces.ok()) << event;
    EXPECT_EQ(pieces.error().code, code) << event;
  }
  auto named = feed("event: error\ndata: {\"code\":\"server_error\",\"message\":\"m\"}\n\n");
  ASSERT_FALSE(named.ok());
  EXPECT_EQ(named.error().reason, "server_error");
  auto cut = feed(stream_of({kCreated}) + "data: [DONE]\n\n");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().reason, "cut");
}

TEST(ResponsesStream, T27StopReasons) {
  const auto finish = [](std::string_view fields) {
    return told(*parse_responses_answer("{\"output\":[]," + std::string(fields) + "}")).finish;
  };
  EXPECT_EQ(finish(R"("status":"completed")"), Finish::kStop);
  EXPECT_EQ(finish(R"("status":"incomplete","incomplete_details":{"reason":"max_output_tokens"})"), Finish::kLength);
  EXPECT_EQ(finish(R"("status":"incomplete","incomplete_details":{"reason":"content_filter"})"),
            Finish::kContentFilter);
  EXPECT_EQ(
      told(*parse_responses_answer(
               R"({"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]})"))
          .finish,
      Finish::kRefusal);
}

TEST(ResponsesStream, RefusesWhatIsNotThisDialect) {
  for (std::string_view data : {"{", "7", "[]", R"({"type":"response.output_item.added","item":7})",
                                R"({"type":"response.output_text.delta","delta":7})",
                                R"({"type":"response.output_item.done","item":{"type":"function_call"}})"}) {
    auto pieces = feed("data: " + std::string(data) + "\n\n");
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt) << data;
  }
  EXPECT_EQ(parse_responses_answer("{}").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_responses_answer("<html>").error().code, Code::kCorrupt);
}

// --- what suppliers really sent ---

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::filesystem::path recordings() {
  const char* given = std::getenv("PERDURE_SHARED_DATA");
  return std::filesystem::path(given ? given : "../shared/data") / "upstream-recordings";
}

// Every string, number and boolean, with its path: "item.content[].text".
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
  static const std::vector<std::string_view> kTold = {
      "delta", "text",    "arguments", "refusal", "summary[].text", "content[].text", "encrypted_content",
      "name",  "call_id", "phase"};
  static const std::vector<std::string_view> kStructure = {
      "type",   "id",     "item_id", "output_index",   "content_index", "summary_index", "sequence_number",
      "object", "status", "role",    "content[].type", "summary[].type"};
  static const std::vector<std::string_view> kOurOwnRequest = {"background",          "max_output_tokens",
                                                               "parallel_tool_calls", "reasoning.",
                                                               "service_tier",        "store",
                                                               "temperature",         "text.",
                                                               "tool_choice",         "tools[]",
                                                               "top_logprobs",        "top_p",
                                                               "truncation",          "presence_penalty",
                                                               "frequency_penalty",   "prompt_cache_retention"};
  static const std::vector<std::string_view> kBooks = {"created_at",
                                                       "completed_at",
                                                       "billing.",
                                                       "obfuscation",
                                                       "content_filters[]",
                                                       "tool_usage.",
                                                       "usage.num_server_side_tools_used",
                                                       "usage.num_sources_used"};
  static const std::vector<std::string_view> kCounted = {"usage.input_tokens",
                                                         "usage.input_tokens_details.cached_tokens",
                                                         "usage.input_tokens_details.cache_write_tokens",
                                                         "usage.output_tokens",
                                                         "usage.output_tokens_details.reasoning_tokens",
                                                         "usage.total_tokens"};
  const auto within = [](const std::vector<std::string_view>& list, std::string_view path, bool prefix) {
    return std::ranges::any_of(list, [&](std::string_view one) {
      return path == one || (prefix && (one.ends_with('.') || one.ends_with(']')) && path.starts_with(one));
    });
  };
  walk(root, "", [&](const std::string& path, json::Value value) {
    std::string_view rest = path;
    bool of_response = rest.starts_with("response.") || !root["output"].missing();
    for (std::string_view prefix : {"response.", "output[].", "item.", "part."}) {
      if (!rest.starts_with(prefix)) continue;
      rest.remove_prefix(prefix.size());
      if (prefix == "output[]." || prefix == "item.") of_response = false;
    }
    if (rest.find("logprobs[]") != rest.npos) return;  // never asked for; one server sends them all the same
    if (of_response && (within(kOurOwnRequest, rest, true) || within(kBooks, rest, true))) return;
    if (of_response && rest == "model") {
      EXPECT_EQ(value.text(), all.model);
    } else if (of_response && within(kCounted, rest, false)) {
      const int64_t count = *value.integer();
      const Usage& u = all.usage;
      EXPECT_TRUE(count == u.input_tokens || count == u.cached_tokens || count == u.cache_write_tokens ||
                  count == u.output_tokens || count == u.reasoning_tokens || count == u.input_tokens + u.output_tokens)
          << path;
    } else if (within(kTold, rest, false)) {
      bool found = all.word == value.text();
      for (const std::string* text : {&all.text, &all.refusal, &all.reasoning, &all.summary})
        found = found || text->find(value.text()) != text->npos;
      for (const auto* list : {&all.calls, &all.opaque, &all.messages})
        for (const std::string& one : *list) found = found || one.find(value.text()) != one.npos;
      EXPECT_TRUE(found || rest == "encrypted_content") << path << ": " << value.text().substr(0, 80);
    } else {
      EXPECT_TRUE(within(kStructure, rest, false) || within(kBooks, rest, false)) << "nobody reads " << path;
    }
  });
}

struct Recording {
  std::filesystem::path path;
  std::vector<std::string> lines;  // of a stream
  std::string bytes;
  bool hosted = false, failed = false;
};

std::vector<Recording> found(bool streams) {
  std::vector<Recording> out;
  for (std::string_view folder : {"openai/responses", "azure", "xai/responses", "open-responses/responses"}) {
    for (const auto& entry : std::filesystem::directory_iterator(recordings() / folder)) {
      const std::string name = entry.path().filename();
      Recording one{.path = entry.path()};
      const std::string content = content_of(entry.path());
      const bool is_error = content.find("\"error\": {") != content.npos || content.find("\"error\":{") != content.npos;
      const bool is_responses = content.find("\"choices\"") == content.npos;
      if (!is_responses || name.ends_with(".chunks.txt") != streams) continue;
      one.hosted = content.find("\"program") != content.npos;
      one.failed = is_error;
      if (streams) {
        std::istringstream lines(content);
        for (std::string line; std::getline(lines, line);) {
          if (line.empty()) continue;
          auto document = json::Document::parse(line);
          if (!document.ok()) document = json::Document::parse(line += "}");  // one line was recorded without its end
          EXPECT_TRUE(document.ok());
          if (!one.lines.empty() && document->root()["type"].text() == "response.created") {  // the next answer
            out.push_back(one);
            one.lines.clear();
            one.bytes.clear();
          }
          append_sse(one.bytes, document->root()["type"].text(), line);
          one.lines.push_back(std::move(line));
        }
      } else {
        one.bytes = content;
      }
      out.push_back(std::move(one));
    }
  }
  return out;
}

TEST(ResponsesRecordings, StreamsAreReadWholeHoweverTheyAreCut) {
  if (!std::filesystem::is_directory(recordings())) GTEST_SKIP() << "no recordings at " << recordings();
  const auto list = found(true);
  EXPECT_GE(list.size(), 14u);
  for (const Recording& one : list) {
    SCOPED_TRACE(one.path);
    auto whole = feed(one.bytes);
    if (one.hosted || one.failed) {
      ASSERT_FALSE(whole.ok());
      EXPECT_EQ(whole.error().reason, one.hosted ? "unsupported_item" : "insufficient_quota");
      continue;
    }
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const Told all = told(*whole);
    for (const std::string& line : one.lines) expect_told(json::Document::parse(line)->root(), all);
    for (size_t size : {1, 2, 3, 7, 64, 1000}) {
      auto cut = feed(one.bytes, size);
      ASSERT_TRUE(cut.ok());
      EXPECT_EQ(*cut, *whole) << "in pieces of " << size;
    }
    // Every boundary: what a parser has said and holds after the first part is what it goes on from.
    const size_t step = one.bytes.size() > 4'000 ? 997 : 1;  // every one: tests/fidelity
    for (size_t at = 0; at <= one.bytes.size(); at += step) {
      auto parser = responses_stream_parser();
      std::vector<Piece> pieces;
      ASSERT_TRUE(parser->feed(one.bytes.substr(0, at), pieces).ok());
      ASSERT_TRUE(parser->feed(one.bytes.substr(at), pieces).ok());
      ASSERT_TRUE(parser->end().ok());
      ASSERT_EQ(pieces, *whole) << "cut at " << at;
    }
    // The final response alone tells the same.
    auto last = json::Document::parse(one.lines.back());
    auto unstreamed = parse_responses_answer(std::string(last->root()["response"].raw()));
    ASSERT_TRUE(unstreamed.ok());
    if (last->root()["response"]["output"].size() == 0) continue;
    Told other = told(*unstreamed);
    other.opaque.clear();  // encrypted anew each time it is written
    Told same = all;
    same.opaque.clear();
    EXPECT_EQ(other.text, same.text);
    EXPECT_TRUE(other == same);
  }
}

TEST(ResponsesRecordings, WholeAnswersAreRead) {
  if (!std::filesystem::is_directory(recordings())) GTEST_SKIP() << "no recordings at " << recordings();
  const auto list = found(false);
  EXPECT_EQ(list.size(), 12u);
  for (const Recording& one : list) {
    SCOPED_TRACE(one.path);
    auto pieces = parse_responses_answer(one.bytes);
    if (one.hosted || one.failed) {
      ASSERT_FALSE(pieces.ok());
      if (one.failed) {
        const Error error = parse_responses_error(400, "", one.bytes);
        EXPECT_EQ(error.code, Code::kInvalid);
        EXPECT_FALSE(error.reason.empty());
      }
      continue;
    }
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_TRUE(all.usage.known);
    expect_told(json::Document::parse(one.bytes)->root(), all);
  }
}

}  // namespace
}  // namespace perdure
