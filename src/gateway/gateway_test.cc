// The public surface in virtual time: a Gateway behind an HttpServer on a simulated network, over the real Responses, a
// store in memory and a scripted provider.

#include "gateway/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "http/client.h"
#include "http/sim_network.h"
#include "store/memory_store.h"
#include "wire/sse.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Answers with the words of the last message, one piece each 10 ms. "hang" never answers, "refuse" is refused.
class ScriptedProvider final : public Provider {
 public:
  explicit ScriptedProvider(Loop& loop) : loop_(loop) {}
  int opened = 0, live = 0;
  std::vector<std::string> traceparents;
  const std::string& name() const override { return name_; }

  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline, Cancellation& cancel) override {
    ++opened;
    traceparents.push_back(call.traceparent);
    std::string text = call.context.back().content.empty() ? "" : call.context.back().content[0].text;
    if (text == "refuse") co_return Error{Code::kInvalid, "the supplier does not like it", "", "bad_taste", 400};
    co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<Answer>(*this, std::move(text), cancel));
  }

 private:
  class Answer final : public UpstreamAnswer {
   public:
    Answer(ScriptedProvider& owner, std::string text, Cancellation& cancel)
        : owner_(owner), cancel_(cancel), hangs_(text == "hang"), words_(text) {
      ++owner_.live;
    }
    ~Answer() override { --owner_.live; }
    Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
      Deadline pause = hangs_ ? deadline : deadline_in(owner_.loop_, 10ms);
      bool cancelled = co_await cancel_.wait(pause);
      if (cancelled) co_return Error{Code::kCancelled, "cancelled"};
      if (hangs_) co_return Error{Code::kDeadline, "nothing came"};
      std::string word;
      if (words_ >> word) {
        out.push_back({.kind = Piece::Kind::kText, .text = word + " "});
        co_return true;
      }
      if (finished_) co_return false;
      finished_ = true;
      out.push_back({.kind = Piece::Kind::kFinish, .text = "stop", .finish = Finish::kStop});
      co_return true;
    }

   private:
    ScriptedProvider& owner_;
    Cancellation& cancel_;
    bool hangs_, finished_ = false;
    std::istringstream words_;
  };
  Loop& loop_;
  std::string name_ = "scripted";
};

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  bool whole = false;  // the body ended in good order
  std::string id() const { return std::string(headers.get("x-perdure-response-id")); }
  std::vector<std::string> events() const {  // types, and "[DONE]"
    std::vector<std::string> out;
    SseParser parser;
    EXPECT_TRUE(parser
                    .feed(body,
                          [&](const SseEvent& event) -> Result<void> {
                            out.emplace_back(event.data == "[DONE]" ? event.data : event.event);
                            return {};
                          })
                    .ok());
    return out;
  }
  json::Document json() const {
    Result<json::Document> document = json::Document::parse(body);
    EXPECT_TRUE(document.ok()) << body;
    return std::move(document).value();
  }
  std::string error(std::string_view field) const { return std::string(json().root()["error"][field].text()); }
};

class GatewayTest : public testing::Test {
 protected:
  SimLoop loop{5};
  SimCable cable{loop, 3};
  SimNetwork there{cable}, here{cable};
  ScriptedProvider provider{loop};
  Router router{loop, {Deployment::simple("m", provider), Deployment::simple("m2", provider)}};
  std::unique_ptr<Store> store = memory_store(Key256{});
  Registry registry;
  GatewayMetrics metrics{registry};
  std::atomic<Readiness> readiness{Readiness::kReady};
  std::string folder;
  std::unique_ptr<KeyBook> keys;
  std::unique_ptr<Responses> responses;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;

