// What Google really sent: read to the last field, however it is cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "dialect/gemini_answer.h"
#include "dialect/testing/gemini_told.h"
#include "dialect/testing/recordings.h"
#include "wire/testing/changed_leaf.h"

namespace perdure {
namespace {

using namespace gemini;

std::filesystem::path google() { return recordings() / "google"; }

// The events of one recording: lines of a stream, or one whole answer.
struct Recording {
  std::string name;
  std::vector<std::string> events;
  bool streamed() const { return name.ends_with(".chunks.txt"); }
};

std::string stream_of(const std::vector<std::string>& events) {
  std::string out;
  for (const std::string& one : events) out += event(one);
  return out;
}

Result<std::vector<Piece>> read(const Recording& recording) {
  if (recording.streamed()) return feed(stream_of(recording.events));
  return gemini_upstream()->parse_answer(recording.events[0]);
}

class GeminiRecordings : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(google())) GTEST_SKIP() << "no recordings at " << google();
    load(google(), recorded_);
    load(google() / "interactions", interactions_);
    ASSERT_GE(recorded_.size(), 12u);
  }
  static void load(const std::filesystem::path& folder, std::vector<Recording>& into) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      Recording one{.name = entry.path().filename(), .events = {}};
      const std::string content = entry.is_regular_file() ? content_of(entry.path()) : "";
      if (one.streamed()) {
        std::istringstream lines(content);
        for (std::string line; std::getline(lines, line);)
          if (!line.empty()) one.events.push_back(line);
      } else if (one.name.ends_with(".json")) {
        one.events = {content};
      }
      if (!one.events.empty()) into.push_back(std::move(one));
    }
    std::ranges::sort(into, {}, &Recording::name);
  }
  std::vector<Recording> recorded_, interactions_;
};

TEST_F(GeminiRecordings, AreWholeAnswers) {
  for (const Recording& one : recorded_) {
    SCOPED_TRACE(one.name);
    auto pieces = read(one);
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    size_t calls = 0, signatures = 0;
    std::string text;
    int finishes = 0;
    for (const Piece& piece : *pieces) {
      if (piece.kind == Kind::kToolCall) ++calls;
      if (piece.kind == Kind::kOpaque) ++signatures;
      if (piece.kind == Kind::kText) text += piece.text;
      if (piece.kind == Kind::kFinish) ++finishes;
      if (piece.kind == Kind::kToolArguments) EXPECT_TRUE(json::Document::parse(piece.text).ok()) << piece.text;
    }
    const bool tools = one.name.find("tool-call") != std::string::npos;
    EXPECT_EQ(pieces->front().kind, Kind::kStarted);
    EXPECT_EQ(finishes, 1);
    EXPECT_EQ(pieces->back().finish, tools ? Finish::kToolCalls : Finish::kStop);
    EXPECT_EQ(calls > 0, tools);
    EXPECT_EQ(text.empty(), tools);
    EXPECT_EQ(signatures, 1u) << "one on each of these answers";
  }
}

TEST_F(GeminiRecordings, T23_StreamedArgumentsAreWhatTheModelMeant) {
  const auto arguments = [&](std::string_view name) {
    std::string out;
    for (const Recording& one : recorded_) {
      if (one.name != name) continue;
      for (const Piece& piece : *read(one))
        if (piece.kind == Kind::kToolArguments) out += piece.text;
    }
    return out;
  };
  EXPECT_EQ(arguments("google-stream-tool-call-arguments.chunks.txt"),
            R"({"location":"Boston"}{"location":"San Francisco"})");
  EXPECT_EQ(arguments("google-stream-no-args-tool-call.chunks.txt"), R"({}{"id":"A"}{"id":"B"}{"id":"C"})");
  EXPECT_EQ(arguments("google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt"),
            R"({"operations":[{"action":"add","description":"Fresh red apple","itemid":"apple_001","price":0.5},)"
            R"({"action":"add","description":"Ripe yellow banana","itemid":"banana_001","price":0.3}]})");
}

TEST_F(GeminiRecordings, T28_CutAnywhereTheyAreTheSame) {
  for (const Recording& one : recorded_) {
    if (!one.streamed()) continue;
    SCOPED_TRACE(one.name);
    const std::string bytes = stream_of(one.events);
    const auto whole = feed(bytes);
    ASSERT_TRUE(whole.ok());
    for (size_t size : {1, 2, 3, 7, 64, 1000}) EXPECT_EQ(*feed(bytes, size), *whole) << "in pieces of " << size;
    const auto dialect = gemini_upstream();
    for (size_t at = 0; at <= bytes.size(); at += bytes.size() > 8192 ? 13 : 1) {
      const auto parser = dialect->stream_parser();
      std::vector<Piece> pieces;
      ASSERT_TRUE(parser->feed(bytes.substr(0, at), pieces).ok());
      ASSERT_TRUE(parser->feed(bytes.substr(at), pieces).ok());
      ASSERT_TRUE(parser->end().ok());
      ASSERT_EQ(pieces, *whole) << "cut at " << at;
    }
  }
}

