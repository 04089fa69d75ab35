// Azure OpenAI over HTTP: OpenAI's dialects under other addresses, and what Azure adds to them.

#include <gtest/gtest.h>

#include "simulate/testing/bench.h"

namespace perdure::simulate {
namespace {

const HeaderList kKey = {{"api-key", "k"}};
const std::string kChat = "/openai/deployments/simulated-1/chat/completions?api-version=2024-10-21";

std::string ask(std::string_view prompt, std::string_view more = "") {
  return R"({"messages":[{"role":"user","content":)" + json_text(prompt) + "}]" + std::string(more.empty() ? "" : ",") +
         std::string(more) + "}";
}
std::string code_of(const Reply& reply) { return std::string(parsed(reply.body).root()["error"]["code"].text()); }

TEST(Azure, AnswersUnderItsAddresses) {
  Bench bench;
  const Reply chat = bench.post(kChat, ask("Say exactly: yes"), kKey);
  ASSERT_EQ(chat.status, 200) << chat.body;
  const auto document = parsed(chat.body);
  EXPECT_EQ(document.root()["choices"].at(0)["message"]["content"].text(), "yes");
  EXPECT_EQ(document.root()["model"].text(), "simulated-1");
  EXPECT_TRUE(document.root()["prompt_filter_results"].is_array());
  EXPECT_TRUE(document.root()["choices"].at(0)["content_filter_results"].is_object());
  const auto events = events_of(bench.post(kChat, ask("Say exactly: yes", R"("stream":true)"), kKey).body);
  EXPECT_EQ(parsed(events.front().second).root()["choices"].size(), 0u) << "the filter speaks first";
  EXPECT_EQ(events.back().second, "[DONE]");
  const std::string named = R"({"model":"simulated-1","messages":[{"role":"user","content":"Say exactly: yes"}]})";
  EXPECT_EQ(bench.post("/openai/v1/chat/completions", named, kKey).status, 200);
  EXPECT_EQ(bench.post("/openai/v1/chat/completions", named, {{"authorization", "Bearer entra"}}).status, 200);
  const std::string response = R"({"model":"simulated-1","store":false,"input":"Say exactly: yes"})";
  EXPECT_EQ(bench.post("/openai/v1/responses", response, kKey).status, 200);
  EXPECT_EQ(bench.post("/openai/responses?api-version=2025-04-01-preview", response, kKey).status, 200);
  EXPECT_EQ(
      bench.post("/openai/deployments/simulated-1/embeddings?api-version=2024-10-21", R"({"input":"x"})", kKey).status,
      200);
  EXPECT_EQ(bench.get("/openai/v1/models", kKey).status, 200);
}

TEST(Azure, RefusesInItsOwnShape) {
  Bench bench({.api_key = "secret"});
  const HeaderList good = {{"api-key", "secret"}};
  const Reply stranger = bench.post(kChat, ask("x"), kKey);
  EXPECT_EQ(stranger.status, 401);
  EXPECT_EQ(code_of(stranger), "401");
  EXPECT_EQ(bench.post(kChat, ask("x"), good).status, 200);
  EXPECT_EQ(bench.post("/openai/deployments/simulated-1/chat/completions", ask("x"), good).status, 404) << "no version";
  EXPECT_EQ(bench.post("/openai/deployments/simulated-1/chat/completions?api-version=1", ask("x"), good).status, 400);
  EXPECT_EQ(code_of(bench.post("/openai/deployments/other/chat/completions?api-version=2024-10-21", ask("x"), good)),
            "DeploymentNotFound");
  EXPECT_EQ(bench.post("/openai/deployments/simulated-1/responses?api-version=2024-10-21", "{}", good).status, 404);
  const Reply unknown = bench.post(kChat, ask("x", R"("colour":1)"), good);
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(code_of(unknown), "unknown_parameter") << "what is wrong in the body is said as OpenAI says it";
  const Reply filtered = bench.post(kChat, ask("Trip the safety filter."), good);
  EXPECT_EQ(filtered.status, 400);
  EXPECT_EQ(code_of(filtered), "content_filter");
  EXPECT_EQ(parsed(filtered.body).root()["error"]["innererror"]["code"].text(), "ResponsibleAIPolicyViolation");
  const Reply half = bench.post(kChat, ask("Trip the safety filter after: So"), good);
  EXPECT_EQ(parsed(half.body).root()["choices"].at(0)["finish_reason"].text(), "content_filter");
  const Reply limited =
      bench.post(kChat, ask("x"), {{"api-key", "secret"}, {"x-simulate-fault", "status=429,retry-after=7"}});
  EXPECT_EQ(code_of(limited), "429");
  EXPECT_EQ(limited.headers.get("retry-after"), "7");
}

}  // namespace
}  // namespace perdure::simulate
