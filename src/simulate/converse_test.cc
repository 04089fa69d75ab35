// Bedrock's Converse over HTTP: what the supplier sends, and whose signature it takes.

#include <gtest/gtest.h>

#include "simulate/testing/bench.h"
#include "wire/aws_event_stream.h"
#include "wire/sigv4.h"

namespace perdure::simulate {
namespace {

using namespace std::chrono_literals;

const HeaderList kBearer = {{"authorization", "Bearer k"}};
const std::string kWhole = "/model/simulated-1/converse";
const std::string kStream = "/model/simulated-1/converse-stream";

std::string ask(std::string_view prompt, std::string_view more = "") {
  return R"({"messages":[{"role":"user","content":[{"text":)" + json_text(prompt) + "}]}]" +
         std::string(more.empty() ? "" : ",") + std::string(more) + "}";
}

struct Streamed {
  std::string text, reasoning, signature, redacted, stop, exception;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  std::vector<std::string> events;
  int64_t output = -1;
  int tokens = 0, broken = 0;
  bool at_rest = false;
};

Streamed read(std::string_view body) {
  Streamed out;
  AwsEventStreamParser parser;
  int64_t index = 0;
  const auto fed = parser.feed(body, [&](const AwsMessage& message) -> Result<void> {
    EXPECT_EQ(message.text(":content-type"), "application/json");
    auto document = json::Document::parse(std::string(message.payload));
    if (!document.ok()) {
      ++out.broken;
      return {};
    }
    if (message.text(":message-type") == "exception") {
      out.exception = message.text(":exception-type");
      return {};
    }
    const json::Value root = document->root();
    const std::string event(message.text(":event-type"));
    out.events.push_back(event);
    if (event == "contentBlockStart") {
      EXPECT_EQ(root["contentBlockIndex"].integer(), index);
      EXPECT_TRUE(root["start"]["toolUse"].is_object()) << "only tool use has a start";
      EXPECT_TRUE(root["start"]["toolUse"]["toolUseId"].text().starts_with("tooluse_"));
      out.calls.emplace_back(root["start"]["toolUse"]["name"].text(), "");
    }
    if (event == "contentBlockDelta") {
      EXPECT_EQ(root["contentBlockIndex"].integer(), index);
      const json::Value delta = root["delta"], reasoning = delta["reasoningContent"];
      out.text += delta["text"].text();
      out.reasoning += reasoning["text"].text();
      if (!reasoning["signature"].missing()) out.signature = reasoning["signature"].text();
      if (!reasoning["redactedContent"].missing()) out.redacted = reasoning["redactedContent"].text();
      if (delta["toolUse"].is_object()) out.calls.back().second += delta["toolUse"]["input"].text();
      out.tokens += !delta["text"].missing();
    }
    if (event == "contentBlockStop") {
      EXPECT_EQ(root["contentBlockIndex"].integer(), index++);
    }
    if (event == "messageStop") out.stop = root["stopReason"].text();
    if (event == "metadata") out.output = root["usage"]["outputTokens"].integer().value_or(-1);
    return {};
  });
  EXPECT_TRUE(fed.ok());
  out.at_rest = parser.at_rest();
  return out;
}

TEST(Converse, AnswersWholeAndStreamed) {
  Bench bench;
  const Reply whole = bench.post(kWhole, ask("Count from 1 to 5."), kBearer);
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto document = parsed(whole.body);
  EXPECT_EQ(document.root()["output"]["message"]["content"].at(0)["text"].text(), "1, 2, 3, 4, 5");
  EXPECT_EQ(document.root()["stopReason"].text(), "end_turn");
  EXPECT_EQ(document.root()["usage"]["outputTokens"].integer(), 9);
  const Reply stream = bench.post(kStream, ask("Count from 1 to 5."), kBearer);
  EXPECT_EQ(stream.headers.get("content-type"), "application/vnd.amazon.eventstream");
  const Streamed said = read(stream.body);
  EXPECT_EQ(said.text, "1, 2, 3, 4, 5");
  EXPECT_EQ(said.events.front(), "messageStart");
  EXPECT_EQ(said.events[said.events.size() - 2], "messageStop");
  EXPECT_EQ(said.events.back(), "metadata") << "usage comes after the stop";
  EXPECT_EQ(said.output, 9);
  EXPECT_TRUE(said.at_rest);
  EXPECT_EQ(parsed(bench
                       .post("/model/simulated-1/count-tokens",
                             R"({"input":{"converse":)" + ask("Count from 1 to 5.") + "}}", kBearer)
                       .body)
                .root()["inputTokens"]
                .integer(),
            document.root()["usage"]["inputTokens"].integer());
}

TEST(Converse, ReasonsAndCalls) {
  Bench bench;
  const std::string more =
      R"("toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}}]},
         "additionalModelRequestFields":{"thinking":{"type":"adaptive"}})";
  const Streamed said = read(bench.post(kStream, ask("Weather in Paris and Rome?", more), kBearer).body);
  EXPECT_TRUE(said.reasoning.starts_with("Let me think."));
  EXPECT_FALSE(said.signature.empty());
  EXPECT_EQ(said.stop, "tool_use");
  ASSERT_EQ(said.calls.size(), 2u);
  EXPECT_EQ(said.calls[1].second, R"({"city":"Rome"})");
  const Reply next = bench.post(
      kWhole,
      R"({"messages":[{"role":"user","content":[{"text":"Weather in Paris and Rome?"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":)" +
          json_text(said.reasoning) + R"(,"signature":)" + json_text(said.signature) +
          R"(}}},{"toolUse":{"toolUseId":"a","name":"get_weather","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"sun"}]}}]}],)" +
          more + "}",
      kBearer);
  EXPECT_NE(next.body.find("The tool returned: sun."), std::string::npos) << next.body;
  const Streamed secret = read(bench
                                   .post(kStream,
                                         ask("Think in secret. Say exactly: yes",
                                             R"("additionalModelRequestFields":{"thinking":{"type":"adaptive"}})"),
                                         kBearer)
                                   .body);
  EXPECT_FALSE(secret.redacted.empty());
  EXPECT_TRUE(secret.reasoning.empty());
  EXPECT_EQ(secret.text, "yes");
  EXPECT_EQ(read(bench.post(kStream, ask("Refuse."), kBearer).body).stop, "content_filtered");
  EXPECT_EQ(read(bench.post(kStream, ask("Trip the safety filter after: So"), kBearer).body).stop,
            "guardrail_intervened");
}

