// Health, its breaker, and who is to blame, with a clock that the test holds.
#include "routing/health.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

using namespace std::chrono_literals;

struct Patient {
  Health health;
  HealthLimits limits;
  Instant now{};
  Health::Change attempt(Fault fault, Duration asked = -1ms) {
    bool probe = health.begin();
    return fault == Fault::kNone ? health.ended_well() : health.ended(fault, probe, asked, now, limits);
  }
};

TEST(FaultOf, BlamesWhoCausedIt) {
  auto fault = [](Code code, int status, std::string reason = "") {
    return fault_of({.code = code, .message = "m", .reason = std::move(reason), .upstream_status = status});
  };
  EXPECT_EQ(fault(Code::kInvalid, 400), Fault::kNone);
  EXPECT_EQ(fault(Code::kCancelled, 0), Fault::kNone);
  EXPECT_EQ(fault(Code::kInternal, 0), Fault::kNone);
  EXPECT_EQ(fault(Code::kOverloaded, 429), Fault::kBusy);
  EXPECT_EQ(fault(Code::kUnavailable, 503), Fault::kSupplier);
  EXPECT_EQ(fault(Code::kUnavailable, 0), Fault::kSupplier);
  EXPECT_EQ(fault(Code::kDeadline, 0), Fault::kSupplier);
  EXPECT_EQ(fault(Code::kCorrupt, 200), Fault::kSupplier);
  EXPECT_EQ(fault(Code::kDenied, 401, "supplier_denied"), Fault::kCredential);
  EXPECT_EQ(fault(Code::kDenied, 402, "supplier_denied"), Fault::kCredential);
  EXPECT_EQ(fault(Code::kDenied, 403, "supplier_denied"), Fault::kDeployment);
  EXPECT_EQ(fault(Code::kDenied, 0), Fault::kNone) << "somebody here said no";
  EXPECT_EQ(fault(Code::kNotFound, 404), Fault::kDeployment);
  EXPECT_EQ(fault(Code::kNotFound, 0), Fault::kNone);
}

TEST(Health, AClientsBadRequestsTripNothing) {
  Patient p;
  for (int i = 0; i < 100; ++i) {
    bool probe = p.health.begin();
    EXPECT_EQ(p.health.ended(fault_of({Code::kInvalid, "m"}), probe, -1ms, p.now, p.limits), Health::Change::kNone);
  }
  EXPECT_TRUE(p.health.admits(p.now));
  EXPECT_EQ(p.health.failures(), 0);
  EXPECT_EQ(p.health.in_flight(), 0);
}

TEST(Health, OpensAfterFailuresInARowAndProbesOneByOne) {
  Patient p;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(p.attempt(Fault::kSupplier), Health::Change::kNone);
  EXPECT_EQ(p.attempt(Fault::kSupplier), Health::Change::kOpened);
  EXPECT_FALSE(p.health.admits(p.now));
  EXPECT_EQ(p.health.breaker().state(p.now), Breaker::State::kOpen);
  p.now += 1s;
  EXPECT_EQ(p.health.breaker().state(p.now), Breaker::State::kHalfOpen);
  ASSERT_TRUE(p.health.admits(p.now));
  bool probe = p.health.begin();
  EXPECT_TRUE(probe);
  EXPECT_FALSE(p.health.admits(p.now)) << "one probe at a time";
  EXPECT_EQ(p.health.ended(Fault::kSupplier, probe, -1ms, p.now, p.limits), Health::Change::kOpened);
  p.now += 1s;
  EXPECT_FALSE(p.health.admits(p.now)) << "for twice as long";
  p.now += 1s;
  EXPECT_TRUE(p.health.admits(p.now));
  probe = p.health.begin();
  EXPECT_TRUE(p.health.first_piece(100ms, p.now)) << "a sign of life lets others pass";
  EXPECT_TRUE(p.health.admits(p.now));
  EXPECT_EQ(p.health.ended_well(), Health::Change::kNone);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(p.attempt(Fault::kSupplier), Health::Change::kNone);
}

TEST(Health, ASupplierThatBeginsAndAlwaysBreaksOffIsKeptAwayForLongerAndLonger) {
  Patient p;
  for (int i = 0; i < 5; ++i) (void)p.attempt(Fault::kSupplier);
  Duration before{};
  for (int round = 0; round < 4; ++round) {
    Duration wait = p.health.breaker().until() - p.now;
    EXPECT_GT(wait, before);
    before = wait;
    p.now = p.health.breaker().until();
    bool probe = p.health.begin();
    ASSERT_TRUE(probe);
    EXPECT_TRUE(p.health.first_piece(1ms, p.now));
    EXPECT_EQ(p.health.ended(Fault::kSupplier, probe, -1ms, p.now, p.limits), Health::Change::kOpened);
  }
}

