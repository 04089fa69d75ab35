#include "simulate/supplier.h"

#include <gtest/gtest.h>

#include <map>

#include "async/epoll_loop.h"
#include "async/task_group.h"
#include "http/socket_network.h"
#include "simulate/scripted_model.h"
#include "simulate/testing/bench.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

using namespace std::chrono_literals;

// What a stream said, put together.
struct Streamed {
  std::string text, reasoning, finish;
  std::map<int64_t, ToolCall> calls;
  int events = 0, tokens = 0, broken = 0, errors = 0;
  int64_t prompt_tokens = -1, completion_tokens = -1;
  bool done = false, usage_last = false;
};

Streamed read_stream(std::string_view body) {
  Streamed out;
  SseParser parser;
  const auto fed = parser.feed(body, [&](const SseEvent& event) -> Result<void> {
    ++out.events;
    EXPECT_FALSE(out.done) << "after [DONE]";
    if (event.data == "[DONE]") {
      out.done = true;
      return {};
    }
    auto document = json::Document::parse(std::string(event.data));
    if (!document.ok()) {
      ++out.broken;
      return {};
    }
    const json::Value root = document->root();
    if (!root["error"].missing()) {
      ++out.errors;
      return {};
    }
    EXPECT_EQ(root["object"].text(), "chat.completion.chunk");
    out.usage_last = root["usage"].is_object();
    if (out.usage_last) {
      EXPECT_EQ(root["choices"].size(), 0u);
      out.prompt_tokens = root["usage"]["prompt_tokens"].integer().value_or(-1);
      out.completion_tokens = root["usage"]["completion_tokens"].integer().value_or(-1);
      return {};
    }
    const json::Value choice = root["choices"].at(0);
    const json::Value delta = choice["delta"];
    out.tokens += !delta["content"].text().empty();
    out.text += delta["content"].text();
    out.reasoning += delta["reasoning_content"].text();
    for (const json::Value call : delta["tool_calls"].elements()) {
      ToolCall& its = out.calls[call["index"].integer().value_or(-1)];
      if (!call["id"].missing()) its.id = call["id"].text(), its.name = call["function"]["name"].text();
      its.arguments += call["function"]["arguments"].text();
    }
    if (!choice["finish_reason"].absent()) out.finish = choice["finish_reason"].text();
    return {};
  });
  EXPECT_TRUE(fed.ok());
  return out;
}

std::string error_code(const Reply& reply) {
  const auto document = json::Document::parse(reply.body);
  if (!document.ok() || !document->root()["error"].is_object()) return "not an error: " + reply.body;
  return std::string(document->root()["error"]["code"].text());
}

TEST(Supplier, AnswersWhole) {
  Bench bench;
  const Reply reply = bench.chat("Count from 1 to 5.", false);
  ASSERT_EQ(reply.status, 200);
  const auto document = json::Document::parse(reply.body);
  ASSERT_TRUE(document.ok()) << reply.body;
  const json::Value root = document->root();
  EXPECT_EQ(root["object"].text(), "chat.completion");
  EXPECT_EQ(root["choices"].at(0)["message"]["content"].text(), "1, 2, 3, 4, 5");
  EXPECT_EQ(root["choices"].at(0)["finish_reason"].text(), "stop");
  EXPECT_EQ(root["usage"]["completion_tokens"].integer(), 9);
  EXPECT_TRUE(reply.headers.get("x-request-id").starts_with("req_"));
}

TEST(Supplier, Streams) {
  Bench bench;
  const Reply reply = bench.chat("Count from 1 to 5.", true);
  ASSERT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.headers.get("content-type").starts_with("text/event-stream"));
  const Streamed said = read_stream(reply.body);
  EXPECT_EQ(said.text, "1, 2, 3, 4, 5");
  EXPECT_EQ(said.tokens, 9);
  EXPECT_EQ(said.completion_tokens, 9);
  EXPECT_GT(said.prompt_tokens, 5);
  EXPECT_EQ(said.finish, "stop");
  EXPECT_TRUE(said.usage_last);
  EXPECT_TRUE(said.done);
  EXPECT_TRUE(reply.whole);
}

