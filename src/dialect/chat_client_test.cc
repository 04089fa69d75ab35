// The Chat Completions dialect towards clients: what they send, and what they are shown.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "dialect/chat_client_request.h"
#include "dialect/chat_field.h"
#include "dialect/chat_render.h"
#include "dialect/ended_error.h"
#include "model/piece.h"

namespace perdure {
namespace {

Result<ParsedRequest> parse(std::string_view fields, bool lenient = false) {
  auto document = json::Document::parse("{\"model\":\"m\"," + std::string(fields) + "}");
  EXPECT_TRUE(document.ok()) << fields;
  return parse_chat_request(document->root(), lenient);
}
constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"hi"}])";
std::string with(std::string_view fields) { return std::string(kHi) + "," + std::string(fields); }

TEST(ChatClientRequest, ReadsEveryFieldThatItHonours) {
  auto parsed = parse(with(
      R"("temperature":0.5,"top_p":0.25,"top_k":40,"presence_penalty":-1,"frequency_penalty":2,"seed":-7,"stop":["a","b"],
      "max_completion_tokens":1,"max_tokens":1,"reasoning_effort":"minimal","verbosity":"low","parallel_tool_calls":false,
      "service_tier":"auto","user":"u","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"in_memory","store":true,
      "metadata":{"a":"b"},"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"n":1,"logprobs":false,
      "modalities":["text"],"logit_bias":{},
      "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{ "type" : "object" },"strict":true}},{"type":"function","function":{"name":"g"}}],
      "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}},
      "response_format":{"type":"json_schema","json_schema":{"name":"n","description":"e","schema":{},"strict":true}})"));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  Request expected{.model = "m", .dialect = ClientDialect::kChat};
  expected.input = {{.role = Role::kUser, .content = {{.text = "hi"}}}};
  expected.temperature = 0.5;
  expected.top_p = 0.25;
  expected.top_k = 40;
  expected.presence_penalty = -1;
  expected.frequency_penalty = 2;
  expected.seed = -7;
  expected.stop = {"a", "b"};
  expected.max_output_tokens = 1;
  expected.reasoning_effort = "minimal";
  expected.verbosity = "low";
  expected.parallel_tool_calls = false;
  expected.service_tier = "auto";
  expected.user = "u";
  expected.safety_identifier = "s";
  expected.prompt_cache_key = "k";
  expected.metadata = {{"a", "b"}};
  expected.stream = true;
  expected.include_usage = true;
  expected.tools = {{.name = "f", .description = "d", .parameters = R"({ "type" : "object" })", .strict = true},
                    {.name = "g"}};
  expected.tool_choice = {.mode = ToolChoice::Mode::kAllowed, .allowed_required = true, .allowed = {"g"}};
  expected.format = {
      .kind = TextFormat::Kind::kJsonSchema, .name = "n", .description = "e", .schema = "{}", .strict = true};
  EXPECT_EQ(parsed->request, expected);
  EXPECT_FALSE(parse(kHi)->request.store) << "chat is not stored unless it is asked for";
  EXPECT_EQ(parse(with(R"("stop":"x")"))->request.stop, std::vector<std::string>{"x"});
}

TEST(ChatClientRequest, ReadsMessages) {
  auto parsed = parse(
      R"("messages":[{"role":"system","content":"s","name":"boss"},{"role":"developer","content":[{"type":"text","text":"d"}]},
      {"role":"user","name":"ann","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:,"}}]},
      {"role":"assistant","content":"so","reasoning_content":"hm","refusal":null,"audio":null,"function_call":null,"annotations":[],"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":""}}]},
      {"role":"tool","tool_call_id":"b","content":"2","name":"g"},{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"1"},{"type":"text","text":"1"}]},
      {"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":""},
      {"role":"assistant","content":[{"type":"text","text":"x"},{"type":"refusal","refusal":"no"}]},{"role":"assistant","refusal":"never","content":""},{"role":"user","content":"bye"}])");
  ASSERT_TRUE(parsed.ok()) << parsed.error().param << parsed.error().message;
  std::vector<std::string> kinds;
  for (const Item& item : parsed->request.input) {
    json::Writer out;
    write_item(out, item);
    kinds.push_back(out.take());
  }
  const std::vector<std::string> expected = {
      R"({"type":"message","id":"","status":"completed","role":"system","name":"boss","content":[{"type":"input_text","text":"s"}]})",
      R"({"type":"message","id":"","status":"completed","role":"developer","content":[{"type":"input_text","text":"d"}]})",
      R"({"type":"message","id":"","status":"completed","role":"user","name":"ann","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"data:,"}]})",
      R"({"type":"reasoning","id":"","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]})",
      R"({"type":"message","id":"","status":"completed","role":"assistant","content":[{"type":"output_text","text":"so","annotations":[]}]})",
      R"({"type":"function_call","id":"","status":"completed","call_id":"a","name":"f","arguments":"{}"})",
      R"({"type":"function_call","id":"","status":"completed","call_id":"b","name":"g","arguments":""})",
      R"({"type":"function_call_output","id":"","status":"completed","call_id":"b","output":"2"})",
      R"({"type":"function_call_output","id":"","status":"completed","call_id":"a","output":[{"type":"input_text","text":"1"},{"type":"input_text","text":"1"}]})",
      R"({"type":"function_call","id":"","status":"completed","call_id":"a","name":"f","arguments":"{}"})",
      R"({"type":"function_call_output","id":"","status":"completed","call_id":"a","output":""})",
      R"({"type":"message","id":"","status":"completed","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[]},{"type":"refusal","refusal":"no"}]})",
      R"({"type":"message","id":"","status":"completed","role":"assistant","content":[{"type":"output_text","text":"","annotations":[]},{"type":"refusal","refusal":"never"}]})",
      R"({"type":"message","id":"","status":"completed","role":"user","content":[{"type":"input_text","text":"bye"}]})",
  };
  EXPECT_EQ(kinds, expected);
}