  void SetUp() override {
    char pattern[] = "/tmp/perdure-gateway-XXXXXX";
    folder = ::mkdtemp(pattern);
    keys = std::make_unique<KeyBook>(KeyFile::in(folder), loop, Log());
    ASSERT_TRUE(keys->load().ok());
    Result<Lease> lease = loop.run(store->acquire(0));
    ASSERT_TRUE(lease.ok());
    responses = std::make_unique<Responses>(
        Responses::Options{.store = *store, .lease = *lease, .master = Key256{}, .limits = {}, .log = {}},
        std::vector<Loop*>{&loop}, std::vector<Router*>{&router});
    gateway = std::make_unique<Gateway>(
        loop, *responses, *keys, metrics,
        []() -> Task<std::vector<std::string>> { co_return std::vector<std::string>{"m", "m2"}; }, readiness,
        GatewayOptions{}, Log());
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(*listener), *gateway, HttpServerLimits{}, Log());
    server->start();
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
  }
  void TearDown() override {
    client->close_idle();
    loop.run(responses->stop(deadline_in(loop, 10ms)));
    loop.run(server->stop(deadline_in(loop, 1s)));
    loop.run(gateway->stop());
    server.reset();
    client.reset();
    gateway.reset();
    responses.reset();
    std::filesystem::remove_all(folder);
  }

  using Fields = std::vector<std::pair<std::string, std::string>>;

  // Reads until the end, or until `stop_after` is in the body; then the connection is broken.
  Task<Answer> ask(std::string method, std::string target, std::string body, Fields headers, std::string stop_after) {
    HttpCall call;
    call.method = std::move(method);
    call.url = {.tls = false, .address = {"host", 80}, .path = std::move(target)};
    if (!body.empty()) call.headers.set("Content-Type", "application/json");
    for (auto& [name, value] : headers) call.headers.set(name, value);
    call.body = std::move(body);
    Answer out;
    Result<std::unique_ptr<HttpAnswer>> answer = co_await client->send(std::move(call), Deadline::never(), nullptr);
    EXPECT_TRUE(answer.ok());
    if (!answer.ok()) co_return out;
    out.status = (*answer)->status;
    out.headers = (*answer)->headers;
    for (;;) {
      Result<bool> more = co_await (*answer)->read(out.body, Deadline::never());
      out.whole = more.ok() && !*more;
      if (!more.ok() || !*more) break;
      if (!stop_after.empty() && out.body.find(stop_after) != std::string::npos) break;
    }
    co_return out;
  }
  Answer send(std::string method, std::string target, std::string body = {}, Fields headers = {},
              std::string stop_after = {}) {
    return loop.run(
        ask(std::move(method), std::move(target), std::move(body), std::move(headers), std::move(stop_after)));
  }
  Answer create(std::string fields, Fields headers = {}, std::string stop_after = {}) {
    return send("POST", "/v1/responses", R"({"model":"m",)" + fields + "}", std::move(headers), std::move(stop_after));
  }
  void pass(Duration time) {
    auto sleep = [](Loop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); };
    loop.run(sleep(loop, time));
  }
  std::string make_key(const std::string& tenant, const std::string& scopes) {
    auto made =
        KeyFile(KeyFile::in(folder)).create("", TenantId(tenant), *Scopes::parse(scopes), loop.wall(), loop.random());
    EXPECT_TRUE(made.ok());
    pass(2s);  // the server looks once a second
    return "Bearer " + made->secret;
  }
};

TEST_F(GatewayTest, AnswersWithTheWholeResource) {
  Answer answer = create(R"("input":"one two")");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("content-type"), "application/json");
  EXPECT_THAT(answer.id(), StartsWith("resp_"));
  EXPECT_FALSE(answer.headers.get("x-request-id").empty());
  json::Document resource = answer.json();
  EXPECT_EQ(resource.root()["id"].text(), answer.id());
  EXPECT_EQ(resource.root()["status"].text(), "completed");
  EXPECT_EQ(resource.root()["output"].at(0)["content"].at(0)["text"].text(), "one two ");
  EXPECT_EQ(send("GET", "/v1/responses/" + answer.id()).body, answer.body);
}

TEST_F(GatewayTest, StreamsWholeEventsAndDone) {
  Answer answer = create(R"("input":"one two","stream":true)");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("content-type"), "text/event-stream");
  EXPECT_EQ(answer.headers.get("cache-control"), "no-cache");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.find('\r'), std::string::npos);
  EXPECT_THAT(answer.events(),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                          "response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.completed", "[DONE]"));
  EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n"));
}

TEST_F(GatewayTest, AStreamReadAgainIsTheSame) {
  Answer live = create(R"("input":"one two three","stream":true)");
  Answer again = send("GET", "/v1/responses/" + live.id() + "?stream=true");
  EXPECT_EQ(again.body, live.body);
  Answer tail = send("GET", "/v1/responses/" + live.id() + "?stream=true&starting_after=4");
  EXPECT_TRUE(live.body.ends_with(tail.body));
  EXPECT_EQ(tail.events().size(), live.events().size() - 5);
  Answer nothing = send("GET", "/v1/responses/" + live.id() + "?stream=true&starting_after=999");
  EXPECT_EQ(nothing.status, 200);
  EXPECT_EQ(nothing.body, "data: [DONE]\n\n");
}

