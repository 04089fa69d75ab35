#include "dialect/converse_answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "dialect/converse_upstream.h"
#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

using Kind = Piece::Kind;
using Event = std::pair<std::string, std::string>;  // its name, its payload

std::string frame(std::string_view name, std::string_view payload) {
  const AwsHeader headers[] = {{.name = ":event-type", .bytes = name},
                               {.name = ":content-type", .bytes = "application/json"},
                               {.name = ":message-type", .bytes = "event"}};
  std::string out;
  EXPECT_TRUE(append_aws_message(out, headers, payload).ok());
  return out;
}

std::string exception(std::string_view name, std::string_view payload) {
  const AwsHeader headers[] = {{.name = ":exception-type", .bytes = name},
                               {.name = ":content-type", .bytes = "application/json"},
                               {.name = ":message-type", .bytes = "exception"}};
  std::string out;
  EXPECT_TRUE(append_aws_message(out, headers, payload).ok());
  return out;
}

std::string stream_of(const std::vector<Event>& events) {
  std::string out;
  for (const auto& [name, payload] : events) out += frame(name, payload);
  return out;
}

struct Outcome {
  std::vector<Piece> pieces;
  std::optional<Error> error, at_end;
  bool done = false;
};

Outcome feed(const std::vector<std::string_view>& pieces) {
  Outcome out;
  auto parser = converse_upstream()->stream_parser();
  for (std::string_view piece : pieces) {
    if (auto fed = parser->feed(piece, out.pieces); !fed.ok()) {
      out.error = fed.error();
      return out;
    }
  }
  out.done = parser->done();
  if (auto ended = parser->end(); !ended.ok()) out.at_end = ended.error();
  return out;
}
Outcome feed(std::string_view bytes) { return feed(std::vector<std::string_view>{bytes}); }

std::string said(const Piece& piece) {
  switch (piece.kind) {
    case Kind::kText:
      return "text " + piece.text;
    case Kind::kReasoning:
      return "reasoning " + piece.text;
    case Kind::kToolCall:
      return "call " + std::to_string(piece.index) + " " + piece.call_id + " " + piece.name;
    case Kind::kToolArguments:
      return "arguments " + std::to_string(piece.index) + " " + piece.text;
    case Kind::kOpaque:
      return std::string(name_of(piece.opaque)) + (piece.index == 1 ? " alone " : " ") + piece.text;
    case Kind::kAnnotation:
      return "annotation " + piece.text;
    case Kind::kUsage:
      return "usage " + std::to_string(piece.usage.input_tokens) + " " + std::to_string(piece.usage.cached_tokens) +
             " " + std::to_string(piece.usage.cache_write_tokens) + " " + std::to_string(piece.usage.output_tokens);
    case Kind::kFinish:
      return "finish " + std::string(name_of(piece.finish)) + " " + piece.text + " " + piece.name;
    default:
      return "?";
  }
}

using Lines = std::vector<std::string>;
Lines said(const std::vector<Piece>& pieces) {
  Lines out;
  for (const Piece& piece : pieces) out.push_back(said(piece));
  return out;
}

Event text(int index, std::string_view words) {
  json::Writer out;
  out.begin_object()
      .field("contentBlockIndex", index)
      .key("delta")
      .begin_object()
      .field("text", words)
      .end_object()
      .end_object();
  return {"contentBlockDelta", out.take()};
}
Event stop(int index) { return {"contentBlockStop", R"({"contentBlockIndex":)" + std::to_string(index) + "}"}; }
Event delta(int index, std::string_view raw) {
  return {"contentBlockDelta",
          R"({"contentBlockIndex":)" + std::to_string(index) + R"(,"delta":)" + std::string(raw) + "}"};
}
Event begin_call(int index, std::string_view id, std::string_view name) {
  return {"contentBlockStart", R"({"contentBlockIndex":)" + std::to_string(index) +
                                   R"(,"start":{"toolUse":{"toolUseId":")" + std::string(id) + R"(","name":")" +
                                   std::string(name) + R"("}}})"};
}
Event finish(std::string_view reason) { return {"messageStop", R"({"stopReason":")" + std::string(reason) + R"("})"}; }
const Event kStart{"messageStart", R"({"role":"assistant","p":"abcd"})"};
const Event kUsage{"metadata",
                   R"({"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":12},"metrics":{"latencyMs":9}})"};

