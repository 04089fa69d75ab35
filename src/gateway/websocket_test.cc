// The WebSocket form of /v1/responses in virtual time: turns, lanes, what is remembered and forgotten, limits, ends.
#include "gateway/testing/gateway_world.h"
#include "http/testing/websocket_client.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Turn {
  std::vector<std::string> types;
  std::vector<std::string> raw;
  std::string id, status, text, error;  // of the terminal response; `error`: the code of an error event or response
  std::string lane;
  int64_t error_status = 0;
};

class WebSockets : public GatewayWorld {
 public:
  GatewayOptions options;
  HttpServerLimits server_limits;
  std::vector<std::vector<std::string>> contexts;
  Duration pause = 10ms;

  void SetUp() override {
    GatewayWorld::SetUp();
    supplier.script = [this](const ScriptedCall& call) {
      contexts.emplace_back();
      for (const Item& item : call.context)
        contexts.back().push_back(item.content.empty() ? item.output : item.content[0].text);
      const std::string& said = contexts.back().back();
      if (said == "refuse") return ScriptedAnswer{.refusal = Error{Code::kInvalid, "no", "", "bad_taste", 400}};
      ScriptedAnswer answer{.pieces = {text_piece("re: "), text_piece(said), finish_piece()}, .pause = pause};
      if (said == "hang") answer.pause = 10s;
      return answer;
    };
    restart();
  }
  // With the options and limits as they are now.
  void restart() {
    loop.run(server->stop(deadline_in(loop, 1s)));
    loop.run(gateway->stop());
    server.reset();
    options.router = &router;
    gateway = std::make_unique<Gateway>(
        loop, *responses, *keys, metrics,
        []() -> Task<std::vector<std::string>> { co_return std::vector<std::string>{"m"}; }, readiness, options, Log());
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(*listener), *gateway, server_limits, Log());
    server->start();
  }
  std::unique_ptr<WebSocketClient> connect(WebSocketClient::Fields headers = {}) {
    auto socket = std::make_unique<WebSocketClient>(loop);
    EXPECT_TRUE(loop.run(socket->connect(here, {"host", 80}, "/v1/responses", std::move(headers)))) << socket->head;
    return socket;
  }
  static std::string create(std::string fields) {
    return R"({"type":"response.create","model":"m",)" + std::move(fields) + "}";
  }
  void say(WebSocketClient& socket, std::string text) { EXPECT_TRUE(loop.run(socket.send(std::move(text)))); }

  // Reads until a terminal event or an error that no response follows.
  Turn hear(WebSocketClient& socket) {
    Turn turn;
    for (;;) {
      std::string text = loop.run(socket.next());
      if (text.empty()) {
        turn.types.push_back("(nothing)");
        return turn;
      }
      Result<json::Document> document = json::Document::parse(text);
      EXPECT_TRUE(document.ok()) << text;
      json::Value event = document->root();
      turn.types.emplace_back(event["type"].text());
      turn.raw.push_back(text);
      turn.lane = event["stream_id"].text();
      if (turn.types.back() == "error" && event["sequence_number"].absent()) {
        turn.error = event["error"]["code"].text();
        turn.error_status = event["status"].integer().value_or(0);
        return turn;
      }
      json::Value response = event["response"];
      if (response.absent()) continue;
      turn.id = response["id"].text();
      turn.status = response["status"].text();
      if (turn.status == "in_progress") continue;
      turn.error = response["error"]["code"].text();
      for (json::Value item : response["output"].elements())
        for (json::Value part : item["content"].elements()) turn.text += part["text"].text();
      return turn;
    }
  }
  Turn turn(WebSocketClient& socket, std::string fields) {
    say(socket, create(std::move(fields)));
    return hear(socket);
  }
};

TEST_F(WebSockets, ATurnHasTheEventsOfAStream) {
  auto socket = connect();
  Turn one = turn(*socket, R"("input":"hello","store":false)");
  EXPECT_THAT(one.types, ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added", "response.output_text.delta",
                                     "response.output_text.delta", "response.output_text.done",
                                     "response.content_part.done", "response.output_item.done", "response.completed"));
  for (size_t i = 0; i < one.raw.size(); ++i)
    EXPECT_EQ(json::Document::parse(one.raw[i])->root()["sequence_number"].integer(), static_cast<int64_t>(i));
  EXPECT_EQ(one.text, "re: hello");
  Turn two = turn(*socket, R"("input":"again")");
  EXPECT_EQ(two.text, "re: again");
  // The stored one is read over HTTP as it was told here.
  Answer read = get("/v1/responses/" + two.id + "?stream=true");
  std::vector<std::string> frames = read.frames();
  ASSERT_EQ(frames.size(), two.raw.size() + 1);
  for (size_t i = 0; i < two.raw.size(); ++i) EXPECT_EQ(frames[i], two.raw[i]);
  EXPECT_EQ(get("/v1/responses/" + one.id).status, 404);
  socket->abort();
}

