// Answers of Messages suppliers as pieces: recorded ones, and every trap.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "dialect/messages_upstream.h"

namespace perdure {
namespace {

struct Outcome {
  std::vector<Piece> pieces;
  std::string error;  // "code: message"; empty: whole
  bool operator==(const Outcome&) const = default;
};

std::string words(const Error& error) { return std::string(to_string(error.code)) + ": " + error.message; }

Outcome read(std::string_view bytes, size_t step = SIZE_MAX) {
  Outcome out;
  MessagesStreamParser parser;
  Result<void> fed;
  for (; !bytes.empty() && fed; bytes.remove_prefix(std::min(step, bytes.size())))
    fed = parser.feed(std::string(bytes.substr(0, step)), out.pieces);
  if (fed) fed = parser.end();
  if (!fed) out.error = words(fed.error());
  return out;
}

std::string event(std::string_view data) {
  auto document = json::Document::parse(std::string(data));
  EXPECT_TRUE(document.ok()) << data;
  std::string out;
  append_sse(out, document ? document->root()["type"].text() : "", data);
  return out;
}

constexpr std::string_view kStart =
    R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":1}}})";
constexpr std::string_view kStop = R"({"type":"message_stop"})";
constexpr std::string_view kEnd =
    R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":30}})";

std::string stream(std::initializer_list<std::string_view> between, std::string_view ending = kEnd) {
  std::string out = event(kStart);
  for (std::string_view data : between) out += event(data);
  return out + event(ending) + event(kStop);
}

std::string block(int index, std::string_view start, std::initializer_list<std::string_view> deltas) {
  const std::string number = std::to_string(index);
  std::string out =
      event(R"({"type":"content_block_start","index":)" + number + R"(,"content_block":)" + std::string(start) + "}");
  for (std::string_view delta : deltas)
    out += event(R"({"type":"content_block_delta","index":)" + number + R"(,"delta":)" + std::string(delta) + "}");
  return out + event(R"({"type":"content_block_stop","index":)" + number + "}");
}

std::string of_blocks(std::initializer_list<std::string> blocks, std::string_view ending = kEnd) {
  std::string out = event(kStart);
  for (const std::string& one : blocks) out += one;
  return out + event(ending) + event(kStop);
}

// Pieces without what only a stream has: one piece for all text in a row, the last usage, calls with their arguments.
std::vector<Piece> joined(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  std::optional<Piece> usage;
  for (const Piece& piece : pieces) {
    if (piece.kind == Piece::Kind::kUsage) {
      usage = piece;
    } else if (!out.empty() && out.back().kind == piece.kind && out.back().index == piece.index &&
               (piece.kind == Piece::Kind::kText || piece.kind == Piece::Kind::kReasoning ||
                piece.kind == Piece::Kind::kToolArguments)) {
      out.back().text += piece.text;
    } else {
      out.push_back(piece);
    }
  }
  if (usage) out.push_back(*usage);
  return out;
}

Piece piece(Piece::Kind kind, std::string text, int index = 0) {
  return {.kind = kind, .text = std::move(text), .index = index};
}
Piece opaque(OpaqueKind kind, std::string text, int index = 0) {
  return {.kind = Piece::Kind::kOpaque, .text = std::move(text), .index = index, .opaque = kind};
}
Piece tool(std::string id, std::string name, int index = 0) {
  return {.kind = Piece::Kind::kToolCall, .index = index, .call_id = std::move(id), .name = std::move(name)};
}
Piece finish(Finish finish, std::string word, std::string sequence = "") {
  return {.kind = Piece::Kind::kFinish, .text = std::move(word), .name = std::move(sequence), .finish = finish};
}
// What stands between the start and the usage.
std::vector<Piece> said(const std::string& bytes) {
  const Outcome outcome = read(bytes);
  EXPECT_EQ(outcome.error, "");
  std::vector<Piece> all = joined(outcome.pieces);
  EXPECT_EQ(all.front().kind, Piece::Kind::kStarted);
  EXPECT_EQ(all.back().kind, Piece::Kind::kUsage);
  return {all.begin() + 1, all.end() - 1};
}
const Piece kStopped = finish(Finish::kStop, "end_turn");

TEST(MessagesAnswer, TextAndUsage) {
  const Outcome outcome =
      read(of_blocks({block(0, R"({"type":"text","text":""})",
                            {R"({"type":"text_delta","text":"Hello"})", R"({"type":"text_delta","text":"!"})"})}));
  Piece usage{.kind = Piece::Kind::kUsage, .usage = {.input_tokens = 12, .output_tokens = 1, .known = true}};
  Piece last = usage;
  last.usage.output_tokens = 30;
  const std::vector<Piece> want = {{.kind = Piece::Kind::kStarted, .id = "msg_1", .model = "claude"},
                                   usage,
                                   piece(Piece::Kind::kText, "Hello"),
                                   piece(Piece::Kind::kText, "!"),
                                   last,
                                   kStopped};
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.pieces, want);
}

TEST(MessagesAnswer, T14_Refusals) {
  constexpr std::string_view kRefused =
      R"({"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"bio","explanation":"Not this."}},"usage":{"output_tokens":3}})";
  const Piece refused = finish(Finish::kRefusal, "refusal");
  EXPECT_EQ(said(of_blocks({}, kRefused)), (std::vector<Piece>{piece(Piece::Kind::kRefusal, "Not this."), refused}));
  EXPECT_EQ(said(of_blocks({block(0, R"({"type":"text","text":"I"})", {})}, kRefused)),
            (std::vector<Piece>{piece(Piece::Kind::kText, "I"), refused}));
}

