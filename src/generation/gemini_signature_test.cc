// Signatures of Gemini the whole way round: from its stream through the builder into items, and back into a request.
// T17: each comes back byte for byte at its place, and only to its issuer.

#include <gtest/gtest.h>

#include "base/random.h"
#include "dialect/gemini_upstream.h"
#include "generation/answer_builder.h"
#include "wire/json.h"

namespace perdure {
namespace {

// The items that the answer of these events becomes.
std::vector<Item> items_of(std::span<const std::string> events) {
  const auto parser = gemini_upstream()->stream_parser();
  SeededRandom random(1);
  const Request request{.model = "m"};
  AnswerBuilder builder(request, {}, 0, random);
  builder.begin_attempt(false);
  for (const std::string& event : events) {
    std::vector<Piece> pieces;
    EXPECT_TRUE(parser->feed("data: " + event + "\r\n\r\n", pieces).ok());
    for (Piece& piece : pieces)
      if (piece.kind == Piece::Kind::kOpaque) piece.issuer = "google";
    EXPECT_TRUE(builder.add(pieces).ok());
  }
  EXPECT_TRUE(parser->end().ok());
  EXPECT_TRUE(builder.complete().ok());
  return builder.answer().items();
}

// The parts of the model's turn when `answer` is given back to `issuer`.
std::string parts_of(std::vector<Item> answer, std::string issuer, bool strict) {
  std::vector<Item> context = {{.role = Role::kUser, .content = {{.text = "hi"}}}};
  for (Item& item : answer) {
    item.status = ItemStatus::kCompleted;
    context.push_back(std::move(item));
  }
  const size_t size = context.size();
  for (size_t i = 0; i < size; ++i) {
    if (context[i].kind == ItemKind::kFunctionCall)
      context.push_back({.kind = ItemKind::kFunctionCallOutput, .call_id = context[i].call_id, .output = "done"});
  }
  const Request request{.model = "m"};
  GeminiVariant variant;
  variant.call_ids = false;
  variant.strict_signatures = strict;
  const UpstreamAsk ask{.request = request, .context = context, .model = "gemini-3-pro", .issuer = std::move(issuer)};
  auto message = gemini_upstream({.vertex = false, .variant = variant})->write(ask);
  EXPECT_TRUE(message.ok()) << message.error().message;
  auto document = json::Document::parse(message->body);
  const json::Value turn = document->root()["contents"].at(1);
  EXPECT_EQ(turn["role"].text(), "model");
  return std::string(turn["parts"].raw());
}

std::string event(std::string_view parts, bool last = false) {
  return R"({"candidates":[{"content":{"role":"model","parts":[)" + std::string(parts) + "]}" +
         (last ? R"(,"finishReason":"STOP")" : "") + "}]}";
}

struct Case {
  std::string name;
  std::vector<std::string> parts;  // as the model streams them, one event each
  std::string again;               // as they are given back
  std::string elsewhere;           // to another issuer
};

TEST(GeminiSignatures, T17_ComeBackToTheirPlace) {
  const std::string f = R"({"functionCall":{"name":"f","args":{"a":1.50}}})",
                    g = R"({"functionCall":{"name":"g","args":{}}})";
  const auto with = [](std::string part, std::string_view signature) {
    part.pop_back();
    return part + R"(,"thoughtSignature":")" + std::string(signature) + "\"}";
  };
  const std::string text = R"({"text":"It is"})", thought = R"({"text":"Hm.","thought":true})";
  const Case cases[] = {
      {"on the first of a parallel set", {with(f, "Uzpm+/8="), g}, with(f, "Uzpm+/8=") + "," + g, f + "," + g},
      {"behind a text", {text, with(R"({"text":""})", "UzE=")}, with(text, "UzE="), text},
      {"beside a text", {with(text, "UzE=")}, with(text, "UzE="), text},
      {"on a call behind thoughts", {thought, with(f, "UzI=")}, with(f, "UzI="), f},
      {"on a thought and on the call behind it",
       {with(thought, "VDE="), with(f, "UzI=")},
       with(thought, "VDE=") + "," + with(f, "UzI="),
       f},
      {"on a thought alone", {with(thought, "VDE="), f}, with(thought, "VDE=") + "," + f, f},
      {"on a call behind a text",
       {text, with(f, "UzI="), g},
       text + "," + with(f, "UzI=") + "," + g,
       text + "," + f + "," + g},
      {"on both", {with(text, "UzE="), with(f, "UzI=")}, with(text, "UzE=") + "," + with(f, "UzI="), text + "," + f},
      {"on the second call", {f, with(g, "UzI=")}, f + "," + with(g, "UzI="), f + "," + g},
      {"behind the last call", {f, with(R"({"text":""})", "UzM=")}, f + "," + with(R"({"text":""})", "UzM="), f},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    std::vector<std::string> events;
    std::string whole;
    for (const std::string& part : one.parts) {
      events.push_back(event(part));
      whole += (whole.empty() ? "" : ",") + part;
    }
    events.push_back(event(R"({"text":""})", true));
    EXPECT_EQ(parts_of(items_of(events), "google", false), "[" + one.again + "]");
    EXPECT_EQ(parts_of(items_of(events), "another", false), "[" + one.elsewhere + "]");
    const std::string at_once[] = {event(whole, true)};
    EXPECT_EQ(parts_of(items_of(at_once), "google", false), "[" + one.again + "]") << "in one event";
    const bool calls = one.elsewhere.find("functionCall") != std::string::npos;
    EXPECT_EQ(parts_of(items_of(events), "another", true).find(kGeminiNoSignature) != std::string::npos, calls)
        << "the placeholder, where there is a call";
  }
}

}  // namespace
}  // namespace perdure