TEST(Supplier, StreamsReasoningAndToolCalls) {
  Bench bench({.reasoning = true});
  const Reply reply = bench.post("/v1/chat/completions", R"({"model":"simulated-1","stream":true,"messages":[
    {"role":"user","content":"Weather in Paris and Rome?"}],"tools":[{"type":"function","function":{"name":"get_weather",
    "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]})");
  const Streamed said = read_stream(reply.body);
  EXPECT_FALSE(said.reasoning.empty());
  EXPECT_EQ(said.finish, "tool_calls");
  ASSERT_EQ(said.calls.size(), 2u);
  EXPECT_EQ(said.calls.at(0).arguments, R"({"city":"Paris"})");
  EXPECT_EQ(said.calls.at(1).arguments, R"({"city":"Rome"})");
  EXPECT_EQ(said.calls.at(1).name, "get_weather");
  EXPECT_TRUE(said.done);
  EXPECT_EQ(said.completion_tokens, -1) << "usage was not asked for";
}

TEST(Supplier, KeepsItsPace) {
  Bench bench({.tokens_per_second = 10, .first_token = 500ms});
  for (const bool stream : {true, false}) {
    const Reply reply = bench.chat("Count from 1 to 5.", stream);
    EXPECT_GE(reply.all, 1300ms);
    EXPECT_LE(reply.all, 1500ms);
  }
}

TEST(Supplier, RefusesInTheShapeOfOpenAi) {
  Bench bench({.api_key = "secret"});
  EXPECT_EQ(bench.chat("x", false).status, 401);
  EXPECT_EQ(error_code(bench.chat("x", false)), "invalid_api_key");
  const HeaderList key = {{"authorization", "Bearer secret"}};
  EXPECT_EQ(bench.post("/v1/chat/completions", Bench::body_of("x", false), key).status, 200);
  const Reply unknown = bench.post("/v1/chat/completions",
                                   R"({"model":"simulated-1","messages":[{"role":"user","content":"x"}],"a":1})", key);
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(error_code(unknown), "unknown_parameter");
  EXPECT_EQ(bench.post("/v1/chat/completions", "{", key).status, 400);
  const Reply other =
      bench.post("/v1/chat/completions", R"({"model":"other","messages":[{"role":"user","content":"x"}]})", key);
  EXPECT_EQ(other.status, 404);
  EXPECT_EQ(error_code(other), "model_not_found");
  EXPECT_EQ(bench.post("/v1/nothing", "{}", key).status, 404);
  EXPECT_EQ(bench.post("/v1/models", "{}", key).status, 405);
  EXPECT_EQ(bench.stats().refused, 3);
}

TEST(Supplier, ListsItsModels) {
  Bench bench({.model = "a,b,*"});
  const auto document = json::Document::parse(bench.get("/v1/models").body);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root()["data"].size(), 2u);
  EXPECT_EQ(bench.get("/v1/models/a").status, 200);
  EXPECT_EQ(bench.get("/v1/models/c").status, 404);
  EXPECT_EQ(bench.post("/v1/chat/completions", R"({"model":"any","messages":[{"role":"user","content":"x"}]})").status,
            200);
}

TEST(Supplier, FailsWithAStatus) {
  Bench bench;
  const Reply limited = bench.chat("x", true, "status=429,retry-after=2");
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.get("retry-after"), "2");
  EXPECT_EQ(error_code(limited), "rate_limit_exceeded");
  EXPECT_EQ(bench.chat("x", false, "status=503").status, 503);
  EXPECT_EQ(bench.chat("x", false, "nonsense").status, 400);
}

TEST(Supplier, CutsAfterTokensAtEveryPosition) {
  Bench bench;
  const std::string whole = "1, 2, 3, 4, 5";
  for (int tokens = 0; tokens <= 10; ++tokens) {
    const Reply reply = bench.chat("Count from 1 to 5.", true, "cut-after-tokens=" + std::to_string(tokens));
    const Streamed said = read_stream(reply.body);
    if (tokens == 10) {
      EXPECT_TRUE(said.done && reply.whole);
      continue;
    }
    EXPECT_FALSE(reply.whole);
    EXPECT_FALSE(said.done);
    EXPECT_TRUE(said.finish.empty());
    EXPECT_EQ(said.tokens, tokens);
    EXPECT_TRUE(whole.starts_with(said.text));
  }
  EXPECT_EQ(bench.stats().faults, 10);
  EXPECT_EQ(bench.stats().completed, 1);
  EXPECT_EQ(bench.chat("Count from 1 to 5.", false, "cut-after-tokens=3").status, 0);
}

