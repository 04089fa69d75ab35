// Messages as clients see them: whole, and as events.

#include "dialect/messages_render.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "dialect/messages_client_request.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_render.h"
#include "dialect/testing/messages_story.h"
#include "model/opaque.h"

namespace perdure {
namespace {

using namespace messages;

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

}  // namespace
}  // namespace perdure
