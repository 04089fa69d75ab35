// Messages as clients see them: whole, as events, and what else the API says.

#include "dialect/messages_render.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/random.h"
#include "dialect/messages_client_request.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_render.h"
#include "model/opaque.h"

namespace perdure {
namespace {

json::Document parse(const std::string& text) {
  auto document = json::Document::parse(text);
  EXPECT_TRUE(document.ok()) << text;
  return *std::move(document);
}

// A story as records, and what comes of it.
class Story {
 public:
  explicit Story(Request request = {.model = "m", .dialect = ClientDialect::kMessages}) {
    add(ResponseCreated{ResponseId("resp_1"), std::move(request), KeyId()}).add(AttemptStarted{});
  }
  Story& add(decltype(Record::body) body) {
    records_.push_back({.seq = records_.size() + 1, .body = std::move(body)});
    return *this;
  }
  Story& deltas(std::vector<Delta> list) { return add(Deltas{std::move(list)}); }
  Story& end(ResponseEnded ended = {.finish = "stop"}) {
    add(AttemptEnded{.outcome = "completed"});
    return add(std::move(ended));
  }
  std::vector<RenderedEvent> events() {
    std::vector<RenderedEvent> out;
    stream_ = {};
    for (const Record& record : records_) {
      auto added = stream_.add(record, out);
      EXPECT_TRUE(added.ok()) << added.error().message;
    }
    return out;
  }
  const Response& response() { return events(), stream_.response(); }
  std::string whole() {
    json::Writer out;
    write_messages_response(out, response());
    return out.take();
  }

 private:
  std::vector<Record> records_;
  MessagesStream stream_;
};

// What the API says of the order of events; and the message that a client puts together from them.
class Client {
 public:
  void take(const RenderedEvent& event) {
    ASSERT_EQ(event.sequence_number, count_++);
    ASSERT_EQ(event.data.find_first_of("\r\n"), std::string::npos);
    const json::Document document = parse(event.data);
    const json::Value root = document.root();
    ASSERT_EQ(root["type"].text(), event.type);
    ASSERT_FALSE(over_) << event.data;
    if (event.type == "message_start") {
      ASSERT_EQ(event.sequence_number, 0);
      const json::Value message = root["message"];
      ASSERT_EQ(message["type"].text(), "message");
      ASSERT_EQ(message["role"].text(), "assistant");
      ASSERT_EQ(message["content"].size(), 0);
      ASSERT_TRUE(message["content"].is_array() && message["stop_reason"].null() && message["stop_sequence"].null());
      ASSERT_TRUE(message["usage"]["input_tokens"].integer() && message["usage"]["output_tokens"].integer());
      head = std::string(message["id"].raw()) + std::string(message["model"].raw());
      return;
    }
    ASSERT_NE(count_, 1) << "something before message_start";
    if (event.type == "error") {
      ASSERT_TRUE(root["error"]["type"].is_string() && !root["error"]["message"].text().empty());
      error = root["error"]["message"].text();
      over_ = true;
    } else if (event.type == "message_delta") {
      ASSERT_FALSE(open_ || ended_);
      ended_ = true;
      ASSERT_TRUE(root["delta"]["stop_reason"].is_string());
      tail = std::string(root["delta"]["stop_reason"].raw()) + std::string(root["delta"]["stop_sequence"].raw());
      usage = counts(root["usage"]);
    } else if (event.type == "message_stop") {
      ASSERT_TRUE(ended_);
      over_ = whole = true;
    } else {
      block(event.type, root);
    }
  }

