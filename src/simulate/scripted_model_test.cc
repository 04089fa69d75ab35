#include "simulate/scripted_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_set>

#include "simulate/prose.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

Message user(std::string text) { return {Role::kUser, std::move(text), {}, {}}; }
Message assistant(std::string text) { return {Role::kAssistant, std::move(text), {}, {}}; }
Message system_says(std::string text) { return {Role::kSystem, std::move(text), {}, {}}; }
Message result(std::string text, std::string id) { return {Role::kTool, std::move(text), {}, std::move(id)}; }

Prompt ask(std::vector<Message> messages) {
  Prompt request;
  request.messages = std::move(messages);
  return request;
}
std::string say(std::vector<Message> messages) { return answer(ask(std::move(messages)), 1).text; }

constexpr const char* kGoOn = "Please go on exactly where you stopped.";
constexpr const char* kWeather = R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},
  "unit":{"enum":["celsius","fahrenheit"]},"note":{"type":"string"}},"required":["city","unit","days"]})";

TEST(ScriptedModel, ObeysSimplePrompts) {
  EXPECT_EQ(say({user("Say exactly: Hello, World!")}), "Hello, World!");
  EXPECT_EQ(say({user("say exactly: two\nlines ")}), "two\nlines");
  EXPECT_EQ(say({user("Please reply with exactly: \"quoted\"")}), "quoted");
  EXPECT_EQ(say({user("Repeat after me: abc")}), "abc");
  EXPECT_EQ(say({user("Say hello in exactly 3 words.")}), "Hello there friend.");
  EXPECT_EQ(say({user("Say hello in exactly 1 word.")}), "Hello.");
  EXPECT_EQ(say({user("Count from 1 to 5.")}), "1, 2, 3, 4, 5");
  EXPECT_EQ(say({user("Count from 3 to -1")}), "3, 2, 1, 0, -1");
  EXPECT_EQ(say({user("Count to five.")}), "1, 2, 3, 4, 5");
  EXPECT_EQ(say({user("count to 12")}), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12");
  EXPECT_EQ(say({user("Remember the code word: heron-42. Reply with OK.")}), "OK");
  EXPECT_EQ(say({user("My name is Ada Lovelace. Hello!")}), "Nice to meet you, Ada Lovelace.");
}

TEST(ScriptedModel, RecallsFromEarlierMessages) {
  EXPECT_EQ(
      say({user("Remember the code word: heron-42. Reply with OK."), assistant("OK"), user("What is the code word?")}),
      "The code word is heron-42.");
  EXPECT_EQ(say({system_says("The code word is OTTER."), user("What is the code word? Reply with the word only.")}),
            "OTTER");
  EXPECT_EQ(say({user("What is the code word?")}), "I do not know the code word.");
  EXPECT_EQ(say({user("My name is Ada. Hi"), assistant("Nice to meet you, Ada."), user("What is my name?")}),
            "Your name is Ada.");
  EXPECT_EQ(say({user("What is my name?")}), "I do not know your name.");
}

TEST(ScriptedModel, SaysSomethingToEverythingElse) {
  const std::string one = say({user("Hm.")});
  EXPECT_NE(one.find(" 1 message,"), std::string::npos) << one;
  EXPECT_EQ(one, say({user("Hm.")}));
  EXPECT_EQ(one, say({system_says("Be kind."), user("Hm.")}));
  EXPECT_NE(one, say({user("Hum.")}));
  EXPECT_NE(one, answer(ask({user("Hm.")}), 2).text);
  EXPECT_NE(say({user("Hm."), assistant(one), user("Hm.")}).find(" 3 messages,"), std::string::npos);
}

TEST(ScriptedModel, WritesProseThatDoesNotRepeat) {
  for (const char* prompt : {"Write 20000 words about the sea.", "Write a story of exactly 500 words"}) {
    const std::string text = say({user(prompt)});
    int64_t words = 0;
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool space = text[i] == ' ' || text[i] == '\n';
      words += !space && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\n');
      if (i + 12 <= text.size()) {
        ASSERT_TRUE(seen.insert(std::string_view(text).substr(i, 12)).second) << text.substr(i, 12);
      }
    }
    EXPECT_EQ(words, std::string_view(prompt).find("20000") == std::string_view::npos ? 500 : 20000);
  }
  EXPECT_TRUE(say({user("Write 100 words about the sea.")}).starts_with("About the sea: "));
  EXPECT_EQ(say({user("Write 0 words.")}), "");
}