TEST_F(WebSockets, WhatIsNotStoredIsRememberedByItsSocket) {
  auto socket = connect();
  Turn one = turn(*socket, R"("input":"one","store":false)");
  Turn two = turn(*socket, R"("input":"two","store":false,"previous_response_id":")" + one.id + "\"");
  EXPECT_EQ(two.status, "completed");
  EXPECT_THAT(contexts.back(), ElementsAre("one", "re: one", "two"));
  Turn three = turn(*socket, R"("input":"three","store":false,"previous_response_id":")" + two.id + "\"");
  EXPECT_THAT(contexts.back(), ElementsAre("one", "re: one", "two", "re: two", "three"));
  // Only the latest is.
  Turn stale = turn(*socket, R"("input":"x","store":false,"previous_response_id":")" + one.id + "\"");
  EXPECT_EQ(stale.error, "previous_response_not_found");
  EXPECT_EQ(stale.error_status, 400);
  // Nobody else remembers it, and the socket is as good as before.
  auto other = connect();
  Turn lost = turn(*other, R"("input":"x","store":false,"previous_response_id":")" + three.id + "\"");
  EXPECT_EQ(lost.error, "previous_response_not_found");
  EXPECT_EQ(json::Document::parse(lost.raw[0])->root()["error"]["param"].text(), "previous_response_id");
  EXPECT_EQ(turn(*other, R"("input":"recovered","store":false)").text, "re: recovered");
  EXPECT_EQ(turn(*socket, R"("input":"four","previous_response_id":")" + three.id + "\"").status, "completed");
  EXPECT_EQ(contexts.back().size(), 7u) << "a stored one goes on from what only the socket knows";
  socket->abort();
  other->abort();
}

TEST_F(WebSockets, WhatIsStoredIsGoneOnFromByAnybody) {
  auto socket = connect();
  Turn one = turn(*socket, R"("input":"one")");
  // On its own socket also without storing; elsewhere only by a response that is stored itself.
  Turn two = turn(*socket, R"("input":"two","store":false,"previous_response_id":")" + one.id + "\"");
  EXPECT_THAT(contexts.back(), ElementsAre("one", "re: one", "two"));
  Turn three = turn(*socket, R"("input":"three","store":false,"previous_response_id":")" + two.id + "\"");
  EXPECT_THAT(contexts.back(), ElementsAre("one", "re: one", "two", "re: two", "three"));
  auto other = connect();
  EXPECT_EQ(turn(*other, R"("input":"x","store":false,"previous_response_id":")" + one.id + "\"").error,
            "previous_response_not_found");
  EXPECT_EQ(turn(*other, R"("input":"x","previous_response_id":")" + one.id + "\"").status, "completed");
  EXPECT_EQ(turn(*other, R"("input":"x","previous_response_id":"resp_none")").error, "previous_response_not_found");
  socket->abort();
  other->abort();
}

TEST_F(WebSockets, AContinuationThatFailsIsForgotten) {
  auto socket = connect();
  Turn one = turn(*socket, R"("input":"one","store":false)");
  Turn failed = turn(*socket, R"("store":false,"previous_response_id":")" + one.id +
                                  R"(","input":[{"type":"function_call_output","call_id":"call_x","output":"?"}])");
  EXPECT_EQ(failed.error, "tool_call_not_found");
  EXPECT_EQ(failed.error_status, 400);
  EXPECT_EQ(turn(*socket, R"("input":"stale","store":false,"previous_response_id":")" + one.id + "\"").error,
            "previous_response_not_found");
  // The same where a supplier refuses, after the response was created.
  Turn two = turn(*socket, R"("input":"two","store":false)");
  Turn refused = turn(*socket, R"("input":"refuse","store":false,"previous_response_id":")" + two.id + "\"");
  EXPECT_EQ(refused.status, "failed");
  EXPECT_EQ(refused.types.back(), "response.failed");
  EXPECT_EQ(turn(*socket, R"("input":"stale","store":false,"previous_response_id":")" + two.id + "\"").error,
            "previous_response_not_found");
  EXPECT_EQ(turn(*socket, R"("input":"fresh","store":false)").text, "re: fresh");
  socket->abort();
}