TEST(ChatClientRequest, NamesWhatIsWrong) {
  const std::pair<std::string, std::string_view> cases[] = {
      {R"("x":1)", "messages"},
      {R"("messages":[])", "messages"},
      {R"("messages":"hi")", "messages"},
      {R"("messages":[{"role":"robot","content":"x"}])", "messages[0].role"},
      {R"("messages":[{"role":"function","name":"f","content":"x"}])", "messages[0].role"},
      {R"("messages":[{"role":"user"}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":7}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":"x","extra":1}])", "messages[0].extra"},
      {R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}])",
       "messages[0].content[0].type"},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://x"}}]}])",
       "messages[0].content[0].image_url.url"},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}])",
       "messages[0].content[0].file.file_id"},
      {R"("messages":[{"role":"assistant"}])", "messages[0].content"},
      {R"("messages":[{"role":"assistant","audio":{"id":"a"},"content":"x"}])", "messages[0].audio"},
      {R"("messages":[{"role":"assistant","function_call":{"name":"f","arguments":""}}])", "messages[0].function_call"},
      {R"("messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{}}]}])",
       "messages[0].tool_calls[0].type"},
      {R"("messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]}])",
       "messages[0].tool_calls[0].id"},
      {R"("messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]},{"role":"user","content":"x"}])",
       "messages[0].tool_calls[0].id"},
      {R"("messages":[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"a","content":"x"}])",
       "messages[1].tool_call_id"},
      {with(R"("audio":{})"), "audio"},
      {with(R"("prediction":{"type":"content","content":"x"})"), "prediction"},
      {with(R"("web_search_options":{})"), "web_search_options"},
      {with(R"("moderation":{})"), "moderation"},
      {with(R"("functions":[{"name":"f"}])"), "functions"},
      {with(R"("function_call":"auto")"), "function_call"},
      {with(R"("logit_bias":{"1":2})"), "logit_bias"},
      {with(R"("logprobs":true)"), "logprobs"},
      {with(R"("top_logprobs":2)"), "top_logprobs"},
      {with(R"("n":2)"), "n"},
      {with(R"("modalities":["text","audio"])"), "modalities[1]"},
      {with(R"("prompt_cache_retention":"24h")"), "prompt_cache_retention"},
      {with(R"("tools":[{"type":"custom","custom":{"name":"c"}}])"), "tools[0].type"},
      {with(R"("tools":[{"type":"function","function":{"name":"a b"}}])"), "tools[0].function.name"},
      {with(R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}])"),
       "tools[1].function.name"},
      {with(R"("tool_choice":"required")"), "tool_choice"},
      {with(R"("tool_choice":{"type":"function","function":{"name":"f"}})"), "tool_choice"},
      {with(R"("response_format":{"type":"xml"})"), "response_format.type"},
      {with(R"("response_format":{"type":"json_schema"})"), "response_format.json_schema"},
      {with(R"("max_tokens":0)"), "max_tokens"},
      {with(R"("max_tokens":5,"max_completion_tokens":6)"), "max_tokens"},
      {with(R"("stop":[])"), "stop"},
      {with(R"("metadata":{"a":"b"})"), "metadata"},
      {with(R"("stream_options":{"include_usage":true})"), "stream_options"},
      {with(R"("stream":true,"stream_options":{"include_obfuscation":true})"), "stream_options.include_obfuscation"},
      {with(R"("anything":1)"), "anything"},
  };
  for (const auto& [fields, param] : cases) {
    auto parsed = parse(fields);
    ASSERT_FALSE(parsed.ok()) << fields;
    EXPECT_EQ(parsed.error().code, Code::kInvalid) << fields;
    EXPECT_EQ(parsed.error().param, param) << parsed.error().message;
    EXPECT_FALSE(parsed.error().reason.empty());
  }
}