TEST_F(GatewayTest, AReaderThatLeavesDoesNotStopAStoredResponse) {
  Answer cut = create(R"("input":"a b c d e f g","stream":true)", {}, "\"delta\":\"b \"");
  EXPECT_FALSE(cut.whole);
  Answer rest = send("GET", "/v1/responses/" + cut.id() + "?stream=true");
  EXPECT_TRUE(rest.body.starts_with(cut.body.substr(0, cut.body.rfind("\n\n"))));
  EXPECT_EQ(rest.events().back(), "[DONE]");
  EXPECT_EQ(provider.opened, 1);
}

TEST_F(GatewayTest, AReaderThatLeavesStopsWhatIsNotStored) {
  Answer cut = create(R"("input":"hang","stream":true,"store":false)", {}, "response.created");
  pass(1s);
  EXPECT_EQ(provider.live, 0);
  EXPECT_EQ(responses->running(), 0u);
}

TEST_F(GatewayTest, WhatIsNotStoredIsAnsweredAndGone) {
  Answer whole = create(R"("input":"one","store":false)");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.json().root()["status"].text(), "completed");
  EXPECT_EQ(send("GET", "/v1/responses/" + whole.id()).status, 404);
  Answer streamed = create(R"("input":"one","store":false,"stream":true)");
  EXPECT_EQ(streamed.events().back(), "[DONE]");
  EXPECT_EQ(send("GET", "/v1/responses/" + streamed.id() + "?stream=true").status, 404);
}

TEST_F(GatewayTest, BackgroundReturnsAtOnceAndGoesOn) {
  Answer queued = create(R"("input":"a b c","background":true)");
  EXPECT_EQ(queued.status, 200);
  EXPECT_THAT(std::string(queued.json().root()["status"].text()), testing::AnyOf("queued", "in_progress"));
  pass(1s);
  EXPECT_EQ(send("GET", "/v1/responses/" + queued.id()).json().root()["status"].text(), "completed");
  Answer streamed = create(R"("input":"a b c","background":true,"stream":true)");
  EXPECT_THAT(streamed.events(), testing::Contains("response.completed"));
}

TEST_F(GatewayTest, CancelEndsAResponseAndMayBeRepeated) {
  Answer queued = create(R"("input":"hang","background":true)");
  Answer first = send("POST", "/v1/responses/" + queued.id() + "/cancel");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.json().root()["status"].text(), "cancelled");
  EXPECT_EQ(send("POST", "/v1/responses/" + queued.id() + "/cancel").body, first.body);
  EXPECT_EQ(provider.live, 0);
}

TEST_F(GatewayTest, DeletedIsGone) {
  Answer made = create(R"("input":"one")");
  Answer deleted = send("DELETE", "/v1/responses/" + made.id());
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.body, R"({"id":")" + made.id() + R"(","object":"response","deleted":true})");
  EXPECT_EQ(send("GET", "/v1/responses/" + made.id()).status, 404);
  EXPECT_EQ(send("DELETE", "/v1/responses/" + made.id()).status, 404);
}

TEST_F(GatewayTest, InputItemsComeInPages) {
  Answer made =
      create(R"("input":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"user","content":"c"}])");
  std::string path = "/v1/responses/" + made.id() + "/input_items";
  json::Document newest = send("GET", path).json();
  EXPECT_EQ(newest.root()["object"].text(), "list");
  EXPECT_EQ(newest.root()["data"].size(), 3u);
  EXPECT_EQ(newest.root()["data"].at(0)["content"].at(0)["text"].text(), "c");
  json::Document first = send("GET", path + "?order=asc&limit=2").json();
  EXPECT_EQ(first.root()["data"].at(0)["content"].at(0)["text"].text(), "a");
  EXPECT_EQ(first.root()["has_more"].boolean(), true);
  EXPECT_EQ(first.root()["first_id"].text(), first.root()["data"].at(0)["id"].text());
  json::Document rest = send("GET", path + "?order=asc&after=" + std::string(first.root()["last_id"].text())).json();
  EXPECT_EQ(rest.root()["data"].size(), 1u);
  EXPECT_EQ(rest.root()["has_more"].boolean(), false);
  EXPECT_EQ(send("GET", path + "?after=msg_unknown").status, 400);
  EXPECT_EQ(send("GET", path + "?limit=0").status, 400);
}

