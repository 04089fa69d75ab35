// Google's Gemini over HTTP: what the supplier sends.

#include <gtest/gtest.h>

#include "simulate/testing/bench.h"

namespace perdure::simulate {
namespace {

const HeaderList kKey = {{"x-goog-api-key", "k"}};
const std::string kWhole = "/v1beta/models/simulated-1:generateContent";
const std::string kEvents = "/v1beta/models/simulated-1:streamGenerateContent?alt=sse";
const std::string kArray = "/v1beta/models/simulated-1:streamGenerateContent";

std::string ask(std::string_view prompt, std::string_view more = "") {
  return R"({"contents":[{"role":"user","parts":[{"text":)" + json_text(prompt) + "}]}]" +
         std::string(more.empty() ? "" : ",") + std::string(more) + "}";
}

struct Said {
  std::string text, thoughts, finish, block, error, signature;
  std::vector<std::pair<std::string, std::string>> calls;  // name and arguments
  std::vector<bool> signed_calls;
  int64_t thoughts_tokens = -1, candidates_tokens = -1;
  int chunks = 0, tokens = 0, broken = 0;
};

void add(Said& out, json::Value root) {
  ++out.chunks;
  if (!root["error"].missing()) out.error = root["error"]["status"].text();
  out.block = std::string(root["promptFeedback"]["blockReason"].text());
  const json::Value candidate = root["candidates"].at(0);
  for (const json::Value part : candidate["content"]["parts"].elements()) {
    const std::string_view text = part["text"].text();
    out.tokens += !text.empty();
    (part["thought"].boolean().value_or(false) ? out.thoughts : out.text) += text;
    const json::Value call = part["functionCall"];
    if (call.is_object()) {
      out.calls.emplace_back(call["name"].text(), call["args"].raw());
      out.signed_calls.push_back(!part["thoughtSignature"].missing());
    }
    if (!part["thoughtSignature"].missing()) out.signature = part["thoughtSignature"].text();
  }
  if (!candidate["finishReason"].missing()) {
    EXPECT_TRUE(out.finish.empty());
    out.finish = candidate["finishReason"].text();
  }
  out.thoughts_tokens = root["usageMetadata"]["thoughtsTokenCount"].integer().value_or(-1);
  out.candidates_tokens = root["usageMetadata"]["candidatesTokenCount"].integer().value_or(-1);
}

Said read(std::string_view body) {
  Said out;
  for (const auto& [name, data] : events_of(body)) {
    EXPECT_TRUE(name.empty());
    auto document = json::Document::parse(data);
    if (document.ok())
      add(out, document->root());
    else
      ++out.broken;
  }
  return out;
}

TEST(Gemini, AnswersWholeAndStreamedBothWays) {
  Bench bench;
  const Reply reply = bench.post(kWhole, ask("Count from 1 to 5."), kKey);
  ASSERT_EQ(reply.status, 200) << reply.body;
  Said whole;
  add(whole, parsed(reply.body).root());
  EXPECT_EQ(whole.text, "1, 2, 3, 4, 5");
  EXPECT_EQ(whole.finish, "STOP");
  EXPECT_EQ(whole.candidates_tokens, 9);
  const Reply stream = bench.post(kEvents, ask("Count from 1 to 5."), kKey);
  EXPECT_EQ(stream.headers.get("content-type"), "text/event-stream");
  const Said streamed = read(stream.body);
  EXPECT_EQ(streamed.text, whole.text);
  EXPECT_EQ(streamed.tokens, 9);
  EXPECT_EQ(streamed.finish, "STOP");
  EXPECT_EQ(streamed.candidates_tokens, 9);
  Said array;
  const auto document = parsed(bench.post(kArray, ask("Count from 1 to 5."), kKey).body);
  ASSERT_TRUE(document.root().is_array());
  for (const json::Value one : document.root().elements()) add(array, one);
  EXPECT_EQ(array.text, whole.text);
  EXPECT_EQ(array.chunks, streamed.chunks);
  for (const char* vertex : {"/v1/projects/p/locations/l/publishers/google/models/simulated-1:generateContent",
                             "/v1beta1/projects/p/locations/l/publishers/google/models/simulated-1:generateContent"}) {
    Said its;
    add(its, parsed(bench.post(vertex, ask("Count from 1 to 5."), {{"authorization", "Bearer t"}}).body).root());
    EXPECT_EQ(its.text, whole.text);
  }
}

TEST(Gemini, SignsTheFirstOfParallelCallsAndSendsWholeArguments) {
  Bench bench;
  const std::string tools =
      R"("tools":[{"functionDeclarations":[{"name":"get_weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}},"required":["city"]}}]}],
         "generationConfig":{"thinkingConfig":{"includeThoughts":true}})";
  const Said said = read(bench.post(kEvents, ask("Weather in Paris and Rome?", tools), kKey).body);
  EXPECT_TRUE(said.thoughts.starts_with("Let me think."));
  EXPECT_GT(said.thoughts_tokens, 0);
  EXPECT_EQ(said.finish, "STOP") << "also with calls";
  ASSERT_EQ(said.calls.size(), 2u);
  EXPECT_EQ(said.calls[1].second, R"({"city":"Rome"})");
  EXPECT_EQ(said.signed_calls, (std::vector<bool>{true, false}));
  const auto next = [&](const std::string& signature) {
    return bench.post(
        kWhole,
        R"({"contents":[{"role":"user","parts":[{"text":"Weather in Paris and Rome?"}]},{"role":"model","parts":[)"
        R"({"functionCall":{"name":"get_weather","args":{"city":"Paris"}},"thoughtSignature":)" +
            json_text(signature) +
            R"(},{"functionCall":{"name":"get_weather","args":{"city":"Rome"}}}]},{"role":"user","parts":[)"
            R"({"functionResponse":{"name":"get_weather","response":{"output":"sun"}}},{"functionResponse":{"name":"get_weather","response":{"output":"rain"}}}]}],)" +
            tools + "}",
        kKey);
  };
  const Reply good = next(said.signature);
  EXPECT_NE(good.body.find("The tools returned: sun; rain."), std::string::npos) << good.body;
  EXPECT_EQ(next("c2lnbmF0dXJl").status, 400);
}

