#include "app/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/level_log.h"

namespace perdure {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Reload, WhatCannotChangeKeepsItsValueAndIsNamed) {
  Config running, next;
  running.data = next.data = "/data";
  next.log_level = Level::kDebug;
  next.drain = std::chrono::seconds(1);
  next.session.runs_max = 7;
  EXPECT_THAT(keep_what_needs_a_restart(running, next), IsEmpty());
  EXPECT_EQ(next.session.runs_max, 7u);
  EXPECT_EQ(next.log_level, Level::kDebug);
  next.listen.port = 1;
  next.tls = ServerTls{"a", "b"};
  next.http.idle_time = std::chrono::seconds(1);
  next.encryption = false;
  next.reasoning_events = ReasoningEvents::kOpenResponses;
  EXPECT_THAT(keep_what_needs_a_restart(running, next),
              ElementsAre("listen", "tls", "limits.idle_time", "reasoning_events", "encryption.enabled"));
  EXPECT_EQ(next.listen.port, running.listen.port);
  EXPECT_FALSE(next.tls);
  EXPECT_EQ(next.http.idle_time, running.http.idle_time);
  EXPECT_TRUE(next.encryption);
  EXPECT_EQ(next.reasoning_events, running.reasoning_events);
}

TEST(LevelLog, DropsWhatIsBelowTheLevelOfTheMoment) {
  struct Counting final : LogSink {
    int lines = 0;
    void write(Level, std::string_view, std::initializer_list<Field>) override { ++lines; }
  };
  auto counting = std::make_shared<Counting>();
  auto levels = std::make_shared<LevelLog>(Level::kWarn, counting);
  Log log(levels);
  log.info("a");
  log.warn("b");
  EXPECT_EQ(counting->lines, 1);
  levels->set(Level::kDebug);
  log.debug("c");
  EXPECT_EQ(counting->lines, 2);
}

}  // namespace
}  // namespace perdure
