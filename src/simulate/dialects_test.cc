// What is said does not depend on the dialect it is said in: one conversation, held in each of them and in all by
// turns.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "simulate/testing/speaker.h"

namespace perdure::simulate {
namespace {

const std::string kPng = "\x89PNG\r\n\x1a\n and some pixels";
const std::vector<Offer> kTools = {
    {"get_weather",
     R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":9},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city","days","unit"]})"},
    {"get_time", R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})"}};

struct Prompt1 {
  std::string text;
  bool image = false;
};
// Every prompt calls a tool first, since tools are on offer; then what follows depends on the results.
std::vector<Prompt1> prompts() {
  std::vector<Prompt1> out;
  static constexpr const char* kPrompts[] = {"What is the weather in Paris and in New York?",
                                             "Use get_time in Oslo.",
                                             "Think first. First say: I will look it up.\nWhat about both tools?",
                                             "Weather in Rome, Oslo and Bern, one after another?",
                                             "Remember the code word: heron-42. Look at get_time in Köln.",
                                             "Think in secret. How warm is it in São Paulo for 3 days?",
                                             "What do you see? Use get_weather in Tromsø.",
                                             "Say exactly: naïve \"quotes\" and 日本 in Kyoto"};
  for (int i = 0; i < 50; ++i)
    out.push_back({std::string(kPrompts[i % 8]) + " (" + std::to_string(i) + ")", i % 8 == 6});
  return out;
}

// Holds the conversation; turn i is spoken in the dialect that `choose(i)` picks. What was said, without the ids.
std::vector<std::string> transcript(Bench& bench, const std::function<const Speaker&(size_t)>& choose) {
  std::vector<Step> steps;
  std::vector<std::string> said;
  size_t turn = 0;
  for (const Prompt1& prompt : prompts()) {
    steps.push_back({.kind = Step::Kind::kUser, .text = prompt.text, .image = prompt.image ? kPng : ""});
    for (int rounds = 0; rounds < 8; ++rounds) {
      const Speaker& speaker = choose(turn++);
      const Reply reply = speaker.send(bench, steps, kTools);
      EXPECT_EQ(reply.status, 200) << speaker.name() << ": " << reply.body;
      if (reply.status != 200) return said;
      Step step = speaker.read(parsed(reply.body).root());
      std::string line = step.text;
      for (const ToolCall& call : step.calls) line += " | " + call.name + call.arguments;
      said.push_back(line);
      const size_t calls = step.calls.size();
      steps.push_back(std::move(step));
      if (calls == 0) break;
      Step results{.kind = Step::Kind::kResults};
      for (size_t i = 0; i < calls; ++i)
        results.results.push_back("result " + std::to_string(turn) + "." + std::to_string(i));
      steps.push_back(std::move(results));
    }
  }
  return said;
}

TEST(Dialects, HoldOneConversation) {
  const auto speakers = all_speakers();
  Bench bench({.reasoning = true});
  const auto whole = transcript(bench, [&](size_t) -> const Speaker& { return *speakers[0]; });
  ASSERT_GT(whole.size(), 100u);
  size_t parallel = 0;
  for (const std::string& line : whole) parallel += std::ranges::count(line, '|') > 1;
  EXPECT_GT(parallel, 10u);
  for (size_t s = 1; s < speakers.size(); ++s)
    EXPECT_EQ(whole, transcript(bench, [&](size_t) -> const Speaker& { return *speakers[s]; })) << speakers[s]->name();
  // Another supplier at every turn, in several orders.
  for (const size_t step : {1, 2, 3, 4})
    EXPECT_EQ(whole, transcript(bench, [&](size_t turn) -> const Speaker& { return *speakers[turn * step % 5]; }));
}

// The bytes of an image arrive, whatever the dialect.
TEST(Dialects, SeeTheSameImage) {
  Bench bench;
  for (const auto& speaker : all_speakers()) {
    const Reply reply = speaker->send(bench, {{.text = "What is this?", .image = kPng}}, {});
    ASSERT_EQ(reply.status, 200) << speaker->name() << reply.body;
    EXPECT_EQ(speaker->read(parsed(reply.body).root()).text, "I was given image/png of 24 bytes (crc32 5ffe656e).");
  }
}

// T37, T38: what an answer was broken off at, and how it goes on, is the same everywhere.
TEST(Dialects, GoOnAlike) {
  Bench bench;
  for (const auto& speaker : all_speakers()) {
    const auto say = [&](std::vector<Step> steps) {
      const Reply reply = speaker->send(bench, steps, {});
      EXPECT_EQ(reply.status, 200) << speaker->name() << reply.body;
      return speaker->read(parsed(reply.body).root()).text;
    };
    const Step prompt{.text = "Write 30 words about tides."};
    const std::string whole = say({prompt});
    for (size_t cut = 1; cut < whole.size(); ++cut) {
      if (whole[cut - 1] == ' ' || whole[cut - 1] == '\n') continue;  // a prefill may not end so
      const Step held{.kind = Step::Kind::kAssistant, .text = whole.substr(0, cut)};
      EXPECT_EQ(held.text + say({prompt, held}), whole) << speaker->name();
      EXPECT_EQ(held.text + say({prompt, held, {.text = "Weiter, bitte."}}), whole) << speaker->name();
    }
  }
}

}  // namespace
}  // namespace perdure::simulate
