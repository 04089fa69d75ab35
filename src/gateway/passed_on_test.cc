#include "gateway/passed_on.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/sse.h"

namespace perdure {
namespace {

using testing::HasSubstr;

std::string frame(const std::string& type, const std::string& fields) {
  return "event: " + type + "\ndata: {\"type\":\"" + type + "\"" + (fields.empty() ? "" : "," + fields) + "}\n\n";
}
std::string begin_text(int index) {
  return frame("content_block_start", R"("index":)" + std::to_string(index) +
                                          R"(,"content_block":{"type":"text","text":"","citations":null})");
}
std::string text(int index, const std::string& words) {
  return frame("content_block_delta",
               R"("index":)" + std::to_string(index) + R"(,"delta":{"type":"text_delta","text":")" + words + "\"}");
}
std::string stop(int index) { return frame("content_block_stop", R"("index":)" + std::to_string(index)); }
std::string thought(int index, const std::string& words) {
  return frame("content_block_start", R"("index":)" + std::to_string(index) +
                                          R"(,"content_block":{"type":"thinking","thinking":"","signature":""})") +
         frame("content_block_delta", R"("index":)" + std::to_string(index) +
                                          R"(,"delta":{"type":"thinking_delta","thinking":")" + words + "\"}");
}
const std::string kStart = frame("message_start", R"("message":{"id":"msg_1","type":"message","content":[]})");
const std::string kEnd = frame("message_delta", R"("delta":{"stop_reason":"end_turn"})") + frame("message_stop", "");

// What follows `seen` when another author's frames are `said`.
std::string behind(const std::string& seen, const std::string& said) {
  PassedOn passed(ClientDialect::kMessages);
  passed.note(seen);
  std::string out;
  SseParser parser;
  EXPECT_TRUE(parser
                  .feed(said,
                        [&](const SseEvent& event) -> Result<void> {
                          out += passed.go_on({.type = std::string(event.event), .data = std::string(event.data)});
                          return {};
                        })
                  .ok());
  return out;
}

TEST(PassedOn, T22_ABlockThatHasBegunIsNotBegunAgain) {
  const std::string all = begin_text(0) + text(0, "one") + stop(0) + kEnd;
  EXPECT_EQ(behind(kStart + begin_text(0), all), text(0, "one") + stop(0) + kEnd);
  EXPECT_EQ(behind(kStart + begin_text(0) + frame("ping", ""), all), text(0, "one") + stop(0) + kEnd);
  EXPECT_EQ(behind(kStart + begin_text(0) + text(0, "zero "), text(0, "one") + stop(0) + kEnd),
            text(0, "one") + stop(0) + kEnd);
}

TEST(PassedOn, T22_BlocksAreCountedOnFromWhatWasSeen) {
  const std::string redacted =
      frame("content_block_start", R"("index":0,"content_block":{"type":"redacted_thinking","data":"x"})") + stop(0);
  // Its author counts from nothing.
  EXPECT_EQ(behind(kStart + redacted, begin_text(0) + text(0, "one") + stop(0) + kEnd),
            begin_text(1) + text(1, "one") + stop(1) + kEnd);
  EXPECT_EQ(behind(kStart + redacted + begin_text(1) + text(1, "zero"), text(0, "one") + stop(0) + kEnd),
            text(1, "one") + stop(1) + kEnd);
}

TEST(PassedOn, T22_WhatIsOpenIsClosedBeforeAnotherKindBegins) {
  EXPECT_EQ(behind(kStart + thought(0, "hm"), begin_text(0) + text(0, "one") + stop(0) + kEnd),
            stop(0) + begin_text(1) + text(1, "one") + stop(1) + kEnd);
  EXPECT_EQ(behind(kStart + begin_text(0), kEnd), stop(0) + kEnd);
}

TEST(PassedOn, T22_TextGoesOnInABlockOfItsOwnWhereItsBlockHasEnded) {
  EXPECT_EQ(behind(kStart + begin_text(0) + text(0, "zero") + stop(0), text(0, "one") + stop(0) + kEnd),
            begin_text(1) + text(1, "one") + stop(1) + kEnd);
  EXPECT_EQ(behind(kStart + begin_text(0) + text(0, "zero") + stop(0), stop(0) + kEnd), kEnd);
}

TEST(PassedOn, WhatSaysNothingIsNoBeginning) {
  PassedOn messages(ClientDialect::kMessages), chat(ClientDialect::kChat), responses(ClientDialect::kResponses);
  for (PassedOn* passed : {&messages, &chat, &responses}) {
    passed->note(": a comment\n\n");
    EXPECT_FALSE(passed->begun());
  }
  messages.note(frame("ping", ""));
  EXPECT_FALSE(messages.begun());
  messages.note(kStart);
  chat.note("data: {\"choices\":[]}\r\n\r\n");
  responses.note(frame("response.created", R"("sequence_number":0)"));
  for (PassedOn* passed : {&messages, &chat, &responses}) EXPECT_TRUE(passed->begun());
}

TEST(PassedOn, T22_WhoSpeaksIsSaidOnceInChat) {
  const RenderedEvent role{.data = R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})"};
  const RenderedEvent words{.data = R"({"choices":[{"index":0,"delta":{"content":"\"delta\":{\"role\":1}"}}]})"};
  PassedOn passed(ClientDialect::kChat);
  passed.note("data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n");
  EXPECT_EQ(passed.go_on(role), "data: " + role.data + "\n\n");
  EXPECT_EQ(passed.go_on(role), "");
  PassedOn heard(ClientDialect::kChat);
  heard.note("data: " + role.data + "\n\n");
  EXPECT_EQ(heard.go_on(role), "");
  EXPECT_EQ(heard.go_on(words), "data: " + words.data + "\n\n");
}

TEST(PassedOn, T24_SequenceNumbersGoOn) {
  PassedOn passed(ClientDialect::kResponses);
  passed.note(
      frame("response.created", R"("sequence_number":0)") +
      frame("response.output_text.delta", R"("sequence_number":4,"item_id":"msg_7","delta":"\"item_id\":\"no\"")"));
  EXPECT_EQ(passed.next_sequence(), 5u);
  auto event = [](uint64_t number) {
    return RenderedEvent{.sequence_number = number,
                         .type = "response.x",
                         .data = R"({"type":"response.x","sequence_number":)" + std::to_string(number) + "}"};
  };
  EXPECT_THAT(passed.go_on(event(9)), HasSubstr(R"("sequence_number":5})"));
  EXPECT_THAT(passed.go_on(event(10)), HasSubstr(R"("sequence_number":6})"));
  EXPECT_EQ(passed.next_sequence(), 7u) << "an error has the next one";
}

}  // namespace
}  // namespace perdure
