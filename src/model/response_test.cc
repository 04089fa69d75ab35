#include "model/response.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/testing/samples.h"

namespace perdure {
namespace {

using K = Delta::Kind;

TEST(AnswerItems, GrowByDeltas) {
  AnswerItems answer;
  for (const Delta& delta : sample_deltas()) ASSERT_TRUE(answer.apply(delta).ok());
  ASSERT_EQ(answer.items().size(), 3u);
  EXPECT_FALSE(answer.item_open());
  EXPECT_EQ(answer.items()[0].summary[0].text, "short");
  EXPECT_EQ(answer.items()[0].content[0].text, "hm");
  EXPECT_EQ(answer.items()[1].content[0].text, "Hello" + std::string(200, '!'));
  EXPECT_EQ(answer.items()[1].content[1].kind, PartKind::kRefusal);
  EXPECT_EQ(answer.items()[1].phase, "final_answer");
  EXPECT_EQ(answer.items()[2].arguments, "{\"a\":1");
  EXPECT_EQ(answer.items()[2].status, ItemStatus::kIncomplete);
  EXPECT_EQ(answer.bytes(), 5u + 2 + 205 + 2 + 6);

  AnswerItems at_once;
  ASSERT_TRUE(at_once.apply(sample_deltas()).ok());
  EXPECT_EQ(at_once.items(), answer.items());
}

// From each state that deltas can lead to, exactly the deltas named here may follow.
TEST(AnswerItems, KeepTheOrder) {
  const Delta message = Delta::item_begin({.kind = ItemKind::kMessage, .role = Role::kAssistant});
  const Delta call = Delta::item_begin({.kind = ItemKind::kFunctionCall});
  const Delta reasoning = Delta::item_begin({.kind = ItemKind::kReasoning});
  const Delta output = Delta::item_begin({.kind = ItemKind::kFunctionCallOutput});
  const Delta compaction = Delta::item_begin({.kind = ItemKind::kCompaction});
  const Delta text_part = Delta::part_begin(PartKind::kOutputText),
              thought_part = Delta::part_begin(PartKind::kReasoningText);
  const Delta input_part = Delta::part_begin(PartKind::kInputText);
  const Delta text = Delta::append("x"), part_end = Delta::part_end();
  const Delta item_end = Delta::item_end(ItemStatus::kCompleted), no_end = Delta::item_end(ItemStatus::kInProgress);
  const Delta block = Delta::opaque_block(OpaqueKind::kEncrypted, "block", "");
  const std::vector<Delta> all = {message,      call,       reasoning, output,   compaction, text_part, block,
                                  thought_part, input_part, text,      part_end, item_end,   no_end};
  const struct {
    std::vector<Delta> before, allowed;
  } states[] = {
      {{}, {message, call, reasoning, compaction}},
      {{message}, {text_part, item_end}},
      {{message, text_part}, {text, part_end}},
      {{message, text_part, text}, {text, part_end}},
      {{message, text_part, part_end}, {text_part, item_end}},
      {{call}, {text, item_end}},
      {{reasoning}, {thought_part, item_end, block}},
      {{reasoning, block}, {thought_part, item_end}},
      {{compaction}, {item_end, block}},
      {{compaction, block}, {item_end}},
      {{reasoning, thought_part}, {text, part_end}},
      {{message, item_end}, {message, call, reasoning, compaction}},
  };
  for (const auto& state : states) {
    for (const Delta& delta : all) {
      AnswerItems answer;
      ASSERT_TRUE(answer.apply(state.before).ok());
      const auto items = answer.items();
      const bool allowed = std::ranges::find(state.allowed, delta) != state.allowed.end();
      auto applied = answer.apply(delta);
      EXPECT_EQ(applied.ok(), allowed) << "after " << state.before.size() << " deltas, kind "
                                       << static_cast<int>(delta.kind);
      if (!applied) {
        EXPECT_EQ(applied.error().code, Code::kCorrupt);
        EXPECT_EQ(answer.items(), items);
      }
    }
  }
}

TEST(AnswerItems, TakeAllDeltasOrNone) {
  AnswerItems answer;
  auto deltas = sample_deltas();
  deltas.push_back(Delta::part_end());
  EXPECT_FALSE(answer.apply(deltas).ok());
  EXPECT_TRUE(answer.items().empty());
  EXPECT_FALSE(answer.item_open());
}

class ResponseTest : public testing::Test {
 protected:
  Result<void> add(decltype(Record::body) body) {
    return apply(response_,
                 {.seq = ++seq_, .time = WallTime(std::chrono::milliseconds(1000 * seq_)), .body = std::move(body)});
  }
  Result<void> create(bool background = false) {
    return add(ResponseCreated{ResponseId("r"), Request{.model = "m", .background = background}, KeyId("k")});
  }
  Response response_;
  uint64_t seq_ = 10;
};

// Whoever came first and showed nothing is no author; a stand-in that goes on with what another began is none either.
TEST_F(ResponseTest, ItsAuthorIsWhoShowedSomethingFirst) {
  ASSERT_TRUE(create().ok());
  const auto deltas = sample_deltas();
  ASSERT_TRUE(add(AttemptStarted{.number = 1, .provider = "a"}).ok());
  EXPECT_EQ(response_.author(), "");
  ASSERT_TRUE(add(AttemptEnded{.number = 1, .outcome = "failed"}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 2, .provider = "b", .stand_in = "other"}).ok());
  ASSERT_TRUE(add(Deltas{{deltas.begin(), deltas.begin() + 3}}).ok());
  EXPECT_EQ(response_.author(), "other");
  ASSERT_TRUE(add(AttemptEnded{.number = 2, .outcome = "cut"}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 3, .provider = "c", .stand_in = "third"}).ok());
  EXPECT_EQ(response_.author(), "other");
}

