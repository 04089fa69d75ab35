#include "session/window.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

Item message(Role role, std::string id, std::string text) {
  Item item{.kind = ItemKind::kMessage, .id = std::move(id), .role = role};
  item.content.push_back(
      {.kind = role == Role::kAssistant ? PartKind::kOutputText : PartKind::kInputText, .text = std::move(text)});
  return item;
}
Item user(std::string id, std::string text = "u") { return message(Role::kUser, std::move(id), std::move(text)); }
Item says(std::string id, std::string text = "a") { return message(Role::kAssistant, std::move(id), std::move(text)); }
Item call(std::string id, std::string call_id) {
  return {.kind = ItemKind::kFunctionCall,
          .id = std::move(id),
          .call_id = std::move(call_id),
          .name = "f",
          .arguments = "{}"};
}
Item result(std::string id, std::string call_id, std::string output = "42") {
  return {.kind = ItemKind::kFunctionCallOutput,
          .id = std::move(id),
          .call_id = std::move(call_id),
          .output = std::move(output)};
}
Item thought(std::string id) { return {.kind = ItemKind::kReasoning, .id = std::move(id)}; }
Item compaction(std::string id, std::string summary, std::string from = "", bool window = false) {
  Item item{.kind = ItemKind::kCompaction, .id = std::move(id)};
  item.encrypted = pack_compaction({.summary = std::move(summary), .model = "m", .from = std::move(from)});
  if (window) item.issuer = kWindowIssuer;
  return item;
}
std::vector<std::string> ids(const std::vector<Item>& items) {
  std::vector<std::string> out;
  for (const Item& item : items) {
    EXPECT_NE(item.kind, ItemKind::kCompaction);
    out.push_back(item.id);
  }
  return out;
}
using Ids = std::vector<std::string>;

TEST(Compaction, IsReadableAndComesBack) {
  const Compaction one{.summary = "The code word is \"slate\".\n", .model = "m", .from = "msg_9"};
  EXPECT_EQ(pack_compaction(one),
            "pdc1.{\"summary\":\"The code word is \\\"slate\\\".\\n\",\"model\":\"m\",\"from\":\"msg_9\"}");
  EXPECT_EQ(*unpack_compaction(pack_compaction(one)), one);
  for (std::string_view foreign :
       {"gAAAAABpM0Yj-", "", "pdc2.{}", "pdc1.", "pdc1.{", "pdc1.{}", "pdc1.{\"summary\":1}"})
    EXPECT_EQ(unpack_compaction(foreign).error().code, Code::kInvalid) << foreign;
}

TEST(Window, WithoutACompactionEverythingIsShown) {
  std::vector<Item> context = {user("1"), says("2"), call("3", "c"), result("4", "c")};
  EXPECT_EQ(shown_context(context, true), context);
  EXPECT_EQ(shown_context(context, false), context);
}

TEST(Window, WhatAClientGivesStandsForWhatIsNotThere) {
  std::vector<Item> context = {user("1"), compaction("2", "slate"), user("3")};
  for (bool compacted : {false, true}) {
    std::vector<Item> shown = shown_context(context, compacted);
    EXPECT_EQ(ids(shown), (Ids{"1", "2", "3"}));
    EXPECT_EQ(shown[1].role, Role::kUser);
    EXPECT_TRUE(shown[1].content[0].text.ends_with("slate"));
  }
}

TEST(Window, OfAChainIsShownOnlyToWhoAsks) {
  std::vector<Item> context = {message(Role::kDeveloper, "0", "rule"), user("1"), says("2"), user("3"),
                               compaction("4", "sum", "3", true),      says("5"), user("6")};
  EXPECT_EQ(ids(shown_context(context, false)), (Ids{"0", "1", "2", "3", "5", "6"}));
  EXPECT_EQ(ids(shown_context(context, true)), (Ids{"0", "1", "4", "3", "5", "6"}));
}

TEST(Window, TheTailStaysWhole) {
  std::vector<Item> context = {
      user("1"), says("2"), call("3", "c"), result("4", "c"), compaction("5", "sum", "3", true), says("6")};
  EXPECT_EQ(ids(shown_context(context, true)), (Ids{"1", "5", "3", "4", "6"}));
  // Where a client has dropped the tail, the summary stands alone.
  std::vector<Item> dropped = {user("1"), compaction("5", "sum", "3"), says("6")};
  EXPECT_EQ(ids(shown_context(dropped, true)), (Ids{"1", "5", "6"}));
}

