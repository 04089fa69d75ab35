#include "simulate/fault.h"

#include <gtest/gtest.h>

#include "simulate/fault_plan.h"
#include "simulate/simulate_options.h"

namespace perdure::simulate {
namespace {

using namespace std::chrono_literals;

TEST(Fault, ReadsWhatItWrites) {
  for (const char* text : {"status=429,retry-after=2", "status=500", "cut-after-tokens=7", "cut-after-tokens=1..40",
                           "cut-after-bytes=100", "stall-after-tokens=3", "stall-after-tokens=3,for=5000ms",
                           "malformed-after-tokens=4", "error-after-tokens=4", "end-after-tokens=0", "trickle",
                           "trickle=2ms", "slow-headers=2000ms", "close", "p=0.1:close", "p=0.25:times=3:status=503"}) {
    const auto fault = parse_fault(text);
    ASSERT_TRUE(fault.ok()) << text << ": " << fault.error().message;
    EXPECT_EQ(to_string(*fault), text);
  }
  const auto several = parse_faults(" p=0.5: cut-after-tokens=7 ; trickle;");
  ASSERT_TRUE(several.ok());
  EXPECT_EQ(to_string(*several), "p=0.5:cut-after-tokens=7;trickle");
  EXPECT_EQ(parse_fault("stall-after-tokens=3,for=1.5s")->time, 1500ms);
}

TEST(Fault, SaysWhatIsWrong) {
  for (const char* text :
       {"", "stutter", "status", "status=200", "status=4x", "cut-after-tokens", "cut-after-tokens=-1",
        "cut-after-tokens=9..3", "cut-after-tokens=3,for=2s", "stall-after-tokens=3,for=2", "p=2:close", "p=:close",
        "times=x:close", "slow-headers", "close=1", "trickle=fast", "trickle="}) {
    const auto fault = parse_fault(text);
    ASSERT_FALSE(fault.ok()) << text;
    EXPECT_EQ(fault.error().code, Code::kInvalid);
    EXPECT_FALSE(fault.error().message.empty());
  }
}

TEST(FaultPlan, FollowsProbabilityTimesAndRange) {
  auto faults = *parse_faults("p=0.25:cut-after-tokens=1..4;times=2:status=500");
  int cuts = 0, refusals = 0;
  std::array<int, 5> positions = {};
  for (uint64_t i = 0; i < 4000; ++i) {
    const FaultPlan plan = FaultPlan::draw(faults, SeededRandom(i));
    if (const auto* cut = plan.find(Fault::Kind::kCutAfterTokens))
      ++cuts, ++positions.at(static_cast<size_t>(cut->after));
    refusals += plan.find(Fault::Kind::kStatus) != nullptr;
  }
  EXPECT_NEAR(cuts, 1000, 120);
  EXPECT_EQ(refusals, 2);
  EXPECT_EQ(positions[0], 0);
  for (size_t i = 1; i <= 4; ++i) EXPECT_GT(positions[i], 150);
}

TEST(Options, AreSetByWord) {
  SupplierOptions options;
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"seed", "7"},
                                                                  {"model", "a,b"},
                                                                  {"tokens-per-second", "12.5"},
                                                                  {"first-token", "50ms"},
                                                                  {"api-key", "k"},
                                                                  {"fault", "close"},
                                                                  {"fault", "trickle;status=500"},
                                                                  {"continuation", "mixed"},
                                                                  {"reasoning", "true"},
                                                                  {"bodies-kept", "3"}})
    ASSERT_TRUE(set_option(options, name, value).ok()) << name;
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(options.tokens_per_second, 12.5);
  EXPECT_EQ(options.first_token, 50ms);
  EXPECT_EQ(options.faults.size(), 3u);
  EXPECT_EQ(options.continuation, Continuation::kMixed);
  EXPECT_TRUE(options.reasoning);
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"seed", "-1"},
                                                                  {"model", ""},
                                                                  {"tokens-per-second", "nan"},
                                                                  {"first-token", "50"},
                                                                  {"fault", "x"},
                                                                  {"continuation", "x"},
                                                                  {"reasoning", "perhaps"},
                                                                  {"colour", "red"}})
    EXPECT_FALSE(set_option(options, name, value).ok()) << name;
}

}  // namespace
}  // namespace perdure::simulate
