// Limits of API keys where clients feel them: in each API's own words.
#include "gateway/rate_limits.h"

#include "access/rate.h"
#include "gateway/testing/gateway_world.h"

namespace perdure {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class RateLimits : public GatewayWorld {
 public:
  RateBook rates;
  std::string key(KeyRates limits) {
    GatewayOptions options;
    options.rates = &rates;
    serve_again(options);
    auto made = KeyFile(KeyFile::in(folder))
                    .create("", TenantId("shop"), *Scopes::parse("use"), loop.wall(), loop.random(), {}, {}, limits);
    EXPECT_TRUE(made.ok());
    id = made->key.id;
    pass(2s);
    return made->secret;
  }
  KeyId id;
};

TEST_F(RateLimits, AreToldAndRefusedAsOpenAiDoes) {
  Fields mine = {{"Authorization", "Bearer " + key({.requests_per_minute = 2, .tokens_per_minute = 5000})}};
  Answer first = send("POST", "/v1/responses", R"({"model":"m","input":"x"})", mine);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.header("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(first.header("x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(first.header("x-ratelimit-reset-requests"), "30s");
  EXPECT_EQ(first.header("x-ratelimit-limit-tokens"), "5000");
  Answer second = send("POST", "/v1/chat/completions",
                       R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})", mine);
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.header("x-ratelimit-remaining-requests"), "0");
  bool asked = false;
  auto script = supplier.script;
  supplier.script = [&](const ScriptedCall& call) {
    asked = true;
    return script(call);
  };
  for (const char* path : {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/responses/compact"}) {
    Answer refused = send("POST", path, R"({"model":"m"})", mine);
    EXPECT_EQ(refused.status, 429) << path;
    EXPECT_EQ(refused.error("code"), "rate_limit_exceeded") << path;
    EXPECT_THAT(refused.error("message"), HasSubstr("requests per minute: the limit is 2."));
    EXPECT_THAT(refused.header("retry-after"), MatchesRegex("(29|30)"));
    EXPECT_EQ(refused.header("x-ratelimit-remaining-requests"), "0");
    EXPECT_THAT(refused.header("x-ratelimit-reset-requests"), MatchesRegex("(59s|1m0s)"));
  }
  EXPECT_FALSE(asked);
  EXPECT_EQ(get("/v1/responses/" + first.id(), mine).status, 200) << "what asks nobody is not counted";
  EXPECT_EQ(get("/v1/responses/" + first.id(), mine).header("x-ratelimit-limit-requests"), "");
  pass(30s);
  EXPECT_EQ(send("POST", "/v1/responses", R"({"model":"m","input":"x"})", mine).status, 200);
}

TEST_F(RateLimits, AreToldAndRefusedAsAnthropicDoes) {
  Fields mine = {{"x-api-key", key({.requests_per_minute = 600, .tokens_per_minute = 600})},
                 {"anthropic-version", "2023-06-01"}};
  const char* body = R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]})";
  Answer first = send("POST", "/v1/messages", body, mine);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.header("anthropic-ratelimit-requests-limit"), "600");
  EXPECT_EQ(first.header("anthropic-ratelimit-requests-remaining"), "599");
  EXPECT_EQ(first.header("anthropic-ratelimit-tokens-remaining"), "600");
  EXPECT_THAT(first.header("anthropic-ratelimit-tokens-reset"),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
  const KeyRates own{.requests_per_minute = 600, .tokens_per_minute = 600};
  rates.note_tokens(id, &own, 1199, loop.now(), loop.now());
  Answer refused = send("POST", "/v1/messages", body, mine);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.error("type"), "rate_limit_error");
  EXPECT_EQ(refused.header("retry-after"), "60");
  EXPECT_EQ(refused.header("anthropic-ratelimit-tokens-remaining"), "0");
  EXPECT_EQ(refused.header("x-ratelimit-limit-tokens"), "");
}

TEST(RateHeaders, SpansAreWrittenAsOpenAiWritesThem) {
  auto reset = [](Duration span) {
    return rate_headers(ClientDialect::kChat, {.requests = RateLeft{1, 0, span}, .tokens = {}, .refused = {}}, {})
        .at(2)
        .second;
  };
  EXPECT_EQ(reset(0s), "0ms");
  EXPECT_EQ(reset(119500us), "120ms");
  EXPECT_EQ(reset(1001ms), "2s");
  EXPECT_EQ(reset(360s), "6m0s");
  EXPECT_EQ(reset(1h + 2min + 3s), "1h2m3s");
}

}  // namespace
}  // namespace perdure