TEST(ChatClientRequest, LenientRequestsNameWhatTheyLose) {
  auto parsed = parse(
      with(R"("stream":true,"audio":{},"prediction":{},"web_search_options":{},"logit_bias":{"1":2},"logprobs":true,
      "top_logprobs":2,"n":2,"modalities":["audio"],"stream_options":{"include_obfuscation":true},"thinking_level":3)"),
      true);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_TRUE(parsed->request.lenient);
  EXPECT_EQ(parsed->left_out, (std::vector<std::string>{"audio", "prediction", "web_search_options", "logit_bias",
                                                        "logprobs", "top_logprobs", "n", "modalities[0]",
                                                        "stream_options.include_obfuscation", "thinking_level"}));
  EXPECT_FALSE(parse(with(R"("a'b":1)"), true).ok()) << "a field whose name cannot be told is not dropped in silence";
  EXPECT_FALSE(parse(with(R"("functions":[{"name":"f"}])"), true).ok()) << "an answer would not be of that form";
}

TEST(ChatField, ClientsAreToldTheirOwnNames) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"input[3].content[0].image_url", "messages"},
      {"previous_response_id", "messages"},
      {"max_output_tokens", "max_completion_tokens"},
      {"text.format", "response_format"},
      {"reasoning.effort", "reasoning_effort"},
      {"tools[1].name", "tools[1].function.name"},
      {"tools[1].function.name", "tools[1].function.name"},
      {"messages[0].role", "messages[0].role"},
      {"top_k", "top_k"},
      {"", ""},
  };
  for (const auto& [ours, theirs] : cases) EXPECT_EQ(chat_field(ours), theirs);
}

// --- what clients are shown ---

