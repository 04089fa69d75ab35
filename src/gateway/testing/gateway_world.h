#pragma once
// GatewayWorld: the public surface in virtual time: a Gateway over the real Responses and Router, a store in memory,
// and suppliers that are scripted behind a real dialect (for what it cannot say). "m" and "m2" speak Chat Completions,
// "claude" speaks Messages.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "access/spending.h"
#include "dialect/chat_upstream.h"
#include "dialect/messages_upstream.h"
#include "gateway/gateway.h"
#include "gateway/lost_replies.h"
#include "http/client.h"
#include "http/sim_network.h"
#include "provider/testing/scripted_provider.h"
#include "store/memory_store.h"
#include "wire/sse.h"

namespace perdure {

using namespace std::chrono_literals;

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  bool whole = false;
  std::string id() const { return std::string(headers.get("x-perdure-response-id")); }
  std::string header(std::string_view name) const { return std::string(headers.get(name)); }
  json::Document json() const {
    Result<json::Document> document = json::Document::parse(body);
    EXPECT_TRUE(document.ok()) << body;
    return std::move(document).value();
  }
  std::string error(std::string_view field) const { return std::string(json().root()["error"][field].text()); }
  std::vector<std::string> frames() const {
    std::vector<std::string> out;
    SseParser parser;
    EXPECT_TRUE(parser
                    .feed(body,
                          [&](const SseEvent& event) -> Result<void> {
                            out.emplace_back(event.data);
                            return {};
                          })
                    .ok());
    return out;
  }
  std::string content() const {  // of all frames, put together
    std::string out;
    for (const std::string& frame : frames()) {
      if (frame == "[DONE]") continue;
      out += json::Document::parse(frame)->root()["choices"].at(0)["delta"]["content"].text();
    }
    return out;
  }
};

// What the supplier is asked is written, so that what cannot be said comes out; what it answers is scripted.
class WrittenSupplier final : public Provider {
 public:
  WrittenSupplier(Loop& loop, std::unique_ptr<UpstreamDialect> dialect)
      : dialect_(std::move(dialect)), scripted_(loop, [this](const ScriptedCall& call) { return script(call); }) {}
  const std::string& name() const override { return name_; }
  Result<std::vector<std::string>> dropped(const UpstreamCall& call) const override {
    TRY(UpstreamMessage message, write(call));
    return std::move(message.dropped);
  }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override {
    CO_TRY([[maybe_unused]] UpstreamMessage message, write(call));
    bodies.push_back(message.body);
    co_return co_await scripted_.open(std::move(call), deadline, cancel);
  }
  bool counts() const override { return dialect_->counts(); }
  Task<Result<int64_t>> count(UpstreamCall call, Deadline, Cancellation&) override {
    UpstreamAsk ask{.request = call.request, .context = call.context, .model = call.model, .issuer = name_};
    CO_TRY(UpstreamMessage message, dialect_->write_count(ask));
    bodies.push_back(message.body);
    co_return counted;
  }
  std::vector<std::string> bodies;
  int64_t counted = 42;
  std::function<ScriptedAnswer(const ScriptedCall&)> script = [](const ScriptedCall& call) {
    ScriptedAnswer answer{.pieces = text_pieces(call.context.back().content.at(0).text)};
    answer.pieces.push_back({.kind = Piece::Kind::kUsage, .usage = {7, 3, 5, 0, true}});
    answer.pieces.push_back(finish_piece());
    return answer;
  };

 private:
  Result<UpstreamMessage> write(const UpstreamCall& call) const {
    UpstreamAsk ask{.request = call.request, .context = call.context, .model = call.model, .issuer = name_};
    ask.held = call.held;
    ask.ask = call.ask;
    ask.max_output_tokens = call.max_output_tokens;
    return dialect_->write(ask);
  }
  std::unique_ptr<UpstreamDialect> dialect_;
  ScriptedProvider scripted_;
  std::string name_ = "scripted";
};

// 2 USD for a million tokens, 0.2 for those of input that were cached.
inline Deployment priced(std::string model, Provider& provider) {
  Deployment out = Deployment::simple(std::move(model), provider);
  Price& price = out.price.emplace();
  price.rates.input = price.rates.output = *Money::parse("0.000002");
  price.rates.cached_input = *Money::parse("0.0000002");
  price.version = {"2026-08-01", "a list"};
  return out;
}

class GatewayWorld : public testing::Test {
 public:
  SimLoop loop{5};
  SimCable cable{loop, 3};
  SimNetwork there{cable}, here{cable};
  WrittenSupplier supplier{loop, chat_upstream({})}, anthropic{loop, messages_upstream()};
  SpendingBook spending;
  Router router{loop,
                {Deployment::simple("m", supplier), priced("m2", supplier), Deployment::simple("claude", anthropic)}};
  std::unique_ptr<Store> store = memory_store(Key256{});
  Registry registry;
  GatewayMetrics metrics{registry};
  std::atomic<Readiness> readiness{Readiness::kReady};
  std::string folder;
  std::unique_ptr<KeyBook> keys;
  std::unique_ptr<Responses> responses;
  GenerationLimits limits;
  LostReplies lost_replies;
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
    serve({});
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
  }
  void serve(GatewayOptions options) {
    options.router = &router;
    options.generation = &limits;
    options.spending = &spending;
    options.lost_replies = &lost_replies;
    gateway = std::make_unique<Gateway>(
        loop, *responses, *keys, metrics,
        []() -> Task<std::vector<std::string>> { co_return std::vector<std::string>{"m", "m2", "claude"}; }, readiness,
        std::move(options), Log());
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, std::move(*listener), *gateway, HttpServerLimits{}, Log());
    server->start();
  }
  // The same with other options.
  void serve_again(GatewayOptions options) {
    client->close_idle();
    loop.run(server->stop(deadline_in(loop, 1s)));
    loop.run(gateway->stop());
    server.reset();
    serve(std::move(options));
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
  Answer get(std::string target, Fields headers = {}) { return send("GET", std::move(target), {}, std::move(headers)); }
  void pass(Duration time) {
    auto sleep = [](Loop& l, Duration d) -> Task<void> { co_await sleep_for(l, d); };
    loop.run(sleep(loop, time));
  }
};

}  // namespace perdure
