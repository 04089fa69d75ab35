// Anthropic's Messages over HTTP: what the supplier sends.

#include <gtest/gtest.h>

#include "simulate/testing/bench.h"

namespace perdure::simulate {
namespace {

using namespace std::chrono_literals;

const HeaderList kKey = {{"x-api-key", "k"}, {"anthropic-version", "2023-06-01"}};

HeaderList with_fault(std::string fault) {
  HeaderList headers = kKey;
  headers.emplace_back("x-simulate-fault", std::move(fault));
  return headers;
}

std::string ask(std::string_view prompt, bool stream, std::string_view more = "") {
  return R"({"model":"simulated-1","max_tokens":9000,"stream":)" + std::string(stream ? "true" : "false") +
         std::string(more.empty() ? "" : ",") + std::string(more) + R"(,"messages":[{"role":"user","content":)" +
         json_text(prompt) + "}]}";
}

// What a stream said, and whether its events came in an order that clients rely on (T22).
struct Streamed {
  std::string text, thinking, signature, redacted, stop_reason, stop_sequence, error;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  int64_t input = -1, output = -1;
  int tokens = 0, pings = 0, broken = 0;
  bool stopped = false;
};

Streamed read(std::string_view body) {
  Streamed out;
  int64_t next = 0;
  std::string open;
  bool started = false;
  for (const auto& [name, data] : events_of(body)) {
    EXPECT_FALSE(out.stopped) << "after message_stop";
    auto document = json::Document::parse(data);
    if (!document.ok()) {
      ++out.broken;
      continue;
    }
    const json::Value root = document->root();
    EXPECT_EQ(root["type"].text(), name);
    if (name == "message_start") {
      EXPECT_FALSE(started);
      started = true;
      EXPECT_EQ(root["message"]["content"].size(), 0u);
      out.input = root["message"]["usage"]["input_tokens"].integer().value_or(-1);
      continue;
    }
    EXPECT_TRUE(started);
    if (name == "ping") ++out.pings;
    if (name == "error") out.error = root["error"]["type"].text();
    if (name == "message_stop") out.stopped = true;
    if (name == "message_delta") {
      EXPECT_TRUE(open.empty());
      out.stop_reason = root["delta"]["stop_reason"].text();
      out.stop_sequence = root["delta"]["stop_sequence"].text();
      out.output = root["usage"]["output_tokens"].integer().value_or(-1);
    }
    if (name == "content_block_start") {
      EXPECT_TRUE(open.empty());
      EXPECT_EQ(root["index"].integer(), next);
      const json::Value block = root["content_block"];
      open = block["type"].text();
      if (open == "tool_use") {
        EXPECT_TRUE(block["id"].text().starts_with("toolu_"));
        out.calls.emplace_back(block["name"].text(), "");
      }
      if (open == "redacted_thinking") out.redacted = block["data"].text();
    }
    if (name == "content_block_delta") {
      EXPECT_EQ(root["index"].integer(), next);
      const json::Value delta = root["delta"];
      const std::string_view type = delta["type"].text();
      ++out.tokens;
      if (type == "text_delta") {
        EXPECT_EQ(open, "text");
        out.text += delta["text"].text();
      } else if (type == "thinking_delta") {
        EXPECT_EQ(open, "thinking");
        EXPECT_TRUE(out.signature.empty());
        out.thinking += delta["thinking"].text();
      } else if (type == "signature_delta") {
        EXPECT_EQ(open, "thinking");
        out.signature = delta["signature"].text();
        --out.tokens;
      } else if (type == "input_json_delta") {
        EXPECT_EQ(open, "tool_use");
        out.calls.back().second += delta["partial_json"].text();
      } else {
        ADD_FAILURE() << type;
      }
    }
    if (name == "content_block_stop") {
      EXPECT_EQ(root["index"].integer(), next++);
      open.clear();
    }
  }
  return out;
}

TEST(Messages, AnswersWholeAndStreamed) {
  Bench bench;
  const Reply whole = bench.post("/v1/messages", ask("Count from 1 to 5.", false), kKey);
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_TRUE(whole.headers.get("request-id").starts_with("req_"));
  const auto document = parsed(whole.body);
  const json::Value root = document.root();
  EXPECT_EQ(root["content"].at(0)["text"].text(), "1, 2, 3, 4, 5");
  EXPECT_EQ(root["stop_reason"].text(), "end_turn");
  EXPECT_EQ(root["usage"]["output_tokens"].integer(), 9);
  const Streamed said = read(bench.post("/v1/messages", ask("Count from 1 to 5.", true), kKey).body);
  EXPECT_EQ(said.text, "1, 2, 3, 4, 5");
  EXPECT_EQ(said.stop_reason, "end_turn");
  EXPECT_EQ(said.output, 9);
  EXPECT_EQ(said.input, root["usage"]["input_tokens"].integer());
  EXPECT_EQ(said.pings, 1);
  EXPECT_TRUE(said.stopped);
  const auto counted =
      bench.post("/v1/messages/count_tokens",
                 R"({"model":"simulated-1","messages":[{"role":"user","content":"Count from 1 to 5."}]})", kKey);
  EXPECT_EQ(parsed(counted.body).root()["input_tokens"].integer(), said.input);
}

TEST(Messages, ThinksWithASignatureThatItKnowsAgain) {
  Bench bench;
  const std::string tools =
      R"("tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}])";
  const Streamed said = read(bench
                                 .post("/v1/messages",
                                       ask("Weather in Paris and Rome?", true,
                                           R"("thinking":{"type":"enabled","budget_tokens":1024},)" + tools),
                                       kKey)
                                 .body);
  EXPECT_TRUE(said.thinking.starts_with("Let me think."));
  EXPECT_FALSE(said.signature.empty());
  EXPECT_EQ(said.stop_reason, "tool_use");
  ASSERT_EQ(said.calls.size(), 2u);
  EXPECT_EQ(said.calls[1].second, R"({"city":"Rome"})");
  const auto back = [&](const std::string& thinking, const std::string& signature) {
    return R"({"model":"simulated-1","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024},)" + tools +
           R"(,"messages":[{"role":"user","content":"Weather in Paris and Rome?"},{"role":"assistant","content":[{"type":"thinking","thinking":)" +
           json_text(thinking) + R"(,"signature":)" + json_text(signature) +
           R"(},{"type":"tool_use","id":"t","name":"get_weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"sun"}]}]})";
  };
  const Reply good = bench.post("/v1/messages", back(said.thinking, said.signature), kKey);
  EXPECT_EQ(good.status, 200) << good.body;
  EXPECT_NE(good.body.find("The tool returned: sun."), std::string::npos);
  EXPECT_EQ(bench.post("/v1/messages", back(said.thinking + ".", said.signature), kKey).status, 400);
  Bench other({.account = "other"});
  EXPECT_EQ(other.post("/v1/messages", back(said.thinking, said.signature), kKey).status, 400);

  const Streamed omitted = read(
      bench.post("/v1/messages", ask("Hm.", true, R"("thinking":{"type":"adaptive","display":"omitted"})"), kKey).body);
  EXPECT_TRUE(omitted.thinking.empty());
  EXPECT_FALSE(omitted.signature.empty());
  const Streamed secret =
      read(bench
               .post("/v1/messages",
                     ask("Think in secret. Say exactly: yes", true, R"("thinking":{"type":"adaptive"})"), kKey)
               .body);
  EXPECT_FALSE(secret.redacted.empty());
  EXPECT_EQ(secret.text, "yes");
  EXPECT_TRUE(read(bench.post("/v1/messages", ask("Think first. Say exactly: yes", true), kKey).body).thinking.empty())
      << "thinking was not enabled";
}