TEST(Supplier, CutsAfterBytes) {
  Bench bench;
  for (const bool stream : {true, false})
    for (const size_t bytes : {0, 1, 100, 333}) {
      const Reply reply = bench.chat("Count from 1 to 5.", stream, "cut-after-bytes=" + std::to_string(bytes));
      EXPECT_EQ(reply.status, 200);
      EXPECT_EQ(reply.body.size(), bytes);
      EXPECT_FALSE(reply.whole);
    }
}

TEST(Supplier, StallsForATimeAndForEver) {
  Bench bench;
  const Reply later = bench.chat("Count from 1 to 5.", true, "stall-after-tokens=3,for=20s");
  EXPECT_TRUE(read_stream(later.body).done);
  EXPECT_GE(later.all, 20s);
  const Reply never = bench.chat("Count from 1 to 5.", true, "stall-after-tokens=3", 10min);
  EXPECT_FALSE(never.whole);
  EXPECT_EQ(read_stream(never.body).tokens, 3);
  bench.loop.run_until_idle();
  EXPECT_EQ(bench.stats().abandoned, 1);
}

TEST(Supplier, SaysBrokenThings) {
  Bench bench;
  const Streamed malformed = read_stream(bench.chat("Count from 1 to 5.", true, "malformed-after-tokens=4").body);
  EXPECT_EQ(malformed.broken, 1);
  EXPECT_EQ(malformed.text, "1, 2, 3, 4, 5");
  EXPECT_TRUE(malformed.done);
  const Reply error_reply = bench.chat("Count from 1 to 5.", true, "error-after-tokens=4");
  const Streamed error = read_stream(error_reply.body);
  EXPECT_TRUE(error_reply.whole);
  EXPECT_EQ(error.errors, 1);
  EXPECT_EQ(error.tokens, 4);
  EXPECT_FALSE(error.done);
  const Reply end_reply = bench.chat("Count from 1 to 5.", true, "end-after-tokens=4");
  const Streamed end = read_stream(end_reply.body);
  EXPECT_TRUE(end_reply.whole);
  EXPECT_EQ(end.tokens, 4);
  EXPECT_TRUE(end.finish.empty());
  EXPECT_FALSE(end.done);
  const Reply broken = bench.chat("Count from 1 to 5.", false, "malformed-after-tokens=4");
  EXPECT_EQ(broken.status, 200);
  EXPECT_FALSE(json::Document::parse(broken.body).ok());
  EXPECT_EQ(bench.chat("Count from 1 to 5.", false, "error-after-tokens=4").status, 500);
}

TEST(Supplier, IsSlowOrGone) {
  Bench bench;
  const Reply trickle = bench.chat("Count from 1 to 5.", true, "trickle=1ms");
  EXPECT_EQ(read_stream(trickle.body).text, "1, 2, 3, 4, 5");
  EXPECT_GE(trickle.all, std::chrono::milliseconds(trickle.body.size()));
  EXPECT_GT(trickle.reads, trickle.body.size() / 4);
  EXPECT_EQ(read_stream(bench.chat("Count from 1 to 5.", true, "trickle;cut-after-tokens=4").body).tokens, 4);
  const Reply slow = bench.chat("x", true, "slow-headers=30s");
  EXPECT_GE(slow.first, 30s);
  EXPECT_TRUE(slow.whole);
  EXPECT_EQ(bench.chat("x", true, "close").status, 0);
}

TEST(Supplier, TakesFaultsAtRunTime) {
  Bench bench;
  EXPECT_EQ(bench.post("/__faults", R"({"faults":["times=2:status=503","trickle"],"bodies_kept":1})").status, 200);
  EXPECT_NE(bench.get("/__faults").body.find("times=2:status=503;trickle"), std::string::npos);
  EXPECT_EQ(bench.chat("x", false).status, 503);
  EXPECT_EQ(bench.post("/__faults", R"({"faults":"status=599x"})").status, 400);
  EXPECT_EQ(bench.post("/__faults", R"({"colour":"red"})").status, 400);
  EXPECT_EQ(bench.chat("x", false).status, 503);
  EXPECT_EQ(bench.chat("Say exactly: y", false).status, 200);
  EXPECT_EQ(bench.post("/__faults", R"({"faults":""})").status, 200);
  const auto seen = json::Document::parse(bench.get("/__stats?bodies=1").body);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->root()["requests"].integer(), 3);
  EXPECT_EQ(seen->root()["faults"].integer(), 3);
  ASSERT_EQ(seen->root()["bodies"].size(), 1u);
  EXPECT_NE(seen->root()["bodies"].at(0).text().find("Say exactly"), std::string::npos);
  EXPECT_EQ(bench.get("/__stats").body.find("bodies"), std::string::npos);
}

