#include "simulate/seam.h"

#include <gtest/gtest.h>

#include <set>

#include "wire/json.h"

namespace perdure::simulate {
namespace {

const std::string kProse =
    "The harbour was quiet, and nobody had seen the grey boat since Tuesday morning. It was late.";
const std::string kCode = "Here:\n\n```python\nfirst = 1\nsecond = first + 1\n```\n";

std::string rest_of(const std::string& whole, size_t cut, Continuation how, uint64_t seed = 1) {
  Answer answer;
  answer.text = whole;
  answer.calls = {{"call_1", "f", "{}"}};
  answer.finish = Finish::kToolCalls;
  go_on(answer, whole.substr(0, cut), how, seed);
  if (how != Continuation::kRandom) EXPECT_EQ(answer.calls.empty(), how == Continuation::kRefusal);
  EXPECT_TRUE(json::valid_utf8(answer.text));
  return answer.text;
}

TEST(Seam, ExactRestartOverlap) {
  for (size_t cut = 1; cut < kProse.size(); ++cut) {
    EXPECT_EQ(rest_of(kProse, cut, Continuation::kExact), kProse.substr(cut));
    EXPECT_EQ(rest_of(kProse, cut, Continuation::kRestart), kProse);
    const std::string overlap = rest_of(kProse, cut, Continuation::kOverlap);
    EXPECT_TRUE(kProse.ends_with(overlap));
    EXPECT_GT(overlap.size(), kProse.size() - cut);
  }
}

TEST(Seam, PrefaceSaysSomethingFirst) {
  std::set<std::string> prefaces;
  for (size_t cut = 1; cut < kProse.size(); ++cut) {
    const std::string said = rest_of(kProse, cut, Continuation::kPreface);
    ASSERT_TRUE(said.ends_with(kProse.substr(cut)));
    prefaces.insert(said.substr(0, said.size() - (kProse.size() - cut)));
  }
  EXPECT_EQ(prefaces.size(), 4u);
  EXPECT_FALSE(prefaces.contains(""));
}

// The letters are those of the rest, with some before them perhaps; the white space at the seam is not.
TEST(Seam, WhiteSpaceChanges) {
  const auto without_space = [](std::string_view text) {
    std::string out;
    for (const char c : text)
      if (c != ' ' && c != '\n') out += c;
    return out;
  };
  for (size_t cut = 1; cut < kProse.size(); ++cut) {
    const std::string said = rest_of(kProse, cut, Continuation::kWhitespace);
    EXPECT_NE(said, kProse.substr(cut)) << cut;
    EXPECT_TRUE(without_space(kProse).ends_with(without_space(said))) << said;
    EXPECT_TRUE(without_space(said).ends_with(without_space(kProse.substr(cut)))) << said;
  }
}

TEST(Seam, FencesOpenAgain) {
  const size_t inside = kCode.find("second") + 3;
  EXPECT_EQ(rest_of(kCode, inside, Continuation::kFence), "```python\nsecond = first + 1\n```\n");
  EXPECT_EQ(rest_of(kCode, 3, Continuation::kFence), "```\n" + kCode.substr(3) + "\n```");
  EXPECT_EQ(rest_of(kCode, kCode.size() - 1, Continuation::kFence), "```\n\n\n```") << "the fence was closed";
}

TEST(Seam, OtherLanguageAndRefusal) {
  const std::string foreign = rest_of(kProse, 30, Continuation::kLanguage);
  EXPECT_EQ(foreign.find("boat"), std::string::npos);
  EXPECT_GT(foreign.size(), 40u);
  EXPECT_EQ(rest_of(kProse, 30, Continuation::kRefusal).find("boat"), std::string::npos);
}

TEST(Seam, RandomIsEachOfThemBySeed) {
  std::set<std::string> kinds;
  for (uint64_t seed = 0; seed < 200; ++seed)
    kinds.insert(rest_of(kCode, 40, Continuation::kRandom, seed).substr(0, 14));
  EXPECT_GE(kinds.size(), 8u);
  EXPECT_EQ(rest_of(kCode, 40, Continuation::kRandom, 5), rest_of(kCode, 40, Continuation::kRandom, 5));
}

TEST(Seam, HasNames) {
  std::set<std::string_view> names;
  for (int i = 0; i < 10; ++i) {
    const auto how = static_cast<Continuation>(i);
    EXPECT_EQ(parse_continuation(name_of(how)).value(), how);
    names.insert(name_of(how));
  }
  EXPECT_EQ(names.size(), 10u);
  EXPECT_FALSE(parse_continuation("sideways").ok());
}

}  // namespace
}  // namespace perdure::simulate