TEST(Gemini, BlocksAndBreaksOff) {
  Bench bench;
  const Reply blocked = bench.post(kWhole, ask("Trip the safety filter."), kKey);
  EXPECT_EQ(blocked.status, 200);
  EXPECT_TRUE(parsed(blocked.body).root()["candidates"].missing());
  EXPECT_EQ(parsed(blocked.body).root()["promptFeedback"]["blockReason"].text(), "SAFETY");
  EXPECT_EQ(read(bench.post(kEvents, ask("Trip the safety filter."), kKey).body).block, "SAFETY");
  const Said half = read(bench.post(kEvents, ask("Trip the safety filter after: So far"), kKey).body);
  EXPECT_EQ(half.text, "So far");
  EXPECT_EQ(half.finish, "SAFETY");
  EXPECT_EQ(read(bench.post(kEvents, ask("Refuse: No."), kKey).body).text, "No.");
  EXPECT_EQ(
      read(bench.post(kEvents, ask("Count from 1 to 9.", R"("generationConfig":{"maxOutputTokens":3})"), kKey).body)
          .finish,
      "MAX_TOKENS");
}

TEST(Gemini, RefusesInTheShapeOfGoogle) {
  Bench bench({.api_key = "secret"});
  const auto status = [&](const Reply& reply) {
    const auto document = parsed(reply.body);
    EXPECT_EQ(document.root()["error"]["code"].integer(), reply.status);
    return std::to_string(reply.status) + " " + std::string(document.root()["error"]["status"].text());
  };
  EXPECT_EQ(status(bench.post(kWhole, ask("x"))), "403 PERMISSION_DENIED");
  EXPECT_EQ(status(bench.post(kWhole, ask("x"), {{"x-goog-api-key", "wrong"}})), "400 INVALID_ARGUMENT");
  const HeaderList good = {{"x-goog-api-key", "secret"}};
  EXPECT_EQ(bench.post(kWhole, ask("x"), good).status, 200);
  EXPECT_EQ(bench.post(kWhole + "?key=secret", ask("x")).status, 200);
  EXPECT_EQ(bench.post(kWhole, ask("x"), {{"authorization", "Bearer secret"}}).status, 200);
  EXPECT_EQ(status(bench.post("/v1/projects/p/locations/l/publishers/google/models/simulated-1:generateContent",
                              ask("x"), good)),
            "401 UNAUTHENTICATED");
  EXPECT_EQ(status(bench.post(kWhole, "{}", good)), "400 INVALID_ARGUMENT");
  EXPECT_EQ(status(bench.post("/v1beta/models/other:generateContent", ask("x"), good)), "404 NOT_FOUND");
  EXPECT_EQ(status(bench.post("/v1beta/models/simulated-1:embed", ask("x"), good)), "404 NOT_FOUND");
  EXPECT_EQ(bench.get("/v1beta/models", good).status, 200);
  EXPECT_EQ(bench.get("/v1beta/models/simulated-1", good).status, 200);
  EXPECT_EQ(bench.get("/v1beta/models/other", good).status, 404);
  EXPECT_GT(parsed(bench.post("/v1beta/models/simulated-1:countTokens", ask("Hello there."), good).body)
                .root()["totalTokens"]
                .integer()
                .value_or(0),
            4);
}

TEST(Gemini, MeetsTheSameFaults) {
  Bench bench;
  const auto with_fault = [&](const std::string& path, std::string fault) {
    HeaderList headers = kKey;
    headers.emplace_back("x-simulate-fault", std::move(fault));
    return bench.post(path, ask("Count from 1 to 5."), headers);
  };
  for (int tokens = 0; tokens <= 9; ++tokens) {
    const Reply reply = with_fault(kEvents, "cut-after-tokens=" + std::to_string(tokens));
    EXPECT_FALSE(reply.whole);
    EXPECT_EQ(read(reply.body).tokens, tokens);
    EXPECT_TRUE(read(reply.body).finish.empty());
  }
  EXPECT_EQ(read(with_fault(kEvents, "error-after-tokens=4").body).error, "UNAVAILABLE");
  EXPECT_EQ(read(with_fault(kEvents, "malformed-after-tokens=4").body).broken, 1);
  const Reply limited = with_fault(kEvents, "status=429,retry-after=3");
  EXPECT_NE(limited.body.find(R"("retryDelay":"3s")"), std::string::npos);
  EXPECT_NE(limited.body.find("RESOURCE_EXHAUSTED"), std::string::npos);
}

}  // namespace
}  // namespace perdure::simulate
