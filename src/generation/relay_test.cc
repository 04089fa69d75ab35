#include "generation/relay.h"

#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "async/task_group.h"
#include "dialect/chat_upstream.h"
#include "http/server.h"
#include "http/sim_network.h"
#include "provider/http_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

// Unknown fields, odd spacing and order: none of it is ours to change.
std::vector<std::string> frames() {
  return {
      "data: {\"x_new\": [1, 2],\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\","
      "\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Seven "
      "\"},\"index\":0,\"finish_reason\":null}]}\n\n",
      ": a comment\n\n",
      "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,"
      "\"delta\":{\"content\":\"sh\\u0069ps\"},\"finish_reason\":\"stop\"}]}\r\n\r\n",
      "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],"
      "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n",
      "data: [DONE]\n\n"};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

class StreamingSupplier final : public HttpHandler {
 public:
  explicit StreamingSupplier(Loop& loop) : loop_(loop) {}
  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    asked.push_back(request.body);
    Result<void> written = co_await reply.begin(200, "text/event-stream");
    size_t sent = 0;
    for (const std::string& frame : says) {
      // In two pieces, so that events are cut by the network.
      for (std::string_view piece : {std::string_view(frame).substr(0, 9), std::string_view(frame).substr(9)}) {
        co_await sleep_for(loop_, 5ms);
        if (written.ok()) written = co_await reply.write(piece);
      }
      if (++sent == cut_behind) {
        co_await sleep_for(loop_, 50ms);  // a reset may overtake what is still on its way
        reply.abort();
        co_return;
      }
    }
    if (written.ok()) (void)co_await reply.finish();
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override { return "{}"; }

  std::vector<std::string> says = frames();
  std::vector<std::string> asked;
  size_t cut_behind = 0;  // frames; 0: never

 private:
  Loop& loop_;
};

struct Relayed {
  std::string bytes;
  bool whole = false;
  Heard heard;
  std::vector<RelayedAttempt> attempts;
};

class RelayTest : public testing::Test {
 public:
  SimLoop loop{11};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  StreamingSupplier supplier{loop};
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Credential> credential = header_credential("authorization", "Bearer ", "key");
  std::unique_ptr<Provider> provider;
  std::unique_ptr<Router> router;
  GenerationLimits limits;

  void SetUp() override {
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, *std::move(listener), supplier, HttpServerLimits{}, Log());
    server->start();
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    provider = http_provider(
        {.name = "supplier", .issuer = {}, .base_url = *parse_url("http://supplier/v1"), .ca_file = {}, .headers = {}},
        chat_upstream({}), *credential, *client);
    router = std::make_unique<Router>(loop, std::vector<Deployment>{deployment()});
  }
  void TearDown() override {
    client->close_idle();
    loop.run(server->stop(deadline_in(loop, 1s)));
  }

  Deployment deployment() {
    Deployment out = Deployment::simple("m", *provider);
    out.price.emplace();
    out.price->rates.input = out.price->rates.output = *Money::parse("0.000001");
    return out;
  }
  RelayInput input() const {
    return {
        .dialect = "chat",
        .model = "m",
        .body = R"({ "stream":true,"model":"m","x_new":{"b":1,"a":2},"messages":[{"role":"user","content":"ships"}]})",
        .stream = true,
        .traffic = {},
        .needs = {},
        .traceparent = {},
        .headers = {}};
  }

  Task<Relayed> relay_once(const RelayInput& asked) {
    Cancellation gone(loop);
    Relayed out;
    Relay relay(asked, *router, loop, gone, limits, Log());
    Result<Relay::Head> head = co_await relay.open();
    EXPECT_TRUE(head.ok());
    if (!head.ok()) co_return out;
    EXPECT_TRUE(head->passed && head->stream);
    EXPECT_EQ(head->content_type, "text/event-stream");
    Result<bool> more = true;
    while (more.ok() && *more) {
      std::string events;
      more = co_await relay.next(events);
      EXPECT_EQ(end_of_events(events), events.size()) << "only whole events are passed on: " << events;
      out.bytes += events;
    }
    out.whole = more.ok();
    out.heard = relay.heard();
    out.attempts = relay.attempts();
    co_return out;
  }
};

