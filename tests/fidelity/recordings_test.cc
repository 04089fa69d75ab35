// Goal: whatever suppliers were seen to send is understood, or refused in words that say why; never half. Method: all
// recordings through their dialect, whole, cut at every boundary, streamed and not, and changed leaf by leaf: a change
// that no reader notices must stand in the list of what nobody needs.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "recordings.h"
#include "unseen.h"
#include "wire/json.h"
#include "wire/testing/changed_leaf.h"

namespace perdure::fidelity {
namespace {

constexpr size_t kFiles = 108;
constexpr size_t kSingleCutsUpTo = 16'000;  // bytes of a stream; longer ones are cut everywhere too, many cuts at once
constexpr size_t kStride = 256;
constexpr size_t kChangesOfAPath = 6;  // in one recording

// Answers that are refused, with a word of the error, and why.
struct Refused {
  std::string_view prefix, word, why;
};
constexpr std::string_view kRunsTools =
    "the supplier runs tools of its own, which have no place in the canonical model";
constexpr std::string_view kIsAnError = "it is an error, and told as one";
const Refused kRefused[] = {
    {"anthropic/anthropic-programmatic-tool-calling", "which was not asked for", kRunsTools},
    {"openai/chat/reasoning-model-legacy-parameter-error", "max_tokens", kIsAnError},
    {"openai/responses/openai-error", "quota", kIsAnError},
    {"openai/responses/programmatic-tool-calling", "program", kRunsTools},
    {"openai/responses/reasoning-model-temperature-error", "temperature", kIsAnError},
};

const Refused* refusal_of(std::string_view name) {
  const auto* found = std::ranges::find_if(kRefused, [&](const Refused& one) { return name.starts_with(one.prefix); });
  return found == std::ranges::end(kRefused) ? nullptr : found;
}

// A row of docs/fidelity.md, by name.
void print_refused(std::string_view name, std::string_view why, std::string error) {
  if (error.size() > 160) error.resize(error.rfind(' ', 160)), error += " ...";
  std::ranges::replace(error, '|', '/');
  std::printf("refused: | `%s` | %s | %s |\n", std::string(name).c_str(), std::string(why).c_str(), error.c_str());
}

bool is_ours(Recorded dialect) { return dialect != Recorded::kInteractions && dialect != Recorded::kCohere; }

class Recordings : public testing::Test {
 protected:
  void SetUp() override {
    if (all().empty()) GTEST_SKIP() << "no recordings at " << recordings_folder();
  }
  static const std::vector<Recording>& all() {
    static const std::vector<Recording> loaded = load_recordings();
    return loaded;
  }
};

TEST_F(Recordings, EachIsReadOrRefusedByName) {
  std::set<std::string> files, read, refused, foreign;
  size_t bytes = 0;
  for (const Recording& one : all()) {
    SCOPED_TRACE(one.name);
    files.insert(one.name);
    bytes += one.bytes().size();
    if (!is_ours(one.dialect)) {
      const bool cohere = one.dialect == Recorded::kCohere;
      const Heard heard = hear(*upstream_of(cohere ? Recorded::kChat : Recorded::kGemini), one);
      if (foreign.insert(one.name).second)
        print_refused(one.name, cohere ? "Cohere's own API" : "Google's Interactions API", heard.error);
      continue;
    }
    const Heard heard = hear(*upstream_of(one.dialect), one);
    const Refused* expected = refusal_of(one.name);
    if (expected == nullptr) {
      EXPECT_EQ(heard.error, "");
      EXPECT_EQ(std::ranges::count(heard.pieces, Piece::Kind::kFinish, &Piece::kind), 1);
      EXPECT_TRUE(told_by(heard).starts_with("[{")) << told_by(heard);
      read.insert(one.name);
    } else {
      EXPECT_NE(heard.error.find(expected->word), std::string::npos) << heard.error;
      if (refused.insert(one.name).second) print_refused(one.name, expected->why, heard.error);
    }
  }
  EXPECT_EQ(files.size(), kFiles);
  EXPECT_EQ(read.size() + refused.size() + foreign.size(), kFiles);
  std::printf(
      "recordings: %zu files, %zu bytes on the wire: %zu read, %zu refused by what they hold, %zu of APIs that nobody "
      "here speaks\n",
      files.size(), bytes, read.size(), refused.size(), foreign.size());
}

// Google's Interactions and Cohere's own API are other dialects: every reader refuses them, none half understands.
TEST_F(Recordings, OtherDialectsAreRefusedByAll) {
  size_t refused = 0;
  for (const Recording& one : all()) {
    if (is_ours(one.dialect)) continue;
    SCOPED_TRACE(one.name);
    for (Recorded dialect :
         {Recorded::kChat, Recorded::kResponses, Recorded::kMessages, Recorded::kConverse, Recorded::kGemini}) {
      const Heard heard = hear(*upstream_of(dialect), one);
      EXPECT_NE(heard.error, "") << name_of(dialect);
      EXPECT_TRUE(heard.pieces.empty()) << name_of(dialect);
      if (heard.code != Code::kCorrupt && heard.code != Code::kUnavailable)
        ADD_FAILURE() << name_of(dialect) << ": " << heard.error;
      ++refused;
    }
  }
  EXPECT_GT(refused, 50u);
}

// T25, T28: bytes may be cut anywhere, within a character, a line end or a checksum.
TEST_F(Recordings, T25_T28_CutAtEveryBoundaryTheySayTheSame) {
  size_t cuts = 0, streams = 0;
  for (const Recording& one : all()) {
    if (!one.streamed || !is_ours(one.dialect)) continue;
    SCOPED_TRACE(one.name);
    ++streams;
    const auto dialect = upstream_of(one.dialect);
    const std::string bytes = one.bytes();
    const Heard whole = hear_stream(*dialect, bytes);
    for (size_t offset = 0; offset < kStride; ++offset) {
      std::vector<size_t> places;
      for (size_t at = offset; at <= bytes.size(); at += kStride) places.push_back(at);
      if (!places.empty())
        ASSERT_EQ(hear_cut(*dialect, bytes, places), whole) << "cut at " << offset << " and every " << kStride;
      cuts += places.size();
    }
    if (bytes.size() <= kSingleCutsUpTo)
      for (size_t at = 0; at <= bytes.size(); ++at)
        ASSERT_EQ(hear_cut(*dialect, bytes, {at}), whole) << "cut at " << at;
    std::vector<size_t> everywhere;
    for (size_t at = 1; at < bytes.size(); ++at) everywhere.push_back(at);
    ASSERT_EQ(hear_cut(*dialect, bytes, everywhere), whole) << "byte by byte";
  }
  std::printf("recordings: %zu streams, %zu cuts\n", streams, cuts);
  EXPECT_GE(streams, 60u);
}

TEST_F(Recordings, StreamedIsUnstreamed) {
  size_t wholes = 0, finals = 0;
  for (const Recording& one : all()) {
    if (!is_ours(one.dialect)) continue;
    SCOPED_TRACE(one.name);
    const auto dialect = upstream_of(one.dialect);
    if (!one.streamed) {
      if (one.name.find("error") != std::string::npos) continue;  // not an answer
      const Recording stream = as_stream(one);
      EXPECT_EQ(told_by(hear(*dialect, stream)), told_by(hear(*dialect, one)));
      ++wholes;
    } else if (one.dialect == Recorded::kResponses) {
      // The stream itself ends with the whole answer.
      auto last = json::Document::parse(one.events.back());
      ASSERT_TRUE(last.ok());
      const json::Value response = last->root()["response"];
      if (response["output"].size() == 0) continue;
      Recording whole{.name = one.name, .dialect = one.dialect, .events = {std::string(response.raw())}};
      EXPECT_EQ(told_by(hear(*dialect, one)), told_by(hear(*dialect, whole)));
      ++finals;
    }
  }
  std::printf("recordings: streamed = whole in %zu answers and %zu streams that end with the whole\n", wholes, finals);
  EXPECT_GE(wholes, 40u);
  EXPECT_GE(finals, 5u);
}

std::vector<std::string> leaves(json::Value root) {
  std::vector<std::string> out;
  for (size_t leaf = 1;; ++leaf) {
    size_t target = leaf;
    std::string path;
    (void)changed(root, "", target, path);
    if (target > 0) return out;
    out.push_back(std::move(path));
  }
}

TEST_F(Recordings, T9_NothingIsDroppedInSilence) {
  std::map<std::string, std::pair<size_t, size_t>> noticed;  // path -> changes that were noticed, and all
  for (const Recording& one : all()) {
    if (!is_ours(one.dialect) || one.raw || refusal_of(one.name) != nullptr) continue;
    const auto dialect = upstream_of(one.dialect);
    const Heard original = hear(*dialect, one);
    std::map<std::string, size_t> tried;
    for (size_t event = 0; event < one.events.size(); ++event) {
      auto document = json::Document::parse(one.events[event]);
      ASSERT_TRUE(document.ok());
      const auto place = [&](std::string_view path) {
        return place_of(name_of(one.dialect), document->root()["type"].text(), path);
      };
      const auto paths = leaves(document->root());
      for (size_t leaf = 0; leaf < paths.size(); ++leaf) {
        if (++tried[std::string(document->root()["type"].text()) + paths[leaf]] > kChangesOfAPath) continue;
        size_t target = leaf + 1;
        std::string path;
        Recording other = one;
        other.events[event] = changed(document->root(), "", target, path);
        auto& [seen, all] = noticed[place(path)];
        ++all;
        if (!(hear(*dialect, other) == original)) ++seen;
      }
    }
  }
  size_t seen = 0, listed = 0;
  for (const auto& [path, counts] : noticed) {
    if (counts.first > 0) {
      ++seen;
    } else if (why_unseen(path).empty()) {
      ADD_FAILURE() << path << " is dropped in silence";
    } else {
      ++listed;
    }
  }
  for (const std::string& stale : stale_reasons([&](std::string_view path) {
         const auto found = noticed.find(std::string(path));
         return found != noticed.end() && found->second.first == 0;
       }))
    ADD_FAILURE() << stale << " is listed as unseen, and is not there or seen";
  std::printf("recordings: %zu kinds of fields are read, %zu are listed as not needed\n", seen, listed);
}

}  // namespace
}  // namespace perdure::fidelity