struct Journal {
  std::vector<Record> records;
  uint64_t seq = 0;
  explicit Journal(Request request) {
    request.model = "m";
    request.dialect = ClientDialect::kChat;
    add(ResponseCreated{ResponseId("resp_abc"), std::move(request), KeyId("k")});
    add(AttemptStarted{.provider = "p", .model = "u"});
  }
  template <class Body>
  void add(Body body) {
    records.push_back({.seq = ++seq, .time = WallTime(std::chrono::milliseconds(5000)), .body = std::move(body)});
  }
  void end(ResponseEnded ended, std::string error = {}) {
    add(AttemptEnded{.outcome = error.empty() ? "completed" : "failed", .error = std::move(error)});
    add(std::move(ended));
  }
};

std::vector<std::string> frames(const Journal& journal) {
  ChatStream stream;
  std::vector<RenderedEvent> events;
  for (const Record& record : journal.records) EXPECT_TRUE(stream.add(record, events).ok());
  std::vector<std::string> out;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence_number, i);
    EXPECT_EQ(events[i].type, "");
    EXPECT_EQ(events[i].data.find('\n'), std::string::npos);
    out.push_back(events[i].data);
  }
  return out;
}

Response fold(const Journal& journal) {
  Response response;
  for (const Record& record : journal.records) EXPECT_TRUE(apply(response, record).ok());
  return response;
}

std::string whole(const Journal& journal) {
  json::Writer out;
  write_chat_completion(out, fold(journal));
  return out.take();
}

// What a client has that puts frames together, as the SDKs do.
struct Put {
  std::string role, content, refusal, reasoning, finish, usage;
  bool content_null = true;
  std::vector<std::string> calls, annotations;
};

Put put_together(const std::vector<std::string>& frames) {
  Put out;
  for (const std::string& frame : frames) {
    auto document = json::Document::parse(frame);
    EXPECT_TRUE(document.ok()) << frame;
    json::Value root = document->root(), choice = root["choices"].at(0), delta = choice["delta"];
    EXPECT_EQ(root["object"].text(), "chat.completion.chunk");
    EXPECT_EQ(root["id"].text(), "chatcmpl-abc");
    EXPECT_EQ(root["created"].integer(), 5);
    EXPECT_EQ(root["model"].text(), "m");
    if (root["usage"].is_object()) out.usage = root["usage"].raw();
    out.role += delta["role"].text();
    if (delta["content"].is_string()) out.content_null = false;
    out.content += delta["content"].text();
    out.refusal += delta["refusal"].text();
    out.reasoning += delta["reasoning_content"].text();
    out.finish += choice["finish_reason"].text();
    for (json::Value one : delta["annotations"].elements()) out.annotations.emplace_back(one.raw());
    for (json::Value call : delta["tool_calls"].elements()) {
      const auto index = static_cast<size_t>(*call["index"].integer());
      if (index == out.calls.size()) {
        out.calls.push_back(std::string(call["id"].text()) + " " + std::string(call["function"]["name"].text()) + " ");
        EXPECT_EQ(call["type"].text(), "function");
      } else {
        EXPECT_TRUE(call["id"].missing() && call["function"]["name"].missing()) << "said once";
      }
      out.calls.at(index) += call["function"]["arguments"].text();
    }
  }
  return out;
}

void expect_same(const Put& put, const std::string& whole) {
  auto document = json::Document::parse(whole);
  ASSERT_TRUE(document.ok()) << whole;
  json::Value choice = document->root()["choices"].at(0), message = choice["message"];
  EXPECT_EQ(put.role, message["role"].text());
  EXPECT_EQ(put.content, message["content"].text());
  EXPECT_EQ(put.content_null, message["content"].null()) << whole;
  EXPECT_EQ(put.refusal, message["refusal"].text());
  EXPECT_EQ(put.reasoning, message["reasoning_content"].text());
  EXPECT_EQ(put.finish, choice["finish_reason"].text());
  std::vector<std::string> calls, annotations;
  for (json::Value call : message["tool_calls"].elements())
    calls.push_back(std::string(call["id"].text()) + " " + std::string(call["function"]["name"].text()) + " " +
                    std::string(call["function"]["arguments"].text()));
  for (json::Value one : message["annotations"].elements()) annotations.emplace_back(one.raw());
  EXPECT_EQ(put.calls, calls);
  EXPECT_EQ(put.annotations, annotations);
}

