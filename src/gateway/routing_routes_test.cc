// Withdrawals and deployments over the public surface, in virtual time: a Gateway over the real Responses, Router and
// WithdrawalDesk, two scripted suppliers, a store in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "async/task_group.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "http/sim_network.h"
#include "provider/testing/scripted_provider.h"
#include "routing/withdrawal_desk.h"
#include "store/memory_store.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view kAnswer = "An answer that is long enough to be cut in many places, and whole all the same.";

struct Answer {
  int status = 0;
  std::string body;
  json::Document json() const {
    Result<json::Document> document = json::Document::parse(body);
    EXPECT_TRUE(document.ok()) << body;
    return std::move(document).value();
  }
  std::string text(std::string_view field) const { return std::string(json().root()[field].text()); }
  std::string error(std::string_view field) const { return std::string(json().root()["error"][field].text()); }
};

ScriptedAnswer rest_of_answer(const ScriptedCall& call) {
  std::vector<Piece> pieces = text_pieces(kAnswer.substr(call.held.size()));
  pieces.push_back(finish_piece());
  return {.pieces = std::move(pieces), .pause = 50ms};
}

class RoutingRoutes : public testing::Test {
 public:
  SimLoop loop{5};
  SimCable cable{loop, 3};
  SimNetwork there{cable}, here{cable};
  ScriptedProvider::Script script_of_one = rest_of_answer;
  ScriptedProvider one{loop, [this](const ScriptedCall& call) { return script_of_one(call); }},
      two{loop, rest_of_answer};
  std::unique_ptr<Store> store = memory_store(Key256{});
  std::unique_ptr<Router> router;
  std::unique_ptr<WithdrawalDesk> desk;
  Registry registry;
  GatewayMetrics metrics{registry};
  std::atomic<Readiness> readiness{Readiness::kReady};
  std::string folder;
  std::unique_ptr<KeyBook> keys;
  std::unique_ptr<Responses> responses;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  std::string key;

  void SetUp() override {
    char pattern[] = "/tmp/perdure-routing-XXXXXX";
    folder = ::mkdtemp(pattern);
    std::vector<Deployment> deployments{Deployment::simple("m", one), Deployment::simple("m", two)};
    for (size_t i = 0; i < 2; ++i) {
      deployments[i].provider_name = i == 0 ? "azure" : "bedrock";
      deployments[i].name = "m@" + deployments[i].provider_name;
      deployments[i].priority = static_cast<int>(i);
    }
    deployments[0].region = "eu";
    router = std::make_unique<Router>(loop, deployments);
    desk = std::make_unique<WithdrawalDesk>(*store, std::vector<Router*>{router.get()}, Log());
    keys = std::make_unique<KeyBook>(KeyFile::in(folder), loop, Log());
    ASSERT_TRUE(keys->load().ok());
    Result<Lease> lease = loop.run(store->acquire(0));
    ASSERT_TRUE(lease.ok());
    responses = std::make_unique<Responses>(
        Responses::Options{.store = *store, .lease = *lease, .master = Key256{}, .limits = {}, .log = {}},
        std::vector<Loop*>{&loop}, std::vector<Router*>{router.get()});
    GatewayOptions options;
    options.desk = desk.get();
    gateway = std::make_unique<Gateway>(
        loop, *responses, *keys, metrics,
        []() -> Task<std::vector<std::string>> { co_return std::vector<std::string>{"m"}; }, readiness, options, Log());
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(*listener), *gateway, HttpServerLimits{}, Log());
    server->start();
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
  }
  void TearDown() override {
    client->close_idle();
    loop.run(responses->stop({loop.now() + 1s}));
    loop.run(server->stop({loop.now() + 1s}));
    loop.run(gateway->stop());
    client.reset();
    server.reset();
    gateway.reset();
    responses.reset();
    desk.reset();
    router.reset();
    std::filesystem::remove_all(folder);
  }

  Task<Answer> exchange(std::string method, std::string path, std::string body) {
    HttpCall call;
    call.method = std::move(method);
    call.url = {.tls = false, .address = {"host", 80}, .path = std::move(path)};
    if (!body.empty()) call.headers.add("Content-Type", "application/json");
    if (!key.empty()) call.headers.add("Authorization", "Bearer " + key);
    call.body = std::move(body);
    Deadline deadline = deadline_in(loop, 60s);
    Result<std::unique_ptr<HttpAnswer>> got = co_await client->send(std::move(call), deadline, nullptr);
    CHECK(got.ok(), got.ok() ? "" : got.error().message);
    Answer out{.status = (*got)->status, .body = {}};
    for (;;) {
      Result<bool> more = co_await (*got)->read(out.body, deadline);
      CHECK(more.ok(), more.ok() ? "" : more.error().message);
      if (!*more) co_return out;
    }
  }
  Answer send(std::string method, std::string path, std::string body = {}) {
    return loop.run(exchange(std::move(method), std::move(path), std::move(body)));
  }
  void pass(Duration time) {
    auto sleep = [](Loop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); };
    loop.run(sleep(loop, time));
  }
  std::string make_key(const std::string& scopes) {
    Result<KeyFile::Made> made =
        KeyFile(KeyFile::in(folder))
            .create("", TenantId("default"), *Scopes::parse(scopes), loop.wall(), loop.random());
    CHECK(made.ok(), "a key");
    pass(2s);  // the server looks once a second
    return made->secret;
  }
};

