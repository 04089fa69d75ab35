// OpenAI's Responses over HTTP: what the supplier sends.

#include <gtest/gtest.h>

#include "simulate/testing/bench.h"

namespace perdure::simulate {
namespace {

std::string ask(std::string_view prompt, bool stream, std::string_view more = "") {
  return R"({"model":"simulated-1","store":false,"stream":)" + std::string(stream ? "true" : "false") +
         std::string(more.empty() ? "" : ",") + std::string(more) + R"(,"input":)" + json_text(prompt) + "}";
}

// What a stream said. Every event is checked against the one rule: what it tells adds up to the final response.
struct Streamed {
  std::string text, refusal, summary, status, error;
  std::vector<std::string> arguments, names;  // in order
  int tokens = 0, broken = 0;
  bool finished = false;
  std::string final_output, done_output = "[";  // items of the final response, and of output_item.done
};

Streamed read(std::string_view body) {
  Streamed out;
  int64_t next = 0;
  for (const auto& [name, data] : events_of(body)) {
    EXPECT_FALSE(out.finished) << "after the end";
    out.names.push_back(name);
    auto document = json::Document::parse(data);
    if (!document.ok()) {
      ++out.broken;
      ++next;
      continue;
    }
    const json::Value root = document->root();
    EXPECT_EQ(root["type"].text(), name);
    EXPECT_EQ(root["sequence_number"].integer(), next++);
    if (name.ends_with(".delta")) ++out.tokens;
    if (name == "response.output_text.delta") out.text += root["delta"].text();
    if (name == "response.refusal.delta") out.refusal += root["delta"].text();
    if (name == "response.reasoning_summary_text.delta") out.summary += root["delta"].text();
    if (name == "response.output_item.added" && root["item"]["type"].text() == "function_call")
      out.arguments.emplace_back();
    if (name == "response.function_call_arguments.delta") out.arguments.back() += root["delta"].text();
    if (name == "response.function_call_arguments.done") {
      EXPECT_EQ(root["arguments"].text(), out.arguments.back());
    }
    if (name == "response.output_text.done") {
      EXPECT_EQ(root["text"].text(), out.text);
    }
    if (name == "response.output_item.done")
      out.done_output += std::string(out.done_output.size() > 1 ? "," : "") + std::string(root["item"].raw());
    if (name == "error") out.error = root["code"].text();
    if (name == "response.completed" || name == "response.incomplete" || name == "response.failed") {
      out.finished = true;
      out.status = root["response"]["status"].text();
      out.final_output = root["response"]["output"].raw();
    }
  }
  out.done_output += "]";
  return out;
}

TEST(Responses, AnswersWholeAndStreamed) {
  Bench bench;
  const Reply whole = bench.post("/v1/responses", ask("Count from 1 to 5.", false));
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto document = parsed(whole.body);
  const json::Value root = document.root();
  EXPECT_EQ(root["object"].text(), "response");
  EXPECT_EQ(root["status"].text(), "completed");
  EXPECT_EQ(root["output"].at(0)["content"].at(0)["text"].text(), "1, 2, 3, 4, 5");
  EXPECT_EQ(root["usage"]["output_tokens"].integer(), 9);
  const Streamed said = read(bench.post("/v1/responses", ask("Count from 1 to 5.", true)).body);
  EXPECT_EQ(said.text, "1, 2, 3, 4, 5");
  EXPECT_EQ(said.status, "completed");
  EXPECT_EQ(said.final_output, said.done_output);
  EXPECT_EQ(said.names.front(), "response.created");
  EXPECT_EQ(said.names[1], "response.in_progress");
  EXPECT_EQ(said.names[2], "response.output_item.added");
  EXPECT_EQ(said.names[3], "response.content_part.added");
  EXPECT_EQ(said.names.back(), "response.completed");
}

TEST(Responses, CountsTheTokensOfAnInput) {
  Bench bench;
  const Reply answer = bench.post("/v1/responses", ask("Count from 1 to 5.", false));
  const auto counted =
      parsed(bench.post("/v1/responses/input_tokens", R"({"model":"simulated-1","input":"Count from 1 to 5."})").body);
  EXPECT_EQ(counted.root()["object"].text(), "response.input_tokens");
  EXPECT_EQ(counted.root()["input_tokens"].integer(), parsed(answer.body).root()["usage"]["input_tokens"].integer());
  EXPECT_EQ(bench.post("/v1/responses/input_tokens", R"({"model":"simulated-1","input":"x","store":false})").status,
            400);
}

TEST(Responses, StreamsReasoningToolsAndTakesThemBack) {
  Bench bench;
  const std::string tools =
      R"("tools":[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false},"strict":true}],
         "reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"])";
  const Streamed said = read(bench.post("/v1/responses", ask("Weather in Paris and Rome?", true, tools)).body);
  EXPECT_TRUE(said.summary.starts_with("Let me think."));
  ASSERT_EQ(said.arguments.size(), 2u);
  EXPECT_EQ(said.arguments[1], R"({"city":"Rome"})");
  EXPECT_EQ(said.final_output, said.done_output);
  const auto output = parsed(said.final_output);
  const auto items = output.root().elements();
  ASSERT_EQ(items.size(), 3u);
  std::string input = R"([{"role":"user","content":"Weather in Paris and Rome?"})", without = input;
  for (const json::Value item : items) {
    input.append(",").append(item.raw());
    if (item["type"].text() != "reasoning") without.append(",").append(item.raw());
  }
  for (std::string* each : {&input, &without}) {
    for (size_t i = 1; i < 3; ++i)
      *each += R"(,{"type":"function_call_output","call_id":)" + json_text(items[i]["call_id"].text()) +
               R"(,"output":"sun"})";
    *each += "]";
  }
  const auto next = [&](const std::string& its) {
    return bench.post("/v1/responses", R"({"model":"simulated-1","store":false,)" + tools + R"(,"input":)" + its + "}");
  };
  const Reply good = next(input);
  EXPECT_EQ(good.status, 200) << good.body;
  EXPECT_NE(good.body.find("The tools returned: sun; sun."), std::string::npos);
  const Reply refused = next(without);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("without its required 'reasoning' item"), std::string::npos);
  const Streamed hidden =
      read(bench
               .post("/v1/responses", ask("Say exactly: yes", true,
                                          R"("reasoning":{"effort":"low"},"include":["reasoning.encrypted_content"])"))
               .body);
  EXPECT_TRUE(hidden.summary.empty());
  EXPECT_NE(hidden.final_output.find("encrypted_content"), std::string::npos);
  EXPECT_EQ(hidden.text, "yes");
}

