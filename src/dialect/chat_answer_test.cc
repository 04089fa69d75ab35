// Answers of Chat Completions, streamed and whole, and errors, as pieces.

#include <gtest/gtest.h>

#include <algorithm>

#include "dialect/testing/chat_told.h"

namespace perdure {
namespace {

using namespace chat;

std::string chunk(std::string_view choice) {
  return "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0," + std::string(choice) + "}]}\n\n";
}
constexpr std::string_view kStop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

TEST(ChatStream, TellsTextAndUsage) {
  auto pieces = feed(
      "data: "
      "{\"id\":\"c1\",\"model\":\"m1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{"
      "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}}],\"usage\":null}\r\n\r\n"
      ": ping\n\n" +
      chunk(R"("delta":{"content":"Gr\u00fc"})") + "data:\n\n" +
      chunk(R"("delta":{"content":"ße"},"finish_reason":null)") + std::string(kStop) +
      "data: "
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"prompt_tokens_details\":{\"cached_"
      "tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\ndata: [DONE]\n\n");
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  const std::vector<Piece> expected = {{.kind = Piece::Kind::kStarted, .id = "c1", .model = "m1"},
                                       {.text = "Grü"},
                                       {.text = "ße"},
                                       {.kind = Piece::Kind::kFinish, .text = "stop", .finish = Finish::kStop},
                                       {.kind = Piece::Kind::kUsage, .usage = {5, 3, 7, 2, true}}};
  EXPECT_EQ(*pieces, expected);
}

TEST(ChatStream, T22_TellsToolCallsInEveryForm) {
  const auto calls = [](std::string_view deltas) {
    auto pieces = feed(std::string(deltas) + chunk(R"("delta":{},"finish_reason":"tool_calls")"));
    EXPECT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_EQ(all.problems, std::vector<std::string>{});
    return all.calls;
  };
  const auto delta = [](std::string_view list) {
    return chunk(R"("delta":{"tool_calls":[)" + std::string(list) + "]}");
  };
  using Calls = std::vector<std::string>;
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}})") +
                  delta(R"({"index":0,"function":{"arguments":"{\"x\""}})") +
                  delta(R"({"index":0,"function":{"arguments":":1}"}})")),
            (Calls{"a f {\"x\":1}"}));
  EXPECT_EQ(
      calls(
          delta(
              R"({"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"name":"g","arguments":"["}})") +
          delta(
              R"({"index":1,"id":"","function":{"name":"","arguments":"]"}},{"index":0,"function":{"arguments":"}"}})")),
      (Calls{"a f {}", "b g []"}))
      << "interleaved, with empty ids and names later";
  EXPECT_EQ(calls(delta(R"({"index":1,"id":"a","function":{"name":"f","arguments":"{}"}})")), (Calls{"a f {}"}))
      << "counted from one";
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"{}"}})") +
                  delta(R"({"index":0,"id":"b","function":{"name":"f","arguments":"{}"}})")),
            (Calls{"a f {}", "b f {}"}))
      << "whole calls under one index";
  EXPECT_EQ(
      calls(delta(R"({"id":"a","function":{"name":"f","arguments":{"x": 1}}},{"id":"b","function":{"name":"g"}})")),
      (Calls{"a f {\"x\": 1}", "b g "}))
      << "no index, object";
  EXPECT_EQ(calls(delta(R"({"index":0,"id":"a","function":{"arguments":"{"}})") +
                  delta(R"({"index":0,"function":{"name":"f","arguments":"}"}})")),
            (Calls{"a f {}"}))
      << "name later";
  EXPECT_EQ(calls(delta(R"({"index":0,"function":{"name":"f","arguments":"{}"}})")), (Calls{" f {}"})) << "no id";
  EXPECT_EQ(
      calls(delta(R"({"index":0,"id":"a","function":{"arguments":"{"}},{"index":1,"id":"b","function":{"name":"g"}})") +
            delta(R"({"index":0,"function":{"name":"f","arguments":"}"}})")),
      (Calls{"b g ", "a f {}"}))
      << "in the order of names";
}