TEST_F(GatewayTest, APreviousResponseIsContext) {
  Answer first = create(R"("input":"one")");
  Answer second = create(R"("input":"two","previous_response_id":")" + first.id() + "\"");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.json().root()["previous_response_id"].text(), first.id());
  Answer lost = create(R"("input":"two","previous_response_id":"resp_none")");
  EXPECT_EQ(lost.error("code"), "previous_response_not_found");
}

TEST_F(GatewayTest, ARepeatedKeyIsTheSameResponse) {
  Fields key = {{"Idempotency-Key", "k 1"}};
  Answer first = create(R"("input":"a b c","stream":true)", key, "\"delta\":\"a \"");
  Answer second = create(R"("input":"a b c","stream":true)", key);
  EXPECT_EQ(second.id(), first.id());
  EXPECT_TRUE(second.body.starts_with(first.body.substr(0, first.body.rfind("\n\n"))));
  EXPECT_EQ(second.events().back(), "[DONE]");
  EXPECT_EQ(provider.opened, 1);
  Answer other = create(R"("input":"d")", key);
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(create(R"("input":"d")", {{"Idempotency-Key", std::string(256, 'k')}}).status, 400);
  EXPECT_EQ(other.headers.get("x-should-retry"), "false");
}

TEST_F(GatewayTest, ARepeatedKeyIsTheSameAnswerAlsoWhereNothingIsStored) {
  Fields key = {{"Idempotency-Key", "k 1"}};
  std::string body = R"("input":"a b c","stream":true,"store":false)";
  Answer first = create(body, key, "\"delta\":\"a \"");  // and its client leaves
  Answer second = create(body, key);
  EXPECT_EQ(second.id(), first.id());
  EXPECT_TRUE(second.body.starts_with(first.body.substr(0, first.body.rfind("\n\n"))));
  EXPECT_EQ(second.events().back(), "[DONE]");
  EXPECT_EQ(create(body, key).body, second.body);
  EXPECT_EQ(provider.opened, 1);
  EXPECT_EQ(create(R"("input":"d","store":false)", key).error("code"), "idempotency_key_reused");
  Fields other = {{"Idempotency-Key", "k2"}};
  Answer whole = create(R"("input":"d","store":false)", other), again = create(R"("input":"d","store":false)", other);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(again.body, whole.body);
  EXPECT_EQ(provider.opened, 2);
}

TEST_F(GatewayTest, ErrorsAreJsonAndSayWhatIsWrong) {
  struct Case {
    std::string method, target, body;
    int status;
    std::string param;
  };
  const Case cases[] = {
      {"GET", "/", "", 404, ""},
      {"GET", "/v1/responses/", "", 404, ""},
      {"GET", "/v1/responses/resp_1/nothing", "", 404, ""},
      {"GET", "/v1/responses/resp_1", "", 404, ""},
      {"GET", "/v1/responses/resp_1?stream=true", "", 404, ""},
      {"GET", "/v1/responses/resp_1?stream=maybe", "", 400, "stream"},
      {"GET", "/v1/responses/resp_1?stream=true&starting_after=-1", "", 400, "starting_after"},
      {"GET", "/v1/responses/resp_1?stream=true&starting_after=x", "", 400, "starting_after"},
      {"GET", "/v1/responses/resp_1?starting_after=3", "", 400, "starting_after"},
      {"POST", "/v1/responses/resp_1/cancel", "", 404, ""},
      {"DELETE", "/v1/responses/resp_1", "", 404, ""},
      {"GET", "/v1/responses/resp_1/input_items", "", 404, ""},
      {"GET", "/v1/x/responses?limit=0", "", 400, "limit"},
      {"GET", "/v1/x/responses/resp_1", "", 404, ""},
      {"GET", "/v1/responses", "", 426, ""},
      {"PUT", "/v1/responses", "", 405, ""},
      {"POST", "/v1/responses", "{", 400, ""},
      {"POST", "/v1/responses", "[]", 400, ""},
      {"POST", "/v1/responses", std::string(1'000'000, '['), 400, ""},
      {"POST", "/v1/responses", "{\"model\":\"\xff\"}", 400, ""},
      {"POST", "/v1/responses", R"({"model":"m","input":7})", 400, "input"},
      {"POST", "/v1/responses", R"({"model":"m","input":"x","nonsense":1})", 400, "nonsense"},
  };
  for (const Case& c : cases) {
    Answer answer = send(c.method, c.target, c.body);
    EXPECT_EQ(answer.status, c.status) << c.method << " " << c.target << " " << answer.body;
    EXPECT_EQ(answer.headers.get("content-type"), "application/json") << c.target;
    EXPECT_FALSE(answer.error("message").empty()) << c.target;
    EXPECT_EQ(answer.error("param"), c.param) << c.target;
  }
  EXPECT_EQ(send("PUT", "/v1/responses").headers.get("allow"), "POST, GET");
  EXPECT_EQ(send("PUT", "/v1/responses/resp_1").headers.get("allow"), "GET, DELETE");
  EXPECT_EQ(provider.opened, 0);
  EXPECT_EQ(send("GET", "/v1/x/responses").json().root()["data"].size(), 0u);
}