Lines lines_of(const std::vector<Event>& events) {
  const Outcome out = feed(stream_of(events));
  Lines lines = said(out.pieces);
  if (out.error) lines.push_back("error " + out.error->message);
  return lines;
}

// --- streams ---

TEST(ConverseAnswer, T25_text_blocks_have_no_start_and_usage_comes_last) {
  const std::string bytes =
      stream_of({kStart, text(0, "Hel"), text(0, "lo"), text(0, ""), stop(0), finish("end_turn"), kUsage});
  const Outcome out = feed(bytes);
  EXPECT_EQ(said(out.pieces), (Lines{"text Hel", "text lo", "finish stop end_turn ", "usage 5 0 0 7"}));
  EXPECT_TRUE(out.done);
  EXPECT_FALSE(out.at_end);
  const std::string without_usage = stream_of({kStart, text(0, "Hel"), finish("end_turn")});
  EXPECT_FALSE(feed(without_usage).done) << "the usage may still come";
  EXPECT_FALSE(feed(without_usage).at_end) << "and the answer is whole without";
}

TEST(ConverseAnswer, T25_cut_anywhere_gives_the_same) {
  const std::string bytes =
      stream_of({kStart, delta(0, R"({"reasoningContent":{"text":"hm"}})"),
                 delta(0, R"({"reasoningContent":{"signature":"sig"}})"), stop(0), text(1, "a \xc3\xa4"), stop(1),
                 begin_call(2, "t1", "f"), delta(2, R"({"toolUse":{"input":"{\"x\":"}})"),
                 delta(2, R"({"toolUse":{"input":"1}"}})"), stop(2), finish("tool_use"), kUsage});
  const Outcome whole = feed(bytes);
  EXPECT_EQ(said(whole.pieces),
            (Lines{"reasoning hm", "signature sig", "text a \xc3\xa4", "call 0 t1 f",
                   "arguments 0 {\"x\":", "arguments 0 1}", "finish tool_calls tool_use ", "usage 5 0 0 7"}));
  for (size_t at = 0; at <= bytes.size(); ++at) {
    const Outcome cut = feed({std::string_view(bytes).substr(0, at), std::string_view(bytes).substr(at)});
    ASSERT_EQ(cut.pieces, whole.pieces) << at;
    ASSERT_FALSE(cut.error || cut.at_end);
  }
}