TEST(ScriptedModel, CallsTheToolThatIsOffered) {
  Prompt request = ask({user("What is the weather in New York for 3 days?")});
  request.tools = {{"get_time", ""}, {"get_weather", kWeather}};
  EXPECT_EQ(answer(request, 1).calls.at(0).name, "get_time");
  EXPECT_EQ(answer(request, 1).calls.at(0).arguments, "{}");
  EXPECT_EQ(answer(request, 1).finish, Finish::kToolCalls);
  request.tool_choice = ToolChoice::kNamed;
  request.tool_named = "get_weather";
  const Answer named = answer(request, 1);
  ASSERT_EQ(named.calls.size(), 1u);
  const auto arguments = json::Document::parse(named.calls[0].arguments);
  ASSERT_TRUE(arguments.ok()) << named.calls[0].arguments;
  EXPECT_EQ(arguments->root()["city"].text(), "New York");
  EXPECT_EQ(arguments->root()["days"].integer(), 3);
  EXPECT_EQ(arguments->root().size(), 3u);
  EXPECT_EQ(named.calls, answer(request, 1).calls);
  request.tool_choice = ToolChoice::kNone;
  EXPECT_TRUE(answer(request, 1).calls.empty());
  EXPECT_FALSE(answer(request, 1).text.empty());
}

TEST(ScriptedModel, CallsInParallelWhenAskedForSeveral) {
  Prompt request = ask({user("What is the weather in Paris and in New York?")});
  request.tools = {{"get_weather", kWeather}, {"get_time", ""}};
  Answer both = answer(request, 1);
  ASSERT_EQ(both.calls.size(), 2u);
  EXPECT_NE(both.calls[0].arguments.find("Paris"), std::string::npos);
  EXPECT_NE(both.calls[1].arguments.find("New York"), std::string::npos);
  EXPECT_NE(both.calls[0].id, both.calls[1].id);
  request.parallel_tool_calls = false;
  EXPECT_EQ(answer(request, 1).calls.size(), 1u);
  request.parallel_tool_calls = true;
  request.messages = {user("Use both tools.")};
  both = answer(request, 1);
  ASSERT_EQ(both.calls.size(), 2u);
  EXPECT_EQ(both.calls[1].name, "get_time");

  request.messages = {user("First say: I will look it up.\nThen look.")};
  EXPECT_EQ(answer(request, 1).text, "I will look it up.");
  EXPECT_EQ(answer(request, 1).calls.size(), 1u);
}

TEST(ScriptedModel, QuotesToolResults) {
  Prompt request = ask({user("Weather in Paris?")});
  request.tools = {{"get_weather", kWeather}};
  const Answer first = answer(request, 1);
  Message calls = assistant("");
  calls.calls = first.calls;
  request.messages.push_back(calls);
  request.messages.push_back(result("18 degrees", first.calls.at(0).id));
  EXPECT_EQ(answer(request, 1).text, "The tool returned: 18 degrees.");
  EXPECT_EQ(answer(request, 1).finish, Finish::kStop);
  request.messages.push_back(assistant("The tool returned: 18"));
  request.messages.push_back(user(kGoOn));
  EXPECT_EQ(answer(request, 1).text, " degrees.");
  request.messages.back().text = "And in Rome?";
  request.messages[request.messages.size() - 2].text = "The tool returned: 18 degrees.";
  EXPECT_EQ(answer(request, 1).calls.size(), 1u);
}