TEST_F(GatewayTest, OnlyJsonIsTaken) {
  std::string body = R"({"model":"m","input":"x"})";
  EXPECT_EQ(send("POST", "/v1/responses", body, {{"Content-Type", "text/plain"}}).status, 415);
  EXPECT_EQ(send("POST", "/v1/responses", body, {{"Content-Type", "application/x-www-form-urlencoded"}}).status, 415);
  EXPECT_EQ(send("POST", "/v1/responses", body, {{"Content-Type", "Application/JSON; charset=utf-8"}}).status, 200);
}

TEST_F(GatewayTest, KeysSeparateTenants) {
  std::string a = make_key("a", "use"), b = make_key("b", "use"), ops = make_key("a", "operate"),
              audit = make_key("a", "audit");
  Answer nobody = send("GET", "/v1/models");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_THAT(std::string(nobody.headers.get("www-authenticate")), StartsWith("Bearer"));
  EXPECT_EQ(send("GET", "/v1/models", "", {{"Authorization", "Bearer pdk_wrong"}}).status, 401);
  EXPECT_EQ(send("GET", "/healthz").status, 200);
  EXPECT_EQ(send("GET", "/metrics").status, 401);

  Answer made = create(R"("input":"one")", {{"Authorization", a}});
  EXPECT_EQ(made.status, 200);
  std::string path = "/v1/responses/" + made.id();
  EXPECT_EQ(send("GET", path, "", {{"x-api-key", a.substr(7)}}).status, 200);
  EXPECT_EQ(send("GET", path, "", {{"api-key", a.substr(7)}}).status, 200);

  // What another tenant has is answered exactly as what nobody has.
  std::string unknown = "resp_" + std::string(48, '0');
  for (auto [method, suffix] :
       {std::pair("GET", ""), {"GET", "?stream=true"}, {"DELETE", ""}, {"POST", "/cancel"}, {"GET", "/input_items"}}) {
    Answer foreign = send(method, path + suffix, "", {{"Authorization", b}});
    Answer none = send(method, "/v1/responses/" + unknown + suffix, "", {{"Authorization", b}});
    EXPECT_EQ(foreign.status, 404);
    std::string body = foreign.body;
    body.replace(body.find(made.id()), made.id().size(), unknown);
    EXPECT_EQ(body, none.body);
    EXPECT_TRUE(foreign.id().empty());
  }
  Answer chained = create(R"("input":"x","previous_response_id":")" + made.id() + "\"", {{"Authorization", b}});
  EXPECT_EQ(chained.error("code"), "previous_response_not_found");
  EXPECT_EQ(create(R"("input":"x")", {{"Authorization", b}, {"Idempotency-Key", "k"}}).status, 200);
  EXPECT_EQ(create(R"("input":"y")", {{"Authorization", a}, {"Idempotency-Key", "k"}}).status, 200);

  EXPECT_EQ(send("GET", "/v1/x/responses", "", {{"Authorization", a}}).status, 403);
  EXPECT_EQ(send("GET", "/metrics", "", {{"Authorization", audit}}).status, 200);
  EXPECT_EQ(create(R"("input":"x")", {{"Authorization", ops}}).status, 403);
  EXPECT_EQ(send("GET", "/v1/x/responses", "", {{"Authorization", ops}}).json().root()["data"].size(), 2u);
}