TEST(MessagesAnswer, T15_ThinkingByteForByte) {
  EXPECT_EQ(
      said(of_blocks({block(0, R"({"type":"thinking","thinking":"","signature":""})",
                            {R"({"type":"thinking_delta","thinking":"a\u0020\"b\""})",
                             R"({"type":"thinking_delta","thinking":"\n"})",
                             R"({"type":"signature_delta","signature":"EqQB+/=="})"}),
                      block(1, R"({"type":"redacted_thinking","data":"Em4K/w=="})", {}),
                      block(2, R"({"type":"text","text":""})", {R"({"type":"text_delta","text":"ok"})"})})),
      (std::vector<Piece>{piece(Piece::Kind::kReasoning, "a \"b\"\n"), opaque(OpaqueKind::kSignature, "EqQB+/=="),
                          opaque(OpaqueKind::kRedacted, "Em4K/w==", 1), piece(Piece::Kind::kText, "ok"), kStopped}));
}

TEST(MessagesAnswer, T15_ASignatureWithoutText) {
  EXPECT_EQ(said(of_blocks(
                {block(0, R"({"type":"thinking","thinking":""})", {R"({"type":"signature_delta","signature":"s"})"})})),
            (std::vector<Piece>{opaque(OpaqueKind::kSignature, "s", 1), kStopped}));
}

TEST(MessagesAnswer, T16_DeltasStayInTheirBlocks) {
  constexpr std::string_view kText = R"({"type":"text","text":""})",
                             kThink = R"({"type":"thinking","thinking":"","signature":""})",
                             kUse = R"({"type":"tool_use","id":"t","name":"f","input":{}})";
  const std::pair<std::string_view, std::string_view> wrong[] = {
      {kText, R"({"type":"thinking_delta","thinking":"x"})"},
      {kText, R"({"type":"signature_delta","signature":"x"})"},
      {kText, R"({"type":"input_json_delta","partial_json":"x"})"},
      {kThink, R"({"type":"text_delta","text":"x"})"},
      {kUse, R"({"type":"text_delta","text":"x"})"},
      {kUse, R"({"type":"citations_delta","citation":{}})"}};
  for (const auto& [start, delta] : wrong)
    EXPECT_EQ(read(of_blocks({block(0, start, {delta})})).error,
              "corrupt: The supplier's answer is not of the Messages dialect: a delta that its block cannot hold.");
}

