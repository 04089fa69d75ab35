// What suppliers of Chat Completions really sent: read to the last field, however it is cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "dialect/testing/chat_told.h"
#include "dialect/testing/recordings.h"

namespace perdure {
namespace {

using namespace chat;

// What an answer says must come out; all else is listed here with why it may stay behind.
void expect_told(json::Value root, const Told& all) {
  static const std::set<std::string_view> kTold = {"content",
                                                   "content[].text",
                                                   "content[].thinking[].text",
                                                   "reasoning",
                                                   "reasoning_content",
                                                   "tool_calls[].function.arguments",
                                                   "tool_calls[].function.name",
                                                   "tool_calls[].id",
                                                   "citations[]",
                                                   "choices[].text",
                                                   "choices[].finish_reason",
                                                   "id",
                                                   "model"};
  static const std::set<std::string_view> kStructure = {"object",
                                                        "role",
                                                        "choices[].index",
                                                        "index",
                                                        "content[].type",
                                                        "content[].thinking[].type",
                                                        "tool_calls[].type",
                                                        "tool_calls[].index"};
  static const std::set<std::string_view> kBooks = {
      "created",   "system_fingerprint", "service_tier",          "obfuscation",
      "x_groq.id", "x_groq.seed",        "choices[].matched_stop"};
  static const std::set<std::string_view> kNotTokensOfAnswers = {"audio_prompt_tokens",
                                                                 "completion_time",
                                                                 "prompt_time",
                                                                 "queue_time",
                                                                 "total_time",
                                                                 "cost_in_usd_ticks",
                                                                 "num_sources_used",
                                                                 "completion_tokens_details.accepted_prediction_tokens",
                                                                 "completion_tokens_details.rejected_prediction_tokens",
                                                                 "completion_tokens_details.audio_tokens",
                                                                 "prompt_tokens_details.audio_tokens",
                                                                 "prompt_tokens_details.image_tokens",
                                                                 "prompt_tokens_details.text_tokens",
                                                                 "prompt_cache_miss_tokens"};
  static const std::set<std::string_view> kCounted = {"prompt_tokens",
                                                      "completion_tokens",
                                                      "total_tokens",
                                                      "reasoning_tokens",
                                                      "cached_tokens",
                                                      "prompt_cache_hit_tokens",
                                                      "prompt_tokens_details.cached_tokens",
                                                      "completion_tokens_details.reasoning_tokens"};
  std::string said = all.text + "\n" + all.reasoning + "\n" + all.finish + "\n" + all.id + "\n" + all.model;
  for (const auto* list : {&all.calls, &all.annotations})
    for (const std::string& one : *list) said += "\n" + one;
  walk(root, "", [&](const std::string& path, json::Value value) {
    std::string_view rest = path;
    for (std::string_view prefix : {"choices[].delta.", "choices[].message."})
      if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
    for (std::string_view prefix : {"usage.", "x_groq.usage."}) {
      if (!rest.starts_with(prefix)) continue;
      rest.remove_prefix(prefix.size());
      if (kNotTokensOfAnswers.contains(rest)) return;
      EXPECT_TRUE(kCounted.contains(rest)) << "nobody counts " << path;
      const Usage& u = all.usage;
      const int64_t count = *value.integer(), counts[] = {u.input_tokens,
                                                          u.output_tokens,
                                                          u.cached_tokens,
                                                          u.reasoning_tokens,
                                                          u.output_tokens - u.reasoning_tokens,
                                                          u.input_tokens + u.output_tokens};
      EXPECT_TRUE(std::ranges::find(counts, count) != std::end(counts) ||
                  !root["choices"].at(0)["finish_reason"].is_string())
          << path << " " << count;
      return;
    }
    if (kTold.contains(rest))
      EXPECT_NE(said.find(value.text()), said.npos) << path << ": " << value.text().substr(0, 80);
    else
      EXPECT_TRUE(kStructure.contains(rest) || kBooks.contains(rest)) << "nobody reads " << path;
  });
}

class Recordings : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = recordings() / GetParam();
    if (!std::filesystem::is_directory(folder_)) GTEST_SKIP() << "no recordings at " << folder_;
  }
  std::filesystem::path folder_;
};