TEST_F(WebSockets, CreatesAreServedOneAfterAnother) {
  auto socket = connect();
  for (std::string text : {"a", "b", "c"}) say(*socket, create("\"input\":\"" + text + "\",\"store\":false"));
  say(*socket, create(R"("input":7)"));
  say(*socket, create(R"("input":"d","store":false)"));
  std::vector<std::string> texts;
  for (int i = 0; i < 5; ++i) {
    Turn one = hear(*socket);
    texts.push_back(one.text + one.error);
  }
  EXPECT_THAT(texts, ElementsAre("re: a", "re: b", "re: c", "invalid_type", "re: d")) << "errors in their turn too";
  socket->abort();
}

// Each create counts against the limits of the key, not the handshake.
TEST_F(WebSockets, CreatesCountAgainstTheLimitsOfTheKey) {
  RateBook rates;
  options.rates = &rates;
  restart();
  auto made = KeyFile(KeyFile::in(folder))
                  .create("", TenantId("shop"), *Scopes::parse("use"), loop.wall(), loop.random(), {}, {},
                          {.requests_per_minute = 2});
  ASSERT_TRUE(made.ok());
  auto wait = [](Loop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); };
  loop.run(wait(loop, 2s));
  auto socket = connect({{"Authorization", "Bearer " + made->secret}});
  EXPECT_EQ(turn(*socket, R"("input":"one")").text, "re: one");
  EXPECT_EQ(turn(*socket, R"("input":"two")").text, "re: two");
  Turn refused = turn(*socket, R"("input":"three")");
  EXPECT_EQ(refused.error, "rate_limit_exceeded");
  EXPECT_EQ(refused.error_status, 429);
  loop.run(wait(loop, 30s));
  EXPECT_EQ(turn(*socket, R"("input":"four")").text, "re: four") << "the socket stays usable";
}

TEST_F(WebSockets, LanesRunBesideEachOther) {
  auto socket = connect();
  say(*socket, create(R"("input":"hang","store":false,"stream_id":"slow")"));
  Turn quick = turn(*socket, R"("input":"quick","store":false,"stream_id":"a.b_c-1")");
  while (quick.lane == "slow") quick = hear(*socket);
  EXPECT_EQ(quick.text, "re: quick");
  EXPECT_EQ(quick.lane, "a.b_c-1");
  for (const std::string& raw : quick.raw) EXPECT_THAT(raw, HasSubstr("\"stream_id\":\""));
  // Any lane may go on from what another has made.
  Turn fork = turn(*socket, R"("input":"fork","store":false,"previous_response_id":")" + quick.id + "\"");
  while (fork.status != "completed") fork = hear(*socket);
  EXPECT_THAT(contexts.back(), ElementsAre("quick", "re: quick", "fork"));
  EXPECT_EQ(turn(*socket, R"("input":"x","stream_id":"no spaces")").error, "invalid_value");
  socket->abort();
}

TEST_F(WebSockets, LanesAndLinesAreBounded) {
  options.websocket_lanes.lanes_max = 2;
  options.websocket_lanes.running_max = 1;
  options.websocket_lanes.waiting_max = 2;
  restart();
  auto socket = connect();
  EXPECT_EQ(turn(*socket, R"("input":"1","store":false,"stream_id":"one")").text, "re: 1");
  EXPECT_EQ(turn(*socket, R"("input":"2","store":false,"stream_id":"two")").text, "re: 2");
  EXPECT_EQ(turn(*socket, R"("input":"3","store":false,"stream_id":"three")").error, "websocket_stream_limit_reached");
  pause = 1s;
  say(*socket, create(R"("input":"a","store":false,"stream_id":"one")"));
  pass(100ms);
  for (std::string text : {"b", "c", "d"})
    say(*socket, create("\"input\":\"" + text + "\",\"store\":false,\"stream_id\":\"two\""));
  std::vector<std::string> texts;
  std::string open;
  while (texts.size() < 4) {
    Turn one = hear(*socket);
    texts.push_back(one.text + one.error);
    for (const std::string& raw : one.raw) {
      json::Document event = *json::Document::parse(raw);
      if (event.root()["type"].text() == "response.created") {
        EXPECT_EQ(open, "") << "one at a time";
        open = event.root()["response"]["id"].text();
      }
      if (event.root()["type"].text() == "response.completed") open.clear();
    }
  }
  EXPECT_THAT(texts, ElementsAre("websocket_queue_full", "re: a", "re: b", "re: c"));
  socket->abort();
}