Journal rich() {
  Request request;
  request.include_usage = true;
  request.stream = true;
  request.store = true;
  request.metadata = {{"k", "v"}};
  Journal journal(request);
  Item reasoning{.kind = ItemKind::kReasoning, .id = "rs_1"};
  Item message{.id = "msg_1", .role = Role::kAssistant};
  Item call{.kind = ItemKind::kFunctionCall, .id = "fc_1", .call_id = "a", .name = "f"};
  journal.add(
      Deltas{{Delta::item_begin(reasoning), Delta::part_begin(PartKind::kSummaryText), Delta::append("I"),
              Delta::append(" think"), Delta::part_end(), Delta::part_begin(PartKind::kSummaryText),
              Delta::append("More"), Delta::part_end(), Delta::opaque_block(OpaqueKind::kEncrypted, "secret", "p"),
              Delta::item_end(ItemStatus::kCompleted)}});
  journal.add(Deltas{{Delta::item_begin(message), Delta::part_begin(PartKind::kOutputText), Delta::append("Grü")}});
  journal.add(
      Deltas{{Delta::append("ße\n"), Delta::annotation("{\"type\":\"url_citation\",\n\"url\":\"u\",\"start_index\":1}"),
              Delta::part_end(), Delta::part_begin(PartKind::kRefusal), Delta::append("no"), Delta::part_end(),
              Delta::item_end(ItemStatus::kCompleted)}});
  message.id = "msg_2";
  journal.add(Deltas{{Delta::item_begin(message), Delta::part_begin(PartKind::kRefusal), Delta::append("never"),
                      Delta::part_end(), Delta::part_begin(PartKind::kOutputText), Delta::append("second"),
                      Delta::append(" text"), Delta::part_end(), Delta::item_end(ItemStatus::kCompleted)}});
  journal.add(Deltas{{Delta::item_begin(call), Delta::append("{\"x\""), Delta::append(":1}"),
                      Delta::item_end(ItemStatus::kCompleted)}});
  call.id = "fc_2", call.call_id = "b", call.name = "g";
  journal.add(Deltas{{Delta::item_begin(call), Delta::append("{}"), Delta::item_end(ItemStatus::kCompleted)}});
  journal.end({.usage = {10, 4, 6, 2, true}, .finish = "tool_calls"});
  return journal;
}

TEST(ChatStream, T22FramesInOrder) {
  const auto all = frames(rich());
  ASSERT_EQ(all.size(), 18u);
  const std::string head =
      R"({"id":"chatcmpl-abc","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":)";
  const std::string tail = R"(,"logprobs":null,"finish_reason":null}],"usage":null})";
  EXPECT_EQ(all[0], head + R"({"role":"assistant","content":null,"refusal":null})" + tail);
  EXPECT_EQ(all[1], head + R"({"reasoning_content":"I"})" + tail);
  EXPECT_EQ(all[3], head + R"({"reasoning_content":"\n\nMore"})" + tail);
  EXPECT_EQ(all[4], head + R"({"content":"Grü"})" + tail);
  EXPECT_EQ(all[6],
            head + R"({"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":1}}]})" + tail);
  EXPECT_EQ(all[9], head + R"({"content":"\n\nsecond"})" + tail);
  EXPECT_EQ(all[11],
            head + R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})" +
                tail);
  EXPECT_EQ(all[12], head + R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]})" + tail);
  EXPECT_EQ(all[16], head + R"({},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null})");
  EXPECT_EQ(
      all[17],
      R"({"id":"chatcmpl-abc","object":"chat.completion.chunk","created":5,"model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":6,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}})");
}

