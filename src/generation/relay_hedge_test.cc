// A second attempt beside a relayed one that stays silent: two suppliers on a simulated network, virtual time. Whatever
// happens, what is passed on is one supplier's answer, byte for byte.
#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "dialect/chat_upstream.h"
#include "dialect/responses_upstream.h"
#include "generation/relay.h"
#include "http/server.h"
#include "http/sim_network.h"
#include "provider/http_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

std::string chunk(const std::string& who, const std::string& delta, const std::string& more = "null") {
  return "data: {\"id\":\"" + who +
         "\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,"
         "\"delta\":" +
         delta + ",\"finish_reason\":" + more + "}]}\n\n";
}

// Who it is, at once; a word after `silence`; the end.
class Supplier final : public HttpHandler {
 public:
  Supplier(Loop& loop, std::string name) : name_(std::move(name)), loop_(loop) {}
  std::vector<std::string> frames() const {
    return {chunk(name_, R"({"role":"assistant","content":""})"), chunk(name_, "{\"content\":\"from " + name_ + "\"}"),
            chunk(name_, "{}", "\"stop\""),
            "data: {\"id\":\"" + name_ +
                "\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],"
                "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n",
            "data: [DONE]\n\n"};
  }
  std::string answer() const {
    std::string out;
    for (const std::string& frame : frames()) out += frame;
    return out;
  }
  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    asked.push_back(request.body);
    if (status != 200) {
      co_await sleep_for(loop_, silence);
      (void)co_await reply.send(status, "application/json", R"({"error":{"message":"no","type":"server_error"}})");
      co_return;
    }
    Result<void> written = co_await reply.begin(200, "text/event-stream");
    size_t sent = 0;
    for (const std::string& frame : frames()) {
      co_await sleep_for(loop_, sent == 1 ? silence : Duration(5ms));
      if (written.ok()) written = co_await reply.write(frame);
      if (!written.ok()) {
        ++left;
        co_return;
      }
      if (++sent == cut_behind) {
        co_await sleep_for(loop_, 50ms);
        reply.abort();
        co_return;
      }
    }
    (void)co_await reply.finish();
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override { return "{}"; }

  Duration silence = 100ms;
  int status = 200;
  size_t cut_behind = 0;  // frames; 0: never
  std::vector<std::string> asked;
  int left = 0;  // by whoever had asked

 private:
  std::string name_;
  Loop& loop_;
};

Task<void> pass(Loop& loop, Duration time) { co_await sleep_for(loop, time); }

struct NoMoney final : PlacementGuard {
  const Permits* permits(const Traffic&) override { return nullptr; }
  Result<void> may_spend(const SpendAsk&) override { return {}; }
  Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk&) override {
    if (++asked > 1) return Error{Code::kOverloaded, "no money is left"};
    return std::unique_ptr<SpendingBook::Hold>();
  }
  int asked = 0;
};

class RelayHedge : public testing::Test {
 public:
  SimLoop loop{11};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  Supplier a{loop, "a"}, b{loop, "b"};
  std::vector<std::unique_ptr<HttpServer>> servers;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Credential> credential = header_credential("authorization", "Bearer ", "key");
  std::vector<std::unique_ptr<Provider>> providers;
  std::vector<Deployment> deployments;
  Workload workload{.hedge_after = 500ms};
  std::unique_ptr<Router> made;
  GenerationLimits limits;
  Registry registry;
  GenerationMetrics metrics{registry};
  std::unique_ptr<Cancellation> gone = std::make_unique<Cancellation>(loop);
  bool stream = true;

  std::string bytes;
  Result<void> outcome;
  Heard heard;
  std::vector<RelayedAttempt> attempts;
  std::string author;

