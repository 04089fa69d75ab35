// A supplier's answer of Messages, read and shown to a client of Messages: nothing is lost on the way.

#include <gtest/gtest.h>

#include <filesystem>

#include "dialect/messages_upstream.h"
#include "dialect/testing/messages_story.h"
#include "dialect/testing/recordings.h"
#include "model/opaque.h"

namespace perdure {
namespace {

using namespace messages;

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
  const std::filesystem::path path = recordings() / "anthropic/anthropic-text.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  const std::string bytes = content_of(path);
  const json::Document theirs = parse(bytes), ours = parse(shown_of(bytes));
  EXPECT_EQ(Client::comparable(ours.root()["content"].at(0)), Client::comparable(theirs.root()["content"].at(0)));
  EXPECT_EQ(ours.root()["stop_reason"].text(), theirs.root()["stop_reason"].text());
  EXPECT_EQ(Client::counts(ours.root()["usage"]), Client::counts(theirs.root()["usage"]));
}

}  // namespace
}  // namespace perdure