TEST(MessagesAnswer, T9_ToolsOfTheSupplierAreRefusedByName) {
  const auto error = [](std::string_view start) { return read(of_blocks({block(0, start, {})})).error; };
  EXPECT_EQ(error(R"({"type":"server_tool_use","id":"s","name":"web_search","input":{}})"),
            "corrupt: The supplier's answer holds a block of the type server_tool_use, which was not asked for.");
  EXPECT_EQ(
      error(R"({"type":"web_search_tool_result","tool_use_id":"s","content":[]})"),
      "corrupt: The supplier's answer holds a block of the type web_search_tool_result, which was not asked for.");
  EXPECT_EQ(error(R"({"type":"<b>","x":1})"),
            "corrupt: The supplier's answer holds a block of the type no known name, which was not asked for.");
  EXPECT_EQ(
      error(
          R"({"type":"tool_use","id":"t","name":"f","input":{},"caller":{"type":"code_execution_20250825","tool_id":"s"}})"),
      "corrupt: The supplier's answer holds a call by a tool of the type code_execution_20250825, which was not asked "
      "for.");
  EXPECT_EQ(error(R"({"type":"tool_use","id":"t","name":"f","input":{},"caller":{"type":"direct"}})"), "");
  EXPECT_EQ(read(of_blocks({block(0, R"({"type":"text","text":""})", {R"({"type":"compaction_delta"})"})})).error,
            "corrupt: The supplier's answer holds a delta of the type compaction_delta, which was not asked for.");
}

TEST(MessagesAnswer, T11_T23_ArgumentsInPiecesAndAtOnce) {
  EXPECT_EQ(said(of_blocks({block(0, R"({"type":"tool_use","id":"a","name":"f","input":{}})",
                                  {R"({"type":"input_json_delta","partial_json":""})",
                                   R"({"type":"input_json_delta","partial_json":"{\"n\": 1234567890"})",
                                   R"({"type":"input_json_delta","partial_json":"1234567890}"})"}),
                            block(1, R"({"type":"tool_use","id":"b","name":"g","input":{"x": 1.10}})", {}),
                            block(2, R"({"type":"tool_use","id":"c","name":"h","input":{}})", {})})),
            (std::vector<Piece>{tool("a", "f"), piece(Piece::Kind::kToolArguments, R"({"n": 12345678901234567890})"),
                                tool("b", "g", 1), piece(Piece::Kind::kToolArguments, R"({"x": 1.10})", 1),
                                tool("c", "h", 2), kStopped}));
}

TEST(MessagesAnswer, T21_ACutIsNoEnding) {
  const std::string whole = of_blocks({block(0, R"({"type":"text","text":"Hi"})", {})});
  for (size_t size = 0; size < whole.size(); ++size) {
    const Outcome outcome = read(whole.substr(0, size));
    // What follows the stop reason adds nothing.
    const bool finished = !outcome.pieces.empty() && outcome.pieces.back() == kStopped;
    EXPECT_EQ(outcome.error, finished ? "" : "unavailable: The supplier's stream ended before the answer did.") << size;
  }
  EXPECT_EQ(read(event(kStart) + event(kStop)).error.substr(0, 7), "corrupt");
}

TEST(MessagesAnswer, T21_OnlyOneMessageBegins) {
  EXPECT_EQ(read(event(kStart) + event(kStart)).error,
            "corrupt: The supplier's answer is not of the Messages dialect: a message begins within a message.");
  const std::string whole = stream({});
  EXPECT_EQ(read(whole + whole), read(whole));  // what follows the end is not read
}

TEST(MessagesAnswer, T22_BlocksComeOneAfterTheOther) {
  constexpr std::string_view kBegin =
      R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})";
  for (const std::string& wrong :
       {event(kStart) + event(kBegin) + event(kBegin),
        event(kStart) + event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}})"),
        event(kStart) + event(R"({"type":"content_block_stop","index":0})"),
        event(kStart) + event(kBegin) + event(R"({"type":"content_block_stop","index":1})"),
        event(kStart) + event(kBegin) + event(kEnd), event(kStart) + event(kEnd) + event(kBegin), event(kBegin),
        event(kStart) + event(R"({"type":"content_block_start","content_block":{"type":"text","text":""}})"),
        event(kStart) + event(R"({"type":"content_block_start","index":0,"content_block":[]})")})
    EXPECT_EQ(read(wrong).error.substr(0, 7), "corrupt") << wrong;
}

