// Answers of the Responses API, streamed and whole, as pieces.

#include <gtest/gtest.h>

#include "dialect/testing/responses_told.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure {
namespace {

using namespace responses;

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

}  // namespace
}  // namespace perdure