TEST(ConverseAnswer, T21_a_stream_that_breaks_off_is_not_an_answer) {
  const std::string bytes = stream_of({kStart, text(0, "Hel"), stop(0), finish("end_turn")});
  const size_t last = bytes.size() - frame("messageStop", finish("end_turn").second).size();
  for (size_t size : {size_t{0}, size_t{20}, last, last + 1, bytes.size() - 1}) {
    const Outcome out = feed(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(out.error);
    ASSERT_TRUE(out.at_end) << size;
    EXPECT_EQ(out.at_end->code, Code::kUnavailable);
    EXPECT_EQ(out.at_end->reason, "cut");
  }
}

TEST(ConverseAnswer, T20_errors_inside_the_stream) {
  struct Case {
    std::string bytes;
    Code code;
    std::string reason, message;
  };
  const AwsHeader unmodelled[] = {{.name = ":message-type", .bytes = "error"},
                                  {.name = ":error-code", .bytes = "InternalError"},
                                  {.name = ":error-message", .bytes = "oops"}};
  std::string error_frame;
  ASSERT_TRUE(append_aws_message(error_frame, unmodelled, "").ok());
  for (const Case& c :
       {Case{exception("throttlingException", R"({"message":"Too many tokens"})"), Code::kOverloaded,
             "throttlingException", "Too many tokens"},
        Case{exception("modelStreamErrorException", R"({"message":"The model failed","originalStatusCode":500})"),
             Code::kUnavailable, "modelStreamErrorException", "The model failed"},
        Case{exception("internalServerException", R"({"message":"sorry"})"), Code::kUnavailable,
             "internalServerException", "sorry"},
        Case{exception("serviceUnavailableException", "not json"), Code::kUnavailable, "serviceUnavailableException",
             "reported an error"},
        Case{exception("validationException", R"({"message":"Input is too long for requested model."})"),
             Code::kInvalid, "context_length_exceeded", "too long"},
        Case{error_frame, Code::kUnavailable, "InternalError", "oops"}}) {
    const Outcome out = feed(stream_of({kStart, text(0, "Hel")}) + c.bytes);
    EXPECT_EQ(said(out.pieces), Lines{"text Hel"}) << "what came before counts";
    ASSERT_TRUE(out.error);
    EXPECT_EQ(out.error->code, c.code) << c.reason;
    EXPECT_EQ(out.error->reason, c.reason);
    EXPECT_NE(out.error->message.find(c.message), std::string::npos) << out.error->message;
  }
}

TEST(ConverseAnswer, FramesThatMakeNoSense) {
  const auto fault = [](const std::string& bytes) {
    const Outcome out = feed(bytes);
    EXPECT_TRUE(!out.error || out.error->code == Code::kCorrupt);
    return out.error ? out.error->message : "none";
  };
  std::string broken = frame("messageStart", "{}");
  broken.back() ^= 1;
  EXPECT_EQ(fault(broken), "AWS event stream: the checksum of a message is wrong");
  EXPECT_EQ(fault("data: {\"a\":1}\n\n"), "AWS event stream: the checksum of a prelude is wrong") << "another dialect";
  EXPECT_NE(fault(frame("contentBlockDelta", "{")).find("not JSON"), std::string::npos);
  std::string odd;
  const AwsHeader typeless[] = {{.name = "x", .bytes = "y"}};
  ASSERT_TRUE(append_aws_message(odd, typeless, "{}").ok());
  EXPECT_NE(fault(odd), "none");
}

TEST(ConverseAnswer, T11_calls_are_numbered_and_may_interleave) {
  EXPECT_EQ(
      lines_of({kStart, begin_call(0, "a", "f"), begin_call(3, "b", "g"), delta(3, R"({"toolUse":{"input":"{}"}})"),
                delta(0, R"({"toolUse":{"input":""}})"), stop(3), delta(0, R"({"toolUse":{"input":"{\"k\":1}"}})"),
                stop(0), finish("tool_use")}),
      (Lines{"call 0 a f", "call 1 b g", "arguments 1 {}", "arguments 0 {\"k\":1}", "finish tool_calls tool_use "}));
}

TEST(ConverseAnswer, T15_signatures_and_redacted_blocks) {
  EXPECT_EQ(
      lines_of({delta(0, R"({"reasoningContent":{"signature":"Ep0"}})"),
                delta(0, R"({"reasoningContent":{"signature":"=="}})"), stop(0), text(1, "x"), finish("end_turn")}),
      (Lines{"signature alone Ep0==", "text x", "finish stop end_turn "}))
      << "a signature alone, in pieces";
  EXPECT_EQ(
      lines_of({delta(0, R"({"reasoningContent":{"redactedContent":"cmVkYWN0ZWQ="}})"), stop(0), finish("end_turn")}),
      (Lines{"redacted alone cmVkYWN0ZWQ=", "finish stop end_turn "}));
  EXPECT_EQ(lines_of({delta(0, R"({"reasoningContent":{"redactedContent":"cmVkYQ=="}})"),
                      delta(0, R"({"reasoningContent":{"redactedContent":"Y3RlZA=="}})"),
                      delta(0, R"({"reasoningContent":{"redactedContent":"ISEh"}})"),
                      delta(0, R"({"reasoningContent":{"redactedContent":"Pw=="}})"), finish("end_turn")}),
            (Lines{"redacted alone cmVkYWN0ZWQhISE/", "finish stop end_turn "}))
      << "pieces of a blob, each with padding of its own; and no stop of its block";
  EXPECT_EQ(lines_of({delta(0, R"({"reasoningContent":{"text":"a"}})"), delta(0, R"({"reasoningContent":{"text":""}})"),
                      delta(0, R"({"reasoningContent":{"text":"b"}})"), stop(0), finish("end_turn")}),
            (Lines{"reasoning a", "reasoning b", "finish stop end_turn "}))
      << "without a signature";
}