TEST(ScriptedModel, WritesJsonForASchema) {
  Prompt request = ask({user("Describe a person who is 41 years old, \"Ada\", in blue.")});
  request.format = Format::kJsonSchema;
  request.schema =
      R"({"$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]},
      "id":{"type":"integer","minimum":5,"maximum":9}},"required":["id","next"]}},
    "type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
      "score":{"type":"number","minimum":0.5,"maximum":0.75},"happy":{"type":"boolean"},"colour":{"enum":["red","blue"]},
      "tags":{"type":"array","items":{"type":"string","minLength":30,"maxLength":40},"minItems":4,"maxItems":4},
      "kind":{"const":"person"},"maybe":{"type":["string","null"]},"nothing":{"type":"null"},
      "list":{"$ref":"#/$defs/node"},"even":{"type":"integer","multipleOf":2,"exclusiveMinimum":10,"exclusiveMaximum":14},
      "born":{"type":"string","format":"date"},"left_out":{"type":"string"}},
    "required":["name","age","score","happy","colour","tags","kind","maybe","nothing","list","even","born"],
    "additionalProperties":false})";
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = answer(request, seed).text;
    const auto document = json::Document::parse(text);
    ASSERT_TRUE(document.ok()) << text;
    const json::Value root = document->root();
    EXPECT_EQ(root.size(), 12u) << text;
    EXPECT_EQ(root["name"].text(), "Ada");
    EXPECT_EQ(root["age"].integer(), 41);
    EXPECT_GE(root["score"].number().value_or(0), 0.5);
    EXPECT_LE(root["score"].number().value_or(1), 0.75);
    EXPECT_TRUE(root["happy"].boolean().has_value());
    EXPECT_EQ(root["colour"].text(), "blue");
    ASSERT_EQ(root["tags"].size(), 4u);
    for (const auto tag : root["tags"].elements()) {
      EXPECT_GE(tag.text().size(), 30u);
      EXPECT_LE(tag.text().size(), 40u);
    }
    EXPECT_EQ(root["kind"].text(), "person");
    EXPECT_TRUE(root["maybe"].is_string());
    EXPECT_TRUE(root["nothing"].null());
    EXPECT_GE(root["list"]["id"].integer().value_or(0), 5);
    EXPECT_LE(root["list"]["id"].integer().value_or(10), 9);
    EXPECT_EQ(root["even"].integer(), 12) << text;
    EXPECT_EQ(root["born"].text().size(), 10u);
  }
  request.format = Format::kJsonObject;
  EXPECT_TRUE(json::Document::parse(answer(request, 1).text).ok());
}

TEST(ScriptedModel, BearsSchemasThatDemandTooMuch) {
  Prompt request = ask({user("Go.")});
  request.format = Format::kJsonSchema;
  for (
      const char* schema :
      {R"({"$ref":"#"})", R"({"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}},"required":["a","b"]})",
       R"({"type":"array","minItems":1000000,"items":{"type":"array","minItems":1000000,"items":{"type":"string"}}})",
       R"({"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807,"multipleOf":9223372036854775807})",
       R"({"type":"integer","minimum":9,"maximum":3})",
       R"({"type":"number","minimum":1e308,"exclusiveMaximum":-1e308})",
       R"({"type":"string","minLength":-4,"maxLength":0})", R"({"$ref":"x/y//z"})", R"({"enum":[]})", R"({"type":7})",
       R"({"type":["null"]})", R"({"anyOf":[{"type":"null"}]})", R"({"required":["a",7],"properties":[]})", R"({})"}) {
    request.schema = schema;
    const Answer made = answer(request, 3);
    EXPECT_TRUE(json::Document::parse(made.text).ok()) << schema << ": " << made.text.substr(0, 200);
    EXPECT_LT(made.text.size(), size_t{4} << 20);
  }
}

TEST(ScriptedModel, HonoursStopAndLength) {
  Prompt request = ask({user("Count from 1 to 9.")});
  request.stop = {"7", ", 5"};
  EXPECT_EQ(answer(request, 1).text, "1, 2, 3, 4");
  EXPECT_EQ(answer(request, 1).finish, Finish::kStop);
  request.tokens_max = 3;
  const Answer cut = answer(request, 1);
  EXPECT_EQ(cut.text, "1, 2");
  EXPECT_EQ(cut.finish, Finish::kLength);
  EXPECT_EQ(cut.tokens, 3);
  request.tokens_max = count_tokens("1, 2, 3, 4");
  EXPECT_EQ(answer(request, 1).finish, Finish::kStop);
}

TEST(ScriptedModel, ThinksFirstWhereToldTo) {
  Prompt request = ask({user("Say exactly: yes")});
  const Answer thought = answer(request, 1, {.reasoning = true});
  EXPECT_FALSE(thought.reasoning.empty());
  EXPECT_EQ(thought.text, "yes");
  EXPECT_EQ(thought.tokens, thought.reasoning_tokens + 1);
  request.tokens_max = 2;
  EXPECT_TRUE(answer(request, 1, {.reasoning = true}).text.empty());
  request.reasoning_effort = "none";
  EXPECT_TRUE(answer(request, 1, {.reasoning = true}).reasoning.empty());
}