TEST(Messages, SaysWhyItStopped) {
  Bench bench;
  const auto stop = [&](std::string_view prompt, std::string_view more = "") {
    const auto whole = parsed(bench.post("/v1/messages", ask(prompt, false, more), kKey).body);
    const Streamed said = read(bench.post("/v1/messages", ask(prompt, true, more), kKey).body);
    EXPECT_EQ(whole.root()["stop_reason"].text(), said.stop_reason);
    return said;
  };
  EXPECT_EQ(stop("Refuse.").stop_reason, "refusal");
  EXPECT_EQ(stop("Trip the safety filter.").stop_reason, "refusal");
  EXPECT_EQ(stop("Trip the safety filter.").text, "");
  const Streamed stopped = stop("Count from 1 to 9.", R"("stop_sequences":["4"])");
  EXPECT_EQ(stopped.stop_reason, "stop_sequence");
  EXPECT_EQ(stopped.stop_sequence, "4");
  const auto cut = bench.post(
      "/v1/messages",
      R"({"model":"simulated-1","max_tokens":3,"messages":[{"role":"user","content":"Count from 1 to 9."}]})", kKey);
  EXPECT_EQ(parsed(cut.body).root()["stop_reason"].text(), "max_tokens");
}

TEST(Messages, RefusesInTheShapeOfAnthropic) {
  Bench bench({.api_key = "secret"});
  const auto type = [&](const Reply& reply) {
    const auto document = parsed(reply.body);
    EXPECT_EQ(document.root()["type"].text(), "error");
    return std::to_string(reply.status) + " " + std::string(document.root()["error"]["type"].text());
  };
  const std::string body = ask("x", false);
  EXPECT_EQ(type(bench.post("/v1/messages", body)), "401 authentication_error");
  EXPECT_EQ(type(bench.post("/v1/messages", body, {{"x-api-key", "wrong"}})), "401 authentication_error");
  EXPECT_EQ(type(bench.post("/v1/messages", body, {{"x-api-key", "secret"}})), "400 invalid_request_error");
  const HeaderList good = {{"x-api-key", "secret"}, {"anthropic-version", "2023-06-01"}};
  EXPECT_EQ(bench.post("/v1/messages", body, good).status, 200);
  EXPECT_EQ(bench.post("/v1/messages", body, {{"authorization", "Bearer secret"}, {"anthropic-version", "2023-06-01"}})
                .status,
            200);
  EXPECT_EQ(type(bench.post("/v1/messages", "{}", good)), "400 invalid_request_error");
  EXPECT_EQ(type(bench.post("/v1/messages/nothing", body, good)), "404 not_found_error");
  EXPECT_EQ(type(bench.get("/v1/messages", good)), "405 invalid_request_error");
  EXPECT_EQ(type(bench.post("/v1/messages",
                            R"({"model":"other","max_tokens":1,"messages":[{"role":"user","content":"x"}]})", good)),
            "404 not_found_error");
  EXPECT_EQ(parsed(bench.get("/v1/models", good).body).root()["first_id"].text(), "simulated-1");
  EXPECT_EQ(bench.get("/v1/models/simulated-1", good).status, 200);
  EXPECT_EQ(type(bench.get("/v1/models/other", good)), "404 not_found_error");
}

