// What is said does not depend on the dialect it is said in: one conversation, held in each of them and in all by
// turns.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/random.h"

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

// Reasoning, text and arguments: wherever a stream is cut, what came of it is a beginning of the whole, and it ends
// there.
TEST(Dialects, AreCutAtEveryToken) {
  const std::vector<Step> steps = {
      {.text = "Think first. First say: I will look.\nWeather in Paris and Rome, please."}};
  for (const auto& speaker : all_speakers()) {
    const auto streamed = [&](std::string_view fault) {
      Bench bench;  // a new one each time: the same request gets the same ids
      HeaderList headers = speaker->headers();
      if (!fault.empty()) headers.emplace_back("x-simulate-fault", fault);
      return bench.post(speaker->path(true), speaker->body(steps, kTools, true), headers);
    };
    const Reply whole = streamed("");
    ASSERT_EQ(whole.status, 200) << whole.body;
    ASSERT_TRUE(whole.whole);
    size_t before = 0;
    int tokens = 0;
    for (;; ++tokens) {
      const Reply cut = streamed("cut-after-tokens=" + std::to_string(tokens));
      if (cut.whole) break;
      EXPECT_TRUE(whole.body.starts_with(cut.body)) << speaker->name() << " at " << tokens;
      EXPECT_LT(cut.body.size(), whole.body.size());
      EXPECT_GE(cut.body.size(), before);
      before = cut.body.size();
      for (const char* fault : {"malformed-after-tokens=", "error-after-tokens=", "end-after-tokens="}) {
        const Reply other = streamed(fault + std::to_string(tokens));
        EXPECT_TRUE(other.whole);
        EXPECT_TRUE(other.body.starts_with(cut.body)) << speaker->name() << ": " << fault << tokens;
        EXPECT_NE(other.body, whole.body);
      }
    }
    EXPECT_GT(tokens, 20) << speaker->name();
  }
}

// Writes a request again with something changed here and there.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  std::string mutated(json::Value value) {
    json::Writer json;
    write(json, value);
    return json.take();
  }

 private:
  static constexpr std::string_view kOthers[] = {"null",
                                                 "true",
                                                 "0",
                                                 "-1",
                                                 "1e400",
                                                 "\"\"",
                                                 "\" \"",
                                                 "\"x\"",
                                                 "[]",
                                                 "{}",
                                                 "[{}]",
                                                 "[null]",
                                                 "\"\\u0000\"",
                                                 "{\"type\":\"text\"}",
                                                 "9007199254740993"};

  void write(json::Writer& json, json::Value value) {
    if (random_.below(60) == 0) return static_cast<void>(json.raw(kOthers[random_.below(std::size(kOthers))]));
    if (value.is_object()) {
      json.begin_object();
      for (const auto& [key, member] : value.members()) {
        if (random_.below(80) == 0) continue;
        json.key(random_.below(120) == 0 ? std::string_view("strange") : key);
        write(json, member);
      }
      json.end_object();
    } else if (value.is_array()) {
      json.begin_array();
      for (const json::Value one : value.elements()) {
        if (random_.below(60) == 0) continue;
        write(json, one);
        if (random_.below(80) == 0) write(json, one);
      }
      json.end_array();
    } else {
      json.raw(value.raw());
    }
  }
  SeededRandom random_;
};

// A request in which something was changed is understood or refused, never more, and a refusal says why.
TEST(Dialects, BearChangedRequests) {
  const std::vector<Step> steps = {{.text = "What is this, in Paris?", .image = kPng},
                                   {.kind = Step::Kind::kAssistant,
                                    .text = "Let me see.",
                                    .calls = {{"", "get_weather", R"({"city":"Paris"})"}, {"", "get_time", "{}"}}},
                                   {.kind = Step::Kind::kResults, .results = {"dry", "noon"}},
                                   {.kind = Step::Kind::kAssistant, .text = "The tools"},
                                   {.text = "Go on."}};
  Bench bench;
  for (const auto& speaker : all_speakers()) {
    int understood = 0, refused = 0;
    for (uint64_t seed = 0; seed < 600; ++seed) {
      const bool stream = seed % 2 == 1;
      const auto sound = parsed(speaker->body(steps, kTools, stream));
      const std::string body = Mutator(seed).mutated(sound.root());
      const Reply reply = bench.post(speaker->path(stream), body, speaker->headers());
      EXPECT_TRUE(reply.whole);
      reply.status == 200 ? ++understood : ++refused;
      if (reply.status == 200) continue;
      EXPECT_TRUE(reply.status == 400 || reply.status == 404) << reply.status << body;
      EXPECT_GT(reply.body.size(), 20u) << body;
    }
    EXPECT_GT(understood, 20) << speaker->name();
    EXPECT_GT(refused, 200) << speaker->name();
  }
}

}  // namespace
}  // namespace perdure::simulate
