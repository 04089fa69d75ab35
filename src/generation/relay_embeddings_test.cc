// Embeddings are passed on as they are, to another deployment of the same model when one fails, never to another model.
#include <gtest/gtest.h>

#include "async/sim_loop.h"
#include "dialect/chat_upstream.h"
#include "dialect/messages_upstream.h"
#include "generation/relay.h"
#include "http/server.h"
#include "http/sim_network.h"
#include "provider/http_provider.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kVectors =
    R"({ "object":"list","x_new":1,"data":[{"object":"embedding","index":0,"embedding":[0.5,-0.25]}],"model":"up",)"
    R"("usage":{"prompt_tokens":9,"total_tokens":9}})";

// Answers by the host that it is asked as: "broken" is always out of order.
class Supplier final : public HttpHandler {
 public:
  Task<void> handle(HttpRequest& request, HttpReply& reply) override {
    std::string host(request.header("host"));
    asked.push_back(host + " " + request.path + " " + request.body);
    const bool broken = host == "broken";
    Result<void> sent =
        co_await reply.send(broken ? 500 : 200, "application/json",
                            broken ? std::string_view(R"({"error":{"message":"out of order"}})") : kVectors);
    (void)sent;
  }
  std::string refuse(const HttpRequest&, int, std::string_view) override { return "{}"; }
  std::vector<std::string> asked;
};

struct EmbeddingsWorld : testing::Test {
  SimLoop loop{3};
  SimCable cable{loop, 5};
  SimNetwork there{cable}, here{cable};
  Supplier supplier;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Credential> credential = header_credential("authorization", "Bearer ", "key");
  std::unique_ptr<Provider> broken, good, other;
  std::unique_ptr<Router> router;
  GenerationLimits limits;

  std::unique_ptr<Provider> provider(std::string name, std::unique_ptr<UpstreamDialect> dialect) {
    return http_provider(
        {.name = name, .issuer = {}, .base_url = *parse_url("http://" + name + "/v1"), .ca_file = {}, .headers = {}},
        std::move(dialect), *credential, *client);
  }
  void SetUp() override {
    Result<std::unique_ptr<Listener>> listener = there.listen({"", 80}, nullptr, false);
    ASSERT_TRUE(listener.ok());
    server = std::make_unique<HttpServer>(loop, *std::move(listener), supplier, HttpServerLimits{}, Log());
    server->start();
    client = std::make_unique<HttpClient>(loop, here, ProxyRules{});
    broken = provider("broken", chat_upstream({}));
    good = provider("good", chat_upstream({}));
    other = provider("other", messages_upstream());
  }
  void TearDown() override {
    client->close_idle();
    loop.run(server->stop(deadline_in(loop, 1s)));
  }
  void deploy(std::vector<Deployment> deployments) {
    for (size_t i = 0; i < deployments.size(); ++i) deployments[i].priority = static_cast<int>(i);
    Workload workload;
    workload.stand_ins.push_back({"m", {"stand-in"}});
    router = std::make_unique<Router>(loop, std::move(deployments), std::vector<Workload>{workload});
  }
  struct Out {
    Result<Relay::Head> head = Relay::Head{};
    std::vector<RelayedAttempt> attempts;
  };
  Out ask() {
    auto run = [](EmbeddingsWorld& w, Out& out) -> Task<bool> {
      RelayInput input{.dialect = std::string(kEmbeddings), .model = "m"};
      input.body = R"({"input": ["a"],"model":"m","x_new":true})";
      input.name_at = input.body.find("\"m\"");
      input.name_size = 3;
      Cancellation gone(w.loop);
      Relay relay(input, *w.router, w.loop, gone, w.limits, Log());
      out.head = co_await relay.open();
      out.attempts = relay.attempts();
      co_return true;
    };
    Out out;
    loop.run(run(*this, out));
    return out;
  }
};

TEST_F(EmbeddingsWorld, ArePassedOnAndTheirUsageIsHeard) {
  Deployment deployment = Deployment::simple("m", *good);
  deployment.upstream_model = "up";
  deployment.price.emplace();
  deployment.price->rates.input = *Money::parse("0.0000001");
  deployment.price->rates.output = Money();
  deploy({deployment});
  Out out = ask();
  ASSERT_TRUE(out.head.ok());
  EXPECT_EQ(out.head->body, kVectors);
  EXPECT_EQ(supplier.asked,
            std::vector<std::string>{R"(good /v1/embeddings {"input": ["a"],"model":"up","x_new":true})"});
  ASSERT_EQ(out.attempts.size(), 1u);
  EXPECT_TRUE(out.attempts[0].started.reason.starts_with("embeddings; "));
  EXPECT_EQ(out.attempts[0].ended.outcome, "completed");
  EXPECT_EQ(out.attempts[0].ended.usage, (Usage{.input_tokens = 9, .known = true}));
  EXPECT_EQ(out.attempts[0].ended.cost.amount, "0.0000009");
}

TEST_F(EmbeddingsWorld, GoToAnotherDeploymentOfTheModel) {
  deploy({Deployment::simple("m", *other), Deployment::simple("m", *broken), Deployment::simple("m", *good)});
  Out out = ask();
  ASSERT_TRUE(out.head.ok());
  EXPECT_EQ(out.head->body, kVectors);
  ASSERT_EQ(out.attempts.size(), 2u) << "who has none is not asked";
  EXPECT_EQ(out.attempts[0].ended.outcome, "failed");
  EXPECT_EQ(out.attempts[1].started.provider, "good");
}

TEST_F(EmbeddingsWorld, NeverGoToAnotherModel) {
  deploy({Deployment::simple("m", *broken), Deployment::simple("stand-in", *good)});
  Out out = ask();
  EXPECT_FALSE(out.head.ok());
  for (const std::string& asked : supplier.asked) EXPECT_TRUE(asked.starts_with("broken ")) << asked;
}

TEST_F(EmbeddingsWorld, AreRefusedWhereNobodyHasThem) {
  deploy({Deployment::simple("m", *other), Deployment::simple("stand-in", *good)});
  Out out = ask();
  ASSERT_FALSE(out.head.ok());
  EXPECT_EQ(out.head.error().reason, "model_not_supported");
  EXPECT_TRUE(supplier.asked.empty());
}

}  // namespace
}  // namespace perdure