TEST_F(RelayTest, AStreamIsPassedOnByteForByteAndHeard) {
  RelayInput asked = input();
  Relayed out = loop.run(relay_once(asked));
  EXPECT_TRUE(out.whole);
  EXPECT_EQ(out.bytes, joined(frames()));
  ASSERT_EQ(supplier.asked.size(), 1u);
  EXPECT_EQ(supplier.asked[0], asked.body);
  EXPECT_EQ(out.heard.text(), "Seven ships");
  EXPECT_EQ(out.heard.id, "chatcmpl-1");
  ASSERT_EQ(out.attempts.size(), 1u);
  EXPECT_EQ(out.attempts[0].ended.outcome, "completed");
  EXPECT_EQ(out.heard.usage.input_tokens, 7);
  EXPECT_EQ(out.heard.usage.output_tokens, 3);
  EXPECT_EQ(out.attempts[0].ended.cost.amount, "0.00001");
}

// Each answer listens to its lease's cancellation: in the sanitizers' builds this finds one that outlives it.
TEST_F(RelayTest, ManyStreamsEndTogether) {
  RelayInput asked = input();
  std::vector<Relayed> outs(64);
  TaskGroup group(loop);
  auto one = [](RelayTest& test, const RelayInput& what, Relayed& into) -> Task<void> {
    into = co_await test.relay_once(what);
  };
  for (Relayed& out : outs) group.spawn(one(*this, asked, out));
  auto all = [](TaskGroup& tasks) -> Task<bool> {
    co_await tasks.join();
    co_return true;
  };
  EXPECT_TRUE(loop.run(all(group)));
  for (const Relayed& out : outs) EXPECT_EQ(out.bytes, joined(frames()));
}

TEST_F(RelayTest, ACutStreamSaysWhatWasHeard) {
  supplier.cut_behind = 1;
  RelayInput asked = input();
  Relayed out = loop.run(relay_once(asked));
  EXPECT_FALSE(out.whole);
  EXPECT_EQ(out.bytes, frames()[0]);
  EXPECT_EQ(out.heard.text(), "Seven ");
  EXPECT_FALSE(out.heard.finished);
  ASSERT_EQ(out.attempts.size(), 1u);
  EXPECT_EQ(out.attempts[0].ended.outcome, "cut");
  EXPECT_EQ(out.attempts[0].ended.cost.amount, "");
  EXPECT_EQ(out.attempts[0].ended.cost.unknown, "answer_cut");
  EXPECT_EQ(out.attempts[0].ended.cost.estimate, "0.000002");  // six bytes
}

// As where a supplier runs a tool itself: that is between the client, who asked for it, and its supplier.
TEST_F(RelayTest, WhatHasNoPlaceHereIsPassedOnAndNotGoneOnWith) {
  supplier.says.insert(
      supplier.says.begin() + 2,
      "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,"
      "\"delta\":{\"audio\":{\"id\":\"a\"}},\"finish_reason\":null}]}\n\n");
  for (const bool cut : {false, true}) {
    supplier.cut_behind = cut ? 4 : 0;
    const RelayInput asked = input();
    Relayed out = loop.run(relay_once(asked));
    EXPECT_EQ(out.whole, !cut);
    EXPECT_EQ(out.bytes, joined(cut ? std::vector(supplier.says.begin(), supplier.says.begin() + 4) : supplier.says));
    EXPECT_TRUE(out.heard.foreign);
    EXPECT_EQ(out.heard.text(), "Seven ");
    ASSERT_EQ(out.attempts.size(), 1u);
    EXPECT_EQ(out.attempts[0].ended.outcome, cut ? "cut" : "completed");
    EXPECT_EQ(out.attempts[0].ended.cost.amount, "") << "nobody has counted it here";
  }
}

}  // namespace
}  // namespace perdure