std::vector<Prompt> requests_to_cut() {
  std::vector<Prompt> requests;
  for (const char* prompt : {"Count from 1 to 60.", "Say exactly: Grüße, 世界! Ok.", "Write 80 words about tides.",
                             "Hm.", "Say exactly: a a a a a a a a a a a a a a a a."})
    requests.push_back(
        ask({system_says("Be kind."), user("My name is Ada."), assistant("Nice to meet you, Ada."), user(prompt)}));
  Prompt json = ask({user("Describe a boat.")});
  json.format = Format::kJsonSchema;
  json.schema =
      R"({"type":"object","properties":{"name":{"type":"string"},"crew":{"type":"array","items":{"type":"string"}}}})";
  requests.push_back(json);
  Prompt stopped = ask({user("Count from 1 to 30.")});
  stopped.stop = {"17"};
  requests.push_back(stopped);
  return requests;
}

// Every position at which an answer can be cut: what is emitted then is exactly what was missing.
TEST(ScriptedModel, GoesOnWhereAnAnswerWasCut) {
  for (Prompt& request : requests_to_cut()) {
    const std::string whole = answer(request, 7).text;
    const auto asked = request.messages;
    for (size_t cut = 1; cut <= whole.size(); ++cut) {
      const std::string held = whole.substr(0, cut);
      if (!json::valid_utf8(held)) continue;
      request.messages = asked;
      request.messages.push_back(assistant(held));
      EXPECT_EQ(held + answer(request, 7).text, whole) << "prefill at " << cut;
      if (cut == whole.size()) continue;
      for (const char* words : {kGoOn, "Weiter.", "x"}) {
        request.messages.resize(asked.size() + 1);
        request.messages.push_back(user(words));
        EXPECT_EQ(held + answer(request, 7).text, whole) << "asked at " << cut;
      }
      request.messages.back().role = Role::kSystem;
      EXPECT_EQ(held + answer(request, 7).text, whole);
      // Cut again: what was emitted meanwhile is held as a message of its own.
      const std::string rest = whole.substr(cut);
      const std::string more = rest.substr(0, rest.size() / 2);
      if (more.empty() || !json::valid_utf8(more)) continue;
      request.messages.back().role = Role::kUser;
      request.messages.push_back(assistant(more));
      request.messages.push_back(user(kGoOn));
      EXPECT_EQ(held + more + answer(request, 7).text, whole);
    }
  }
}

TEST(ScriptedModel, GoesOnWithOverlapOrFromTheStartWhereToldTo) {
  for (Prompt& request : requests_to_cut()) {
    const std::string whole = answer(request, 7).text;
    const auto asked = request.messages;
    std::unordered_set<std::string> kinds;
    for (size_t cut = 1; cut < whole.size(); ++cut) {
      const std::string held = whole.substr(0, cut);
      if (!json::valid_utf8(held)) continue;
      request.messages = asked;
      request.messages.push_back(assistant(held));
      request.messages.push_back(user(kGoOn));
      EXPECT_EQ(answer(request, 7, {.continuation = Continuation::kRestart}).text, whole);
      const std::string overlapping = answer(request, 7, {.continuation = Continuation::kOverlap}).text;
      EXPECT_TRUE(whole.ends_with(overlapping));
      EXPECT_GT(overlapping.size(), whole.size() - cut);
      EXPECT_TRUE(json::valid_utf8(overlapping));
      const std::string mixed = answer(request, 7, {.continuation = Continuation::kMixed}).text;
      EXPECT_TRUE(whole.ends_with(mixed));
      kinds.insert(mixed == whole ? "restart" : mixed.size() == whole.size() - cut ? "exact" : "overlap");
    }
    if (whole.size() > 100) {
      EXPECT_EQ(kinds.size(), 3u);
    }
  }
}