TEST(MessagesAnswer, T27_EveryStopReason) {
  const std::pair<std::string_view, Finish> reasons[] = {{"end_turn", Finish::kStop},
                                                         {"max_tokens", Finish::kLength},
                                                         {"stop_sequence", Finish::kStopSequence},
                                                         {"tool_use", Finish::kToolCalls},
                                                         {"pause_turn", Finish::kPause},
                                                         {"refusal", Finish::kRefusal},
                                                         {"model_context_window_exceeded", Finish::kContextWindow},
                                                         {"something_new", Finish::kOther}};
  for (const auto& [word, want] : reasons) {
    const std::string ending = R"({"type":"message_delta","delta":{"stop_reason":")" + std::string(word) +
                               R"(","stop_sequence":"END"},"usage":{}})";
    EXPECT_EQ(said(stream({}, ending)),
              std::vector<Piece>{finish(want, std::string(word), want == Finish::kStopSequence ? "END" : "")});
  }
}

TEST(MessagesAnswer, T28_PingsCommentsLineEndsAndUnknownEvents) {
  std::string plain = of_blocks({block(0, R"({"type":"text","text":"grüß"})", {})});
  std::string odd = ": hello\n" + event(R"({"type":"ping"})") + plain;
  odd.insert(odd.find("event: content_block_stop"),
             event(R"({"type":"ping"})") + event(R"({"type":"new_event","x":[1]})"));
  EXPECT_EQ(read(odd), read(plain));
  std::string crlf;
  for (char c : odd) crlf.append(c == '\n' ? "\r\n" : std::string(1, c));
  EXPECT_EQ(read(crlf), read(plain));
  for (size_t step = 1; step < 12; ++step) EXPECT_EQ(read(crlf, step), read(plain));
  // The name of an event is as good as its type.
  std::string named = plain;
  for (size_t at; (at = named.find(R"({"type":"message_stop"})")) != std::string::npos;) named.replace(at, 23, "{}");
  EXPECT_EQ(read(named), read(plain));
  EXPECT_EQ(read(event(kStart) + "data: nonsense\n\n").error.substr(0, 7), "corrupt");
  EXPECT_EQ(read(event(kStart) + "data: []\n\n").error.substr(0, 7), "corrupt");
}

TEST(MessagesAnswer, T29_T30_UsageIsCumulativeAndAllOfIt) {
  const auto usage = [](std::string_view start, std::string_view end) {
    const std::string bytes =
        event(R"({"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":)" + std::string(start) +
              "}}") +
        event(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":)" + std::string(end) + "}");
    const std::vector<Piece> all = joined(read(bytes).pieces);
    return all.back().usage;
  };
  const Usage want{
      .input_tokens = 60, .cached_tokens = 20, .output_tokens = 9, .known = true, .cache_write_tokens = 30};
  constexpr std::string_view kFull =
      R"({"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":1})";
  EXPECT_EQ(usage(kFull, R"({"output_tokens":9})"), want);
  EXPECT_EQ(
      usage(kFull,
            R"({"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":9})"),
      want);
  EXPECT_EQ(usage(kFull, R"({"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9})"), want);
  EXPECT_EQ(
      usage(R"({"input_tokens":0,"output_tokens":0})",
            R"({"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":9})"),
      want);
  EXPECT_EQ(usage(kFull, R"({"input_tokens":11,"output_tokens":9})").input_tokens, 61);  // the later one stands
  EXPECT_EQ(usage(R"({"input_tokens":0,"output_tokens":0})", R"({"output_tokens":0})"), Usage{.known = true});
  EXPECT_EQ(usage(R"({"input_tokens":-5,"output_tokens":99999999999999999})", "{}").output_tokens, int64_t{1} << 53);
  EXPECT_EQ(usage(kFull, R"({"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}})").reasoning_tokens, 4);
}

