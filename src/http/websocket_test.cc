// WebSocket over the server, in virtual time: handshakes, messages, pings, closes, limits, and the server's own end.
#include "http/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server.h"
#include "http/sim_network.h"
#include "http/testing/websocket_client.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// Echoes what comes; "close" closes, "wake" is answered behind a wake().
class EchoHandler final : public HttpHandler {
 public:
  explicit EchoHandler(Loop& l) : loop(l) {}
  Loop& loop;
  WebSocketLimits limits{.message_bytes_max = 1000};
  int open = 0, woken = 0;
  std::vector<std::string> ends;
  WebSocket* socket = nullptr;
  std::vector<WebSocketMessage> kept;
  bool keep = false;

  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    reply.headers.set("x-own", "yes");
    Result<std::unique_ptr<WebSocket>> made = co_await reply.upgrade(request, limits);
    if (!made.ok()) {
      (void)co_await reply.send(426, "text/plain", made.error().message);
      co_return;
    }
    ++open;
    socket = made->get();
    Cancellation::Hook on_stop(&socket->stopping(), [this] { socket->wake(); });
    for (;;) {
      Result<WebSocketMessage> message = co_await socket->receive();
      if (!message.ok()) {
        ends.push_back(message.error().message);
        if (message.error().code != Code::kCancelled) break;
        ++woken;
        if (!socket->stopping().requested()) continue;
        co_await socket->close(1001, "the server stops");
        break;
      }
      if (message->text == "close") {
        co_await socket->close(1000, "as you wish");
        break;
      }
      if (message->text == "wake") socket->wake();
      (void)co_await socket->send(message->text);
      if (keep) kept.push_back(*std::move(message));
    }
    kept.clear();
    socket = nullptr;
    --open;
  }
  std::string refuse(const HttpRequest&, int, std::string_view message) override { return std::string(message); }
};

class WebSocketTest : public testing::Test {
 protected:
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  EchoHandler handler{loop};
  HttpServerLimits limits;
  std::unique_ptr<HttpServer> server;
  WebSocketClient client{loop};

  void start() {
    auto listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(listener).value(), handler, limits, Log());
    server->start();
  }
  void TearDown() override {
    client.abort();
    if (server) loop.run(server->stop(deadline_in(loop, 1s)));
    EXPECT_EQ(handler.open, 0);
  }
  bool connect(WebSocketClient& one, WebSocketClient::Fields headers = {}) {
    return loop.run(one.connect(here, {"host", 80}, "/", std::move(headers)));
  }
  void say(std::string text) { EXPECT_TRUE(loop.run(client.send(std::move(text)))); }
  std::string hear(Duration patience = 60s) { return loop.run(client.next(patience)); }
};

TEST_F(WebSocketTest, MessagesGoBothWays) {
  start();
  ASSERT_TRUE(connect(client));
  EXPECT_THAT(client.head, HasSubstr("x-own: yes\r\n"));
  EXPECT_THAT(client.head, HasSubstr("Upgrade: websocket\r\n"));
  for (std::string text : {std::string("hello"), std::string(), std::string(1000, 'x'), std::string("é")}) {
    if (text.empty()) continue;
    say(text);
    EXPECT_EQ(hear(), text);
  }
  say("close");
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(client.close_code, 1000);
  EXPECT_EQ(client.close_reason, "as you wish");
}

TEST_F(WebSocketTest, ManyMessagesInOneWriteAreAllSeen) {
  start();
  ASSERT_TRUE(connect(client));
  std::string all;
  const std::array<unsigned char, 4> mask{1, 2, 3, 4};
  for (int i = 0; i < 50; ++i) append_websocket_frame(all, WebSocketOpcode::kText, std::to_string(i), &mask);
  EXPECT_TRUE(loop.run(client.send_bytes(all)));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(hear(), std::to_string(i));
}

TEST_F(WebSocketTest, TheClosesOfBothSidesAreAnswered) {
  start();
  ASSERT_TRUE(connect(client));
  loop.run(client.close(4321));
  EXPECT_EQ(client.close_code, 4321);
  EXPECT_TRUE(client.ended || handler.open == 0);
  EXPECT_EQ(handler.ends, std::vector<std::string>{"the connection is closed"});
}

TEST_F(WebSocketTest, WhatIsNoHandshakeIsNotSwitched) {
  start();
  struct Case {
    std::string request, answer;
  };
  const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                    kVersion = "Sec-WebSocket-Version: 13\r\n",
                    kUpgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const Case kCases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "no WebSocket handshake"},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" + kUpgrade + kVersion + kKey + "\r\n", "no WebSocket"},
      {"GET / HTTP/1.1\r\nHost: h\r\n" + kUpgrade + kKey + "\r\n", "version must be 13"},
      {"GET / HTTP/1.1\r\nHost: h\r\n" + kUpgrade + kVersion + "\r\n", "Sec-WebSocket-Key"},
      {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" + kVersion + kKey + "\r\n", "no WebSocket"},
      {"GET / HTTP/1.0\r\nHost: h\r\n" + kUpgrade + kVersion + kKey + "\r\n", "needs HTTP/1.1"},
  };
  for (const Case& one : kCases) {
    auto stream = loop.run(here.connect({"host", 80}, {}, Deadline::never()));
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(loop.run((*stream)->write_all(one.request, Deadline::never())).ok());
    char piece[4096];
    std::string answer;
    while (answer.find(one.answer) == std::string::npos) {
      auto got = loop.run((*stream)->read_some(piece, deadline_in(loop, 5s)));
      if (!got.ok() || *got == 0) break;
      answer.append(piece, *got);
    }
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 426 Upgrade Required\r\n"));
    EXPECT_THAT(answer, HasSubstr(one.answer));
    (*stream)->abort();
  }
}

