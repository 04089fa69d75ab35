#include "dialect/gemini_answer.h"

#include <gtest/gtest.h>

#include "dialect/testing/gemini_told.h"

namespace perdure {
namespace {

using namespace gemini;

std::string parts_event(std::string_view parts, std::string_view more = {}) {
  return event(R"({"candidates":[{"content":{"role":"model","parts":[)" + std::string(parts) + "]}" +
               std::string(more) + "}]}");
}
constexpr std::string_view kStop = R"(,"finishReason":"STOP")";

TEST(GeminiAnswer, TellsTextAndUsage) {
  EXPECT_EQ(
      told(feed(
          event(
              R"({"candidates":[{"content":{"parts":[{"text":"Gr\u00fc"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1,"totalTokenCount":6},"modelVersion":"m1","responseId":"r1"})") +
          event(
              R"({"candidates":[{"content":{"parts":[{"text":"ße"}]},"index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1,"totalTokenCount":6},"modelVersion":"m1","responseId":"r1"})") +
          event(
              R"({"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7}})"))),
      "started:r1,m1 text:Grü usage text:ße usage finish:stop,STOP");
}

TEST(GeminiAnswer, T28_the_ways_of_sse) {
  const std::string chunk = R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]})";
  for (const std::string& bytes : {": ping\n\ndata: " + chunk + "\n\n", "event: message\ndata: " + chunk + "\n\n",
                                   "data: " + chunk.substr(0, 14) + "\ndata: " + chunk.substr(14) + "\n\n",
                                   "\xef\xbb\xbf"
                                   "data:" +
                                       chunk + "\r\r",
                                   "data:\n\ndata: " + chunk + "\n\ndata: [DONE]\n\n"})
    EXPECT_EQ(told(feed(bytes)), "text:a finish:stop,STOP") << bytes;
}

TEST(GeminiAnswer, T7_calls_with_and_without_ids) {
  EXPECT_EQ(told(feed(parts_event(R"({"functionCall":{"name":"f","args":{"a":1}}},)"
                                  R"({"functionCall":{"id":"x1","name":"f"}})",
                                  kStop))),
            R"(call:0,f, args:{"a":1} call:1,f,x1 args:{} finish:tool_calls,STOP)");
}

TEST(GeminiAnswer, T11_arguments_keep_their_bytes) {
  EXPECT_EQ(
      told(feed(parts_event(
          R"({"functionCall":{"name":"f","args": { "big" : 123456789012345678901234567890 ,"f": 1.10, "s": "a  \" b\\", "n":[ 1E+2 , -0 ] } }})",
          kStop))),
      R"(call:0,f, args:{"big":123456789012345678901234567890,"f":1.10,"s":"a  \" b\\","n":[1E+2,-0]} finish:tool_calls,STOP)");
}

TEST(GeminiAnswer, T17_signatures_wherever_they_sit) {
  EXPECT_EQ(told(feed(parts_event(
                R"({"functionCall":{"name":"f"},"thoughtSignature":"S="},{"functionCall":{"name":"g"}})", kStop))),
            "signature:S= call:0,f, args:{} call:1,g, args:{} finish:tool_calls,STOP");
  EXPECT_EQ(told(feed(parts_event(R"({"text":"a"})") + parts_event(R"({"text":"","thoughtSignature":"S"})", kStop))),
            "text:a signature:S finish:stop,STOP");
  EXPECT_EQ(told(feed(parts_event(R"({"text":"a","thoughtSignature":"S"})", kStop))),
            "text:a signature:S finish:stop,STOP")
      << "whole and streamed are the same";
  EXPECT_EQ(told(feed(parts_event(R"({"text":"hm","thought":true,"thoughtSignature":"T"},)"
                                  R"({"functionCall":{"name":"f"},"thoughtSignature":"S"})",
                                  kStop))),
            "thought:hm thought-signature:T signature:S call:0,f, args:{} finish:tool_calls,STOP");
  EXPECT_EQ(told(feed(parts_event(R"({"thoughtSignature":"S"})", kStop))), "signature:S finish:stop,STOP");
}