TEST(Messages, MeetsTheSameFaults) {
  Bench bench;
  const std::string body = ask("Count from 1 to 5.", true);
  for (int tokens = 0; tokens <= 9; ++tokens) {
    const Reply reply = bench.post("/v1/messages", body, with_fault("cut-after-tokens=" + std::to_string(tokens)));
    EXPECT_FALSE(reply.whole);
    const Streamed said = read(reply.body);
    EXPECT_EQ(said.tokens, tokens);
    EXPECT_FALSE(said.stopped);
    EXPECT_TRUE(said.stop_reason.empty());
  }
  EXPECT_EQ(read(bench.post("/v1/messages", body, with_fault("error-after-tokens=4")).body).error, "overloaded_error");
  EXPECT_EQ(read(bench.post("/v1/messages", body, with_fault("malformed-after-tokens=4")).body).broken, 1);
  const Reply limited = bench.post("/v1/messages", body, with_fault("status=429,retry-after=3"));
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.get("retry-after"), "3");
  EXPECT_NE(limited.body.find("rate_limit_error"), std::string::npos);
  EXPECT_NE(limited.body.find(limited.headers.get("request-id")), std::string::npos);
  const Reply overloaded = bench.post("/v1/messages", body, with_fault("status=529"));
  EXPECT_NE(overloaded.body.find("overloaded_error"), std::string::npos);
}

// T29, T32: what is cached is counted from the prefix itself; input_tokens leaves it out.
TEST(Messages, CountsCachedPrefixes) {
  Bench bench;
  const std::string long_text(8000, 'a');
  const auto usage = [&](const std::string& system, const std::string& prompt, bool ask_to_cache = true) {
    const std::string control = ask_to_cache ? R"(,"cache_control":{"type":"ephemeral"})" : "";
    const auto document = parsed(
        bench
            .post("/v1/messages",
                  ask(prompt, false, R"("system":[{"type":"text","text":)" + json_text(system) + control + "}]"), kKey)
            .body);
    const json::Value root = document.root()["usage"];
    return std::array<int64_t, 3>{*root["cache_creation_input_tokens"].integer(),
                                  *root["cache_read_input_tokens"].integer(), *root["input_tokens"].integer()};
  };
  const auto first = usage(long_text, "Hm."), second = usage(long_text, "Ha."), other = usage("b" + long_text, "Hm.");
  EXPECT_EQ(first[0], 2000);
  EXPECT_EQ(first[1], 0);
  EXPECT_EQ(second[0], 0);
  EXPECT_EQ(second[1], 2000);
  EXPECT_EQ(second[2], first[2]);
  EXPECT_EQ(other[1], 0);
  EXPECT_EQ(usage(long_text, "Hm.", false)[1], 0) << "nothing was asked for";
  EXPECT_EQ(usage("short", "Hm.")[0], 0) << "below the minimum";
}

TEST(Messages, GoesOnWithAPrefill) {
  Bench bench;
  const std::string body =
      R"({"model":"simulated-1","max_tokens":100,"messages":[{"role":"user","content":"Count from 1 to 5."},{"role":"assistant","content":"1, 2, 3"}]})";
  EXPECT_EQ(parsed(bench.post("/v1/messages", body, kKey).body).root()["content"].at(0)["text"].text(), ", 4, 5");
  Bench without({.prefill = false});
  EXPECT_EQ(without.post("/v1/messages", body, kKey).status, 400);
}

}  // namespace
}  // namespace perdure::simulate
