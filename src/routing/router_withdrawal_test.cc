// Router: what is withdrawn takes no attempt, and what runs there goes on or is cut off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/testing/router_bench.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;

using Bench = RouterBench;

TEST(Router, EveryWithdrawalCoversWhatItNames) {
  Bench b;
  b.deployments[0].region = "eu";
  b.deployments[1].party = "Acme";
  b.withdraw(WithdrawalKind::kRegion, "eu");
  EXPECT_EQ(b.where(), "m@b");
  b.withdraw(WithdrawalKind::kParty, "Acme");
  EXPECT_EQ(b.where(), "m@c");
  b.withdraw(WithdrawalKind::kDeployment, "m@c");
  EXPECT_EQ(b.where(), "withdrawn");
  EXPECT_EQ(b.code(), "unavailable");
  EXPECT_EQ(b.router().place(b.ask).error().retry_after_ms, -1);
  EXPECT_FALSE(b.router().check(b.ask).ok());
  b.router().set_withdrawals({});
  EXPECT_EQ(b.where(), "m@a");
}

TEST(Router, ACutReachesRunningAttemptsAndADrainDoesNot) {
  for (WithdrawalMode mode : {WithdrawalMode::kDrain, WithdrawalMode::kCut}) {
    Bench b;
    Result<std::unique_ptr<AttemptLease>> at_a = b.begin();
    ASSERT_TRUE((*at_a)->dispatch().ok());
    std::vector<Tried> tried{{.deployment = 0, .failures = 1}};
    b.ask.tried = tried;
    Result<std::unique_ptr<AttemptLease>> at_b = b.begin();
    ASSERT_TRUE((*at_b)->dispatch().ok());
    b.withdraw(WithdrawalKind::kProvider, "a", mode);
    EXPECT_EQ((*at_a)->withdrawn(), mode == WithdrawalMode::kCut);
    EXPECT_EQ((*at_a)->cancel().requested(), mode == WithdrawalMode::kCut);
    EXPECT_FALSE((*at_b)->withdrawn());
    if (mode == WithdrawalMode::kCut) EXPECT_EQ((*at_a)->ended(cut()), Fault::kNone) << "not the supplier's fault";
    EXPECT_EQ(b.router().attempts_running(), 2u);
  }
}

TEST(Router, WhatIsPlacedAndNotDispatchedDoesNotGoOutAfterAWithdrawal) {
  Bench b;
  Result<std::unique_ptr<AttemptLease>> lease = b.begin();
  b.withdraw(WithdrawalKind::kProvider, "a", WithdrawalMode::kDrain);
  EXPECT_EQ((*lease)->dispatch().error().reason, "withdrawn");
}

TEST(Withdrawals, ComeBackFromTheStoreAsTheyWere) {
  WithdrawalSet all{
      7,
      {{"wd_1", WithdrawalKind::kRegion, "eu", WithdrawalMode::kCut, "a \"reason\"", "key_1", WallTime(5ms)},
       {"wd_2", WithdrawalKind::kParty, "Acme", WithdrawalMode::kDrain, "", "", WallTime(6ms)}}};
  Result<WithdrawalSet> read = decode_withdrawals(encode_withdrawals(all));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, all);
  for (const char* bad : {"", "{}", "{\"version\":2,\"revision\":1,\"withdrawals\":[]}",
                          "{\"version\":1,\"withdrawals\":[]}", "{\"version\":1,\"revision\":1,\"withdrawals\":[{}]}"})
    EXPECT_EQ(decode_withdrawals(bad).error().code, Code::kCorrupt) << bad;
}

}  // namespace
}  // namespace perdure