TEST(GeminiAnswer, T14_blocks_and_safety_stops) {
  EXPECT_EQ(
      told(feed(event(
          R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7},"modelVersion":"m","responseId":"r"})"))),
      "started:r,m usage finish:content_filter,PROHIBITED_CONTENT");
  EXPECT_EQ(told(gemini_upstream()->parse_answer(R"({"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]}})")),
            "finish:content_filter,SAFETY");
  for (const std::string word : {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"})
    EXPECT_EQ(told(feed(parts_event(R"({"text":"a"})") +
                        event(R"({"candidates":[{"finishReason":")" + word + R"(","index":0}]})"))),
              "text:a finish:content_filter," + word)
        << "with and without content";
}

TEST(GeminiAnswer, T27_stop_reasons) {
  const auto finish = [](std::string_view word, bool call = false) {
    auto pieces = feed(parts_event(call ? R"({"functionCall":{"name":"f"}})" : R"({"text":"a"})",
                                   ",\"finishReason\":\"" + std::string(word) + "\""));
    EXPECT_TRUE(pieces.ok());
    EXPECT_EQ(pieces->back().text, word);
    return pieces->back().finish;
  };
  EXPECT_EQ(finish("STOP"), Finish::kStop);
  EXPECT_EQ(finish("STOP", true), Finish::kToolCalls);
  EXPECT_EQ(finish("MAX_TOKENS"), Finish::kLength);
  EXPECT_EQ(finish("MAX_TOKENS", true), Finish::kLength);
  for (const char* word : {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER",
                           "MISSING_THOUGHT_SIGNATURE", "SOMETHING_NEW"})
    EXPECT_EQ(finish(word), Finish::kOther) << word;
  EXPECT_EQ(told(feed(parts_event(R"({"text":"a"})", R"(,"finishReason":"FINISH_REASON_UNSPECIFIED")") +
                      parts_event("", kStop) + parts_event("", kStop))),
            "text:a finish:stop,STOP")
      << "said once";
}

TEST(GeminiAnswer, T29_usage_is_a_superset) {
  const auto usage = [](std::string_view fields) {
    auto pieces = gemini_upstream()->parse_answer(R"({"candidates":[{"finishReason":"STOP"}],"usageMetadata":{)" +
                                                  std::string(fields) + "}}");
    EXPECT_TRUE(pieces.ok());
    return pieces->front().usage;
  };
  EXPECT_EQ(usage(R"("promptTokenCount":9,"candidatesTokenCount":29,"thoughtsTokenCount":256,"totalTokenCount":294)"),
            (Usage{.input_tokens = 9, .output_tokens = 285, .reasoning_tokens = 256, .known = true}))
      << "thoughts are counted beside";
  EXPECT_EQ(usage(R"("promptTokenCount":9,"candidatesTokenCount":285,"thoughtsTokenCount":256,"totalTokenCount":294)"),
            (Usage{.input_tokens = 9, .output_tokens = 285, .reasoning_tokens = 256, .known = true}))
      << "where they are counted within, the total tells";
  EXPECT_EQ(
      usage(R"("promptTokenCount":100,"cachedContentTokenCount":80,"candidatesTokenCount":1,"totalTokenCount":101)"),
      (Usage{.input_tokens = 100, .cached_tokens = 80, .output_tokens = 1, .known = true}))
      << "what was cached is included";
  EXPECT_EQ(usage(R"("promptTokenCount":10,"toolUsePromptTokenCount":5,"totalTokenCount":15)"),
            (Usage{.input_tokens = 15, .known = true}));
  EXPECT_EQ(usage(R"("promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0)"), (Usage{.known = true}))
      << "zero is not missing";
  EXPECT_EQ(usage(R"("promptTokenCount":-3,"candidatesTokenCount":9223372036854775807)"),
            (Usage{.output_tokens = int64_t{1} << 53, .known = true}));
  EXPECT_EQ(
      told(feed(event(R"({"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"trafficType":"ON_DEMAND"}})"))),
      "finish:stop,STOP")
      << "how it is paid for is no count";
}

TEST(GeminiAnswer, T21_a_stream_that_breaks_off_is_not_an_answer) {
  const std::string whole = parts_event(R"({"text":"a"})") + parts_event(R"({"text":"b"})", kStop);
  for (size_t size = 0; size + 2 < whole.size(); ++size) {
    auto pieces = feed(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(pieces.ok()) << size;
    EXPECT_EQ(pieces.error().code, Code::kUnavailable);
    EXPECT_EQ(pieces.error().reason, "cut");
  }
  EXPECT_TRUE(feed(whole).ok());
  EXPECT_FALSE(feed(parts_event(R"({"text":"a"})") + "data: [DONE]\n\n").ok()) << "no reason was given";
}

TEST(GeminiAnswer, T20_errors_inside_the_stream) {
  const std::pair<std::string_view, Code> cases[] = {
      {R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})", Code::kUnavailable},
      {R"({"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}})", Code::kOverloaded},
      {R"({"error":{"code":400,"message":"Bad","status":"INVALID_ARGUMENT"}})", Code::kInvalid},
      {R"({"error":{"code":499,"message":"Cancelled","status":"CANCELLED"}})", Code::kUnavailable},
      {R"({"error":{"message":"m","status":"PERMISSION_DENIED"}})", Code::kDenied},
      {R"({"error":{"message":"m"}})", Code::kUnavailable},
      {R"({"error":"words"})", Code::kUnavailable}};
  for (const auto& [data, code] : cases) {
    auto pieces = feed(parts_event(R"({"text":"a"})") + event(data));
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, code) << data;
  }
}