TEST(Window, TheLastOfSeveralCounts) {
  std::vector<Item> context = {user("1"), says("2"), compaction("3", "first", "", true),
                               user("4"), says("5"), compaction("6", "second", "", true),
                               user("7")};
  EXPECT_EQ(ids(shown_context(context, true)), (Ids{"1", "4", "6", "7"}));
}

TEST(Window, TheTailHoldsTheTurnWhoseCallsAreAnswered) {
  std::vector<Item> context = {user("1"),      says("2"),      user("3"),        thought("4"),    says("5"),
                               call("6", "a"), call("7", "b"), result("8", "b"), result("9", "a")};
  EXPECT_EQ(tail_of(context, 7), 3u);
  EXPECT_EQ(tail_of(context, 9), 9u);
  std::vector<Item> plain = {user("1"), says("2"), user("3")};
  EXPECT_EQ(tail_of(plain, 2), 2u);
  EXPECT_TRUE(worth_compacting(std::span(plain).first(2)));
  EXPECT_FALSE(worth_compacting(std::span(plain).first(1)));
}

TEST(Window, ATranscriptSaysWhoSaidWhatAndIsBounded) {
  std::vector<Item> items = {user("1", "Do it."), call("2", "c"), result("3", "c", std::string(100'000, 'x') + "end"),
                             thought("4"), says("5", "Done.")};
  std::string text = transcript_of(items);
  EXPECT_TRUE(text.starts_with("[user]\nDo it.\n\n[assistant calls the tool f]\n{}\n\n[the tool's result]\nxxx"));
  EXPECT_NE(text.find(" bytes left out]"), std::string::npos);
  EXPECT_TRUE(text.ends_with("xend\n\n[assistant]\nDone.\n\n"));
  EXPECT_LT(text.size(), 30'000u);
  std::string accents;
  for (int i = 0; i < 50'000; ++i) accents += "é";
  for (std::string shift : {"", "x"})
    EXPECT_TRUE(json::valid_utf8(transcript_of(std::vector<Item>{user("1", shift + accents)})));
}

TEST(Truncation, DropsWholeTurnsFromTheFront) {
  std::string long_text(1000, 'x');
  std::vector<Item> context = {message(Role::kSystem, "0", "rule"),
                               user("1", long_text),
                               says("2", long_text),
                               user("3", long_text),
                               call("4", "c"),
                               result("5", "c", long_text),
                               says("6", long_text),
                               user("7", long_text),
                               says("8", long_text),
                               user("9", "now")};
  ASSERT_TRUE(drop_oldest(context));
  EXPECT_EQ(ids(context), (Ids{"0", "3", "4", "5", "6", "7", "8", "9"}));
  ASSERT_TRUE(drop_oldest(context));
  EXPECT_EQ(ids(context), (Ids{"0", "7", "8", "9"}));
  ASSERT_TRUE(drop_oldest(context));
  EXPECT_EQ(ids(context), (Ids{"0", "9"}));
  EXPECT_FALSE(drop_oldest(context));
}

TEST(Truncation, NeverLeavesAResultWithoutItsCall) {
  std::vector<Item> context = {user("1", std::string(10, 'x')),
                               call("2", "a"),
                               user("3", std::string(100, 'x')),
                               result("4", "a"),
                               says("5"),
                               user("6")};
  while (drop_oldest(context)) EXPECT_EQ(orphaned_result(context), nullptr);
  EXPECT_EQ(ids(context), (Ids{"6"}));
  // The calls that the last turn answers stay.
  std::vector<Item> answering = {user("1"), says("2"), user("3"), call("4", "a"), result("5", "a")};
  while (drop_oldest(answering)) {
  }
  EXPECT_EQ(ids(answering), (Ids{"3", "4", "5"}));
}

TEST(Results, OfNoCallAreFound) {
  EXPECT_EQ(orphaned_result(std::vector<Item>{call("1", "a"), result("2", "a")}), nullptr);
  std::vector<Item> late = {result("1", "a"), call("2", "a")};
  EXPECT_EQ(orphaned_result(late)->id, "1");
}

}  // namespace
}  // namespace perdure