  void SetUp() override {
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    limits.metrics = &metrics;
    int port = 80;
    for (Supplier* each : {&a, &b}) {
      Result<std::unique_ptr<Listener>> listener = there.listen({"", port}, nullptr, false);
      ASSERT_TRUE(listener.ok());
      servers.push_back(std::make_unique<HttpServer>(loop, *std::move(listener), *each, HttpServerLimits{}, Log()));
      servers.back()->start();
      add(port == 80 ? "a" : "b", port, chat_upstream({}));
      ++port;
    }
  }
  void add(const std::string& name, int port, std::unique_ptr<UpstreamDialect> dialect) {
    HttpProviderOptions options{.name = name};
    options.base_url = *parse_url("http://supplier:" + std::to_string(port) + "/v1");
    providers.push_back(http_provider(std::move(options), std::move(dialect), *credential, *client));
    Deployment out = Deployment::simple("m", *providers.back());
    out.name = name;
    out.priority = static_cast<int>(deployments.size());
    out.price.emplace();
    out.price->rates.input = out.price->rates.output = *Money::parse("0.000001");
    deployments.push_back(std::move(out));
  }
  void TearDown() override {
    EXPECT_EQ(router().attempts_running(), 0u);
    client->close_idle();
    for (auto& server : servers) loop.run(server->stop(deadline_in(loop, 100s)));
  }
  Router& router() {
    if (!made) made = std::make_unique<Router>(loop, deployments, std::vector{workload});
    return *made;
  }
  Task<bool> relay_once() {
    const RelayInput input{
        .dialect = "chat",
        .model = "m",
        .body = stream ? R"({"model":"m","stream":true,"messages":[]})" : R"({"model":"m","messages":[]})",
        .stream = stream,
        .traffic = {},
        .needs = {},
        .traceparent = {},
        .headers = {}};
    bytes.clear();
    outcome = {};
    Relay relay(input, router(), loop, *gone, limits, Log());
    Result<Relay::Head> head = co_await relay.open();
    Result<bool> more = head.ok() && head->stream;
    if (!head.ok()) outcome = head.error();
    while (more.ok() && *more) {
      std::string events;
      more = co_await relay.next(events);
      EXPECT_EQ(end_of_events(events), events.size());
      bytes += events;
    }
    if (!more.ok()) outcome = more.error();
    heard = relay.heard();
    attempts = relay.attempts();
    if (head.ok()) author = relay.author().started.provider;
    co_return true;
  }
  void go() { EXPECT_TRUE(loop.run(relay_once())); }
  // "a hedged_away, b completed beside 1"
  std::string account() const {
    std::string out;
    for (const RelayedAttempt& each : attempts) {
      out += (out.empty() ? "" : ", ") + each.started.provider + " " + each.ended.outcome;
      if (each.started.beside != 0) out += " beside " + std::to_string(each.started.beside);
      EXPECT_EQ(each.ended.number, each.started.number);
    }
    return out;
  }
  double seconds() const { return std::chrono::duration<double>(loop.now().time_since_epoch()).count(); }
};

TEST_F(RelayHedge, NobodyIsAskedBesideOneThatSpeaksInTime) {
  go();
  EXPECT_EQ(bytes, a.answer());
  EXPECT_EQ(account(), "a completed");
  EXPECT_TRUE(b.asked.empty());
  EXPECT_EQ(heard.text(), "from a");
  EXPECT_EQ(attempts[0].ended.cost.amount, "0.00001");
}

TEST_F(RelayHedge, WhoSpeaksFirstIsPassedOnAndTheOtherOneIsLeft) {
  a.silence = 30s;
  const double began = seconds();
  go();
  EXPECT_EQ(bytes, b.answer());
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(account(), "a hedged_away, b completed beside 1");
  EXPECT_EQ(author, "b");
  EXPECT_EQ(heard.text(), "from b");
  EXPECT_LT(seconds() - began, 1);
  EXPECT_EQ(attempts[0].ended.cost.unknown, "answer_cut") << "it had begun, and may be billed";
  EXPECT_EQ(attempts[0].ended.upstream_id, "a");
  EXPECT_EQ(attempts[1].ended.cost.amount, "0.00001");
  loop.run(pass(loop, 40s));
  EXPECT_EQ(a.left, 1) << "its connection is closed";
  EXPECT_NE(registry.render().find("perdure_hedges_total 1\n"), std::string::npos);
  EXPECT_NE(registry.render().find("perdure_hedges_won_total 1\n"), std::string::npos);
  // Nobody is to blame for having been outrun.
  EXPECT_TRUE(router().deployments()[0].health.admits(loop.now()));
}

TEST_F(RelayHedge, TheFirstMayStillWin) {
  a.silence = 800ms;
  b.silence = 30s;
  go();
  EXPECT_EQ(bytes, a.answer());
  EXPECT_EQ(account(), "a completed, b hedged_away beside 1");
  EXPECT_EQ(author, "a");
}

// At the same moment, to the grain of the network: one of the two, whole.
TEST_F(RelayHedge, TwoThatSpeakTogetherNeverMix) {
  for (int shift = -20; shift <= 20; ++shift) {
    a.silence = 700ms + std::chrono::milliseconds(shift);
    b.silence = 200ms;
    gone = std::make_unique<Cancellation>(loop);
    go();
    EXPECT_TRUE(bytes == a.answer() || bytes == b.answer()) << bytes;
    ASSERT_EQ(attempts.size(), 2u);
    EXPECT_EQ(bytes == a.answer() ? "a completed, b hedged_away beside 1" : "a hedged_away, b completed beside 1",
              account());
  }
}

TEST_F(RelayHedge, OneThatFailsLeavesTheFieldToTheOther) {
  a.silence = 700ms;
  a.status = 503;
  b.silence = 3s;
  go();
  EXPECT_EQ(bytes, b.answer());
  EXPECT_EQ(account(), "a failed, b completed beside 1");
  EXPECT_EQ(author, "b");
}

TEST_F(RelayHedge, OneThatBreaksOffBeforeItsWordIsNobodysAnswer) {
  a.cut_behind = 1;  // the name, and no word
  go();
  EXPECT_EQ(bytes, b.answer()) << "where it is not hedged, somebody else would have to render this";
  EXPECT_EQ(account(), "a failed, b completed");
}