// T26: the signature covers what was sent; a model's ARN, `:` and `/` and all, goes through.
TEST(Converse, ChecksSignatures) {
  const AwsKeys keys{.access_key_id = "AKIDSIMULATED", .secret_access_key = "secret", .session_token = "session"};
  const std::string arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.x-1:0";
  Bench bench({.model = "*", .aws_key = "AKIDSIMULATED:secret:session", .aws_region = "eu-central-1"});
  bench.loop.step_wall(std::chrono::hours(24 * 365 * 50));
  const std::string body = ask("Say exactly: yes");
  const auto post = [&](const std::string& target, const AwsKeys& with, const std::string& region,
                        const std::string& sent, Duration late = 0s) {
    HeaderList headers = {{"host", "supplier"}, {"content-type", "application/json"}};
    const auto fields = sign_v4({.method = "POST", .target = target, .headers = headers, .body = body}, with,
                                {.region = region, .service = "bedrock"},
                                bench.loop.wall() - std::chrono::duration_cast<std::chrono::milliseconds>(late));
    EXPECT_TRUE(fields.ok());
    HeaderList all = {{"content-type", "application/json"}};
    all.insert(all.end(), fields->begin(), fields->end());
    return bench.post(target, sent, all);
  };
  const std::string target = "/model/" + uri_encode(arn) + "/converse";
  const Reply good = post(target, keys, "eu-central-1", body);
  EXPECT_EQ(good.status, 200) << good.body;
  const auto refused = [&](const Reply& reply, const std::string& exception) {
    EXPECT_EQ(reply.status, 403) << reply.body;
    EXPECT_TRUE(reply.headers.get("x-amzn-errortype").starts_with(exception)) << reply.headers.get("x-amzn-errortype");
  };
  refused(post(target, keys, "eu-central-1", ask("Say exactly: no")), "InvalidSignatureException");
  refused(post(target, {"AKIDSIMULATED", "guess", "session"}, "eu-central-1", body), "InvalidSignatureException");
  refused(post(target, {"AKIDOTHER", "secret", "session"}, "eu-central-1", body), "UnrecognizedClientException");
  refused(post(target, {"AKIDSIMULATED", "secret", ""}, "eu-central-1", body), "UnrecognizedClientException");
  refused(post(target, keys, "us-east-1", body), "InvalidSignatureException");
  refused(post(target, keys, "eu-central-1", body, 6min), "InvalidSignatureException");
  refused(bench.post(target, body), "MissingAuthenticationTokenException");
  refused(bench.post(target, body, kBearer), "AccessDeniedException");
}