TEST(MessagesAnswer, CitationsAreAnnotationsOfTheirText) {
  const std::vector<Piece> pieces = said(of_blocks(
      {block(0, R"({"type":"text","text":"Grüße. "})", {}),
       block(
           1, R"({"type":"text","text":"","citations":[]})",
           {R"({"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://a","title":"A","cited_text":"x","encrypted_index":"e"}})",
            R"({"type":"text_delta","text":"Cited."})"}),
       block(2, R"({"type":"text","text":" End","citations":[{"type":"char_location","document_index":0}]})", {})}));
  EXPECT_EQ(
      pieces,
      (std::vector<Piece>{
          piece(Piece::Kind::kText, "Grüße. Cited."),
          piece(
              Piece::Kind::kAnnotation,
              R"({"type":"url_citation","start_index":7,"end_index":13,"url":"https://a","title":"A","x_citation":{"type":"web_search_result_location","url":"https://a","title":"A","cited_text":"x","encrypted_index":"e"}})"),
          piece(Piece::Kind::kText, " End"),
          piece(
              Piece::Kind::kAnnotation,
              R"({"type":"x_citation","start_index":13,"end_index":17,"x_citation":{"type":"char_location","document_index":0}})"),
          kStopped}));
}

TEST(MessagesError, T20_ErrorsAfterTheFirstByte) {
  const auto error = [](std::string_view type) {
    MessagesStreamParser parser;
    std::vector<Piece> out;
    auto fed = parser.feed(event(kStart) + event(R"({"type":"error","error":{"type":")" + std::string(type) +
                                                 R"(","message":"Said sk-ant-abcdefgh12345"}})"),
                           out);
    EXPECT_FALSE(fed.ok());
    EXPECT_EQ(out.size(), 2);  // what came before
    EXPECT_FALSE(fed.error().message.contains("sk-ant"));
    EXPECT_EQ(fed.error().upstream_status, 0);
    return fed.error().code;
  };
  EXPECT_EQ(error("overloaded_error"), Code::kOverloaded);
  EXPECT_EQ(error("rate_limit_error"), Code::kOverloaded);
  EXPECT_EQ(error("api_error"), Code::kUnavailable);
  EXPECT_EQ(error("timeout_error"), Code::kUnavailable);
  EXPECT_EQ(error("invalid_request_error"), Code::kInvalid);
  EXPECT_EQ(error("authentication_error"), Code::kDenied);
  EXPECT_EQ(error("something_new"), Code::kUnavailable);
  EXPECT_EQ(
      parse_messages_answer(R"({"type":"error","error":{"type":"overloaded_error","message":"Later"}})").error().code,
      Code::kOverloaded);
}

TEST(MessagesError, ByStatusAndWords) {
  Error error = parse_messages_error(
      529, "7", R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"})");
  EXPECT_EQ(error.code, Code::kOverloaded);
  EXPECT_EQ(error.message, "The model's supplier said: Overloaded");
  EXPECT_EQ(error.reason, "overloaded_error");
  EXPECT_EQ(error.upstream_status, 529);
  EXPECT_EQ(error.retry_after_ms, 7000);
  EXPECT_EQ(
      parse_messages_error(400, "", R"({"error":{"type":"invalid_request_error","message":"max_tokens: no"}})").code,
      Code::kInvalid);
  EXPECT_EQ(parse_messages_error(401, "", R"({"error":{"type":"authentication_error","message":"invalid x-api-key"}})")
                .reason,
            "supplier_denied");
  EXPECT_EQ(parse_messages_error(404, "", R"({"error":{"type":"not_found_error","message":"model: x"}})").code,
            Code::kNotFound);
  EXPECT_EQ(parse_messages_error(502, "", "<html>").code, Code::kUnavailable);
  EXPECT_EQ(parse_messages_error(429, "x", "").code, Code::kOverloaded);
}

TEST(MessagesAnswer, WholeAnswersThatAreNone) {
  for (const char* wrong : {"", "[]", "{}", R"({"type":"message"})", R"({"content":[],"stop_reason":null})",
                            R"({"content":{},"stop_reason":"end_turn"})", R"({"content":[1],"stop_reason":"end_turn"})",
                            R"({"content":[{"type":"tool_use","id":"x"}],"stop_reason":"tool_use"})"})
    EXPECT_EQ(parse_messages_answer(wrong).error().code, Code::kCorrupt) << wrong;
}