TEST_F(RoutingRoutes, AnAnswerGoesOnElsewhereWhenItsProviderIsCutOff) {
  Answer whole, cut;
  auto create = [](RoutingRoutes& t, Answer& out) -> Task<void> {
    out = co_await t.exchange("POST", "/v1/responses", R"({"model":"m","input":"go"})");
  };
  TaskGroup group(loop);
  group.spawn(create(*this, whole));
  ASSERT_TRUE(loop.run_until([&] { return one.calls() == 1; }, 5s));
  pass(400ms);
  Instant before = loop.now();
  cut = send("POST", "/v1/x/withdrawals", R"({"target":{"provider":"azure"},"mode":"cut","reason":"drill"})");
  EXPECT_EQ(cut.status, 200) << cut.body;
  EXPECT_EQ(cut.json().root()["touches"]["running"].integer(), 1);
  ASSERT_TRUE(loop.run_until([&] { return two.calls() == 1; }, 5s));
  EXPECT_LT(loop.now() - before, 100ms) << "at once, without backing off";
  loop.run(group.join());
  json::Document response = whole.json();
  EXPECT_EQ(response.root()["status"].text(), "completed");
  EXPECT_EQ(response.root()["output"].at(0)["content"].at(0)["text"].text(), kAnswer);
  json::Document account = send("GET", "/v1/x/responses/" + whole.text("id")).json();
  json::Value placements = account.root()["placements"];
  ASSERT_EQ(placements.size(), 2u);
  EXPECT_EQ(placements.at(0)["outcome"].text(), "withdrawn");
  EXPECT_EQ(placements.at(1)["outcome"].text(), "completed");
  EXPECT_EQ(placements.at(1)["reason"].text(), "m@bedrock by priority, of 2; m@azure withdrawn");
  auto range = [&](size_t attempt) { return placements.at(attempt)["wrote"].at(0); };
  int64_t seam = range(0)["to_character"].integer().value_or(-1);
  EXPECT_EQ(range(0)["from_character"].integer(), 0);
  EXPECT_GT(seam, 0);
  EXPECT_EQ(range(1)["from_character"].integer(), seam);
  EXPECT_EQ(range(1)["to_character"].integer(), static_cast<int64_t>(kAnswer.size()));
  EXPECT_EQ(range(1)["item_id"].text(), response.root()["output"].at(0)["id"].text());
  EXPECT_EQ(placements.at(1)["seam"].text(), "exact");
  EXPECT_THAT(send("GET", "/metrics").body,
              HasSubstr("perdure_deployment_withdrawn{deployment=\"m@azure\",provider=\"azure\"} 1"));
  json::Document deployments = send("GET", "/v1/x/deployments").json();
  EXPECT_EQ(deployments.root()["data"].at(0)["state"].text(), "withdrawn");
  EXPECT_EQ(deployments.root()["data"].at(0)["failures"].integer(), 0) << "not its fault";
}

TEST_F(RoutingRoutes, ARefusedCredentialIsOutAndSaysSo) {
  EXPECT_EQ(send("GET", "/readyz").body, "ready\n");
  script_of_one = [](const ScriptedCall&) {
    return ScriptedAnswer{.refusal = Error{.code = Code::kDenied, .message = "who are you?", .upstream_status = 401}};
  };
  for (int i = 0; i < 3; ++i) {
    Answer answer = send("POST", "/v1/responses", R"({"model":"m","input":"go"})");
    EXPECT_EQ(answer.text("status"), "completed") << answer.body;
  }
  EXPECT_EQ(one.calls(), 1u) << "it is asked once";
  json::Document deployments = send("GET", "/v1/x/deployments").json();
  EXPECT_EQ(deployments.root()["data"].at(0)["state"].text(), "credential_refused");
  EXPECT_EQ(deployments.root()["data"].at(1)["state"].text(), "able");
  std::string metrics_text = send("GET", "/metrics").body;
  EXPECT_THAT(metrics_text,
              HasSubstr("perdure_deployment_credential_refused{deployment=\"m@azure\",provider=\"azure\"} 1\n"));
  EXPECT_THAT(metrics_text, HasSubstr("perdure_deployment_able{deployment=\"m@bedrock\",provider=\"bedrock\"} 1\n"));
  Answer ready = send("GET", "/readyz");
  EXPECT_EQ(ready.status, 200) << "others are able";
  EXPECT_EQ(ready.body, "ready\ncredential refused by 1 provider: perdure deployments says which\n");
}