TEST(ScriptedModel, DoesNotGoOnWhenToldSomethingElse) {
  EXPECT_EQ(say({user("Count from 1 to 9."), assistant("1, 2"), user("Say exactly: stop")}), "stop");
  EXPECT_NE(say({user("Count from 1 to 9."), assistant("1, 3"), user("Go on")}).find("messages"), std::string::npos);
  // An answer that was whole has nothing to add when it is asked to go on; spoken to otherwise, the model answers.
  EXPECT_EQ(say({user("Count from 1 to 3."), assistant("1, 2, 3"), user("Go on")}), "");
  const std::string done = say({user("Count from 1 to 3."), assistant("1, 2, 3"), user("Thank you")});
  EXPECT_NE(done.find(" 3 messages"), std::string::npos) << done;
}

TEST(ScriptedModel, GoesOnWithToolCallsThatWereMissing) {
  Prompt request = ask({user("First say: I will look it up.")});
  request.tools = {{"get_time", ""}};
  const Answer whole = answer(request, 1);
  for (size_t cut = 1; cut <= whole.text.size(); ++cut) {
    request.messages = {user("First say: I will look it up."), assistant(whole.text.substr(0, cut)), user(kGoOn)};
    const Answer rest = answer(request, 1);
    EXPECT_EQ(whole.text.substr(0, cut) + rest.text, whole.text);
    EXPECT_EQ(rest.calls, whole.calls);
    EXPECT_EQ(rest.finish, Finish::kToolCalls);
  }
}

TEST(ScriptedModel, RefusesAndIsBrokenOffOnDemand) {
  const Answer refused = answer(ask({user("Refuse: I would rather not.")}), 1);
  EXPECT_EQ(refused.text, "I would rather not.");
  EXPECT_EQ(refused.finish, Finish::kRefusal);
  EXPECT_EQ(answer(ask({user("Please refuse.")}), 1).finish, Finish::kRefusal);
  const Answer filtered = answer(ask({user("Trip the safety filter after: So far")}), 1);
  EXPECT_EQ(filtered.text, "So far");
  EXPECT_EQ(filtered.finish, Finish::kFilter);
  EXPECT_TRUE(answer(ask({user("Trip the safety filter.")}), 1).text.empty());
}

TEST(ScriptedModel, ThinksWhereThePromptWishes) {
  const Answer open = answer(ask({user("Think first. Say exactly: yes")}), 1);
  EXPECT_EQ(open.text, "yes");
  EXPECT_FALSE(open.reasoning.empty());
  EXPECT_FALSE(open.reasoning_redacted);
  const Answer secret = answer(ask({user("Think in secret. Say exactly: yes")}), 1);
  EXPECT_TRUE(secret.reasoning_redacted);
  EXPECT_EQ(secret.text, "yes");
  Prompt off = ask({user("Think first. Say exactly: yes")});
  off.thinking = Thinking::kOff;
  EXPECT_TRUE(answer(off, 1).reasoning.empty());
  EXPECT_EQ(answer(off, 1).text, "yes");
}

TEST(ScriptedModel, SaysWhatItWasGiven) {
  Message shown = user("What is this?");
  shown.media = {"image/png of 8 bytes (crc32 7a0709a4)", "image at https://example.com/a.png"};
  EXPECT_EQ(say({shown}), "I was given image/png of 8 bytes (crc32 7a0709a4); image at https://example.com/a.png.");
  shown.text = "Say exactly: no";
  EXPECT_EQ(say({shown}), "no");
  Prompt request = ask({user("Take a picture.")});
  request.tools = {{"camera", ""}};
  Message calls = assistant("");
  calls.calls = answer(request, 1).calls;
  Message photo = result("done", calls.calls.at(0).id);
  photo.media = {"image/png of 8 bytes (crc32 7a0709a4)"};
  request.messages.push_back(calls);
  request.messages.push_back(photo);
  EXPECT_EQ(answer(request, 1).text, "The tool returned: done [image/png of 8 bytes (crc32 7a0709a4)].");
}

TEST(ScriptedModel, CallsOneAfterAnother) {
  Prompt request = ask({user("Weather in Paris, Rome and Oslo, one after another?")});
  request.tools = {{"get_weather", kWeather}};
  std::vector<std::string> cities;
  std::unordered_set<std::string> ids;
  for (int step = 0; step < 3; ++step) {
    const Answer made = answer(request, 1);
    ASSERT_EQ(made.calls.size(), 1u) << step;
    ids.insert(made.calls[0].id);
    const auto arguments = json::Document::parse(made.calls[0].arguments);
    cities.emplace_back(arguments->root()["city"].text());
    Message calls = assistant("");
    calls.calls = made.calls;
    request.messages.push_back(calls);
    request.messages.push_back(result("sun " + std::to_string(step), made.calls[0].id));
  }
  EXPECT_EQ(cities, (std::vector<std::string>{"Paris", "Rome", "Oslo"}));
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(answer(request, 1).text, "The tools returned: sun 0; sun 1; sun 2.");
}