TEST_F(GatewayTest, TheAccountShowsWhoServed) {
  Answer made = create(R"("input":"one two")");
  json::Document account = send("GET", "/v1/x/responses/" + made.id()).json();
  EXPECT_EQ(account.root()["status"].text(), "completed");
  EXPECT_EQ(account.root()["placements"].size(), 1u);
  EXPECT_EQ(account.root()["placements"].at(0)["provider"].text(), "scripted");
  EXPECT_EQ(account.root()["placements"].at(0)["outcome"].text(), "completed");
  json::Document list = send("GET", "/v1/x/responses").json();
  EXPECT_EQ(list.root()["data"].at(0)["id"].text(), made.id());
}

TEST_F(GatewayTest, TheListPages) {
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) made.push_back(create(R"("input":"x")").id());
  json::Document first = send("GET", "/v1/x/responses?limit=2").json();
  EXPECT_EQ(first.root()["has_more"].boolean(), true);
  EXPECT_EQ(first.root()["data"].at(0)["id"].text(), made[2]);
  int64_t cursor = first.root()["data"].at(1)["cursor"].integer().value_or(0);
  json::Document rest = send("GET", "/v1/x/responses?limit=2&before=" + std::to_string(cursor)).json();
  EXPECT_EQ(rest.root()["data"].size(), 1u);
  EXPECT_EQ(rest.root()["data"].at(0)["id"].text(), made[0]);
  EXPECT_EQ(rest.root()["has_more"].boolean(), false);
}

TEST_F(GatewayTest, SilenceIsKeptAliveByComments) {
  Answer cut = create(R"("input":"hang","stream":true)", {}, ": keep-alive\n\n: keep-alive\n\n");
  EXPECT_GE(loop.now().time_since_epoch(), 30s);
  EXPECT_LT(loop.now().time_since_epoch(), 40s);
}

TEST_F(GatewayTest, AStreamThatCannotGoOnIsCutWithoutAnEnding) {
  auto stop_soon = [](Loop& l, Responses& r) -> Task<void> {
    co_await sleep_for(l, 1s);
    co_await r.stop(deadline_in(l, 100ms));
  };
  TaskGroup group(loop);
  group.spawn(stop_soon(loop, *responses));
  Answer cut = create(R"("input":"hang","stream":true)");
  EXPECT_FALSE(cut.whole);
  EXPECT_THAT(cut.events(), testing::Not(testing::Contains("[DONE]")));
  EXPECT_THAT(cut.events(), testing::Contains("response.created"));
  loop.run(group.join());
}

TEST_F(GatewayTest, ReadinessIsTold) {
  EXPECT_EQ(send("GET", "/readyz").status, 200);
  readiness = Readiness::kStarting;
  EXPECT_EQ(send("GET", "/readyz").status, 503);
  EXPECT_EQ(send("GET", "/healthz").status, 200);
  Answer early = create(R"("input":"x")");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(early.headers.get("retry-after"), "1");
  readiness = Readiness::kDraining;
  EXPECT_EQ(send("GET", "/readyz").status, 503);
}

TEST_F(GatewayTest, ATraceIsPassedOnWhenItIsOne) {
  std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_EQ(create(R"("input":"x")", {{"traceparent", good}}).status, 200);
  EXPECT_EQ(create(R"("input":"x")", {{"traceparent", "00-zz"}}).status, 200);
  EXPECT_EQ(
      create(R"("input":"x")", {{"traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}}).status,
      200);
  EXPECT_THAT(provider.traceparents, ElementsAre(good, "", ""));
  EXPECT_EQ(send("GET", "/healthz", "", {{"x-request-id", "mine-1"}}).headers.get("x-request-id"), "mine-1");
}

TEST_F(GatewayTest, ModelsAreListed) {
  json::Document models = send("GET", "/v1/models").json();
  EXPECT_EQ(models.root()["data"].at(0)["id"].text(), "m");
  EXPECT_EQ(models.root()["data"].size(), 2u);
}

}  // namespace
}  // namespace perdure