TEST(ChatStream, T34StreamedIsStored) {
  const Journal journal = rich();
  const Put put = put_together(frames(journal));
  expect_same(put, whole(journal));
  EXPECT_EQ(put.content, "Grüße\n\n\nsecond text");
  EXPECT_EQ(put.refusal, "no\n\nnever");
  EXPECT_EQ(put.reasoning, "I think\n\nMore");
  EXPECT_EQ(whole(journal).find("secret"), std::string::npos);
  EXPECT_NE(whole(journal).find(R"("metadata":{"k":"v"})"), std::string::npos);
}

TEST(ChatStream, T34FramesDoNotDependOnHowRecordsWereBatched) {
  Journal whole = rich(), split = whole;
  split.records.clear();
  split.seq = 0;
  for (const Record& record : whole.records) {
    if (const auto* deltas = std::get_if<Deltas>(&record.body)) {
      for (const Delta& delta : deltas->deltas) split.add(Deltas{{delta}});
    } else {
      std::visit([&](const auto& body) { split.add(body); }, record.body);
    }
  }
  EXPECT_EQ(frames(split), frames(whole));
}

Journal text_only(ResponseEnded ended, std::string error = {}) {
  Journal journal({});
  journal.add(
      Deltas{{Delta::item_begin({.id = "msg_1", .role = Role::kAssistant}), Delta::part_begin(PartKind::kOutputText),
              Delta::append("half"), Delta::part_end(), Delta::item_end(ItemStatus::kCompleted)}});
  journal.end(std::move(ended), std::move(error));
  return journal;
}

TEST(ChatStream, T27FinishReasons) {
  const auto finish = [](ResponseEnded ended) {
    const Journal journal = text_only(std::move(ended));
    const Put put = put_together(frames(journal));
    expect_same(put, whole(journal));
    return put.finish;
  };
  EXPECT_EQ(finish({.finish = "stop"}), "stop");
  EXPECT_EQ(finish({.finish = "stop_sequence"}), "stop");
  EXPECT_EQ(finish({.finish = "other"}), "stop");
  EXPECT_EQ(finish({.finish = "refusal"}), "content_filter");
  EXPECT_EQ(finish({.status = ResponseStatus::kIncomplete, .incomplete_reason = "max_output_tokens"}), "length");
  EXPECT_EQ(finish({.status = ResponseStatus::kIncomplete, .incomplete_reason = "content_filter"}), "content_filter");
  Journal empty({});
  empty.end({});
  EXPECT_EQ(put_together(frames(empty)).finish, "stop");
  expect_same(put_together(frames(empty)), whole(empty));
}

TEST(ChatStream, T21NothingMakesUpAnEnding) {
  const std::pair<ResponseEnded, std::string_view> cases[] = {
      {{.status = ResponseStatus::kIncomplete, .incomplete_reason = "interrupted"}, "interrupted"},
      {{.status = ResponseStatus::kFailed, .error_code = "rate_limit_exceeded", .error_message = "m"},
       "rate_limit_exceeded"},
      {{.status = ResponseStatus::kCancelled}, "cancelled"},
  };
  for (const auto& [ended, code] : cases) {
    const Journal journal = text_only(ended, "overloaded");
    const auto all = frames(journal);
    auto last = json::Document::parse(all.back());
    EXPECT_EQ(last->root()["error"]["code"].text(), code);
    EXPECT_FALSE(last->root()["error"]["message"].text().empty());
    ChatStream stream;
    std::vector<RenderedEvent> events;
    for (const Record& record : journal.records) ASSERT_TRUE(stream.add(record, events).ok());
    EXPECT_TRUE(stream.finished());
    EXPECT_EQ(stream.trailer(), "") << "no [DONE] behind what is not done";
    auto stored = json::Document::parse(whole(journal));
    EXPECT_TRUE(stored->root()["choices"].at(0)["finish_reason"].null());
    EXPECT_EQ(stored->root()["x_error"]["code"].text(), code);
    EXPECT_EQ(stored->root()["choices"].at(0)["message"]["content"].text(), "half");
  }
  ChatStream done;
  std::vector<RenderedEvent> events;
  for (const Record& record : text_only({}).records) ASSERT_TRUE(done.add(record, events).ok());
  EXPECT_EQ(done.trailer(), "data: [DONE]\n\n");
}