TEST(Responses, SaysHowItEnded) {
  Bench bench;
  const Streamed refused = read(bench.post("/v1/responses", ask("Refuse: I would rather not.", true)).body);
  EXPECT_EQ(refused.refusal, "I would rather not.");
  EXPECT_EQ(refused.status, "completed");
  const Streamed filtered = read(bench.post("/v1/responses", ask("Trip the safety filter after: So", true)).body);
  EXPECT_EQ(filtered.status, "incomplete");
  EXPECT_EQ(filtered.names.back(), "response.incomplete");
  const Streamed cut =
      read(bench.post("/v1/responses", ask("Count from 1 to 50.", true, R"("max_output_tokens":16)")).body);
  EXPECT_EQ(cut.status, "incomplete");
  EXPECT_EQ(cut.tokens, 16);
  EXPECT_EQ(cut.final_output, cut.done_output);
  EXPECT_NE(cut.final_output.find(R"("status":"incomplete")"), std::string::npos);
  const auto whole =
      parsed(bench.post("/v1/responses", ask("Count from 1 to 50.", false, R"("max_output_tokens":16)")).body);
  EXPECT_EQ(whole.root()["incomplete_details"]["reason"].text(), "max_output_tokens");
  const Streamed empty = read(bench.post("/v1/responses", ask("Write 0 words.", true)).body);
  EXPECT_EQ(empty.final_output, empty.done_output);
  EXPECT_EQ(empty.status, "completed");
}

TEST(Responses, MeetsTheSameFaults) {
  Bench bench;
  const std::string body = ask("Count from 1 to 5.", true);
  for (int tokens = 0; tokens <= 9; ++tokens) {
    const Reply reply =
        bench.post("/v1/responses", body, {{"x-simulate-fault", "cut-after-tokens=" + std::to_string(tokens)}});
    EXPECT_FALSE(reply.whole);
    const Streamed said = read(reply.body);
    EXPECT_EQ(said.tokens, tokens);
    EXPECT_FALSE(said.finished);
  }
  const Streamed error = read(bench.post("/v1/responses", body, {{"x-simulate-fault", "error-after-tokens=4"}}).body);
  EXPECT_EQ(error.error, "server_error");
  EXPECT_EQ(error.status, "failed");
  const Streamed broken =
      read(bench.post("/v1/responses", body, {{"x-simulate-fault", "malformed-after-tokens=4"}}).body);
  EXPECT_EQ(broken.broken, 1);
  EXPECT_EQ(broken.status, "completed");
  EXPECT_EQ(bench.post("/v1/responses", body, {{"x-simulate-fault", "status=500"}}).status, 500);
}

TEST(Responses, KeepsNothingUnlessToldTo) {
  const std::string first = R"({"model":"simulated-1","input":"Remember the code word: heron. Reply with OK."})";
  Bench strict;
  EXPECT_EQ(strict.post("/v1/responses", first).status, 400);
  Bench bench({.state = true});
  const auto reply = bench.post("/v1/responses", first);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::string id(parsed(reply.body).root()["id"].text());
  const auto next = bench.post("/v1/responses", R"({"model":"simulated-1","store":false,"previous_response_id":")" +
                                                    id + R"(","input":"What is the code word?"})");
  EXPECT_NE(next.body.find("The code word is heron."), std::string::npos) << next.body;
  EXPECT_EQ(bench.get("/v1/responses/" + id).body, reply.body);
  EXPECT_EQ(bench.get("/v1/responses/resp_other").status, 404);
  EXPECT_EQ(
      bench.post("/v1/responses", R"({"model":"simulated-1","previous_response_id":"resp_x","input":"x"})").status,
      404);
}

}  // namespace
}  // namespace perdure::simulate