  // A block of a whole message in the form that they are compared in.
  static std::string comparable(json::Value block) {
    const std::string_view type = block["type"].text();
    if (type == "text")
      return text_form(block["text"].text(), block["citations"].null() ? "" : block["citations"].raw());
    if (type == "thinking") return thinking_form(block["thinking"].text(), block["signature"].text());
    if (type == "tool_use") return use_form(block["id"].text(), block["name"].text(), block["input"].raw());
    return std::string(block.raw());
  }
  static std::string counts(json::Value usage) {
    std::string out;
    for (std::string_view name :
         {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"})
      out.append(usage[name].raw()).append(" ");
    return out;
  }

  std::string head, tail, usage, error;
  std::vector<std::string> blocks;
  bool whole = false;

 private:
  static std::string text_form(std::string_view text, std::string_view citations) {
    return "text " + std::string(text) + " " + std::string(citations);
  }
  static std::string thinking_form(std::string_view text, std::string_view signature) {
    return "thinking " + std::string(text) + " " + std::string(signature);
  }
  static std::string use_form(std::string_view id, std::string_view name, std::string_view input) {
    return "use " + std::string(id) + " " + std::string(name) + " " + std::string(input);
  }

  void block(std::string_view type, json::Value root) {
    ASSERT_FALSE(ended_);
    ASSERT_EQ(root["index"].integer(), static_cast<int64_t>(blocks.size()));
    if (type == "content_block_start") {
      ASSERT_FALSE(open_);
      open_ = true;
      const json::Value start = root["content_block"];
      kind_ = start["type"].text();
      text_.clear();
      extra_.clear();
      if (kind_ == "tool_use") {
        EXPECT_EQ(start["input"].raw(), "{}");
        id_ = start["id"].text();
        name_ = start["name"].text();
      } else if (kind_ == "redacted_thinking") {
        text_ = start.raw();
      } else {
        EXPECT_TRUE(kind_ == "text" || kind_ == "thinking");
        EXPECT_EQ(start[kind_].text(), "");
        if (kind_ == "thinking") EXPECT_EQ(start["signature"].raw(), "\"\"");
      }
    } else if (type == "content_block_delta") {
      ASSERT_TRUE(open_);
      delta(root["delta"]);
    } else {
      ASSERT_EQ(type, "content_block_stop");
      ASSERT_TRUE(open_);
      open_ = false;
      if (kind_ == "text") blocks.push_back(text_form(text_, extra_.empty() ? "" : extra_ + "]"));
      if (kind_ == "thinking") blocks.push_back(thinking_form(text_, extra_));
      if (kind_ == "tool_use") blocks.push_back(use_form(id_, name_, text_.empty() ? "{}" : text_));
      if (kind_ == "redacted_thinking") blocks.push_back(text_);
    }
  }

  void delta(json::Value delta) {
    const std::string_view type = delta["type"].text();
    if (type == "text_delta") {
      ASSERT_EQ(kind_, "text");
      text_ += delta["text"].text();
    } else if (type == "citations_delta") {
      ASSERT_EQ(kind_, "text");
      extra_.append(extra_.empty() ? "[" : ",").append(delta["citation"].raw());
    } else if (type == "thinking_delta") {
      ASSERT_EQ(kind_, "thinking");
      ASSERT_EQ(extra_, "") << "thinking behind its signature";
      text_ += delta["thinking"].text();
    } else if (type == "signature_delta") {
      ASSERT_EQ(kind_, "thinking");
      ASSERT_EQ(extra_, "");
      extra_ = delta["signature"].text();
      ASSERT_NE(extra_, "");
    } else {
      ASSERT_EQ(type, "input_json_delta");
      ASSERT_EQ(kind_, "tool_use");
      text_ += delta["partial_json"].text();
    }
  }

  uint64_t count_ = 0;
  bool open_ = false, ended_ = false, over_ = false;
  std::string kind_, text_, extra_, id_, name_;
};

Client follow(Story& story) {
  Client client;
  for (const RenderedEvent& event : story.events()) client.take(event);
  return client;
}

// The stream says what the whole says.
void expect_same(Story& story) {
  const Client client = follow(story);
  const json::Document document = parse(story.whole());
  const json::Value whole = document.root();
  EXPECT_EQ(client.head, std::string(whole["id"].raw()) + std::string(whole["model"].raw()));
  std::vector<std::string> blocks;
  for (json::Value block : whole["content"].elements()) blocks.push_back(Client::comparable(block));
  EXPECT_EQ(client.blocks, blocks);
  if (!client.whole) {
    EXPECT_NE(client.error, "");
    EXPECT_TRUE(whole["stop_reason"].null());
    return;
  }
  EXPECT_EQ(client.tail, std::string(whole["stop_reason"].raw()) + std::string(whole["stop_sequence"].raw()));
  EXPECT_EQ(client.usage, Client::counts(whole["usage"]));
}

std::vector<Delta> message(std::string text) {
  return {Delta::item_begin({.kind = ItemKind::kMessage, .id = "msg_1", .role = Role::kAssistant}),
          Delta::part_begin(PartKind::kOutputText), Delta::append(std::move(text)), Delta::part_end(),
          Delta::item_end(ItemStatus::kCompleted)};
}
std::vector<Delta> reasoning(std::vector<std::string> parts, OpaqueKind kind, std::string block,
                             std::string issuer = "us", PartKind part = PartKind::kReasoningText) {
  std::vector<Delta> out = {Delta::item_begin({.kind = ItemKind::kReasoning, .id = "rs_1"})};
  for (std::string& text : parts) {
    out.push_back(Delta::part_begin(part));
    out.push_back(Delta::append(std::move(text)));
    out.push_back(Delta::part_end());
  }
  if (kind != OpaqueKind::kNone) out.push_back(Delta::opaque_block(kind, std::move(block), std::move(issuer)));
  out.push_back(Delta::item_end(ItemStatus::kCompleted));
  return out;
}
std::vector<Delta> call(std::string id, std::string arguments) {
  Item begun{.kind = ItemKind::kFunctionCall, .id = "fc_1"};
  begun.call_id = std::move(id);
  begun.name = "f";
  return {Delta::item_begin(begun), Delta::append(std::move(arguments)), Delta::item_end(ItemStatus::kCompleted)};
}

std::string content(Story story) { return std::string(parse(story.whole()).root()["content"].raw()); }
std::string stop_reason(ResponseEnded ended, bool with_call = false) {
  Story story;
  story.deltas(message("x"));
  if (with_call) story.deltas(call("a", "{}"));
  story.end(std::move(ended));
  expect_same(story);
  return std::string(parse(story.whole()).root()["stop_reason"].raw());
}

TEST(MessagesRender, AStreamAndItsWhole) {
  Story story;
  story.deltas(message("Hi"))
      .end({.usage =
                {.input_tokens = 60, .cached_tokens = 20, .output_tokens = 9, .known = true, .cache_write_tokens = 30},
            .finish = "stop"});
  const std::vector<std::pair<std::string, std::string>> want = {
      {"message_start",
       R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"cache_creation":null,"inference_geo":null,"service_tier":null,"server_tool_use":null}}})"},
      {"content_block_start",
       R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":null}})"},
      {"content_block_delta", R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}})"},
      {"content_block_stop", R"({"type":"content_block_stop","index":0})"},
      {"message_delta",
       R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,"container":null},"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":9,"server_tool_use":null}})"},
      {"message_stop", R"({"type":"message_stop"})"}};
  const std::vector<RenderedEvent> events = story.events();
  ASSERT_EQ(events.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(events[i].type, want[i].first);
    EXPECT_EQ(events[i].data, want[i].second);
  }
  EXPECT_EQ(
      story.whole(),
      R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi","citations":null}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,"container":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":9,"cache_creation":null,"inference_geo":null,"service_tier":null,"server_tool_use":null}})");
  EXPECT_EQ(MessagesStream().keep_alive(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  EXPECT_EQ(MessagesStream().trailer(), "");
}

TEST(MessagesRender, T7_Ids) {
  EXPECT_EQ(messages_id_of(ResponseId("resp_0a")), "msg_0a");
  EXPECT_EQ(response_id_of_message("msg_0a").value, "resp_0a");
  EXPECT_EQ(content(Story().deltas(call("functions.f:0", "{}"))),
            R"([{"type":"tool_use","id":"pdx_functions-2ef-3a0","name":"f","input":{},"caller":{"type":"direct"}}])");
}

TEST(MessagesRender, T11_T23_ArgumentsAreAnObject) {
  const std::pair<std::string_view, std::string_view> all[] = {
      {R"({"n": 12345678901234567890})", R"({"n": 12345678901234567890})"},
      {"", "{}"},
      {R"({"a":)", R"({"invalid_arguments":"{\"a\":"})"},
      {"7", R"({"invalid_arguments":"7"})"}};
  for (const auto& [given, shown] : all) {
    Story story;
    story.deltas(call("a", std::string(given))).end();
    expect_same(story);
    EXPECT_EQ(follow(story).blocks[0], "use a f " + std::string(shown));
  }
  // Arguments that come in pieces are shown as they come.
  const std::vector<Delta> whole = call("a", R"({"a":1})");
  Story story;
  story.deltas({whole[0]}).deltas({Delta::append("{\"a\"")}).deltas({Delta::append(":1}"), whole[2]}).end();
  expect_same(story);
  EXPECT_EQ(story.events().size(), 1 + 4 + 2);
}

TEST(MessagesRender, T16_ThinkingThenItsSignatureInOneBlock) {
  const std::string packed = pack_opaque(OpaqueKind::kSignature, "us", "EqQB+/==");
  Story story;
  story.deltas(reasoning({"a", "b"}, OpaqueKind::kSignature, "EqQB+/==")).deltas(message("ok")).end();
  expect_same(story);
  EXPECT_EQ(follow(story).blocks, (std::vector<std::string>{"thinking a\n\nb " + packed, "text ok "}));
  // The block may come before what is shown of it.
  std::vector<Delta> early = reasoning({"a"}, OpaqueKind::kNone, "");
  early.insert(early.begin() + 1, Delta::opaque_block(OpaqueKind::kSignature, "s", "us"));
  Story other;
  other.deltas(early).end();
  expect_same(other);
}

TEST(MessagesRender, T15_BlocksWithoutText) {
  EXPECT_EQ(
      content(Story().deltas(reasoning({}, OpaqueKind::kSignature, "s"))),
      R"([{"type":"thinking","thinking":"","signature":")" + pack_opaque(OpaqueKind::kSignature, "us", "s") + R"("}])");
  EXPECT_EQ(content(Story().deltas(reasoning({}, OpaqueKind::kRedacted, "r"))),
            R"([{"type":"redacted_thinking","data":")" + pack_opaque(OpaqueKind::kRedacted, "us", "r") + R"("}])");
  EXPECT_EQ(content(Story().deltas(reasoning({}, OpaqueKind::kEncrypted, "e", "openai"))),
            R"([{"type":"redacted_thinking","data":")" + pack_opaque(OpaqueKind::kEncrypted, "openai", "e") + R"("}])");
  EXPECT_EQ(content(Story().deltas(reasoning({}, OpaqueKind::kNone, ""))), "[]");
  EXPECT_EQ(content(Story().deltas(reasoning({"seen"}, OpaqueKind::kNone, ""))),
            R"([{"type":"thinking","thinking":"seen","signature":""}])");
  for (OpaqueKind kind : {OpaqueKind::kNone, OpaqueKind::kSignature, OpaqueKind::kRedacted, OpaqueKind::kEncrypted}) {
    Story story;
    story.deltas(reasoning({}, kind, "x")).deltas(reasoning({"y"}, kind, "x")).deltas(message("z")).end();
    expect_same(story);
  }
}

// What a client was shown of another supplier's reasoning names its issuer, and that one alone gets it back.
TEST(MessagesRender, T19_NoForeignSignature) {
  Story story;
  story.deltas(reasoning({"sum"}, OpaqueKind::kEncrypted, "gAAA", "openai", PartKind::kSummaryText));
  story.deltas(reasoning({"hm"}, OpaqueKind::kSignature, "EqQB", "anthropic")).deltas(message("ok")).end();
  json::Writer body;
  body.begin_object().field("model", "m").field("max_tokens", 9).key("messages").begin_array();
  body.begin_object().field("role", "user").field("content", "hi").end_object();
  body.begin_object().field("role", "assistant").key("content").raw(content(story)).end_object();
  body.begin_object().field("role", "user").field("content", "so?").end_object().end_array().end_object();
  auto parsed = parse_messages_request(parse(body.text()).root());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto sent = [&](std::string issuer) {
    auto message = write_messages_request(
        {.request = parsed->request, .context = parsed->request.input, .model = "c", .issuer = std::move(issuer)}, {});
    EXPECT_TRUE(message.ok());
    return message->body;
  };
  EXPECT_TRUE(sent("anthropic").contains(R"({"type":"thinking","thinking":"hm","signature":"EqQB"})"));
  EXPECT_FALSE(sent("anthropic").contains("gAAA"));
  for (const char* other : {"openai", "else"}) {
    EXPECT_FALSE(sent(other).contains("EqQB"));
    EXPECT_FALSE(sent(other).contains("gAAA"));  // a kind that this dialect has no place for
  }
}

TEST(MessagesRender, T14_T27_StopReasons) {
  const auto completed = [](std::string finish) { return ResponseEnded{.finish = std::move(finish)}; };
  EXPECT_EQ(stop_reason(completed("stop")), "\"end_turn\"");
  EXPECT_EQ(stop_reason(completed("other")), "\"end_turn\"");
  EXPECT_EQ(stop_reason(completed("")), "\"end_turn\"");
  EXPECT_EQ(stop_reason(completed("stop"), true), "\"tool_use\"");
  EXPECT_EQ(stop_reason(completed("tool_calls"), true), "\"tool_use\"");
  EXPECT_EQ(stop_reason(completed("refusal")), "\"refusal\"");
  EXPECT_EQ(stop_reason(completed("content_filter")), "\"refusal\"");
  EXPECT_EQ(stop_reason(completed("pause")), "\"pause_turn\"");
  EXPECT_EQ(stop_reason(completed("context_window")), "\"model_context_window_exceeded\"");
  EXPECT_EQ(stop_reason({.status = ResponseStatus::kIncomplete,
                         .incomplete_reason = "max_output_tokens",
                         .finish = "context_window"}),
            "\"model_context_window_exceeded\"");
  EXPECT_EQ(stop_reason(completed("length")), "\"max_tokens\"");
  EXPECT_EQ(stop_reason({.status = ResponseStatus::kIncomplete, .incomplete_reason = "max_output_tokens"}),
            "\"max_tokens\"");
  EXPECT_EQ(stop_reason({.status = ResponseStatus::kIncomplete, .incomplete_reason = "content_filter"}), "\"refusal\"");
  EXPECT_EQ(stop_reason({.finish = "stop_sequence", .stop_sequence = "END"}), "\"stop_sequence\"");
  Story story;
  story.end({.finish = "stop_sequence", .stop_sequence = "END"});
  EXPECT_TRUE(story.whole().contains(R"("stop_reason":"stop_sequence","stop_sequence":"END")"));
}

TEST(MessagesRender, T29_ThinkingIsCountedBesideTheRest) {
  Story story;
  story.end({.usage = {.input_tokens = 1, .output_tokens = 9, .reasoning_tokens = 4, .known = true}, .finish = "stop"});
  EXPECT_TRUE(story.whole().contains(R"("output_tokens_details":{"thinking_tokens":4})"));
  expect_same(story);
}

TEST(MessagesRender, T14_ARefusalIsText) {
  std::vector<Delta> refused = message("No.");
  refused[1].part = PartKind::kRefusal;
  EXPECT_EQ(content(Story().deltas(refused)), R"([{"type":"text","text":"No.","citations":null}])");
}

TEST(MessagesRender, T20_T21_WhatBrokeOffHasNoEnding) {
  EXPECT_EQ(stop_reason({.status = ResponseStatus::kIncomplete, .incomplete_reason = "interrupted"}), "null");
  EXPECT_EQ(stop_reason({.status = ResponseStatus::kCancelled}), "null");
  Story story;
  story.deltas(message("x"))
      .end({.status = ResponseStatus::kFailed, .error_code = "overloaded_error", .error_message = "Too busy."});
  expect_same(story);
  EXPECT_EQ(story.events().back().data,
            R"({"type":"error","error":{"type":"overloaded_error","message":"Too busy."},"request_id":null})");
  Story spent;
  spent.deltas(message("x"))
      .end({.status = ResponseStatus::kFailed, .error_code = "budget_exceeded", .error_message = "No room."});
  EXPECT_EQ(spent.events().back().data,
            R"({"type":"error","error":{"type":"rate_limit_error","message":"No room."},"request_id":null})");
}

TEST(MessagesRender, CitationsComeWithTheirText) {
  std::vector<Delta> cited = message("Grüße, Welt");
  constexpr std::string_view kOwn = R"({"type":"char_location","document_index":0})";
  cited.insert(cited.begin() + 3, Delta::annotation(R"({"type":"x_citation","x_citation":)" + std::string(kOwn) + "}"));
  cited.insert(cited.begin() + 4, Delta::annotation(R"({"type":"url_citation","start_index":7,"end_index":11,)"
                                                    "\n"
                                                    R"("url":"https://a","title":"A"})"));
  cited.insert(cited.begin() + 5, Delta::annotation(R"({"type":"file_citation","file_id":"f"})"));
  Story story;
  story.deltas(cited).end();
  expect_same(story);
  EXPECT_EQ(
      content(story),
      R"([{"type":"text","text":"Grüße, Welt","citations":[{"type":"char_location","document_index":0},{"type":"web_search_result_location","cited_text":"Welt","url":"https://a","title":"A","encrypted_index":""}]}])");
}

// However the deltas are cut into records.
TEST(MessagesRender, T22_EveryStreamIsInOrderAndSaysWhatTheWholeSays) {
  SeededRandom random(22);
  for (int round = 0; round < 400; ++round) {
    std::vector<Delta> all;
    for (size_t n = random.below(6); n > 0; --n) {
      std::vector<Delta> item;
      const auto kind = static_cast<OpaqueKind>(random.below(4));
      const size_t which = random.below(4);
      if (which == 0) {
        item = message("gr\xc3\xbc\xc3\x9f");
        item.insert(item.begin() + 3, Delta::append("e"));
        if (random.below(2) == 0)
          item.insert(item.begin() + 4,
                      Delta::annotation(R"({"type":"url_citation","start_index":0,"end_index":2,"url":"https://a"})"));
        if (random.below(2) == 0) {
          std::vector<Delta> more = message("!");
          item.insert(item.end() - 1, more.begin() + 1, more.end() - 1);
        }
      } else if (which == 1) {
        item = call("c" + std::to_string(n), R"({"a":1})");
        if (random.below(2) == 0) {
          item[1].text = "{\"a\"";
          item.insert(item.begin() + 2, Delta::append(":1}"));
        }
      } else {
        std::vector<std::string> parts(random.below(3), "t");
        item = reasoning(parts, kind, "x", "them", which == 2 ? PartKind::kReasoningText : PartKind::kSummaryText);
      }
      all.insert(all.end(), item.begin(), item.end());
    }
    Story story;
    std::vector<Delta> batch;
    for (Delta& delta : all) {
      batch.push_back(std::move(delta));
      if (random.below(3) == 0) story.deltas(std::exchange(batch, {}));
    }
    if (!batch.empty()) story.deltas(std::move(batch));
    constexpr ResponseStatus kStatuses[] = {ResponseStatus::kCompleted, ResponseStatus::kCompleted,
                                            ResponseStatus::kFailed, ResponseStatus::kCancelled};
    story.end({.status = kStatuses[random.below(4)],
               .error_message = "Broken.",
               .usage = {.input_tokens = 5, .output_tokens = 7, .known = true},
               .finish = "stop"});
    expect_same(story);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(MessagesErrors, TheirFormAndStatus) {
  const auto rendered = [](Error error) {
    return std::to_string(messages_status(error)) + " " + render_messages_error(error, "req_1");
  };
  EXPECT_EQ(
      rendered({.code = Code::kInvalid, .message = "No.", .param = "messages[2].content[0].source"}),
      R"(400 {"type":"error","error":{"type":"invalid_request_error","message":"messages.2.content.0.source: No."},"request_id":"req_1"})");
  const std::pair<Error, std::string_view> all[] = {
      {{.code = Code::kDenied, .reason = "unauthenticated"}, "401 authentication_error"},
      {{.code = Code::kDenied}, "403 permission_error"},
      {{.code = Code::kNotFound}, "404 not_found_error"},
      {{.code = Code::kConflict}, "409 invalid_request_error"},
      {{.code = Code::kOverloaded}, "429 rate_limit_error"},
      {{.code = Code::kOverloaded, .reason = "server_busy"}, "529 overloaded_error"},
      {{.code = Code::kOverloaded, .upstream_status = 529}, "529 overloaded_error"},
      {{.code = Code::kUnavailable}, "503 overloaded_error"},
      {{.code = Code::kDeadline}, "504 timeout_error"},
      {{.code = Code::kInternal}, "500 api_error"}};
  for (const auto& [error, want] : all) {
    const json::Document document = parse(render_messages_error(error, ""));
    EXPECT_EQ(std::to_string(messages_status(error)) + " " + std::string(document.root()["error"]["type"].text()),
              want);
    EXPECT_TRUE(document.root()["request_id"].null());
  }
  EXPECT_TRUE(render_messages_error({.message = "Too big."}, 413, "").contains("request_too_large"));
  EXPECT_TRUE(render_messages_error({.message = "Pay."}, 402, "").contains("billing_error"));
}

TEST(MessagesErrors, FieldsHaveTheNamesOfThisApi) {
  const std::pair<std::string_view, std::string_view> all[] = {
      {"text.format", "output_config.format"},
      {"reasoning.effort", "output_config.effort"},
      {"stop", "stop_sequences"},
      {"input[3].content[0]", "messages"},
      {"input", "messages"},
      {"tools[0].parameters", "tools.0.input_schema"},
      {"tool_choice", "tool_choice"},
      {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"}};
  for (const auto& [param, field] : all) {
    const std::string shown = render_messages_error({.message = "No.", .param = std::string(param)}, "");
    EXPECT_EQ(parse(shown).root()["error"]["message"].text(), std::string(field) + ": No.");
  }
}

TEST(MessagesModels, TheirForm) {
  const MessagesModel model{.id = "default",
                            .display_name = "Default",
                            .created = WallTime(std::chrono::seconds(1'700'000'000)),
                            .max_input_tokens = 200000};
  EXPECT_EQ(
      render_messages_model(model),
      R"({"type":"model","id":"default","display_name":"Default","created_at":"2023-11-14T22:13:20Z","max_input_tokens":200000,"max_tokens":null,"capabilities":null})");
  const std::vector<MessagesModel> two = {model, {.id = "b"}};
  const json::Document list = parse(render_messages_models(two, true));
  EXPECT_EQ(list.root()["data"].size(), 2);
  EXPECT_EQ(list.root()["first_id"].text(), "default");
  EXPECT_EQ(list.root()["last_id"].text(), "b");
  EXPECT_EQ(list.root()["has_more"].boolean(), true);
  EXPECT_EQ(render_messages_models({}, false), R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
  EXPECT_EQ(render_messages_count(5), R"({"input_tokens":5})");
}

// --- from the supplier to the client ---

// Deltas of an answer, as generation makes them of pieces.
std::vector<Delta> deltas_of(const std::vector<Piece>& pieces) {
  std::vector<Delta> out;
  std::optional<ItemKind> open;
  const auto close = [&] {
    if (!open) return;
    if (*open == ItemKind::kMessage) out.push_back(Delta::part_end());
    out.push_back(Delta::item_end(ItemStatus::kCompleted));
    open.reset();
  };
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kText:
        if (open != ItemKind::kMessage) {
          close();
          out.push_back(Delta::item_begin({.kind = ItemKind::kMessage, .id = "msg_1", .role = Role::kAssistant}));
          out.push_back(Delta::part_begin(PartKind::kOutputText));
          open = ItemKind::kMessage;
        }
        out.push_back(Delta::append(piece.text));
        break;
      case Piece::Kind::kReasoning:
      case Piece::Kind::kOpaque: {
        close();
        const bool shown = piece.kind == Piece::Kind::kReasoning;
        if (shown) {
          out.push_back(Delta::item_begin({.kind = ItemKind::kReasoning, .id = "rs_1"}));
          out.push_back(Delta::part_begin(PartKind::kReasoningText));
          out.push_back(Delta::append(piece.text));
          out.push_back(Delta::part_end());
        } else if (piece.index == 0) {
          EXPECT_EQ(out.back().kind, Delta::Kind::kItemEnd);
          out.pop_back();
        } else {
          out.push_back(Delta::item_begin({.kind = ItemKind::kReasoning, .id = "rs_1"}));
        }
        if (!shown) out.push_back(Delta::opaque_block(piece.opaque, piece.text, "us"));
        out.push_back(Delta::item_end(ItemStatus::kCompleted));
        break;
      }
      case Piece::Kind::kToolCall: {
        close();
        Item begun{.kind = ItemKind::kFunctionCall, .id = "fc_1"};
        begun.call_id = piece.call_id;
        begun.name = piece.name;
        out.push_back(Delta::item_begin(begun));
        open = ItemKind::kFunctionCall;
        break;
      }
      case Piece::Kind::kToolArguments:
        out.push_back(Delta::append(piece.text));
        break;
      case Piece::Kind::kAnnotation:
        out.push_back(Delta::annotation(piece.text));
        break;
      default:
        break;
    }
  }
  close();
  return out;
}

// What a client is shown of a supplier's whole answer.
std::string shown_of(const std::string& answer) {
  auto pieces = parse_messages_answer(answer);
  EXPECT_TRUE(pieces.ok()) << pieces.error().message;
  Story story;
  story.deltas(deltas_of(*pieces));
  ResponseEnded ended;
  for (const Piece& piece : *pieces) {
    if (piece.kind == Piece::Kind::kUsage) ended.usage = piece.usage;
    if (piece.kind == Piece::Kind::kFinish) {
      ended.finish = name_of(piece.finish);
      ended.stop_sequence = piece.name;
    }
  }
  story.end(std::move(ended));
  expect_same(story);
  return story.whole();
}

TEST(MessagesRoundTrip, ContentStopAndUsage) {
  const std::string answer =
      R"({"id":"msg_9","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm\n","signature":"EqQB"},)"
      R"({"type":"redacted_thinking","data":"Em4K"},{"type":"text","text":"Cited.","citations":[{"type":"web_search_result_location","url":"https://a","title":"A","cited_text":"x","encrypted_index":"e"}]},)"
      R"({"type":"tool_use","id":"toolu_1","name":"f","input":{"n": 12345678901234567890}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}],)"
      R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":9}})";
  const json::Document theirs = parse(answer), ours = parse(shown_of(answer));
  EXPECT_EQ(ours.root()["stop_reason"].text(), "tool_use");
  EXPECT_EQ(Client::counts(ours.root()["usage"]), Client::counts(theirs.root()["usage"]));
  const auto want = theirs.root()["content"].elements(), got = ours.root()["content"].elements();
  ASSERT_EQ(got.size(), want.size());
  EXPECT_EQ(got[0]["thinking"].text(), "hm\n");
  EXPECT_EQ(got[0]["signature"].text(), pack_opaque(OpaqueKind::kSignature, "us", "EqQB"));
  EXPECT_EQ(got[1]["data"].text(), pack_opaque(OpaqueKind::kRedacted, "us", "Em4K"));
  for (size_t i = 2; i < want.size(); ++i) EXPECT_EQ(Client::comparable(got[i]), Client::comparable(want[i]));
}

TEST(MessagesRoundTrip, TheRecordedAnswer) {
  const std::filesystem::path path = "../shared/data/upstream-recordings/anthropic/anthropic-text.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  const json::Document theirs = parse(bytes.str()), ours = parse(shown_of(bytes.str()));
  EXPECT_EQ(Client::comparable(ours.root()["content"].at(0)), Client::comparable(theirs.root()["content"].at(0)));
  EXPECT_EQ(ours.root()["stop_reason"].text(), theirs.root()["stop_reason"].text());
  EXPECT_EQ(Client::counts(ours.root()["usage"]), Client::counts(theirs.root()["usage"]));
}

}  // namespace
}  // namespace perdure