TEST(EndedError, IsClassedAsItsCause) {
  const auto code = [](std::string error, std::string reason = "x") {
    Journal journal({});
    journal.end({.status = ResponseStatus::kFailed, .error_code = std::move(reason), .error_message = "m"},
                std::move(error));
    return ended_error(fold(journal))->code;
  };
  EXPECT_EQ(code("invalid unsupported_parameter"), Code::kInvalid);
  EXPECT_EQ(code("overloaded rate_limit_exceeded"), Code::kOverloaded);
  EXPECT_EQ(code("deadline"), Code::kDeadline);
  EXPECT_EQ(code("denied supplier_denied"), Code::kUnavailable) << "the server's credential, not the caller's";
  EXPECT_EQ(code("not_found"), Code::kUnavailable);
  EXPECT_EQ(code("unavailable"), Code::kUnavailable);
  EXPECT_EQ(code("cancelled", "budget_exceeded"), Code::kOverloaded) << "no other attempt: not what the last one met";
  EXPECT_EQ(code("", "budget_exceeded"), Code::kOverloaded);
  EXPECT_EQ(code("unavailable", "retry_budget"), Code::kOverloaded);
  EXPECT_EQ(code("unavailable", "budget_price_unknown"), Code::kDenied);
  Journal running({});
  EXPECT_FALSE(ended_error(fold(running)));
}

TEST(ChatRender, TellsTheMessagesThatWereAnswered) {
  auto parsed = parse(
      R"("store":true,"messages":[{"role":"user","name":"ann","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:,","detail":"auto"}}]},{"role":"assistant","content":"so","reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"},{"role":"assistant","content":"done"},{"role":"user","content":"bye"}])");
  ASSERT_TRUE(parsed.ok());
  Journal journal(parsed->request);
  const std::vector<std::string> expected = {
      R"({"id":"chatcmpl-abc-0","role":"user","name":"ann","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:,","detail":"auto"}}]})",
      R"({"id":"chatcmpl-abc-1","role":"assistant","content":"so","reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]})",
      R"({"id":"chatcmpl-abc-2","role":"tool","tool_call_id":"a","content":"1"})",
      R"({"id":"chatcmpl-abc-3","role":"assistant","content":"done"})",
      R"({"id":"chatcmpl-abc-4","role":"user","content":"bye"})"};
  EXPECT_EQ(chat_messages_of(fold(journal)), expected);
}

TEST(ChatRender, IdsMapBothWays) {
  EXPECT_EQ(chat_id_of(ResponseId("resp_1")), "chatcmpl-1");
  EXPECT_EQ(response_id_of_chat("chatcmpl-1").value, "resp_1");
  EXPECT_EQ(response_id_of_chat("resp_1").value, "resp_1");
}

TEST(ChatClientRequest, TakesWhatFrameworksLeaveInMessages) {
  auto document = json::Document::parse(R"({"model":"m","messages":[{"role":"user","content":"x"},
      {"role":"assistant","content":null,"refusal":null,"parsed":null,"tool_calls":[{"id":"c","type":"function","index":0,
       "function":{"name":"f","arguments":"{}","parsed_arguments":{}}}]},
      {"role":"tool","tool_call_id":"c","name":"f","content":"1"},
      {"role":"assistant","content":[{"type":"text","text":"y","role":"assistant"}],"annotations":[],"parsed":{"a":1}},
      {"role":"user","content":"z"}]})");
  ASSERT_TRUE(document.ok());
  auto read = parse_chat_request(document->root());
  ASSERT_TRUE(read.ok()) << read.error().param;
  EXPECT_EQ(read->request.input.size(), 5u);
}

}  // namespace
}  // namespace perdure