// --- recordings ---

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Every field of a recorded answer is one that the reader consumes, or is known to carry nothing that is asked for.
void walk(json::Value value, const std::string& path, std::vector<std::string>& unknown) {
  static const std::set<std::string> kConsumed = {"type",
                                                  "index",
                                                  "message",
                                                  "message.id",
                                                  "message.model",
                                                  "message.content",
                                                  "message.content[]",
                                                  "message.content[].type",
                                                  "message.content[].text",
                                                  "message.content[].id",
                                                  "message.content[].name",
                                                  "message.content[].input",
                                                  "message.content[].caller",
                                                  "message.content[].caller.type",
                                                  "message.stop_reason",
                                                  "message.stop_sequence",
                                                  "message.usage",
                                                  "message.usage.input_tokens",
                                                  "message.usage.output_tokens",
                                                  "message.usage.cache_creation_input_tokens",
                                                  "message.usage.cache_read_input_tokens",
                                                  "content_block",
                                                  "content_block.type",
                                                  "content_block.text",
                                                  "content_block.id",
                                                  "content_block.name",
                                                  "content_block.input",
                                                  "content_block.caller",
                                                  "content_block.caller.type",
                                                  "delta",
                                                  "delta.type",
                                                  "delta.text",
                                                  "delta.partial_json",
                                                  "delta.stop_reason",
                                                  "delta.stop_sequence",
                                                  "usage",
                                                  "usage.input_tokens",
                                                  "usage.output_tokens",
                                                  "usage.cache_creation_input_tokens",
                                                  "usage.cache_read_input_tokens"};
  static const std::set<std::string> kCarryNothing = {
      "message.type",
      "message.role",                  // always the same
      "message.usage.cache_creation",  // its sum is consumed; a split by time to live
      "message.usage.service_tier",
      "message.usage.inference_geo",  // what was used of what the owner's account offers
      "message.usage.server_tool_use",
      "usage.server_tool_use",  // counts tools that are not asked for
      "message.container",
      "delta.container",  // as above
  };
  if (kCarryNothing.contains(path)) return;
  if (!path.empty() && !kConsumed.contains(path)) {
    unknown.push_back(path);
    return;
  }
  if (path.ends_with(".input")) return;  // the call's own
  for (const auto& member : value.members())
    walk(member.value, path.empty() ? std::string(member.key) : path + "." + std::string(member.key), unknown);
  for (json::Value element : value.elements()) walk(element, path + "[]", unknown);
}

class MessagesRecordings : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path("../shared/data/upstream-recordings/anthropic");
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << folder_ << " is not here";
  }
  // The streams of the recording: it may hold several answers, one after the other.
  std::vector<std::string> streams() const {
    std::vector<std::string> out;
    std::istringstream lines(text_of(folder_ / (std::string(GetParam()) + ".chunks.txt")));
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      if (line.starts_with(R"({"type":"message_start")")) out.emplace_back();
      out.back() += event(line);
    }
    return out;
  }
  std::string whole() const { return text_of(folder_ / (std::string(GetParam()) + ".json")); }
  std::filesystem::path folder_;
};
INSTANTIATE_TEST_SUITE_P(All, MessagesRecordings,
                         testing::Values("anthropic-text", "anthropic-programmatic-tool-calling.1"),
                         [](const auto& info) { return info.index == 0 ? "Text" : "ProgrammaticToolCalling"; });

TEST_P(MessagesRecordings, NothingUnknownIsDroppedInSilence) {
  std::istringstream lines(text_of(folder_ / (std::string(GetParam()) + ".chunks.txt")));
  size_t refused = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    auto document = json::Document::parse(line);
    ASSERT_TRUE(document.ok());
    const json::Value root = document->root();
    EXPECT_TRUE((std::set<std::string_view>{"message_start", "content_block_start", "content_block_delta",
                                            "content_block_stop", "message_delta", "message_stop", "ping"})
                    .contains(root["type"].text()));
    // Blocks that the reader refuses need no walk: nothing of them is dropped in silence.
    const std::string_view block = root["content_block"]["type"].text();
    if (block != "" && block != "text" && block != "tool_use") {
      ++refused;
      continue;
    }
    std::vector<std::string> unknown;
    walk(root, "", unknown);
    // Who called is consumed, and refused with the tool that it names.
    std::erase_if(unknown, [](const std::string& path) { return path.ends_with("caller.tool_id"); });
    EXPECT_EQ(unknown, std::vector<std::string>()) << line;
  }
  EXPECT_EQ(refused > 0, std::string_view(GetParam()).contains("programmatic"));
}