TEST(ConverseAnswer, T27_stop_reasons) {
  const std::pair<const char*, Finish> kReasons[] = {{"end_turn", Finish::kStop},
                                                     {"tool_use", Finish::kToolCalls},
                                                     {"max_tokens", Finish::kLength},
                                                     {"stop_sequence", Finish::kStopSequence},
                                                     {"guardrail_intervened", Finish::kContentFilter},
                                                     {"content_filtered", Finish::kContentFilter},
                                                     {"malformed_model_output", Finish::kOther},
                                                     {"malformed_tool_use", Finish::kOther},
                                                     {"model_context_window_exceeded", Finish::kContextWindow},
                                                     {"refusal", Finish::kRefusal},
                                                     {"something_new", Finish::kOther}};
  for (const auto& [word, finish_is] : kReasons) {
    const Outcome out = feed(stream_of({kStart, text(0, "x"), stop(0), finish(word)}));
    ASSERT_EQ(out.pieces.size(), 2u) << word;
    EXPECT_EQ(out.pieces[1].finish, finish_is) << word;
    EXPECT_EQ(out.pieces[1].text, word);
  }
  for (const char* fields : {R"({"delta":{"stop_sequence":"END"}})", R"({"stop_sequence":"END"})"}) {
    EXPECT_EQ(lines_of({{"messageStop", R"({"stopReason":"stop_sequence","additionalModelResponseFields":)" +
                                            std::string(fields) + "}"}}),
              Lines{"finish stop_sequence stop_sequence END"});
  }
  EXPECT_EQ(
      lines_of({{"messageStop",
                 R"({"stopReason":"end_turn","additionalModelResponseFields":{"delta":{"stop_sequence":null}}})"}}),
      Lines{"finish stop end_turn "});
}

TEST(ConverseAnswer, T8_a_call_of_the_inert_tool_is_dropped) {
  EXPECT_EQ(lines_of({text(0, "x"), stop(0), begin_call(1, "a", kInertTool), delta(1, R"({"toolUse":{"input":"{}"}})"),
                      stop(1), finish("tool_use")}),
            (Lines{"text x", "finish stop tool_use "}));
  auto whole = converse_upstream()->parse_answer(
      R"({"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":")" +
      std::string(kInertTool) + R"(","input":{}}}]}},"stopReason":"tool_use"})");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(said(*whole), Lines{"finish stop tool_use "});
}

TEST(ConverseAnswer, T9_what_has_no_place_is_named_and_never_stripped) {
  const auto fault = [](const Event& event) {
    const Outcome out = feed(stream_of({event}));
    if (!out.error) return std::string("none");
    EXPECT_EQ(out.error->code, Code::kCorrupt);
    return out.error->message;
  };
  const auto names = [&](const Event& event, std::string_view word) {
    return fault(event).find(word) != std::string::npos;
  };
  EXPECT_TRUE(
      names({"contentBlockStart", R"({"contentBlockIndex":0,"start":{"image":{"format":"png"}}})"}, ": image."));
  EXPECT_TRUE(names({"contentBlockStart", R"({"contentBlockIndex":0,"start":{"toolResult":{"toolUseId":"a"}}})"},
                    ": toolResult."));
  EXPECT_TRUE(
      names({"contentBlockStart",
             R"({"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"web","type":"server_tool_use"}}})"},
            "of the supplier's own"));
  EXPECT_TRUE(
      names({"contentBlockStart", R"({"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a"}}})"}, "no name"));
  EXPECT_TRUE(names(delta(0, R"({"image":{}})"), ": image."));
  EXPECT_TRUE(names(delta(0, R"({"hologram":1})"), ": hologram."));
  EXPECT_TRUE(names(delta(0, R"({"toolUse":{"input":"{}"}})"), "before their call"));
  EXPECT_TRUE(names(delta(0, R"({"text":7})"), "not a string"));
  EXPECT_TRUE(names({"contentBlockDelta", R"({"delta":{"text":"x"}})"}, "no index"));
  EXPECT_TRUE(names({"contentBlockDelta", R"({"contentBlockIndex":0})"}, "not an object"));
  EXPECT_TRUE(names({"messageStop", "{}"}, "no stop reason"));
  EXPECT_TRUE(names({"messageStop", "[]"}, "not an object"));
  EXPECT_EQ(fault({"somethingNew", "{}"}), "none");
  EXPECT_EQ(fault(delta(0, "{}")), "none");
  EXPECT_NE(lines_of({text(0, "x"), delta(0, R"({"reasoningContent":{"text":"x"}})")}).back().find("changes its kind"),
            std::string::npos);
  EXPECT_NE(lines_of({begin_call(0, "a", "f"), begin_call(0, "b", "f")}).back().find("begins twice"),
            std::string::npos);
}

