// probe(): what it concludes from how a supplier behaves, and what it spends on it. The supplier is scripted, so that
// it can do or not do each thing.
#include "routing/probe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "async/sim_loop.h"
#include "routing/needs.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

// What a supplier does; each test takes something away.
struct Habits {
  enum class Prefill { kGoesOn, kBeginsAnew, kRefuses, kOnce } prefill = Prefill::kGoesOn;
  bool tools = true, parallel = true, schema = true, counts = true, caches = true, remembers = true;
  int64_t context = 1'000'000, output = 1 << 30;
  int failures = 0;  // before anything else
};

Error refused() { return {.code = Code::kInvalid, .message = "no", .upstream_status = 400}; }

class Supplier final : public Provider {
 public:
  explicit Supplier(Habits habits) : habits_(habits) {}
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline, Cancellation&) override {
    ++calls;
    if (habits_.failures-- > 0) co_return Error{Code::kUnavailable, "down"};
    int64_t tokens = needs_of(call.request, call.context).context_tokens;
    if (tokens > habits_.context || call.max_output_tokens.value_or(0) > habits_.output) co_return refused();
    input += tokens;
    Result<std::vector<Piece>> pieces = answer(call, tokens);
    if (!pieces.ok()) co_return std::move(pieces).error();
    co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<Said>(*std::move(pieces)));
  }
  int calls = 0;
  int64_t input = 0;

 private:
  struct Said final : UpstreamAnswer {
    explicit Said(std::vector<Piece> all) : pieces(std::move(all)) {}
    Task<Result<bool>> next(std::vector<Piece>& out, Deadline) override {
      if (pieces.empty()) co_return false;
      out = std::exchange(pieces, {});
      co_return true;
    }
    std::vector<Piece> pieces;
  };

  Result<std::vector<Piece>> answer(const UpstreamCall& call, int64_t tokens) {
    const std::string& asked = call.context.back().content.back().text;
    std::vector<Piece> out;
    auto say = [&](std::string text) { out.push_back({.kind = Piece::Kind::kText, .text = std::move(text)}); };
    Usage usage{.input_tokens = tokens, .output_tokens = 5, .known = habits_.counts};
    if (call.context.back().content.size() == 2) {
      if (habits_.caches && call.context.back().content[0].text == last_) usage.cached_tokens = tokens / 2;
      last_ = call.context.back().content[0].text;
    }
    if (!call.request.tools.empty()) {
      if (!habits_.tools) return refused();
      size_t wanted = habits_.parallel && asked.find("Rome") != std::string::npos ? 2 : 1;
      for (size_t i = 0; i < wanted; ++i) {
        out.push_back(
            {.kind = Piece::Kind::kToolCall, .index = static_cast<int>(i), .call_id = "c", .name = "get_weather"});
        out.push_back(
            {.kind = Piece::Kind::kToolArguments, .text = R"({"city":"Paris"})", .index = static_cast<int>(i)});
      }
    } else if (call.request.format.kind == TextFormat::Kind::kJsonSchema) {
      say(habits_.schema ? R"({"city":"Paris","bridges":37})" : "Paris has many bridges.");
    } else if (!call.held.empty()) {
      std::string whole = asked.substr(std::string("Say exactly: ").size());
      bool goes_on = habits_.prefill == Habits::Prefill::kGoesOn ||
                     (habits_.prefill == Habits::Prefill::kOnce && prefills_++ == 0);
      if (habits_.prefill == Habits::Prefill::kRefuses) return refused();
      say(goes_on ? whole.substr(call.held.size()) : whole);
    } else if (asked.starts_with("Say exactly: ")) {
      say(asked.substr(13));
    } else {
      say(habits_.remembers ? "QUARTZ-4711" : "I do not know.");
    }
    out.push_back({.kind = Piece::Kind::kUsage, .usage = usage});
    out.push_back({.kind = Piece::Kind::kFinish, .text = "stop", .finish = Finish::kStop});
    return out;
  }

  Habits habits_;
  std::string name_ = "supplier", last_;
  int prefills_ = 0;
};

struct Probed {
  Result<Scorecard> card = Error{Code::kInternal, "not probed"};
  int calls = 0;
  int64_t input = 0;
  Known known(Capability what) const { return card->measured[what]; }
  std::string found(std::string_view what) const {
    for (const Scorecard::Finding& finding : card->findings)
      if (finding.what == what) return finding.found;
    return "-";
  }
};

Probed probed(Habits habits, ProbeLimits limits = {}) {
  SimLoop loop{7};
  Supplier supplier(habits);
  Probed out;
  out.card = loop.run(probe(supplier, "m", limits, loop));
  out.calls = supplier.calls;
  out.input = supplier.input;
  return out;
}