TEST_P(Recordings, StreamsAreReadHoweverTheyAreCut) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".chunks.txt")) continue;
    std::istringstream lines(content_of(entry.path()));
    std::string bytes;
    std::vector<std::string> chunks;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      append_sse(bytes, "", line);
      chunks.push_back(std::move(line));
    }
    bytes += "data: [DONE]\n\n";
    if (bytes.find("\"choices\"") == bytes.npos) continue;  // another dialect's
    SCOPED_TRACE(name);
    auto whole = feed(bytes);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const Told all = told(*whole);
    EXPECT_EQ(all.problems, std::vector<std::string>{});
    EXPECT_EQ(all.starts, 1);
    EXPECT_EQ(all.finishes, 1);
    for (const std::string& line : chunks) expect_told(json::Document::parse(line)->root(), all);
    if (name.find("text") != std::string::npos) EXPECT_FALSE(all.text.empty());
    if (name.find("reasoning") != std::string::npos) EXPECT_FALSE(all.reasoning.empty());
    if (name.find("tool-call") != std::string::npos) {
      ASSERT_FALSE(all.calls.empty());
      for (const auto& one : all.calls) {
        EXPECT_TRUE(json::Document::parse(one.substr(one.find(' ', one.find(' ') + 1) + 1)).ok()) << one;
      }
    }
    for (size_t size : {1, 2, 3, 7, 64, 1000}) {
      auto cut = feed(bytes, size);
      ASSERT_TRUE(cut.ok());
      EXPECT_EQ(*cut, *whole) << "in pieces of " << size;
    }
    const size_t step = bytes.size() > 20'000 ? 997 : 1;
    for (size_t at = 0; at <= bytes.size(); at += step) {
      ChatStreamParser parser;
      std::vector<Piece> pieces;
      ASSERT_TRUE(parser.feed(bytes.substr(0, at), pieces).ok());
      ASSERT_TRUE(parser.feed(bytes.substr(at), pieces).ok());
      ASSERT_TRUE(parser.end().ok());
      ASSERT_EQ(pieces, *whole) << "cut at " << at;
    }
  }
}

TEST_P(Recordings, WholeAnswersAreRead) {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".json")) continue;
    const std::string body = content_of(entry.path());
    if ((body.find("\"choices\"") == body.npos && body.find("\"error\"") == body.npos)) continue;
    if (body.find("\"output\"") != body.npos) continue;  // another dialect's
    SCOPED_TRACE(name);
    auto pieces = parse_chat_answer(body);
    if (name.find("error") != std::string::npos) {
      ASSERT_FALSE(pieces.ok());
      const Error error = parse_chat_error(400, "", content_of(entry.path()));
      EXPECT_EQ(error.code, Code::kInvalid);
      EXPECT_FALSE(error.reason.empty());
      continue;
    }
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_EQ(all.finishes, 1);
    EXPECT_TRUE(all.usage.known);
    EXPECT_FALSE(all.text.empty() && all.calls.empty());
    expect_told(json::Document::parse(body)->root(), all);

    // The same as chunks: streamed = unstreamed.
    std::string chunks(body);
    for (size_t at; (at = chunks.find("\"message\"")) != chunks.npos;) chunks.replace(at, 9, "\"delta\"");
    std::string bytes;
    append_sse(bytes, "", chunks);
    auto streamed = feed(bytes);
    ASSERT_TRUE(streamed.ok()) << streamed.error().message;
    EXPECT_EQ(*streamed, *pieces);
  }
}

INSTANTIATE_TEST_SUITE_P(Suppliers, Recordings,
                         testing::Values("openai/chat", "openai/completion", "azure", "groq", "deepseek/chat",
                                         "mistral", "xai", "alibaba", "moonshotai", "perplexity",
                                         "openai-compatible/chat"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) {
                             if (c == '/' || c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace perdure