TEST(ConverseAnswer, T29_usage_is_a_superset) {
  EXPECT_EQ(
      lines_of(
          {{"metadata",
            R"({"usage":{"inputTokens":10,"outputTokens":4,"totalTokens":114,"cacheReadInputTokens":70,"cacheWriteInputTokens":30,)"
            R"("cacheDetails":[{"ttl":"1h","inputTokens":30}]}})"}}),
      Lines{"usage 110 70 30 4"});
  EXPECT_EQ(lines_of({{"metadata", R"({"usage":{"inputTokens":0,"outputTokens":0}})"}}), Lines{"usage 0 0 0 0"})
      << "nothing is not 'unknown'";
  EXPECT_EQ(lines_of({{"metadata", R"({"metrics":{"latencyMs":1}})"}}), Lines{});
  EXPECT_EQ(lines_of({{"metadata", R"({"usage":{"inputTokens":-5,"outputTokens":1e300}})"}}), Lines{"usage 0 0 0 0"});
}

TEST(ConverseAnswer, CitationsBecomeAnnotations) {
  EXPECT_EQ(
      lines_of({text(0, "x"), delta(0, R"({"citation":{"title":"t","location":{"web":{"url":"u"}}}})"), stop(0),
                finish("end_turn")}),
      (Lines{"text x", R"(annotation {"type":"x_citation","citation":{"title":"t","location":{"web":{"url":"u"}}}})",
             "finish stop end_turn "}));
  auto whole = converse_upstream()->parse_answer(
      R"({"output":{"message":{"content":[{"citationsContent":{"content":[{"text":"x"}],"citations":[{"title":"t"}]}}]}},"stopReason":"end_turn"})");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(said(*whole),
            (Lines{"text x", R"(annotation {"type":"x_citation","citation":{"title":"t"}})", "finish stop end_turn "}));
}

// --- whole answers ---

TEST(ConverseAnswer, WholeAnswers) {
  auto whole = converse_upstream()->parse_answer(R"({"output":{"message":{"role":"assistant","content":[
      {"reasoningContent":{"reasoningText":{"text":"hm","signature":"sig"}}}, {"reasoningContent":{"redactedContent":"cmVk"}},
      {"text":"Hello"}, {"toolUse":{"toolUseId":"a","name":"f","input":{"n": 12345678901234567890, "s": "a \" b  c\\" , "l" : [ 1.0 , {} ]}}},
      {"toolUse":{"toolUseId":"b","name":"g","input":{}}}]}},
      "stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":1}})");
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_EQ(said(*whole), (Lines{"reasoning hm", "signature sig", "redacted alone cmVk", "text Hello", "call 0 a f",
                                 R"(arguments 0 {"n":12345678901234567890,"s":"a \" b  c\\","l":[1.0,{}]})",
                                 "call 1 b g", "arguments 1 {}", "usage 1 0 0 2", "finish tool_calls tool_use "}));
  for (const char* bad :
       {"", "{", "[]", "{}", R"({"output":{"message":{}},"stopReason":"end_turn"})",
        R"({"output":{"message":{"content":[{"video":{}}]}},"stopReason":"end_turn"})",
        R"({"output":{"message":{"content":[{"text":"x"}]}}})",
        R"({"output":{"message":{"content":["x"]}},"stopReason":"end_turn"})",
        R"({"output":{"message":{"content":[{"reasoningContent":{"new":1}}]}},"stopReason":"end_turn"})"}) {
    auto parsed = converse_upstream()->parse_answer(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().code, Code::kCorrupt) << bad;
  }
}