// What dialects cannot say apart makes no difference.
TEST(ScriptedModel, AnswersAlikeHoweverTheDialectArrangesIt) {
  const Message prompt = user("Hm.");
  EXPECT_EQ(say({system_says("a"), user("one"), assistant("x"), user("two"), prompt}),
            say({user("one"), assistant("x"), user("two"), system_says("a"), prompt}));
  Message parts = user("one");
  parts.add_text("two");
  parts.add_text("Hm.");
  Message some = user("one");
  some.add_text("two");
  const std::string apart = say({user("zero"), assistant("x"), user("one"), user("two"), prompt});
  EXPECT_EQ(apart, say({user("zero"), assistant("x"), parts}));
  EXPECT_EQ(apart, say({user("zero"), assistant("x"), some, prompt}));
  // What was asked last decides, also after turns that nobody answered.
  Message asked = user("Remember the code word: heron.");
  asked.add_text("What is the code word?");
  EXPECT_EQ(say({asked}), "The code word is heron.");
  EXPECT_EQ(say({user("Say exactly: a"), user("Say exactly: b")}), "b");
  EXPECT_EQ(say({user("Say exactly: a"), user("Say exactly: b c"), assistant("b"), user("Go on")}), " c");
  Prompt request = ask({user("Weather in Paris and Rome?")});
  request.tools = {{"get_weather", kWeather}};
  Message calls = assistant("");
  calls.calls = answer(request, 1).calls;
  ASSERT_EQ(calls.calls.size(), 2u);
  request.messages = {request.messages[0], calls, result("wet", calls.calls[1].id), result("dry", calls.calls[0].id)};
  EXPECT_EQ(answer(request, 1).text, "The tools returned: dry; wet.");
}

TEST(ScriptedModel, StartsOverWherePrefillIsNotItsHabit) {
  const Prompt request = ask({user("Count from 1 to 5."), assistant("1, 2")});
  EXPECT_EQ(answer(request, 1).text, ", 3, 4, 5");
  EXPECT_EQ(answer(request, 1, {.prefill = false}).text, "1, 2, 3, 4, 5");
}

TEST(ScriptedModel, WritesCode) {
  const std::string text = say({user("Write 12 lines of code.")});
  EXPECT_TRUE(text.starts_with("Here is the code:\n\n```python\n")) << text;
  EXPECT_TRUE(text.ends_with("```\n"));
  EXPECT_EQ(std::ranges::count(text, '='), 12);
}

TEST(ScriptedModel, OffersOnlyWhatIsAllowed) {
  Prompt request = ask({user("Use get_time.")});
  request.tools = {{"get_time", ""}, {"get_weather", kWeather}};
  request.tools_allowed = {"get_weather"};
  EXPECT_EQ(answer(request, 1).calls.at(0).name, "get_weather");
}

TEST(ScriptedModel, BearsLongConversations) {
  std::vector<Message> messages;
  for (int i = 0; i < 20'000; ++i) {
    messages.push_back(user("Hm."));
    messages.push_back(assistant("I see"));
  }
  messages.push_back(user("Hm."));
  EXPECT_FALSE(say(std::move(messages)).empty());
}

TEST(Tokens, CutFromTheLeftWithoutCuttingCharacters) {
  const std::string text = "Hello, wonderful  世界世界世界!\n\n\n\n\nGrüße 12345";
  int64_t before = 0;
  for (size_t at = 0; at < text.size(); ++before) {
    EXPECT_EQ(count_tokens(text) - before, count_tokens(std::string_view(text).substr(at)));
    const size_t length = token_length(std::string_view(text).substr(at));
    EXPECT_TRUE(json::valid_utf8(std::string_view(text).substr(at, length)));
    at += length;
  }
  EXPECT_EQ(token_length(""), 0u);
}

}  // namespace
}  // namespace perdure::simulate