TEST_F(WebSocketTest, ViolationsAndWhatIsTooLargeCloseWithTheirCode) {
  start();
  struct Case {
    std::string bytes;
    int code;
  };
  const std::array<unsigned char, 4> mask{9, 8, 7, 6};
  auto frame = [&](WebSocketOpcode opcode, std::string_view payload, bool masked = true) {
    std::string out;
    append_websocket_frame(out, opcode, payload, masked ? &mask : nullptr);
    return out;
  };
  const Case kCases[] = {{frame(WebSocketOpcode::kText, "x", false), 1002},
                         {frame(WebSocketOpcode::kText, "\xff"), 1007},
                         {frame(WebSocketOpcode::kBinary, "x"), 1003},
                         {frame(WebSocketOpcode::kText, std::string(1001, 'x')), 1009}};
  for (const Case& one : kCases) {
    WebSocketClient each(loop);
    ASSERT_TRUE(connect(each));
    EXPECT_TRUE(loop.run(each.send_bytes(one.bytes)));
    EXPECT_EQ(loop.run(each.next()), "");
    EXPECT_EQ(each.close_code, one.code);
    each.abort();
    loop.run_until([&] { return handler.open == 0; });
  }
}

TEST_F(WebSocketTest, ASilentPeerIsPingedAndOneThatIsGoneIsGivenUp) {
  start();
  ASSERT_TRUE(connect(client));
  EXPECT_EQ(hear(10min), "");
  EXPECT_GE(client.pings, 15);
  EXPECT_EQ(handler.open, 1);
  client.answer_pings = false;
  EXPECT_EQ(hear(10min), "");
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(handler.open, 0);
  EXPECT_EQ(handler.ends.back(), "the peer does not answer");
}

TEST_F(WebSocketTest, PingsAreAnsweredAlsoBetweenFragments) {
  start();
  ASSERT_TRUE(connect(client));
  const std::array<unsigned char, 4> mask{9, 8, 7, 6};
  std::string first, rest;
  append_websocket_frame(first, WebSocketOpcode::kText, "one ", &mask);
  first[0] = static_cast<char>(first[0] & 0x7f);
  append_websocket_frame(rest, WebSocketOpcode::kPing, "still there?", &mask);
  append_websocket_frame(rest, WebSocketOpcode::kContinuation, "message", &mask);
  EXPECT_TRUE(loop.run(client.send_bytes(first)));
  EXPECT_TRUE(loop.run(client.send_bytes(rest)));
  EXPECT_EQ(hear(), "one message");
}

TEST_F(WebSocketTest, AWakeLosesNothing) {
  start();
  ASSERT_TRUE(connect(client));
  for (int i = 0; i < 20; ++i) {
    say("wake");
    say("after " + std::to_string(i));
    EXPECT_EQ(hear(), "wake");
    EXPECT_EQ(hear(), "after " + std::to_string(i));
  }
  EXPECT_EQ(handler.woken, 20);
}

TEST_F(WebSocketTest, TheBytesOfMessagesCountWithThoseOfBodies) {
  limits.body_bytes_total_max = 1500;
  start();
  handler.keep = true;
  ASSERT_TRUE(connect(client));
  say(std::string(900, 'a'));
  EXPECT_EQ(hear().size(), 900u);
  WebSocketClient other(loop);
  ASSERT_TRUE(connect(other));
  // The rest of it never comes: what is there already is too much.
  std::string frame;
  const std::array<unsigned char, 4> mask{9, 8, 7, 6};
  append_websocket_frame(frame, WebSocketOpcode::kText, std::string(1000, 'b'), &mask);
  EXPECT_TRUE(loop.run(other.send_bytes(frame.substr(0, 900))));
  EXPECT_EQ(loop.run(other.next()), "");
  EXPECT_EQ(other.close_code, 1013);
  loop.run(client.close());
  WebSocketClient third(loop);
  ASSERT_TRUE(connect(third));
  EXPECT_TRUE(loop.run(third.send_bytes(frame)));
  EXPECT_EQ(loop.run(third.next()).size(), 1000u);
  third.abort();
  other.abort();
}

TEST_F(WebSocketTest, AServerThatStopsSaysSo) {
  start();
  ASSERT_TRUE(connect(client));
  say("x");
  EXPECT_EQ(hear(), "x");
  auto stop = [](HttpServer& s, Deadline d) -> Task<void> { co_await s.stop(d); };
  auto leave = [](WebSocketClient& c) -> Task<void> {
    (void)co_await c.next();
    co_await c.close();
  };
  TaskGroup group(loop);
  Instant began = loop.now();
  group.spawn(stop(*server, deadline_in(loop, 20s)));
  group.spawn(leave(client));
  loop.run(group.join());
  EXPECT_EQ(client.close_code, 1001);
  EXPECT_LT(loop.now() - began, 3s);
}

TEST_F(WebSocketTest, AClientThatReadsNothingIsCutOffAtTheLimitOfWrites) {
  limits.write_time = 5s;
  start();
  ASSERT_TRUE(connect(client));
  auto flood = [](WebSocketClient& c) -> Task<void> {
    for (int i = 0; i < 2000; ++i)
      if (!co_await c.send(std::string(1000, 'x'))) co_return;
  };
  TaskGroup group(loop);
  group.spawn(flood(client));
  EXPECT_TRUE(loop.run_until([&] { return !handler.ends.empty(); }, 2min));
  loop.run(group.join());
}

}  // namespace
}  // namespace perdure