TEST(ConverseAnswer, ErrorsByStatus) {
  const auto dialect = converse_upstream();
  struct Case {
    int status;
    const char* body;
    Code code;
    const char *reason, *message;
  };
  for (const Case& c :
       {Case{400, R"({"message":"Malformed input"})", Code::kInvalid, "", "Malformed input"},
        Case{400, R"({"message":"prompt is too long: 210000 tokens > 200000 maximum"})", Code::kInvalid,
             "context_length_exceeded", "too long"},
        Case{400, R"({"__type":"com.amazon.coral.service#ValidationException","Message":"x"})", Code::kInvalid,
             "ValidationException", "x"},
        Case{403, R"({"message":"The security token included in the request is expired: ASIASECRET"})", Code::kDenied,
             "supplier_denied", "refused the credential"},
        Case{404, R"({"message":"Could not resolve the foundation model"})", Code::kNotFound, "", "Could not resolve"},
        Case{408, R"({"message":"Model timed out"})", Code::kUnavailable, "", "timed out"},
        Case{424, R"({"message":"The model failed"})", Code::kUnavailable, "", "The model failed"},
        Case{429, R"({"message":"Too many requests"})", Code::kOverloaded, "", "Too many"},
        Case{500, "<html>", Code::kUnavailable, "", "status 500"},
        Case{503, R"({"message":"Bedrock is unable to process your request."})", Code::kUnavailable, "", "unable"}}) {
    const Error error = dialect->parse_error(c.status, "3", c.body);
    EXPECT_EQ(error.code, c.code) << c.body;
    EXPECT_EQ(error.reason, c.reason) << c.body;
    EXPECT_NE(error.message.find(c.message), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("ASIASECRET"), std::string::npos);
    EXPECT_EQ(error.upstream_status, c.status);
    EXPECT_EQ(error.retry_after_ms, 3000);
  }
}

// --- what the supplier really sent ---

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ConverseRecordings : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(folder_)) GTEST_SKIP() << "no recordings at " << folder_;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) files_.push_back(entry.path());
    std::ranges::sort(files_);
    ASSERT_GE(files_.size(), 8u);
  }
  const std::filesystem::path folder_ = "../shared/data/upstream-recordings/amazon-bedrock";
  std::vector<std::filesystem::path> files_;
};

TEST_F(ConverseRecordings, StreamsAreReadHoweverTheyAreCut) {
  constexpr std::string_view kKnown[] = {"messageStart",     "contentBlockStart", "contentBlockDelta",
                                         "contentBlockStop", "messageStop",       "metadata"};
  int streams = 0;
  for (const auto& path : files_) {
    const std::string name = path.filename();
    if (!name.ends_with(".chunks.txt")) continue;
    SCOPED_TRACE(name);
    ++streams;
    std::istringstream lines(content_of(path));
    std::string bytes, expected_text, expected_reasoning;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      auto document = json::Document::parse(line);
      ASSERT_TRUE(document.ok());
      const auto member = document->root().members().at(0);
      EXPECT_NE(std::ranges::find(kKnown, member.key), std::end(kKnown)) << member.key;
      bytes += frame(member.key, member.value.raw());
      expected_text += member.value["delta"]["text"].text();
      expected_reasoning += member.value["delta"]["reasoningContent"]["text"].text();
    }
    const Outcome whole = feed(bytes);
    ASSERT_FALSE(whole.error) << whole.error->message;
    ASSERT_FALSE(whole.at_end);
    EXPECT_TRUE(whole.done);
    std::string text, reasoning;
    std::vector<std::string> arguments;
    int finishes = 0, usages = 0, signatures = 0;
    for (const Piece& piece : whole.pieces) {
      if (piece.kind == Kind::kText) text += piece.text;
      if (piece.kind == Kind::kReasoning) reasoning += piece.text;
      if (piece.kind == Kind::kToolCall) arguments.emplace_back();
      if (piece.kind == Kind::kToolArguments) arguments.at(static_cast<size_t>(piece.index)) += piece.text;
      finishes += piece.kind == Kind::kFinish;
      usages += piece.kind == Kind::kUsage && piece.usage.input_tokens > 0 && piece.usage.output_tokens > 0;
      signatures += piece.kind == Kind::kOpaque && piece.opaque == OpaqueKind::kSignature;
    }
    EXPECT_EQ(text, expected_text);
    EXPECT_EQ(reasoning, expected_reasoning);
    EXPECT_EQ(finishes, 1);
    EXPECT_EQ(usages, 1);
    for (const std::string& one : arguments) EXPECT_TRUE(json::Document::parse(one).ok()) << one;
    if (name.find("tool") != std::string::npos || name.find("json") != std::string::npos)
      EXPECT_FALSE(arguments.empty());
    if (name.find("reasoning") != std::string::npos) EXPECT_EQ(signatures, 1);
    for (size_t at = 0; at <= bytes.size(); ++at) {
      const Outcome cut = feed({std::string_view(bytes).substr(0, at), std::string_view(bytes).substr(at)});
      ASSERT_EQ(cut.pieces, whole.pieces) << "cut at " << at;
      ASSERT_TRUE(cut.done);
    }
    for (size_t size : {1, 3, 64}) {
      std::vector<std::string_view> pieces;
      for (size_t at = 0; at < bytes.size(); at += size) pieces.push_back(std::string_view(bytes).substr(at, size));
      ASSERT_EQ(feed(pieces).pieces, whole.pieces) << "in pieces of " << size;
    }
  }
  EXPECT_EQ(streams, 5);
}