TEST_F(RelayHedge, BothMayFail) {
  a.silence = 900ms;
  b.silence = 600ms;
  a.status = b.status = 503;
  limits.fruitless_attempts_max = 2;
  go();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::kUnavailable);
  EXPECT_EQ(account(), "a failed, b failed beside 1");
}

TEST_F(RelayHedge, ACutBehindTheFirstWordIsGoneOnWithAsEver) {
  a.silence = 30s;
  b.cut_behind = 2;
  go();
  EXPECT_FALSE(outcome.ok());
  EXPECT_EQ(bytes, b.frames()[0] + b.frames()[1]);
  EXPECT_EQ(heard.text(), "from b");
  EXPECT_EQ(account(), "a hedged_away, b cut beside 1");
  EXPECT_EQ(author, "b");
}

TEST_F(RelayHedge, AClientThatLeavesEndsBoth) {
  a.silence = b.silence = 30s;
  auto leave = [](RelayHedge& test) -> Task<void> {
    co_await sleep_for(test.loop, 2s);
    test.gone->request();
  };
  TaskGroup group(loop);
  group.spawn(leave(*this));
  go();
  loop.run(group.join());
  EXPECT_EQ(outcome.error().code, Code::kCancelled);
  EXPECT_EQ(account(), "a cancelled, b cancelled beside 1");
  EXPECT_LT(seconds(), 5);
}

TEST_F(RelayHedge, AWithdrawalOfTheFirstLeavesTheSecond) {
  a.silence = 30s;
  b.silence = 3s;
  auto withdraw = [](RelayHedge& test) -> Task<void> {
    co_await sleep_for(test.loop, 1s);
    test.router().set_withdrawals({{.id = "wd_1", .name = "a", .mode = WithdrawalMode::kCut}});
  };
  TaskGroup group(loop);
  group.spawn(withdraw(*this));
  go();
  loop.run(group.join());
  EXPECT_EQ(bytes, b.answer());
  EXPECT_EQ(account(), "a withdrawn, b completed beside 1");
}

TEST_F(RelayHedge, WhoSpeaksAnotherDialectIsNoSecond) {
  deployments.pop_back();
  add("c", 81, responses_upstream());
  a.silence = 2s;
  go();
  EXPECT_EQ(bytes, a.answer());
  EXPECT_EQ(account(), "a completed");
  add("b", 81, chat_upstream({}));  // and another behind it
  made.reset();
  gone = std::make_unique<Cancellation>(loop);
  go();
  EXPECT_EQ(bytes, b.answer());
  EXPECT_EQ(account(), "a hedged_away, b completed beside 1");
}

TEST_F(RelayHedge, TheBudgetsAreAskedForTheSecond) {
  a.silence = 2s;
  NoMoney guard;
  router().set_guard(&guard);
  go();
  EXPECT_EQ(bytes, a.answer());
  EXPECT_EQ(account(), "a completed");
  EXPECT_EQ(guard.asked, 2);
  made->set_guard(nullptr);
}

TEST_F(RelayHedge, RetryBudgetsAndSlotsLimitIt) {
  a.silence = 2s;
  workload.retry = {.ratio = 0, .per_second = 0};  // there are ten to begin with
  for (int i = 0; i < 12; ++i) {
    gone = std::make_unique<Cancellation>(loop);
    go();
    EXPECT_EQ(account(), i < 10 ? "a hedged_away, b completed beside 1" : "a completed");
  }
  workload.retry = {};
  deployments[1].concurrency_max = 1;
  made.reset();
  Cancellation other(loop);
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}, .beside = 0};
  auto taken = loop.run(router().begin(ask, deadline_in(loop, 1s), other));
  ASSERT_TRUE(taken.ok());
  ASSERT_EQ((*taken)->deployment().name, "b");
  gone = std::make_unique<Cancellation>(loop);
  go();
  EXPECT_EQ(account(), "a completed") << "nobody waits in a queue for it";
  taken->reset();
}

// The answer of a stream is known by its first word; one that comes whole has none.
TEST_F(RelayHedge, OnlyStreamsAreHedged) {
  stream = false;
  a.status = 400;
  a.silence = 3s;
  go();
  EXPECT_EQ(account(), "a failed");
}

TEST_F(RelayHedge, AFirstWordIsALatencyThatIsRemembered) {
  workload.hedge_after.reset();
  workload.hedge_percentile = 95;
  for (int i = 0; i < 20; ++i) {
    gone = std::make_unique<Cancellation>(loop);
    go();
    EXPECT_EQ(account(), "a completed");
  }
  a.silence = 30s;
  gone = std::make_unique<Cancellation>(loop);
  go();
  EXPECT_EQ(account(), "a hedged_away, b completed beside 1");
  EXPECT_EQ(bytes, b.answer());
}

}  // namespace
}  // namespace perdure
