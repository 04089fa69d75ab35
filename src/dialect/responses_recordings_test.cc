// What suppliers of the Responses API really sent: read to the last field, however it is cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "dialect/testing/recordings.h"
#include "dialect/testing/responses_told.h"
#include "wire/sse.h"

namespace perdure {
namespace {

using namespace responses;

// What an answer says must come out; all else is listed here with why it may stay behind.
void expect_told(json::Value root, const Told& all) {
  static const std::vector<std::string_view> kTold = {
      "delta", "text",    "arguments", "refusal", "summary[].text", "content[].text", "encrypted_content",
      "name",  "call_id", "phase"};
  static const std::vector<std::string_view> kStructure = {
      "type",   "id",     "item_id", "output_index",   "content_index", "summary_index", "sequence_number",
      "object", "status", "role",    "content[].type", "summary[].type"};
  static const std::vector<std::string_view> kOurOwnRequest = {"background",          "max_output_tokens",
                                                               "parallel_tool_calls", "reasoning.",
                                                               "service_tier",        "store",
                                                               "temperature",         "text.",
                                                               "tool_choice",         "tools[]",
                                                               "top_logprobs",        "top_p",
                                                               "truncation",          "presence_penalty",
                                                               "frequency_penalty",   "prompt_cache_retention"};
  static const std::vector<std::string_view> kBooks = {"created_at",
                                                       "completed_at",
                                                       "billing.",
                                                       "obfuscation",
                                                       "content_filters[]",
                                                       "tool_usage.",
                                                       "usage.num_server_side_tools_used",
                                                       "usage.num_sources_used"};
  static const std::vector<std::string_view> kCounted = {"usage.input_tokens",
                                                         "usage.input_tokens_details.cached_tokens",
                                                         "usage.input_tokens_details.cache_write_tokens",
                                                         "usage.output_tokens",
                                                         "usage.output_tokens_details.reasoning_tokens",
                                                         "usage.total_tokens"};
  const auto within = [](const std::vector<std::string_view>& list, std::string_view path, bool prefix) {
    return std::ranges::any_of(list, [&](std::string_view one) {
      return path == one || (prefix && (one.ends_with('.') || one.ends_with(']')) && path.starts_with(one));
    });
  };
  walk(root, "", [&](const std::string& path, json::Value value) {
    std::string_view rest = path;
    bool of_response = rest.starts_with("response.") || !root["output"].missing();
    for (std::string_view prefix : {"response.", "output[].", "item.", "part."}) {
      if (!rest.starts_with(prefix)) continue;
      rest.remove_prefix(prefix.size());
      if (prefix == "output[]." || prefix == "item.") of_response = false;
    }
    if (rest.find("logprobs[]") != rest.npos) return;  // never asked for; one server sends them all the same
    if (of_response && (within(kOurOwnRequest, rest, true) || within(kBooks, rest, true))) return;
    if (of_response && rest == "model") {
      EXPECT_EQ(value.text(), all.model);
    } else if (of_response && within(kCounted, rest, false)) {
      const int64_t count = *value.integer();
      const Usage& u = all.usage;
      EXPECT_TRUE(count == u.input_tokens || count == u.cached_tokens || count == u.cache_write_tokens ||
                  count == u.output_tokens || count == u.reasoning_tokens || count == u.input_tokens + u.output_tokens)
          << path;
    } else if (within(kTold, rest, false)) {
      bool found = all.word == value.text();
      for (const std::string* text : {&all.text, &all.refusal, &all.reasoning, &all.summary})
        found = found || text->find(value.text()) != text->npos;
      for (const auto* list : {&all.calls, &all.opaque, &all.messages})
        for (const std::string& one : *list) found = found || one.find(value.text()) != one.npos;
      EXPECT_TRUE(found || rest == "encrypted_content") << path << ": " << value.text().substr(0, 80);
    } else {
      EXPECT_TRUE(within(kStructure, rest, false) || within(kBooks, rest, false)) << "nobody reads " << path;
    }
  });
}

struct Recording {
  std::filesystem::path path;
  std::vector<std::string> lines;  // of a stream
  std::string bytes;
  bool hosted = false, failed = false;
};

std::vector<Recording> found(bool streams) {
  std::vector<Recording> out;
  for (std::string_view folder : {"openai/responses", "azure", "xai/responses", "open-responses/responses"}) {
    for (const auto& entry : std::filesystem::directory_iterator(recordings() / folder)) {
      const std::string name = entry.path().filename();
      Recording one{.path = entry.path()};
      const std::string content = content_of(entry.path());
      const bool is_error = content.find("\"error\": {") != content.npos || content.find("\"error\":{") != content.npos;
      const bool is_responses = content.find("\"choices\"") == content.npos;
      if (!is_responses || name.ends_with(".chunks.txt") != streams) continue;
      one.hosted = content.find("\"program") != content.npos;
      one.failed = is_error;
      if (streams) {
        std::istringstream lines(content);
        for (std::string line; std::getline(lines, line);) {
          if (line.empty()) continue;
          auto document = json::Document::parse(line);
          if (!document.ok()) document = json::Document::parse(line += "}");  // one line was recorded without its end
          EXPECT_TRUE(document.ok());
          if (!one.lines.empty() && document->root()["type"].text() == "response.created") {  // the next answer
            out.push_back(one);
            one.lines.clear();
            one.bytes.clear();
          }
          append_sse(one.bytes, document->root()["type"].text(), line);
          one.lines.push_back(std::move(line));
        }
      } else {
        one.bytes = content;
      }
      out.push_back(std::move(one));
    }
  }
  return out;
}

TEST(ResponsesRecordings, StreamsAreReadWholeHoweverTheyAreCut) {
  if (!std::filesystem::is_directory(recordings())) GTEST_SKIP() << "no recordings at " << recordings();
  const auto list = found(true);
  EXPECT_GE(list.size(), 14u);
  for (const Recording& one : list) {
    SCOPED_TRACE(one.path);
    auto whole = feed(one.bytes);
    if (one.hosted || one.failed) {
      ASSERT_FALSE(whole.ok());
      EXPECT_EQ(whole.error().reason, one.hosted ? "unsupported_item" : "insufficient_quota");
      continue;
    }
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    const Told all = told(*whole);
    for (const std::string& line : one.lines) expect_told(json::Document::parse(line)->root(), all);
    for (size_t size : {1, 2, 3, 7, 64, 1000}) {
      auto cut = feed(one.bytes, size);
      ASSERT_TRUE(cut.ok());
      EXPECT_EQ(*cut, *whole) << "in pieces of " << size;
    }
    // Every boundary: what a parser has said and holds after the first part is what it goes on from.
    const size_t step = one.bytes.size() > 4'000 ? 997 : 1;  // every one: tests/fidelity
    for (size_t at = 0; at <= one.bytes.size(); at += step) {
      auto parser = responses_stream_parser();
      std::vector<Piece> pieces;
      ASSERT_TRUE(parser->feed(one.bytes.substr(0, at), pieces).ok());
      ASSERT_TRUE(parser->feed(one.bytes.substr(at), pieces).ok());
      ASSERT_TRUE(parser->end().ok());
      ASSERT_EQ(pieces, *whole) << "cut at " << at;
    }
    // The final response alone tells the same.
    auto last = json::Document::parse(one.lines.back());
    auto unstreamed = parse_responses_answer(std::string(last->root()["response"].raw()));
    ASSERT_TRUE(unstreamed.ok());
    if (last->root()["response"]["output"].size() == 0) continue;
    Told other = told(*unstreamed);
    other.opaque.clear();  // encrypted anew each time it is written
    Told same = all;
    same.opaque.clear();
    EXPECT_EQ(other.text, same.text);
    EXPECT_TRUE(other == same);
  }
}

TEST(ResponsesRecordings, WholeAnswersAreRead) {
  if (!std::filesystem::is_directory(recordings())) GTEST_SKIP() << "no recordings at " << recordings();
  const auto list = found(false);
  EXPECT_EQ(list.size(), 12u);
  for (const Recording& one : list) {
    SCOPED_TRACE(one.path);
    auto pieces = parse_responses_answer(one.bytes);
    if (one.hosted || one.failed) {
      ASSERT_FALSE(pieces.ok());
      if (one.failed) {
        const Error error = parse_responses_error(400, "", one.bytes);
        EXPECT_EQ(error.code, Code::kInvalid);
        EXPECT_FALSE(error.reason.empty());
      }
      continue;
    }
    ASSERT_TRUE(pieces.ok()) << pieces.error().message;
    const Told all = told(*pieces);
    EXPECT_TRUE(all.usage.known);
    expect_told(json::Document::parse(one.bytes)->root(), all);
  }
}

}  // namespace
}  // namespace perdure