TEST(ChatStream, T14_TellsReasoningAndRefusals) {
  const Told all = told(*feed(
      chunk(R"("delta":{"reasoning_content":"a","reasoning":"a"})") +
      chunk(R"("delta":{"reasoning":"b","content":null})") +
      chunk(
          R"("delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"c"}]},{"type":"text","text":"x"}]})") +
      chunk(R"("delta":{"refusal":"no"},"finish_reason":"content_filter")")));
  EXPECT_EQ(all.reasoning, "abc");
  EXPECT_EQ(all.text, "x");
  EXPECT_EQ(all.refusal, "no");
  EXPECT_EQ(all.finish, "content_filter");
}

TEST(ChatStream, KnowsFinishReasons) {
  const std::pair<const char*, Finish> cases[] = {{"stop", Finish::kStop},
                                                  {"length", Finish::kLength},
                                                  {"tool_calls", Finish::kToolCalls},
                                                  {"function_call", Finish::kToolCalls},
                                                  {"content_filter", Finish::kContentFilter},
                                                  {"something_else", Finish::kOther}};
  for (const auto& [word, finish] : cases) {
    auto pieces = feed(chunk("\"delta\":{},\"finish_reason\":\"" + std::string(word) + "\""));
    ASSERT_TRUE(pieces.ok());
    EXPECT_EQ(pieces->back().finish, finish) << word;
    EXPECT_EQ(pieces->back().text, word);
  }
}

TEST(ChatStream, T21AnAnswerThatBrokeOffIsNoAnswer) {
  for (std::string_view word : {"error", "insufficient_system_resource"}) {
    auto pieces = feed(chunk("\"delta\":{},\"finish_reason\":\"" + std::string(word) + "\""));
    ASSERT_FALSE(pieces.ok());
    EXPECT_EQ(pieces.error().reason, "cut");
  }
}

TEST(ChatStream, T27StopSequencesAndRefusals) {
  auto met = feed(chunk(R"("delta":{},"finish_reason":"stop","stop_reason":"END")"));
  EXPECT_EQ(met->back().finish, Finish::kStopSequence);
  EXPECT_EQ(met->back().name, "END");
  met = feed(chunk(R"("delta":{},"finish_reason":"stop","matched_stop":1)"));
  EXPECT_EQ(met->back().finish, Finish::kStop) << "a token";
  auto refused = feed(chunk(R"("delta":{"refusal":"no"})") + std::string(kStop));
  EXPECT_EQ(refused->back().finish, Finish::kRefusal);
}

TEST(ChatStream, T17SignaturesComeBeforeTheirCall) {
  const Told all = told(*feed(chunk(
      R"("delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"S"}}}]},"finish_reason":"tool_calls")")));
  EXPECT_EQ(all.opaque, std::vector<std::string>{"signature S"});
  EXPECT_EQ(all.calls, std::vector<std::string>{"a f {}"});
}

TEST(ChatStream, TellsCitations) {
  const Told all = told(*feed(
      R"(data: {"citations":["https://a"],"choices":[{"delta":{"content":"x [1]"}}]})"
      "\n\n"
      R"(data: {"citations":["https://a","https://b"],"search_results":[{"url":"https://a","title":"A"}],"choices":[{"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://c","start_index":1}}]},"finish_reason":"stop"}]})"
      "\n\n"));
  EXPECT_EQ(all.annotations,
            (std::vector<std::string>{
                R"({"type":"url_citation","url":"https://c","start_index":1})",
                R"({"type":"url_citation","url":"https://a","title":"A","start_index":0,"end_index":0})",
                R"({"type":"url_citation","url":"https://b","title":"","start_index":0,"end_index":0})"}));
}

TEST(ChatStream, T9WhatHasNoPlaceIsRefusedByName) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"content":[{"type":"image_url","image_url":"x"}]})", "image_url"},
      {R"({"audio":{"id":"a"}})", "audio"},
      {R"({"images":[{"type":"image_url"}]})", "images"},
      {R"({"reasoning_details":[{"type":"reasoning.smell"}]})", "reasoning.smell"},
      {R"({"content":[{"type":"thinking","thinking":[{"type":"image_url","image_url":"x"}]}]})", "image_url"},
  };
  for (const auto& [delta, word] : cases) {
    auto pieces = feed(chunk("\"delta\":" + std::string(delta)) + std::string(kStop));
    ASSERT_FALSE(pieces.ok()) << delta;
    EXPECT_EQ(pieces.error().reason, "unsupported_item");
    EXPECT_NE(pieces.error().message.find(word), std::string::npos) << pieces.error().message;
  }
}