TEST_F(WebSockets, WhatIsRememberedIsBounded) {
  options.websocket_lanes.remembered_bytes_max = 40'000;
  restart();
  auto socket = connect();
  std::string big(12'000, 'x');
  Turn a = turn(*socket, R"("store":false,"stream_id":"a","input":")" + big + "\"");
  Turn b = turn(*socket, R"("store":false,"stream_id":"b","input":")" + big + "\"");  // a is forgotten for it
  EXPECT_EQ(turn(*socket, R"("input":"x","store":false,"stream_id":"a","previous_response_id":")" + a.id + "\"").error,
            "previous_response_not_found");
  EXPECT_EQ(turn(*socket, R"("input":"x","store":false,"stream_id":"b","previous_response_id":")" + b.id + "\"").status,
            "completed");
  Turn c = turn(*socket, R"("store":false,"stream_id":"c","input":")" + big + big + "\"");  // too much alone
  EXPECT_EQ(c.status, "completed");
  EXPECT_EQ(turn(*socket, R"("input":"x","store":false,"stream_id":"c","previous_response_id":")" + c.id + "\"").error,
            "previous_response_not_found");
  socket->abort();
}

TEST_F(WebSockets, MessagesThatMakeNoSenseAreAnsweredAndTheSocketStaysUsable) {
  auto socket = connect();
  struct Case {
    std::string message, code;
  };
  const Case kCases[] = {
      {"not json", "invalid"},
      {"[]", "invalid_type"},
      {"{}", "unsupported_event"},
      {R"({"type":"response.cancel"})", "unsupported_event"},
      {R"({"type":"response.steer","input":"x"})", "unsupported_event"},
      {create(R"("input":"x","stream":false)"), "unsupported_parameter"},
      {create(R"("input":"x","background":true)"), "unsupported_parameter"},
      {create(R"("input":"x","stream_options":{"include_obfuscation":true})"), "unsupported_parameter"},
      {create(R"("input":"x","generate":1)"), "invalid_type"},
      {create(R"("input":"x","stream_id":"")"), "invalid_value"},
      {create(R"("input":"x","what":1)"), "unknown_parameter"},
      {R"({"type":"response.create","input":"x"})", "missing_required_parameter"},
      {R"({"type":"response.create","model":"none","input":"x"})", "model_not_found"},
  };
  for (const Case& one : kCases) {
    say(*socket, one.message);
    Turn told = hear(*socket);
    EXPECT_THAT(told.types, ElementsAre("error")) << one.message;
    EXPECT_EQ(told.error, one.code) << one.message << told.raw[0];
    EXPECT_GE(told.error_status, 400);
  }
  EXPECT_EQ(turn(*socket, R"("input":"fine","stream":true,"background":false,"stream_options":null)").text, "re: fine");
  socket->abort();
}

TEST_F(WebSockets, AWarmUpGivesAnIdToGoOnFrom) {
  auto socket = connect();
  Turn warm = turn(*socket, R"("input":"system prompt","store":false,"generate":false)");
  EXPECT_THAT(warm.types, ElementsAre("response.created", "response.completed"));
  EXPECT_THAT(contexts, IsEmpty());
  Turn go = turn(*socket, R"("input":"go","store":false,"previous_response_id":")" + warm.id + "\"");
  EXPECT_THAT(contexts.back(), ElementsAre("system prompt", "go"));
  EXPECT_EQ(go.status, "completed");
  Turn empty = turn(*socket, R"("input":[],"generate":false)");
  EXPECT_EQ(empty.status, "completed");
  Turn first = turn(*socket, R"("input":"first","previous_response_id":")" + empty.id + "\"");
  EXPECT_THAT(contexts.back(), ElementsAre("first"));
  EXPECT_EQ(get("/v1/responses/" + first.id).status, 200);
  socket->abort();
}

TEST_F(WebSockets, ASocketThatLeavesEndsWhatIsNotStored) {
  auto socket = connect();
  say(*socket, create(R"("input":"hang","store":false)"));
  say(*socket, create(R"("input":"hang","store":true,"stream_id":"kept")"));
  pass(1s);
  EXPECT_EQ(responses->running(), 2u);
  socket->abort();
  pass(10s);
  EXPECT_EQ(responses->running(), 1u);
  EXPECT_EQ(server->connections(), 0u);
  pass(1min);
  EXPECT_EQ(responses->running(), 0u);
}