TEST(Converse, RefusesInTheShapeOfAws) {
  Bench bench({.api_key = "secret"});
  const HeaderList good = {{"authorization", "Bearer secret"}};
  const auto type = [](const Reply& reply) {
    const std::string_view header = reply.headers.get("x-amzn-errortype");
    EXPECT_FALSE(parsed(reply.body).root()["message"].missing());
    return std::to_string(reply.status) + " " + std::string(header.substr(0, header.find(':')));
  };
  EXPECT_EQ(bench.post(kWhole, ask("x"), good).status, 200);
  EXPECT_EQ(type(bench.post(kWhole, ask("x"), kBearer)), "403 AccessDeniedException");
  EXPECT_EQ(type(bench.post(kWhole, "{}", good)), "400 ValidationException");
  EXPECT_EQ(type(bench.post("/model/other/converse", ask("x"), good)), "400 ValidationException");
  EXPECT_EQ(type(bench.post("/model/simulated-1/invoke", ask("x"), good)), "404 UnknownOperationException");
  HeaderList limited = good;
  limited.emplace_back("x-simulate-fault", "status=429");
  EXPECT_EQ(type(bench.post(kWhole, ask("x"), limited)), "429 ThrottlingException");
}

TEST(Converse, MeetsTheSameFaults) {
  Bench bench;
  const auto with_fault = [&](std::string fault) {
    HeaderList headers = kBearer;
    headers.emplace_back("x-simulate-fault", std::move(fault));
    return bench.post(kStream, ask("Count from 1 to 5."), headers);
  };
  for (int tokens = 0; tokens <= 9; ++tokens) {
    const Reply reply = with_fault("cut-after-tokens=" + std::to_string(tokens));
    EXPECT_FALSE(reply.whole);
    EXPECT_EQ(read(reply.body).tokens, tokens);
    EXPECT_TRUE(read(reply.body).stop.empty());
  }
  EXPECT_EQ(read(with_fault("error-after-tokens=4").body).exception, "modelStreamErrorException");
  EXPECT_EQ(read(with_fault("malformed-after-tokens=4").body).broken, 1);
  EXPECT_FALSE(read(with_fault("cut-after-bytes=200").body).at_rest);
}

TEST(Converse, CountsCachePoints) {
  Bench bench;
  const std::string more =
      R"("system":[{"text":")" + std::string(8000, 'a') + R"("},{"cachePoint":{"type":"default","ttl":"1h"}}])";
  const auto first = parsed(bench.post(kWhole, ask("Hm.", more), kBearer).body);
  EXPECT_EQ(first.root()["usage"]["cacheWriteInputTokens"].integer(), 2000);
  EXPECT_EQ(first.root()["usage"]["cacheDetails"].at(0)["ttl"].text(), "1h");
  const auto second = parsed(bench.post(kWhole, ask("Ha.", more), kBearer).body);
  EXPECT_EQ(second.root()["usage"]["cacheReadInputTokens"].integer(), 2000);
  EXPECT_LT(second.root()["usage"]["inputTokens"].integer().value_or(9999), 20);
}

}  // namespace
}  // namespace perdure::simulate
