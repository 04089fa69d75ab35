#include "generation/seam.h"

#include <gtest/gtest.h>

#include "generation/structured.h"

namespace perdure {
namespace {

struct Told {
  std::string whole;
  std::string kind;
  bool refused = false;
};

Told go_on(std::string held, std::string_view text, size_t piece = 3, bool prefill = false) {
  Seam seam(held, prefill);
  std::string shown;
  for (size_t i = 0; i < text.size(); i += piece) {
    Result<std::string> more = seam.feed(text.substr(i, piece));
    if (!more.ok()) return {held + shown, more.error().reason, true};
    shown += *more;
  }
  Result<std::string> rest = seam.finish();
  if (!rest.ok()) return {held + shown, rest.error().reason, true};
  return {held + shown + *rest, std::string(seam.kind())};
}

constexpr std::string_view kAnswer =
    "The first supplier began this sentence, naïve as it was; the second one ended it — without a seam anybody could "
    "see.";

template <class Each>
void at_every_cut(Each each) {
  for (size_t cut = 1; cut < kAnswer.size(); ++cut)
    if ((static_cast<unsigned char>(kAnswer[cut]) & 0xc0) != 0x80) each(cut);
}

TEST(Seam, every_cut_and_every_overlap_gives_the_whole_answer) {
  at_every_cut([](size_t cut) {
    for (size_t from = 0; from <= cut; ++from) {
      size_t overlap = cut - from;
      if (overlap != 0 && overlap < OverlapFinder::kOverlapMin && from != 0) continue;
      if ((static_cast<unsigned char>(kAnswer[from]) & 0xc0) == 0x80) continue;
      Told told = go_on(std::string(kAnswer.substr(0, cut)), kAnswer.substr(from), 1 + cut % 5);
      ASSERT_EQ(told.whole, kAnswer) << "cut " << cut << " from " << from;
      ASSERT_FALSE(told.refused);
    }
  });
}

TEST(Seam, T38_announcements_are_dropped_at_every_cut) {
  for (std::string_view preface : {"Sure, here is the rest: ", "Sure, here is the rest:\n\n",
                                   "Continuing from where I left off: ", "Of course! Picking up where it stopped:\n\n",
                                   "Certainly! Here's the continuation:\n"}) {
    at_every_cut([&](size_t cut) {
      std::string held(kAnswer.substr(0, cut));
      for (size_t piece : {1, 4, 1000}) {
        Told told = go_on(held, std::string(preface) + std::string(kAnswer.substr(cut)), piece);
        ASSERT_EQ(told.whole, kAnswer) << preface << " cut " << cut << " piece " << piece;
        ASSERT_EQ(told.kind, "preface");
        // And before an overlap.
        if (cut > 30) {
          told = go_on(held, std::string(preface) + std::string(kAnswer.substr(cut - 20)), piece);
          if ((static_cast<unsigned char>(kAnswer[cut - 20]) & 0xc0) != 0x80)
            ASSERT_EQ(told.whole, kAnswer) << preface << " cut " << cut;
        }
      }
    });
  }
}

TEST(Seam, T38_an_overlap_in_other_white_space_is_an_overlap) {
  at_every_cut([](size_t cut) {
    if (cut < 20) return;
    size_t from = kAnswer.substr(0, cut - 12).rfind(' ');
    if (from == std::string_view::npos) return;
    std::string again(kAnswer.substr(from + 1, cut - from - 1));
    for (char& c : again)
      if (c == ' ') c = '\n';
    // The white space right at the seam is the held one's; what the overlap's end took of the rest's is not known.
    Told told = go_on(std::string(kAnswer.substr(0, cut)), again + std::string(kAnswer.substr(cut)));
    if (kAnswer[cut - 1] != ' ' && kAnswer[cut] != ' ') EXPECT_EQ(told.whole, kAnswer) << cut;
  });
}

TEST(Seam, T38_refusals_are_given_up_and_nothing_of_them_is_shown) {
  for (std::string_view refusal :
       {"I'm sorry, but I can't continue that text.", "I can’t help with that.", "I cannot continue this conversation.",
        "Es tut mir leid, das kann ich nicht fortsetzen.", "Lo siento, no puedo continuar."}) {
    at_every_cut([&](size_t cut) {
      Told told = go_on(std::string(kAnswer.substr(0, cut)), refusal, 1 + cut % 4);
      ASSERT_TRUE(told.refused) << refusal << " after " << kAnswer.substr(0, cut);
      ASSERT_EQ(told.kind, "seam_refused");
      ASSERT_EQ(told.whole, kAnswer.substr(0, cut));
    });
  }
}

TEST(Seam, T38_another_language_is_given_up) {
  std::string held(kAnswer.substr(0, 100));
  Told told =
      go_on(held + " It was the end of the road for that and for this.", "Hier ist der Rest: und dann noch weiter");
  EXPECT_TRUE(told.refused);
  EXPECT_EQ(told.kind, "seam_language");
}

TEST(Seam, T38_a_fence_that_is_open_is_not_opened_again) {
  std::string code = "Look:\n```python\ndef f(x):\n    return x + 1\n\nprint(f(2))\n```\nThat is all.";
  size_t begin = code.find("def"), end = code.rfind("```") - 1;
  for (size_t cut = begin; cut <= end; ++cut) {
    std::string held = code.substr(0, cut);
    std::string line = held.substr(held.rfind('\n') + 1);
    for (size_t piece : {1, 5, 500}) {
      EXPECT_EQ(go_on(held, "```python\n" + line + code.substr(cut), piece).whole, code) << "cut " << cut;
      EXPECT_EQ(go_on(held, code.substr(cut), piece).whole, code) << "cut " << cut;
    }
  }
}

TEST(Seam, T38_a_fence_around_the_rest_of_a_sentence_is_dropped) {
  at_every_cut([](size_t cut) {
    for (size_t piece : {1, 3, 500}) {
      Told told =
          go_on(std::string(kAnswer.substr(0, cut)), "```\n" + std::string(kAnswer.substr(cut)) + "\n```", piece);
      ASSERT_EQ(told.whole, kAnswer) << cut;
      told =
          go_on(std::string(kAnswer.substr(0, cut)), "```text\n" + std::string(kAnswer.substr(cut)) + "\n```\n", piece);
      ASSERT_EQ(told.whole, kAnswer) << cut;
    }
  });
}

TEST(Seam, a_fence_on_a_line_of_its_own_is_the_answers) {
  EXPECT_EQ(go_on("Here it comes:\n", "```\nx\n```").whole, "Here it comes:\n```\nx\n```");
}

TEST(Seam, prefill_is_taken_at_its_word) {
  EXPECT_EQ(go_on("one two three ", "one two three four", 3, true).whole, "one two three one two three four");
  EXPECT_EQ(go_on("one two ", " three", 3, true).whole, "one two three") << "white space that could not be given";
  EXPECT_EQ(go_on("one two \n", " \n\nthree", 1, true).whole, "one two \n\nthree");
  EXPECT_EQ(go_on("one tw", "o three", 3, true).whole, "one two three");
}

TEST(Seam, a_text_that_only_sounds_like_an_announcement_stays) {
  EXPECT_EQ(go_on("He said: ", "\"Sure thing\" and left.").whole, "He said: \"Sure thing\" and left.");
  EXPECT_EQ(go_on("And was she certain? ", "Sure she was. It was late.").whole,
            "And was she certain? Sure she was. It was late.");
  EXPECT_EQ(go_on("", "Sure, here is the rest: x").whole, "Sure, here is the rest: x");
}

TEST(Seam, decides_at_the_first_byte_where_it_can) {
  Seam seam("The quick brown fox ", false);
  Result<std::string> shown = seam.feed("z");
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(*shown, "z");
}

constexpr std::string_view kSchema =
    R"({"type":"object","properties":{"name":{"type":"string"},"size":{"type":"integer"}},"required":["name","size"],"additionalProperties":false})";

std::string joined(std::string_view held, std::string_view text) {
  TextFormat format{.kind = TextFormat::Kind::kJsonSchema, .name = "thing", .schema = std::string(kSchema)};
  Result<Joined> joined = join_structured(held, text, format);
  return joined.ok() ? std::string(held) + joined->remainder : joined.error().reason;
}

TEST(Structured, keeps_to_a_schema_or_not) {
  EXPECT_TRUE(keeps_to(R"({"name":"a","size":1})", kSchema));
  EXPECT_FALSE(keeps_to(R"({"name":"a","size":1)", kSchema));
  EXPECT_FALSE(keeps_to(R"({"name":"a"})", kSchema));
  EXPECT_FALSE(keeps_to(R"({"name":"a","size":1,"more":2})", kSchema));
  EXPECT_TRUE(keeps_to("[1, 2]", ""));
}

TEST(Structured, every_cut_and_every_way_to_go_on_gives_the_whole_or_says_no) {
  constexpr std::string_view kWhole = R"({"name": "a \"quoted\" thing", "size": 4712})";
  for (size_t cut = 1; cut < kWhole.size(); ++cut) {
    std::string_view held = kWhole.substr(0, cut);
    std::string rest(kWhole.substr(cut));
    EXPECT_EQ(joined(held, rest), kWhole) << cut;
    EXPECT_EQ(joined(held, kWhole), kWhole) << cut;
    EXPECT_EQ(joined(held, "```json\n" + std::string(kWhole) + "\n```"), kWhole) << cut;
    EXPECT_EQ(joined(held, "Here is the rest:\n```json\n" + std::string(kWhole) + "\n```\n"), kWhole) << cut;
    EXPECT_EQ(joined(held, "I'm sorry, but I can't continue that."), "seam_schema") << cut;
  }
  // The object written anew with other white space: the whole is valid and says the same.
  std::string other = joined(kWhole.substr(0, 12), "{\n  \"name\": \"a \\\"quoted\\\" thing\",\n  \"size\": 4712\n}");
  EXPECT_TRUE(keeps_to(other, kSchema)) << other;
}

}  // namespace
}  // namespace perdure