// Fields that no piece shows, each with the reason why that loses nothing.
constexpr std::string_view kSeenSomewhere[] = {".modelVersion", ".responseId",
                                               ".candidates[].content.parts[].functionCall.willContinue"};
const std::pair<std::string_view, std::string_view> kUnseen[] = {
    {kSeenSomewhere[2], "where the end of a call comes twice"},
    {".candidates[].content.role", "an answer is always the model's"},
    {".candidates[].finishMessage", "finishReason in a sentence"},
    {".usageMetadata.promptTokensDetails[].modality", "the account has no modalities"},
    {".usageMetadata.promptTokensDetails[].tokenCount", "part of promptTokenCount"},
    {".usageMetadata.candidatesTokensDetails[].modality", "the account has no modalities"},
    {".usageMetadata.candidatesTokensDetails[].tokenCount", "part of candidatesTokenCount"},
    {".usageMetadata.totalTokenCount", "a sum of the others"},
    {".usageMetadata.trafficType", "how it is paid for, known to who configured it"},
    {".createTime", "the journal has its own"},
    {".modelVersion", "the same in every event, read in the first"},
    {".responseId", "the same in every event, read in the first"}};

TEST_F(GeminiRecordings, EveryFieldIsSeenOrListed) {
  std::map<std::string, size_t, std::less<>> seen;
  for (const Recording& one : recorded_) {
    SCOPED_TRACE(one.name);
    const auto original = read(one);
    for (size_t e = 0; e < one.events.size(); ++e) {
      auto document = json::Document::parse(one.events[e]);
      ASSERT_TRUE(document.ok());
      for (size_t leaf = 1;; ++leaf) {
        size_t target = leaf;
        std::string path;
        Recording other = one;
        other.events[e] = changed(document->root(), "", target, path);
        if (target > 0) break;
        const auto pieces = read(other);
        const bool differs = !pieces.ok() || *pieces != *original;
        const bool listed = std::ranges::any_of(kUnseen, [&](const auto& unseen) { return unseen.first == path; });
        if (differs) ++seen[path];
        ASSERT_TRUE(differs || listed) << path << " in event " << e << " is dropped in silence";
      }
    }
  }
  for (const std::string_view path : kSeenSomewhere) EXPECT_TRUE(seen.contains(path)) << path;
  EXPECT_GT(seen[".candidates[].content.parts[].functionCall.partialArgs[].stringValue"], 80u);
}

TEST_F(GeminiRecordings, StreamedIsUnstreamed) {
  size_t compared = 0;
  for (const Recording& one : recorded_) {
    if (one.streamed()) continue;
    SCOPED_TRACE(one.name);
    auto document = json::Document::parse(one.events[0]);
    const json::Value root = document->root(), candidate = root["candidates"].at(0);
    // The whole answer as Google streams it: a text in halves, its signature behind it, the finish last.
    std::vector<std::string> events;
    const auto add = [&](std::string_view part, bool last) {
      json::Writer out;
      out.begin_object().key("candidates").begin_array().begin_object().key("content").begin_object();
      out.key("parts").begin_array().raw(part).end_array().field("role", "model").end_object();
      if (last) out.key("finishReason").raw(candidate["finishReason"].raw());
      out.field("index", 0).end_object().end_array().key("usageMetadata").raw(root["usageMetadata"].raw());
      out.key("modelVersion").raw(root["modelVersion"].raw()).key("responseId").raw(root["responseId"].raw());
      std::string line = out.end_object().take();
      std::ranges::replace(line, '\n', ' ');  // between tokens; within strings there are none
      events.push_back(std::move(line));
    };
    for (const json::Value part : candidate["content"]["parts"].elements()) {
      const std::string_view text = part["text"].text(), signature = part["thoughtSignature"].text();
      if (text.empty()) {
        add(part.raw(), false);
        continue;
      }
      for (const std::string_view half : {text.substr(0, text.size() / 2), text.substr(text.size() / 2)}) {
        json::Writer out;
        add(out.begin_object().field("text", half).end_object().text(), false);
      }
      json::Writer out;
      add(out.begin_object().field("text", "").field("thoughtSignature", signature).end_object().text(), false);
    }
    add(R"({"text":""})", true);
    const auto without_usage = [](Result<std::vector<Piece>> pieces) {
      EXPECT_TRUE(pieces.ok());
      std::erase_if(*pieces, [](const Piece& piece) { return piece.kind == Kind::kUsage; });
      return merged(*pieces);
    };
    EXPECT_EQ(told(without_usage(feed(stream_of(events)))), told(without_usage(read(one))));
    ++compared;
  }
  EXPECT_GE(compared, 4u);
}

// The Interactions API is another dialect: refused, never half understood.
TEST_F(GeminiRecordings, InteractionsAreAnotherDialect) {
  EXPECT_EQ(interactions_.size(), 4u);
  for (const Recording& one : interactions_) {
    auto pieces = read(one);
    ASSERT_FALSE(pieces.ok()) << one.name;
    EXPECT_EQ(pieces.error().code, Code::kCorrupt) << one.name;
  }
}

}  // namespace
}  // namespace perdure