TEST_P(MessagesRecordings, CutAnywhereTheyGiveThePiecesOfTheWhole) {
  for (const std::string& stream : streams()) {
    const Outcome whole = read(stream);
    EXPECT_EQ(read(stream, 1), whole);
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      Outcome outcome;
      MessagesStreamParser parser;
      Result<void> fed = parser.feed(stream.substr(0, cut), outcome.pieces);
      if (fed) fed = parser.feed(stream.substr(cut), outcome.pieces);
      if (fed) fed = parser.end();
      if (!fed) outcome.error = words(fed.error());
      ASSERT_EQ(outcome, whole) << cut;
    }
  }
}

TEST_P(MessagesRecordings, SaysWhatItSays) {
  const bool text = std::string_view(GetParam()) == "anthropic-text";
  size_t whole_streams = 0;
  for (const std::string& stream : streams()) {
    const Outcome outcome = read(stream);
    whole_streams += outcome.error.empty();
    if (!outcome.error.empty()) EXPECT_TRUE(outcome.error.ends_with(", which was not asked for.")) << outcome.error;
  }
  EXPECT_EQ(whole_streams, text ? 1 : 0);
  auto pieces = parse_messages_answer(whole());
  ASSERT_EQ(pieces.ok(), text);
  if (!text) {
    EXPECT_TRUE(pieces.error().message.contains("server_tool_use")) << pieces.error().message;
    return;
  }
  const std::vector<Piece> want = {
      {.kind = Piece::Kind::kStarted, .id = "msg_01VdEjxAP5ahtHKrrRdNBteQ", .model = "claude-sonnet-4-5-20250929"},
      piece(
          Piece::Kind::kText,
          "Hello! I'm doing well, thanks for asking. How are you doing today? Is there anything I can help you with?"),
      kStopped,
      {.kind = Piece::Kind::kUsage, .usage = {.input_tokens = 12, .output_tokens = 29, .known = true}}};
  EXPECT_EQ(joined(*pieces), want);
}

// A whole answer streamed block by block says the same.
TEST_P(MessagesRecordings, StreamedAsUnstreamed) {
  auto document = json::Document::parse(whole());
  ASSERT_TRUE(document.ok());
  const json::Value root = document->root();
  const auto blocks = root["content"].elements();
  size_t compared = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {  // each on its own, so that those that are refused are compared too
    const std::string usage(root["usage"].raw());
    const std::string one = R"({"id":"m","type":"message","role":"assistant","model":"c","content":[)" +
                            std::string(blocks[i].raw()) +
                            R"(],"stop_reason":"end_turn","stop_sequence":null,"usage":)" + usage + "}";
    std::string start =
        blocks[i]["type"].text() == "text" ? R"({"type":"text","text":""})" : std::string(blocks[i].raw());
    std::string events =
        event(R"({"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":)" + usage + "}}");
    std::vector<std::string> deltas;
    if (blocks[i]["type"].text() == "text") {
      for (char c : std::string_view("ab")) {
        const std::string_view all = blocks[i]["text"].text();
        const size_t half = all.find(' ') + 1;
        json::Writer delta;
        delta.begin_object()
            .field("type", "text_delta")
            .field("text", c == 'a' ? all.substr(0, half) : all.substr(half));
        deltas.push_back(delta.end_object().take());
      }
    }
    events += deltas.empty() ? block(0, start, {}) : block(0, start, {deltas[0], deltas[1]});
    events +=
        event(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":)" + usage + "}") + event(kStop);
    auto whole_one = parse_messages_answer(one);
    const Outcome streamed = read(events);
    EXPECT_EQ(streamed.error, whole_one ? "" : words(whole_one.error()));
    if (whole_one) EXPECT_EQ(joined(streamed.pieces), joined(*whole_one));
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace perdure