TEST(Probe, FindsEverythingThatASupplierCanDo) {
  Probed p = probed({});
  ASSERT_TRUE(p.card.ok());
  for (Capability what : {Capability::kStreaming, Capability::kPrefill, Capability::kTools, Capability::kParallelTools,
                          Capability::kStructuredOutput, Capability::kCaching})
    EXPECT_EQ(p.known(what), Known::kYes) << static_cast<int>(what);
  EXPECT_EQ(p.known(Capability::kImages), Known::kUnknown) << "was not looked at";
  EXPECT_EQ(p.found("streaming_usage"), "yes");
  EXPECT_FALSE(p.card->measured.context_tokens) << "where no limit was seen, none is claimed";
  EXPECT_TRUE(p.found("context_tokens").starts_with("at least "));
  EXPECT_FALSE(p.card->measured.output_tokens_max);
}

TEST(Probe, PrefillIsWhatGoesOnBehindItsBeginningAndNothingElse) {
  for (auto habit : {Habits::Prefill::kBeginsAnew, Habits::Prefill::kRefuses, Habits::Prefill::kOnce})
    EXPECT_EQ(probed({.prefill = habit}).known(Capability::kPrefill), Known::kNo) << static_cast<int>(habit);
}

TEST(Probe, WhatIsRefusedOrNotDoneIsNotThere) {
  EXPECT_EQ(probed({.tools = false}).known(Capability::kTools), Known::kNo);
  EXPECT_EQ(probed({.tools = false}).known(Capability::kParallelTools), Known::kUnknown);
  EXPECT_EQ(probed({.parallel = false}).known(Capability::kParallelTools), Known::kUnknown);
  EXPECT_EQ(probed({.schema = false}).known(Capability::kStructuredOutput), Known::kNo);
  EXPECT_EQ(probed({.counts = false}).found("streaming_usage"), "no");
  EXPECT_EQ(probed({.caches = false}).known(Capability::kCaching), Known::kUnknown);
}

TEST(Probe, SizesAreFoundByWhatIsRefused) {
  ProbeLimits limits{.context_budget = 500'000};
  Probed p = probed({.context = 40'000, .output = 64'000}, limits);
  ASSERT_TRUE(p.card->measured.context_tokens);
  EXPECT_LE(*p.card->measured.context_tokens, 40'000);
  EXPECT_GE(*p.card->measured.context_tokens, 40'000 * 9 / 10);
  EXPECT_EQ(p.card->measured.output_tokens_max, 64'000);
}

TEST(Probe, AContextThatLosesItsBeginningDoesNotFit) {
  Probed p = probed({.remembers = false});
  EXPECT_FALSE(p.card->measured.context_tokens);
  EXPECT_EQ(p.found("context_tokens"), "unknown");
  EXPECT_TRUE(std::ranges::any_of(p.card->findings, [](const Scorecard::Finding& finding) {
    return finding.seen.ends_with("it had lost the beginning");
  }));
}

TEST(Probe, SpendsNoMoreThanItSaysBefore) {
  for (int64_t budget : {0, 9'000, 50'000, 300'000}) {
    ProbeLimits limits{.context_budget = budget};
    ProbePlan plan = plan_of(limits);
    for (int64_t context : {10'000, 30'000, 1'000'000}) {
      Probed p = probed({.context = context, .output = 5'000}, limits);
      EXPECT_LE(p.calls, plan.calls) << budget << " " << context;
      EXPECT_LE(p.input, plan.input_tokens) << budget << " " << context;
    }
  }
}

TEST(Probe, WhatFailsIsTriedAgainAndWhatDoesNotAnswerIsAnError) {
  EXPECT_TRUE(probed({.failures = 2}).card.ok());
  Probed never = probed({.failures = 1000});
  ASSERT_FALSE(never.card.ok());
  EXPECT_EQ(never.card.error().code, Code::kUnavailable);
  EXPECT_EQ(never.calls, 3);
}

TEST(Scorecard, IsReadAsItIsWritten) {
  Probed p = probed({.context = 40'000});
  Scorecard card = *p.card;
  card.provider = "azure", card.upstream_model = "m/1", card.dialect = "chat", card.base_url = "https://a/v1";
  card.measured_at = "2026-08-01T12:00:00Z";
  Result<Scorecard> read = parse_scorecard(to_json(card));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, card);
  for (const char* damaged : {"", "{}", R"({"format":2})", R"({"format":1,"provider":"a"})"})
    EXPECT_EQ(parse_scorecard(damaged).error().code, Code::kCorrupt) << damaged;
}

}  // namespace
}  // namespace perdure