TEST(GeminiAnswer, T23_streamed_arguments_are_put_together) {
  const auto part = [](std::string_view call) { return parts_event(R"({"functionCall":)" + std::string(call) + "}"); };
  const std::string begin = part(R"({"name":"f","willContinue":true})");
  const auto pieces = [&](std::string_view list, bool more = true) {
    return part(R"({"partialArgs":[)" + std::string(list) + "]" + (more ? R"(,"willContinue":true})" : "}"));
  };
  const std::string text = R"({"jsonPath":"$.a","stringValue":"x","willContinue":true})";
  EXPECT_EQ(told(feed(begin + pieces(text) + pieces(R"({"jsonPath":"$.a","stringValue":"y\n"})") +
                      pieces(R"({"jsonPath":"$.b[0].c","numberValue":1.50},{"jsonPath":"$.b[1]","boolValue":false},)"
                             R"({"jsonPath":"$['o.d\\'d']['e']","nullValue":"NULL_VALUE"})") +
                      part("{}") + parts_event("", kStop))),
            R"(call:0,f, args:{"a":"xy\n","b":[{"c":1.50},false],"o.d'd":{"e":null}} finish:tool_calls,STOP)");
  EXPECT_EQ(told(feed(begin + pieces(R"({"jsonPath":"$.a","numberValue":1})", false) + parts_event("", kStop))),
            R"(call:0,f, args:{"a":1} finish:tool_calls,STOP)")
      << "ended by its last piece";
  EXPECT_EQ(told(feed(begin + pieces(text) + parts_event("", kStop))),
            R"(call:0,f, args:{"a":"x"} finish:tool_calls,STOP)")
      << "ended by the end";
  EXPECT_EQ(told(feed(begin + part(R"({"name":"g"})") + part("{}") + parts_event(R"({"text":"t"})", kStop))),
            "call:0,f, args:{} call:1,g, args:{} text:t finish:tool_calls,STOP")
      << "ended by the next; what ends a call may come again";
  EXPECT_EQ(told(feed(part(R"({"name":"f","args":{"a":{"b":[1,"x"]}},"willContinue":true})") +
                      pieces(R"({"jsonPath":"$.c","stringValue":"y"})", false) + parts_event("", kStop))),
            R"(call:0,f, args:{"a":{"b":[1,"x"]},"c":"y"} finish:tool_calls,STOP)");
  for (std::string_view wrong : {R"({"jsonPath":"a","numberValue":1})", R"({"jsonPath":"$","numberValue":1})",
                                 R"({"jsonPath":"$.","numberValue":1})", R"({"jsonPath":"$[0]","numberValue":1})",
                                 R"({"jsonPath":"$.a[1]","numberValue":1})", R"({"jsonPath":"$.a[x]","numberValue":1})",
                                 R"({"jsonPath":"$.a[","numberValue":1})", R"({"jsonPath":"$['a","numberValue":1})",
                                 R"({"jsonPath":"$x","numberValue":1})",
                                 R"({"jsonPath":"$.a","numberValue":1},{"jsonPath":"$.a","numberValue":2})",
                                 R"({"jsonPath":"$.a","numberValue":1},{"jsonPath":"$.a.b","numberValue":2})",
                                 R"({"jsonPath":"$.a","stringValue":"x"},{"jsonPath":"$.a","stringValue":"y"})", "7"}) {
    auto fed = feed(begin + pieces(wrong) + parts_event("", kStop));
    ASSERT_FALSE(fed.ok()) << wrong;
    EXPECT_EQ(fed.error().code, Code::kCorrupt) << wrong;
  }
}

TEST(GeminiAnswer, CitationsBecomeAnnotations) {
  const std::string text = parts_event(R"({"text":"Grüße, Welt"})");  // ü and ß are two bytes each
  EXPECT_EQ(
      told(feed(
          text +
          parts_event(
              "",
              R"(,"finishReason":"STOP","citationMetadata":{"citations":[{"startIndex":4,"endIndex":7,"uri":"https://a","title":"A","license":"mit"},{"endIndex":3}]})"))),
      R"(text:Grüße, Welt annotation:{"type":"url_citation","start_index":3,"end_index":5,"url":"https://a","title":"A"} finish:stop,STOP)");
  const std::string grounding =
      R"(,"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://w","title":"W"}},{"retrievedContext":{"uri":"gs://r"}},{"maps":{}}],)"
      R"("groundingSupports":[{"segment":{"endIndex":7,"text":"Grüße"},"groundingChunkIndices":[0,1,2,9,-1]}]})";
  EXPECT_EQ(
      told(feed(text + parts_event("", grounding) + parts_event("", grounding + std::string(kStop)))),
      R"(text:Grüße, Welt annotation:{"type":"url_citation","start_index":0,"end_index":5,"url":"https://w","title":"W"} )"
      R"(annotation:{"type":"url_citation","start_index":0,"end_index":5,"url":"gs://r","title":""} finish:stop,STOP)")
      << "told once";
}

TEST(GeminiAnswer, T9_what_has_no_place_is_named_and_never_stripped) {
  for (std::string_view part :
       {R"({"inlineData":{"mimeType":"image/png","data":"AAAA"}})", R"({"executableCode":{"code":"x"}})",
        R"({"codeExecutionResult":{"output":"x"}})", R"({"toolCall":{}})", R"({"fileData":{}})"}) {
    auto pieces = feed(parts_event(part, kStop));
    ASSERT_FALSE(pieces.ok()) << part;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt);
    const std::string_view name = part.substr(2, part.find('"', 2) - 2);
    EXPECT_NE(pieces.error().message.find(name), std::string::npos) << pieces.error().message;
  }
}

TEST(GeminiAnswer, RefusesWhatIsNotThisDialect) {
  for (std::string_view data :
       {"{", "7", "[]", "{}", R"({"type":"message_start"})", R"({"choices":[]})", R"({"candidates":{}})",
        R"({"candidates":[7]})", R"({"candidates":[{"content":7}]})", R"({"candidates":[{"content":{"parts":{}}}]})",
        R"({"candidates":[{"content":{"parts":[7]}}]})", R"({"candidates":[{"content":{"parts":[{"text":7}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":7}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":{}}}]}}]})",
        R"({"candidates":[{"finishReason":7}]})"}) {
    auto pieces = feed(event(data));
    ASSERT_FALSE(pieces.ok()) << data;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt) << data;
  }
}

TEST(GeminiAnswer, WholeAnswers) {
  const auto dialect = gemini_upstream();
  EXPECT_EQ(
      told(dialect->parse_answer(
          R"({"candidates":[{"index":1,"content":{"parts":[{"text":"other"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]})")),
      "text:a finish:stop,STOP");
  EXPECT_EQ(told(dialect->parse_answer(R"([{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},
      {"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}])")),
            "text:ab finish:stop,STOP")
      << "a stream as an array";
  EXPECT_EQ(dialect->parse_answer("<html>").error().code, Code::kCorrupt);
  EXPECT_EQ(dialect->parse_answer(R"({"candidates":[]})").error().code, Code::kCorrupt);
  EXPECT_EQ(dialect->parse_answer(R"([{"error":{"code":503}}])").error().code, Code::kUnavailable);
}

TEST(GeminiError, IsClassedByStatusAndWords) {
  const std::pair<int, Code> cases[] = {{400, Code::kInvalid},     {401, Code::kDenied},     {403, Code::kDenied},
                                        {404, Code::kNotFound},    {429, Code::kOverloaded}, {500, Code::kUnavailable},
                                        {503, Code::kUnavailable}, {504, Code::kUnavailable}};
  const auto dialect = gemini_upstream();
  for (const auto& [status, code] : cases) {
    for (std::string_view body :
         {"", "<html>", R"({"error":{"message":"words"}})", R"([{"error":{"message":"words"}}])"}) {
      const Error error = dialect->parse_error(status, "", body);
      EXPECT_EQ(error.code, code) << status << body;
      EXPECT_EQ(error.upstream_status, status);
      if (body.find("words") != std::string_view::npos && code != Code::kDenied)
        EXPECT_NE(error.message.find("words"), std::string::npos);
    }
  }
  EXPECT_EQ(dialect->parse_error(429, "", R"({"error":{"status":"RESOURCE_EXHAUSTED","message":"m"}})").reason,
            "resource_exhausted");
  const Error key = dialect->parse_error(
      400, "",
      R"({"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}})");
  EXPECT_EQ(key.code, Code::kDenied) << "the server's key, not the client's request";
  EXPECT_EQ(key.upstream_status, 400);
  EXPECT_EQ(
      dialect
          ->parse_error(
              400, "",
              R"({"error":{"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}})")
          .code,
      Code::kDenied);
  EXPECT_EQ(
      dialect
          ->parse_error(
              400, "",
              R"({"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}})")
          .reason,
      "context_length_exceeded");
}

TEST(GeminiError, ReadsWhenToComeAgain) {
  const std::string body =
      R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}})";
  EXPECT_EQ(parse_gemini_error(429, "", body).retry_after_ms, 34400);
  EXPECT_EQ(parse_gemini_error(429, "7", body).retry_after_ms, 7000) << "the header is the transport's own word";
  EXPECT_EQ(parse_gemini_error(429, "", R"({"error":{"message":"m"}})").retry_after_ms, -1);
}

TEST(GeminiError, NeverTellsCredentials) {
  for (int status : {400, 401, 429, 500}) {
    const std::string message =
        parse_gemini_error(status, "", R"({"error":{"message":"bad key AIzaSyA1234567890abcdef for ya29.x","code":9}})")
            .message;
    EXPECT_EQ(message.find("AIzaSyA1234567890abcdef"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace perdure