TEST_F(ResponseTest, IsTheFoldOfItsRecords) {
  ASSERT_TRUE(create().ok());
  EXPECT_EQ(response_.status, ResponseStatus::kInProgress);
  ASSERT_TRUE(add(AttemptStarted{.number = 1, .provider = "a"}).ok());
  const auto deltas = sample_deltas();
  ASSERT_TRUE(add(Deltas{{deltas.begin(), deltas.begin() + 3}}).ok());
  ASSERT_TRUE(add(AttemptEnded{.number = 1, .outcome = "cut"}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 2, .provider = "b", .continuation = true}).ok());
  ASSERT_TRUE(add(Deltas{{deltas.begin() + 3, deltas.end()}}).ok());
  ASSERT_TRUE(add(AttemptEnded{.number = 2, .outcome = "completed"}).ok());
  ASSERT_TRUE(add(ResponseEnded{.status = ResponseStatus::kCompleted}).ok());
  EXPECT_EQ(response_.output().size(), 3u);
  ASSERT_EQ(response_.placements.size(), 2u);
  EXPECT_EQ(response_.placements[0].output_from, 0u);
  EXPECT_EQ(response_.placements[1].output_from, 5u);
  EXPECT_EQ(response_.placements[0].ended->outcome, "cut");
  EXPECT_EQ(response_.author(), response_.request->model);
  EXPECT_EQ(response_.first_seq, 11u);
  EXPECT_EQ(response_.last_seq, 18u);
  EXPECT_EQ(unix_seconds(response_.created), 11);
  EXPECT_EQ(unix_seconds(response_.ended_at), 18);
  EXPECT_EQ(response_.status, ResponseStatus::kCompleted);
  EXPECT_TRUE(add(ResponseDeleted{ResponseId("r")}).ok());
}

TEST_F(ResponseTest, KnowsWhoWroteWhat) {
  ASSERT_TRUE(create().ok());
  auto text = [&](const char* words) { return add(Deltas{{Delta::append(words)}}); };
  ASSERT_TRUE(add(AttemptStarted{.number = 1, .provider = "a"}).ok());
  ASSERT_TRUE(
      add(Deltas{{Delta::item_begin({.kind = ItemKind::kReasoning}), Delta::part_begin(PartKind::kReasoningText),
                  Delta::append("hm"), Delta::part_end(), Delta::item_end(ItemStatus::kCompleted)}})
          .ok());
  ASSERT_TRUE(
      add(Deltas{{Delta::item_begin({.kind = ItemKind::kMessage}), Delta::part_begin(PartKind::kOutputText)}}).ok());
  ASSERT_TRUE(text("one ").ok());
  ASSERT_TRUE(text("two ").ok());
  ASSERT_TRUE(add(AttemptEnded{.number = 1, .outcome = "cut"}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 2, .provider = "b"}).ok());  // says nothing
  ASSERT_TRUE(add(AttemptEnded{.number = 2, .outcome = "failed"}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 3, .provider = "c"}).ok());
  ASSERT_TRUE(text("three").ok());
  ASSERT_TRUE(add(Deltas{{Delta::part_end(), Delta::item_end(ItemStatus::kCompleted),
                          Delta::item_begin({.kind = ItemKind::kFunctionCall, .name = "f"}), Delta::append("{}"),
                          Delta::item_end(ItemStatus::kCompleted)}})
                  .ok());
  using Ranges = std::vector<WrittenRange>;
  EXPECT_EQ(response_.placements[0].wrote, (Ranges{{0, 0, 2}, {1, 0, 8}}));
  EXPECT_EQ(response_.placements[1].wrote, Ranges{});
  EXPECT_EQ(response_.placements[2].wrote, (Ranges{{1, 8, 13}, {2, 0, 2}}));
  EXPECT_EQ(text_of(response_.output()[1]), "one two three");
}