TEST_F(RoutingRoutes, WithdrawnListedRestored) {
  Answer made = send("POST", "/v1/x/withdrawals", R"({"target":{"name":"eu"}})");
  ASSERT_EQ(made.status, 200) << made.body;
  json::Document document = made.json();
  EXPECT_EQ(document.root()["object"].text(), "x_withdrawal");
  EXPECT_EQ(document.root()["target"]["kind"].text(), "region");
  EXPECT_EQ(document.root()["mode"].text(), "drain");
  EXPECT_EQ(document.root()["touches"]["models"].at(0)["remaining"].integer(), 1);
  std::string id = made.text("id");
  EXPECT_THAT(id, HasSubstr("wd_"));
  json::Document list = send("GET", "/v1/x/withdrawals").json();
  ASSERT_EQ(list.root()["data"].size(), 1u);
  EXPECT_EQ(list.root()["data"].at(0)["id"].text(), id);
  Answer restored = send("DELETE", "/v1/x/withdrawals/" + id);
  EXPECT_EQ(restored.status, 200);
  EXPECT_EQ(send("DELETE", "/v1/x/withdrawals/" + id).status, 404);
  EXPECT_EQ(send("GET", "/v1/x/withdrawals").json().root()["data"].size(), 0u);
}

TEST_F(RoutingRoutes, APreviewChangesNothing) {
  Answer preview = send("POST", "/v1/x/withdrawals", R"({"target":{"provider":"azure"},"mode":"cut","preview":true})");
  ASSERT_EQ(preview.status, 200) << preview.body;
  EXPECT_EQ(preview.text("object"), "x_withdrawal_preview");
  EXPECT_TRUE(preview.json().root()["id"].missing());
  EXPECT_EQ(send("GET", "/v1/x/withdrawals").json().root()["data"].size(), 0u);
}

TEST_F(RoutingRoutes, WithEverythingWithdrawnTheClientIsToldSo) {
  for (const char* name : {"azure", "bedrock"})
    ASSERT_EQ(send("POST", "/v1/x/withdrawals", std::string(R"({"target":{"provider":")") + name + "\"}}").status, 200);
  Answer refused = send("POST", "/v1/responses", R"({"model":"m","input":"go"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.error("code"), "withdrawn");
  EXPECT_EQ(one.calls() + two.calls(), 0u);
}

TEST_F(RoutingRoutes, BadOrdersAreRefusedAndChangeNothing) {
  struct Case {
    const char* body;
    const char* param;
  };
  for (const Case& c : {Case{"[]", ""}, Case{"{}", "target"}, Case{R"({"target":"azure"})", "target"},
                        Case{R"({"target":{}})", "target"}, Case{R"({"target":{"planet":"x"}})", "target"},
                        Case{R"({"target":{"provider":"azure","region":"eu"}})", "target"},
                        Case{R"({"target":{"provider":"azur"}})", "target"},
                        Case{R"({"target":{"provider":"azure"},"mode":"now"})", "mode"},
                        Case{R"({"target":{"provider":"azure"},"reason":7})", "reason"},
                        Case{R"({"target":{"provider":"azure"},"preview":"yes"})", "preview"},
                        Case{R"({"target":{"provider":"azure"},"why":"x"})", "why"}}) {
    Answer refused = send("POST", "/v1/x/withdrawals", c.body);
    EXPECT_EQ(refused.status, 400) << c.body;
    EXPECT_EQ(refused.error("param"), c.param) << c.body;
  }
  EXPECT_EQ(send("POST", "/v1/x/withdrawals", "{").status, 400);
  EXPECT_EQ(send("GET", "/v1/x/withdrawals").json().root()["data"].size(), 0u);
}

TEST_F(RoutingRoutes, AuditorsReadAndOperatorsAct) {
  std::string audit = make_key("audit"), operate = make_key("operate"), use = make_key("use");
  key = use;
  EXPECT_EQ(send("GET", "/v1/x/deployments").status, 403);
  EXPECT_EQ(send("GET", "/v1/x/withdrawals").status, 403);
  key = audit;
  EXPECT_EQ(send("GET", "/v1/x/deployments").status, 200);
  EXPECT_EQ(send("GET", "/v1/x/withdrawals").status, 200);
  Answer refused = send("POST", "/v1/x/withdrawals", R"({"target":{"provider":"azure"}})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.error("message"), HasSubstr("needs operate"));
  key = operate;
  Answer made = send("POST", "/v1/x/withdrawals", R"({"target":{"provider":"azure"}})");
  EXPECT_EQ(made.status, 200);
  EXPECT_THAT(made.text("by"), HasSubstr("key_"));
  std::string path = "/v1/x/withdrawals/" + made.text("id");
  key = audit;
  EXPECT_EQ(send("DELETE", path).status, 403);
  key = operate;
  EXPECT_EQ(send("DELETE", path).status, 200);
}

}  // namespace
}  // namespace perdure
