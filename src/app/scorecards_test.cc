// Scorecards at rest, and whose word goes first: the configuration's, the measurement's, the catalogue's.
#include "app/scorecards.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/deployments.h"

namespace perdure {
namespace {

struct Folder {
  std::string path = made();
  static std::string made() {
    char pattern[] = "/tmp/perdure-scorecards-XXXXXX";
    return ::mkdtemp(pattern);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

class NamedProvider final : public Provider {
 public:
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall, Deadline, Cancellation&) override {
    co_return Error{Code::kUnavailable, "never"};
  }

 private:
  std::string name_ = "a";
};

Config config(const std::string& rest) {
  LoadedConfig loaded = parse_config("providers: [{name: a, base_url: 'http://localhost:1/v1'}]\n" + rest,
                                     [](const std::string&) { return std::nullopt; });
  EXPECT_TRUE(loaded.problems.empty());
  return loaded.config;
}

Scorecard card() {
  Scorecard out{.provider = "a", .upstream_model = "org/m:1", .dialect = "chat", .base_url = "http://localhost:1/v1"};
  out.measured_at = "2026-08-01T12:00:00Z";
  out.measured[Capability::kPrefill] = Known::kYes;
  out.measured[Capability::kTools] = Known::kNo;
  out.measured.context_tokens = 8000;
  out.prefill_form = "continue_final_message";
  return out;
}

Capabilities capabilities(const Config& of, const Scorecards& scorecards) {
  NamedProvider provider;
  return deployments_of(of, {&provider}, scorecards).at(0).capabilities;
}

TEST(Scorecards, RestInAFileEachAndTheNewestStandsForThem) {
  Folder folder;
  EXPECT_TRUE(load_scorecards(folder.path).cards.empty());
  Scorecard first = card(), other = card();
  other.upstream_model = "n";
  ASSERT_TRUE(save_scorecard(folder.path, first).ok());
  ASSERT_TRUE(save_scorecard(folder.path, other).ok());
  first.measured_at = "2026-09-01T12:00:00Z";
  ASSERT_TRUE(save_scorecard(folder.path, first).ok());
  Scorecards read = load_scorecards(folder.path);
  ASSERT_EQ(read.cards.size(), 2u);
  EXPECT_TRUE(read.problems.empty());
  Config of = config("");
  ASSERT_NE(read.find(of.providers[0], "org/m:1"), nullptr);
  EXPECT_EQ(*read.find(of.providers[0], "org/m:1"), first);
  EXPECT_EQ(read.find(of.providers[0], "other"), nullptr);
}

TEST(Scorecards, AFileThatMakesNoSenseCountsForNothingAndIsTold) {
  Folder folder;
  ASSERT_TRUE(save_scorecard(folder.path, card()).ok());
  std::ofstream(folder.path + "/scorecards/broken.json") << "{";
  Scorecards read = load_scorecards(folder.path);
  EXPECT_EQ(read.cards.size(), 1u);
  ASSERT_EQ(read.problems.size(), 1u);
  EXPECT_NE(read.problems[0].find("broken.json"), std::string::npos);
}

TEST(Scorecards, WhatWasMeasuredGoesBeforeTheCatalogueAndBehindTheConfiguration) {
  Scorecards scorecards{.cards = {card()}, .problems = {}};
  const std::string plain = "models: [{name: m, provider: a, upstream_model: 'org/m:1'}]";
  Capabilities nobody = capabilities(config(plain), {});
  EXPECT_EQ(nobody[Capability::kPrefill], Known::kUnknown);
  Capabilities measured = capabilities(config(plain), scorecards);
  EXPECT_EQ(measured[Capability::kPrefill], Known::kYes);
  EXPECT_EQ(measured[Capability::kTools], Known::kNo);
  EXPECT_EQ(measured.context_tokens, 8000);
  Capabilities owner =
      capabilities(config("models: [{name: m, provider: a, upstream_model: 'org/m:1', context_tokens: 9000, "
                          "capabilities: {prefill: false, tools: true}}]"),
                   scorecards);
  EXPECT_EQ(owner[Capability::kPrefill], Known::kNo);
  EXPECT_EQ(owner[Capability::kTools], Known::kYes);
  EXPECT_EQ(owner.context_tokens, 9000);
  Capabilities other = capabilities(config("models: [{name: m, provider: a, upstream_model: other}]"), scorecards);
  EXPECT_EQ(other[Capability::kPrefill], Known::kUnknown);
}

TEST(Scorecards, OfAnotherAddressOrDialectAreOfAnotherServer) {
  Scorecard moved = card(), spoken = card();
  moved.base_url = "http://localhost:2/v1";
  spoken.dialect = "responses";
  Scorecards scorecards{.cards = {moved, spoken}, .problems = {}};
  EXPECT_EQ(scorecards.find(config("").providers[0], "org/m:1"), nullptr);
}

TEST(Scorecards, AChatEndpointTakesAPrefillInTheWayThatWasFound) {
  Config of = config("");
  lay_over(of.providers, {.cards = {card()}, .problems = {}});
  EXPECT_EQ(of.providers[0].chat.prefill, ChatPrefill::kContinueFinal);
  of.providers[0].chat.prefill = ChatPrefill::kPlain;  // somebody has said it
  lay_over(of.providers, {.cards = {card()}, .problems = {}});
  EXPECT_EQ(of.providers[0].chat.prefill, ChatPrefill::kPlain);
}

}  // namespace
}  // namespace perdure