TEST_F(ResponseTest, TwoAttemptsMayRaceWhileNobodyHasSeenAnything) {
  ASSERT_TRUE(create().ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 1, .provider = "a"}).ok());
  EXPECT_FALSE(add(AttemptStarted{.number = 2, .provider = "b"}).ok()) << "beside whom?";
  EXPECT_FALSE(add(AttemptStarted{.number = 2, .provider = "b", .beside = 3}).ok());
  ASSERT_TRUE(add(AttemptStarted{.number = 2, .provider = "b", .beside = 1}).ok());
  EXPECT_FALSE(add(AttemptStarted{.number = 3, .provider = "c", .beside = 1}).ok()) << "two are enough";
  EXPECT_FALSE(add(Deltas{{Delta::item_begin({.kind = ItemKind::kMessage})}}).ok()) << "whose are they?";
  ASSERT_TRUE(add(AttemptEnded{.number = 1, .outcome = "hedged_away"}).ok());
  EXPECT_FALSE(add(AttemptEnded{.number = 1, .outcome = "cut"}).ok()) << "it has ended";
  ASSERT_TRUE(add(Deltas{{Delta::item_begin({.kind = ItemKind::kMessage}), Delta::part_begin(PartKind::kOutputText),
                          Delta::append("b's"), Delta::part_end(), Delta::item_end(ItemStatus::kCompleted)}})
                  .ok());
  EXPECT_FALSE(add(ResponseEnded{}).ok()) << "an attempt is open";
  ASSERT_TRUE(add(AttemptEnded{.number = 2, .outcome = "completed"}).ok());
  ASSERT_TRUE(add(ResponseEnded{}).ok());
  EXPECT_TRUE(response_.placements[0].wrote.empty());
  EXPECT_EQ(response_.placements[1].wrote.size(), 1u);
}

TEST_F(ResponseTest, InTheBackgroundIsQueuedFirst) {
  ASSERT_TRUE(create(true).ok());
  EXPECT_EQ(response_.status, ResponseStatus::kQueued);
  ASSERT_TRUE(add(AttemptStarted{}).ok());
  EXPECT_EQ(response_.status, ResponseStatus::kInProgress);
}

TEST_F(ResponseTest, MayEndBeforeAnyAttempt) {
  ASSERT_TRUE(create(true).ok());
  EXPECT_TRUE(add(ResponseEnded{.status = ResponseStatus::kCancelled}).ok());
}

TEST_F(ResponseTest, RefusesWhatCannotFollow) {
  EXPECT_FALSE(add(AttemptStarted{}).ok()) << "nothing was created";
  ASSERT_TRUE(create().ok());
  EXPECT_FALSE(create().ok());
  EXPECT_FALSE(add(Deltas{}).ok()) << "no attempt";
  EXPECT_FALSE(add(AttemptEnded{}).ok()) << "no attempt";
  EXPECT_FALSE(add(AttemptStarted{.number = 2}).ok());
  EXPECT_FALSE(add(ResponseEnded{.status = ResponseStatus::kQueued}).ok());
  EXPECT_FALSE(add(ResponseDeleted{ResponseId("other")}).ok());
  ASSERT_TRUE(add(AttemptStarted{}).ok());
  EXPECT_FALSE(add(AttemptStarted{.number = 2}).ok()) << "the first is open";
  EXPECT_FALSE(add(AttemptEnded{.number = 2}).ok());
  EXPECT_FALSE(add(ResponseEnded{}).ok()) << "an attempt is open";
  ASSERT_TRUE(add(Deltas{{Delta::item_begin({.kind = ItemKind::kMessage})}}).ok());
  ASSERT_TRUE(add(AttemptEnded{.outcome = "cut"}).ok());
  EXPECT_FALSE(add(ResponseEnded{}).ok()) << "an item is open";
  ASSERT_TRUE(add(Deltas{{Delta::item_end(ItemStatus::kIncomplete)}}).ok());
  ASSERT_TRUE(add(ResponseEnded{.status = ResponseStatus::kIncomplete}).ok());
  EXPECT_FALSE(add(ResponseEnded{}).ok());
  EXPECT_FALSE(add(AttemptStarted{.number = 2}).ok());
  EXPECT_FALSE(add(Deltas{}).ok());
  const uint64_t last = response_.last_seq;
  EXPECT_FALSE(apply(response_, {.seq = last, .body = ResponseDeleted{ResponseId("r")}}).ok()) << "not after the last";
  EXPECT_EQ(response_.last_seq, last);
}

}  // namespace
}  // namespace perdure