TEST_F(WebSockets, AfterAnHourItSaysSoAndCloses) {
  options.websocket_lanes.life = 1min;
  restart();
  auto socket = connect();
  pass(55s);
  pause = 4s;
  say(*socket, create(R"("input":"last","store":false)"));
  pass(6s);
  say(*socket, create(R"("input":"too late","store":false)"));
  std::vector<std::string> said;
  Turn last = hear(*socket);
  said.push_back(last.text + last.error);
  last = hear(*socket);
  said.push_back(last.text + last.error);
  EXPECT_THAT(said, testing::UnorderedElementsAre("re: last", "websocket_connection_limit_reached"));
  Turn end = hear(*socket);
  EXPECT_EQ(end.error, "websocket_connection_limit_reached");
  EXPECT_THAT(hear(*socket).types, ElementsAre("(nothing)"));
  EXPECT_EQ(socket->close_code, 1000);
  socket->abort();

  // What does not end within the grace is not waited for.
  auto stuck = connect();
  pass(59s);
  say(*stuck, create(R"("input":"hang","store":false)"));
  pass(2s);
  pause = 1h;
  Turn cut = hear(*stuck);
  while (cut.error.empty() && cut.types.back() != "(nothing)") cut = hear(*stuck);
  EXPECT_EQ(cut.error, "websocket_connection_limit_reached");
  stuck->abort();
}

TEST_F(WebSockets, AServerThatStopsLetsTurnsEnd) {
  auto socket = connect();
  auto idle = connect();
  pause = 1s;
  say(*socket, create(R"("input":"a","store":false)"));
  say(*socket, create(R"("input":"b","store":false)"));
  pass(500ms);
  TaskGroup group(loop);
  auto stop = [](HttpServer& s, Deadline d) -> Task<void> { co_await s.stop(d); };
  group.spawn(stop(*server, deadline_in(loop, 30s)));
  Turn a = hear(*socket);
  Turn b = hear(*socket);
  EXPECT_THAT((std::vector<std::string>{a.text + a.error, b.text + b.error}),
              testing::UnorderedElementsAre("re: a", "server_stopping"));
  EXPECT_EQ(loop.run(socket->next()), "");
  EXPECT_EQ(socket->close_code, 1001);
  EXPECT_EQ(loop.run(idle->next()), "");
  EXPECT_EQ(idle->close_code, 1001);
  loop.run(idle->close());
  loop.run(socket->close());
  loop.run(group.join());
}

TEST_F(WebSockets, KeysDecideAndARevokedOneEnds) {
  auto made =
      KeyFile(KeyFile::in(folder)).create("", TenantId("acme"), *Scopes::parse("use"), loop.wall(), loop.random());
  ASSERT_TRUE(made.ok());
  pass(2s);
  WebSocketClient stranger(loop);
  EXPECT_FALSE(loop.run(stranger.connect(here, {"host", 80}, "/v1/responses")));
  EXPECT_THAT(stranger.head, StartsWith("HTTP/1.1 401 "));
  stranger.abort();
  auto socket = connect({{"Authorization", "Bearer " + made->secret}});
  Turn one = turn(*socket, R"("input":"one")");
  EXPECT_EQ(one.text, "re: one");
  ASSERT_TRUE(KeyFile(KeyFile::in(folder)).revoke(made->key.id.value, loop.wall()).ok());
  pass(2s);
  Turn two = turn(*socket, R"("input":"two")");
  EXPECT_EQ(two.error, "unauthenticated");
  EXPECT_EQ(two.error_status, 401);
  EXPECT_EQ(loop.run(socket->next()), "");
  EXPECT_EQ(socket->close_code, 1008);
  socket->abort();
}

TEST_F(WebSockets, WhoIsNoClientIsNotLetIn) {
  Answer plain = get("/v1/responses");
  EXPECT_EQ(plain.status, 426);
  EXPECT_EQ(plain.header("upgrade"), "websocket");
  EXPECT_EQ(plain.error("code"), "upgrade_required");
  WebSocketClient page(loop);
  EXPECT_FALSE(loop.run(page.connect(here, {"host", 80}, "/v1/responses", {{"Origin", "https://evil.example"}})));
  EXPECT_THAT(page.head, StartsWith("HTTP/1.1 403 "));
  page.abort();
  auto own = connect({{"Origin", "http://host"}});
  own->abort();
}

TEST_F(WebSockets, ManySocketsAtOnce) {
  pause = 50ms;
  std::vector<std::unique_ptr<WebSocketClient>> sockets;
  for (int i = 0; i < 20; ++i) sockets.push_back(connect());
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < sockets.size(); ++i)
      say(*sockets[i], create("\"input\":\"" + std::to_string(i) + "\",\"store\":" + (i % 2 == 0 ? "true" : "false")));
    for (size_t i = 0; i < sockets.size(); ++i) EXPECT_EQ(hear(*sockets[i]).text, "re: " + std::to_string(i));
  }
  for (auto& socket : sockets) socket->abort();
  pass(10s);
  EXPECT_EQ(server->connections(), 0u);
  EXPECT_EQ(responses->running(), 0u);
}

}  // namespace
}  // namespace perdure