// The same requests in another order meet the same faults, and a repeated one draws anew.
TEST(Supplier, DrawsFaultsByRequestNotByOrder) {
  const auto statuses = [](bool backwards) {
    Bench bench({.faults = *parse_faults("p=0.5:status=500")});
    std::map<std::pair<int, int>, int> out;
    for (int round = 0; round < 4; ++round)
      for (int i = 0; i < 20; ++i) {
        const int which = backwards ? 19 - i : i;
        out[{which, round}] = bench.chat("Hm " + std::to_string(which), false).status;
      }
    return out;
  };
  const auto forwards = statuses(false);
  EXPECT_EQ(forwards, statuses(true));
  int failed = 0, changed = 0;
  for (int i = 0; i < 20; ++i)
    for (int round = 0; round < 4; ++round) {
      failed += forwards.at({i, round}) == 500;
      changed += round > 0 && forwards.at({i, round}) != forwards.at({i, round - 1});
    }
  EXPECT_GT(failed, 20);
  EXPECT_LT(failed, 60);
  EXPECT_GT(changed, 10);
}

// Cut, continued, cut, continued: the pieces make the answer.
TEST(Supplier, IsContinuedAcrossManyCuts) {
  Bench bench({.faults = *parse_faults("cut-after-tokens=1..9")});
  const std::string prompt = "Count from 1 to 40.";
  std::string held;
  Streamed said;
  for (int attempt = 0; attempt < 200 && !said.done; ++attempt) {
    json::Writer json;
    json.begin_object().field("model", "simulated-1").field("stream", true).key("messages").begin_array();
    json.begin_object().field("role", "user").field("content", prompt).end_object();
    if (!held.empty()) {
      json.begin_object().field("role", "assistant").field("content", held).end_object();
      json.begin_object().field("role", "user").field("content", "Go on, please.").end_object();
    }
    json.end_array().end_object();
    said = read_stream(bench.post("/v1/chat/completions", json.take()).body);
    held += said.text;
  }
  Prompt request;
  request.messages = {{Role::kUser, prompt, {}, {}}};
  EXPECT_EQ(held, answer(request, 1).text);
  EXPECT_TRUE(said.done);
  EXPECT_GT(bench.stats().faults, 5);
}

Task<void> serve_and_ask(EpollLoop& loop, Network& network, std::vector<Reply>& replies) {
  SimulatedSupplier supplier(loop, {.tokens_per_second = 500}, Log());
  HttpServer server(loop, *network.listen({"127.0.0.1", 0}, nullptr, false), supplier, HttpServerLimits{}, Log());
  server.start();
  HttpClient client(loop, network, ProxyRules{});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/v1/chat/completions";
  for (const char* fault : {"", "cut-after-tokens=4", "cut-after-bytes=333", "trickle", "status=429,retry-after=1"}) {
    HeaderList headers = {{"x-simulate-fault", fault}};
    Reply reply = co_await fetch(loop, client, "POST", url, Bench::body_of("Count from 1 to 5.", true), headers, 20s);
    replies.push_back(std::move(reply));
  }
  client.close_idle();
  co_await server.stop(deadline_in(loop, 1s));
  loop.stop();
}

TEST(Supplier, IsTheSameOnSockets) {
  std::vector<Reply> replies;
  {
    EpollLoop loop;
    auto resolver = thread_runner("resolver");
    auto network = socket_network(loop, *resolver);
    TaskGroup group(loop);
    group.spawn(serve_and_ask(loop, *network, replies));
    loop.run();
    resolver.reset();
  }
  ASSERT_EQ(replies.size(), 5u);
  EXPECT_EQ(read_stream(replies[0].body).text, "1, 2, 3, 4, 5");
  EXPECT_GE(replies[0].all, 16ms);
  EXPECT_EQ(read_stream(replies[1].body).tokens, 4);
  EXPECT_FALSE(replies[1].whole);
  EXPECT_EQ(replies[2].body.size(), 333u);
  EXPECT_FALSE(replies[2].whole);
  EXPECT_TRUE(read_stream(replies[3].body).done);
  EXPECT_EQ(replies[4].status, 429);
}

}  // namespace
}  // namespace perdure::simulate