TEST_F(ConverseRecordings, WholeAnswersAreRead) {
  int answers = 0;
  for (const auto& path : files_) {
    if (path.extension() != ".json") continue;
    SCOPED_TRACE(path);
    ++answers;
    auto pieces = converse_upstream()->parse_answer(content_of(path));
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    EXPECT_EQ(std::ranges::count(*pieces, Kind::kFinish, &Piece::kind), 1);
    EXPECT_EQ(std::ranges::count(*pieces, Kind::kUsage, &Piece::kind), 1);
    EXPECT_GT(std::ranges::count(*pieces, Kind::kText, &Piece::kind) +
                  std::ranges::count(*pieces, Kind::kToolCall, &Piece::kind),
              0);
  }
  EXPECT_EQ(answers, 3);
}

// The same answer, cut into events as Bedrock does, gives the same items as the whole.
TEST_F(ConverseRecordings, StreamedIsUnstreamed) {
  for (const auto& path : files_) {
    if (path.extension() != ".json") continue;
    SCOPED_TRACE(path);
    const std::string body = content_of(path);
    auto document = json::Document::parse(body);
    ASSERT_TRUE(document.ok());
    std::vector<Event> events = {kStart};
    int index = 0;
    for (json::Value block : document->root()["output"]["message"]["content"].elements()) {
      if (block["text"].is_string()) {
        const std::string words(block["text"].text());
        for (size_t at = 0; at < words.size(); at += 5) events.push_back(text(index, words.substr(at, 5)));
      } else if (json::Value thought = block["reasoningContent"]["reasoningText"]; thought.is_object()) {
        events.push_back(delta(index, R"({"reasoningContent":{"text":)" + std::string(thought["text"].raw()) + "}}"));
        events.push_back(
            delta(index, R"({"reasoningContent":{"signature":)" + std::string(thought["signature"].raw()) + "}}"));
      } else {
        json::Value use = block["toolUse"];
        events.push_back(begin_call(index, use["toolUseId"].text(), use["name"].text()));
        json::Writer input;
        input.begin_object()
            .key("toolUse")
            .begin_object()
            .field("input", R"({"command":"ls -l"})")
            .end_object()
            .end_object();
        events.push_back(delta(index, input.text()));
      }
      events.push_back(stop(index++));
    }
    events.push_back({"metadata", R"({"usage":)" + std::string(document->root()["usage"].raw()) + "}"});
    events.push_back(finish(document->root()["stopReason"].text()));
    const auto joined = [](const std::vector<Piece>& pieces) {
      std::vector<Piece> out;
      for (const Piece& piece : pieces) {
        if (!out.empty() && out.back().kind == piece.kind && piece.kind == Kind::kText) {
          out.back().text += piece.text;
        } else {
          out.push_back(piece);
        }
      }
      return out;
    };
    auto whole = converse_upstream()->parse_answer(body);
    ASSERT_TRUE(whole.ok());
    EXPECT_EQ(said(joined(feed(stream_of(events)).pieces)), said(joined(*whole)));
  }
}

}  // namespace
}  // namespace perdure