TEST(ChatStream, T29_CountsAsOpenAiDoes) {
  const auto usage = [](std::string_view fields) {
    auto pieces = feed("data: {\"choices\":[],\"usage\":{" + std::string(fields) + "}}\n\ndata: [DONE]\n\n");
    EXPECT_TRUE(pieces.ok());
    return pieces->back().usage;
  };
  EXPECT_EQ(
      usage(
          R"("prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196})"),
      (Usage{291, 0, 222, 196, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":4)"),
            (Usage{10, 4, 5, 0, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":10,"completion_tokens":5,"cached_tokens":4)"), (Usage{10, 4, 5, 0, true}));
  EXPECT_EQ(usage(R"("prompt_tokens":0,"completion_tokens":0)"), (Usage{0, 0, 0, 0, true})) << "zero is not missing";
  EXPECT_EQ(usage(R"("prompt_tokens":-3,"completion_tokens":9223372036854775807)"),
            (Usage{0, 0, int64_t{1} << 53, 0, true}));
}

TEST(ChatStream, T21_IsWholeOnlyIfTheSupplierSaidSo) {
  EXPECT_TRUE(feed("data: [DONE]\n\n").ok());
  EXPECT_TRUE(feed(kStop).ok());
  for (std::string bytes : {std::string(), chunk(R"("delta":{"content":"a"})"),
                            std::string(kStop.substr(0, kStop.size() - 1)), std::string("data: [DO")}) {
    auto pieces = feed(bytes);
    ASSERT_FALSE(pieces.ok()) << bytes;
    EXPECT_EQ(pieces.error().code, Code::kUnavailable);
    EXPECT_EQ(pieces.error().reason, "cut");
  }
}

TEST(ChatStream, T20_ReportsTheSuppliersErrors) {
  const std::pair<std::string_view, Code> cases[] = {
      {R"({"error":{"message":"busy","type":"server_error"}})", Code::kUnavailable},
      {R"({"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}})", Code::kOverloaded},
      {R"({"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}})",
       Code::kInvalid},
      {R"({"error":{"message":"gone","code":502},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})",
       Code::kUnavailable},
      {R"({"error":"plain words"})", Code::kUnavailable},
      {R"({"object":"error","message":"no","type":"rate_limited","code":429})", Code::kOverloaded},
  };
  for (const auto& [data, code] : cases) {
    auto pieces = feed(chunk(R"("delta":{"content":"a"})") + "data: " + std::string(data) + "\n\n");
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, code) << data;
  }
  EXPECT_EQ(feed("event: error\ndata: {\"message\":\"m\",\"type\":\"overloaded_error\"}\n\n").error().code,
            Code::kOverloaded);
}

TEST(ChatStream, RefusesWhatIsNotThisDialect) {
  for (std::string_view data :
       {"{", "7", "[]", R"({"type":"message_start"})", R"({"choices":{}})", R"({"choices":[7]})",
        R"({"choices":[{"delta":7}]})", R"({"choices":[{"delta":{"content":7}}]})",
        R"({"choices":[{"delta":{"tool_calls":{}}}]})", R"({"choices":[{"delta":{"tool_calls":[7]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":7}}]}}]})",
        R"({"choices":[{"delta":{},"finish_reason":7}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]},"finish_reason":"tool_calls"}]})",
        R"({"choices":[{"delta":{"function_call":{"name":"f"}}}]})"}) {
    auto pieces = feed("data: " + std::string(data) + "\n\n");
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt) << data;
  }
}