TEST(Health, AProbeThatTellsNothingLetsTheNextOneGo) {
  Patient p;
  for (int i = 0; i < 5; ++i) (void)p.attempt(Fault::kSupplier);
  p.now += 1s;
  bool probe = p.health.begin();
  EXPECT_EQ(p.health.ended(Fault::kNone, probe, -1ms, p.now, p.limits), Health::Change::kNone);
  EXPECT_TRUE(p.health.admits(p.now));
}

TEST(Health, OpensWhenMoreThanHalfFailsThoughNeverManyInARow) {
  Patient p;
  bool opened = false;
  for (int i = 0; i < 60 && !opened; ++i)
    opened = p.attempt(i % 4 == 0 ? Fault::kNone : Fault::kSupplier) == Health::Change::kOpened;
  EXPECT_TRUE(opened);
  Patient healthy;
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(healthy.attempt(i % 4 == 0 ? Fault::kSupplier : Fault::kNone), Health::Change::kNone);
}

TEST(Health, RestsForAsLongAsItWasAskedTo) {
  Patient p;
  EXPECT_EQ(p.attempt(Fault::kBusy, 7s), Health::Change::kRests);
  EXPECT_FALSE(p.health.admits(p.now + 7s - 1ns));
  EXPECT_TRUE(p.health.admits(p.now + 7s));
  p.now += 7s;
  (void)p.attempt(Fault::kBusy, 24h);
  EXPECT_TRUE(p.health.admits(p.now + p.limits.rest_max)) << "however long it asked for";
  Patient silent;
  (void)silent.attempt(Fault::kBusy);
  EXPECT_EQ(silent.health.rest_until() - silent.now, 1s);
  silent.now += 1s;
  (void)silent.attempt(Fault::kBusy);
  EXPECT_EQ(silent.health.rest_until() - silent.now, 2s) << "doubling when it does not say";
  EXPECT_EQ(silent.health.breaker().state(silent.now), Breaker::State::kClosed) << "busy is not broken";
}

TEST(Health, WhatIsNotToBeHadThereIsAskedForSeldom) {
  Patient p;
  EXPECT_EQ(p.attempt(Fault::kDeployment), Health::Change::kOpened);
  EXPECT_FALSE(p.health.admits(p.now + 59s));
  EXPECT_TRUE(p.health.admits(p.now + 60s));
}

TEST(Health, AttemptsThatWereOnTheirWayDoNotOpenItAgain) {
  Patient p;
  std::vector<bool> probes;
  for (int i = 0; i < 100; ++i) probes.push_back(p.health.begin());
  int opened = 0;
  for (bool probe : probes)
    opened += p.health.ended(Fault::kSupplier, probe, -1ms, p.now, p.limits) == Health::Change::kOpened;
  EXPECT_EQ(opened, 1);
  EXPECT_TRUE(p.health.admits(p.now + 1s)) << "a hundred broken streams are one event";
}

TEST(Health, TheStallLimitFollowsTheSilencesSeen) {
  Patient p;
  EXPECT_EQ(p.health.stall_limit(p.limits, 60s), 60s) << "nothing is known";
  for (int i = 0; i < 100; ++i) p.health.gap(20ms);
  EXPECT_EQ(p.health.stall_limit(p.limits, 60s), p.limits.stall_floor);
  EXPECT_EQ(p.health.stall_limit(p.limits, 2s), 2s) << "never more than the most";
  p.health.gap(3s);
  EXPECT_GT(p.health.stall_limit(p.limits, 60s), 17s);
  EXPECT_LE(p.health.stall_limit(p.limits, 60s), 18s);
  for (int i = 0; i < 5000; ++i) p.health.gap(20ms);
  EXPECT_EQ(p.health.stall_limit(p.limits, 60s), p.limits.stall_floor) << "and forgets";
}

TEST(Health, OldLatenciesCountLess) {
  Patient p;
  EXPECT_EQ(p.health.expected_first_piece(p.now), Duration::zero()) << "unknown: worth finding out";
  p.health.first_piece(800ms, p.now);
  EXPECT_EQ(p.health.expected_first_piece(p.now), 800ms);
  EXPECT_EQ(p.health.expected_first_piece(p.now + 3min), 200ms);
}

}  // namespace
}  // namespace perdure