TEST(ChatAnswer, TellsTheSameAsAStream) {
  auto pieces = parse_chat_answer(
      R"({"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null,
    "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"[]"}}]},"finish_reason":"tool_calls"}],
    "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})");
  ASSERT_TRUE(pieces.ok()) << pieces.error().message;
  const Told all = told(*pieces);
  EXPECT_EQ(all.text, "hi");
  EXPECT_EQ(all.calls, (std::vector<std::string>{"a f {}", "b g []"}));
  EXPECT_EQ(all.usage, (Usage{1, 0, 2, 0, true}));
  EXPECT_EQ(parse_chat_answer("<html>").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_chat_answer(R"({"choices":[]})").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_chat_answer(R"({"error":{"message":"m"}})").error().code, Code::kUnavailable);
}

TEST(ChatError, IsClassedByStatus) {
  const std::pair<int, Code> cases[] = {{400, Code::kInvalid},     {401, Code::kDenied},      {402, Code::kDenied},
                                        {403, Code::kDenied},      {404, Code::kNotFound},    {408, Code::kUnavailable},
                                        {413, Code::kInvalid},     {422, Code::kInvalid},     {429, Code::kOverloaded},
                                        {500, Code::kUnavailable}, {502, Code::kUnavailable}, {503, Code::kUnavailable},
                                        {504, Code::kUnavailable}, {529, Code::kOverloaded}};
  for (const auto& [status, code] : cases) {
    for (std::string_view body : {"", "<html>", R"({"error":{"message":"words","type":"t","code":null}})",
                                  R"({"detail":"words"})", R"({"error":"words"})"}) {
      const Error error = parse_chat_error(status, "", body);
      EXPECT_EQ(error.code, code) << status << body;
      EXPECT_EQ(error.upstream_status, status);
      EXPECT_EQ(error.retry_after_ms, -1);
      EXPECT_FALSE(error.message.empty());
      if (body.find("words") != std::string_view::npos && code != Code::kDenied)
        EXPECT_NE(error.message.find("words"), std::string::npos) << status << body;
    }
  }
}

TEST(ChatError, ReadsRetryAfter) {
  EXPECT_EQ(parse_chat_error(429, "7", "").retry_after_ms, 7000);
  EXPECT_EQ(parse_chat_error(429, "0.25", "").retry_after_ms, 250);
  EXPECT_EQ(parse_chat_error(429, "0", "").retry_after_ms, 0);
  for (const char* text : {"-1", "Wed, 21 Oct 2026 07:28:00 GMT", "1e99", "nan", "7s"})
    EXPECT_EQ(parse_chat_error(429, text, "").retry_after_ms, -1) << text;
}

TEST(ChatError, NeverTellsCredentials) {
  for (std::string_view words : {"Incorrect API key provided: sk-proj-abcdefghijklmnop. Find it at https://x.",
                                 "header 'Authorization: Bearer topsecretvalue' is bad", "key gsk_abcdefghijklmnop",
                                 "your key abcd****wxyz is spent"}) {
    for (int status : {400, 401, 429, 500}) {
      json::Writer body;
      body.begin_object()
          .key("error")
          .begin_object()
          .field("message", words)
          .field("type", "invalid_request_error")
          .end_object()
          .end_object();
      const std::string message = parse_chat_error(status, "", body.text()).message;
      for (std::string_view secret : {"abcdefghijklmnop", "topsecretvalue", "abcd****"})
        EXPECT_EQ(message.find(secret), std::string::npos) << status << message;
    }
  }
  const Error error = parse_chat_error(
      400, "",
      R"({"error":{"message":"This model's maximum context length is 8192 tokens: gpt-4.1-nano-2025-04-14.","code":"context_length_exceeded"}})");
  EXPECT_EQ(error.message,
            "The model's supplier said: This model's maximum context length is 8192 tokens: gpt-4.1-nano-2025-04-14.");
  EXPECT_EQ(error.reason, "context_length_exceeded");
  std::string umlauts;
  for (int i = 0; i < 400; ++i) umlauts += "\xc3\xa4";
  EXPECT_TRUE(json::valid_utf8(parse_chat_error(400, "", "{\"message\":\"x" + umlauts + "\"}").message));
}

}  // namespace
}  // namespace perdure
