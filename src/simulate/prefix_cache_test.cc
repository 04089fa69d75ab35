#include "simulate/prefix_cache.h"

#include <gtest/gtest.h>

namespace perdure::simulate {
namespace {

using namespace std::chrono_literals;

std::vector<PrefixMark> marks(std::initializer_list<PrefixMark> list) { return list; }
Instant at(Duration d) { return Instant{} + d; }

TEST(PrefixCache, WritesThenReads) {
  PrefixCache cache;
  const auto asked = marks({{1, 50, 0}, {2, 100, 300}, {3, 120, 0}});
  CacheUse use = cache.use(asked, 0, at(0s));
  EXPECT_EQ(use.read, 0);
  EXPECT_EQ(use.write_5m, 100);
  use = cache.use(asked, 0, at(10s));
  EXPECT_EQ(use.read, 100);
  EXPECT_EQ(use.write_5m, 0);
  // The conversation went on: what was there is read, what is new is written, in the time that was asked for.
  use = cache.use(marks({{1, 50, 0}, {2, 100, 0}, {3, 120, 0}, {4, 180, 3600}}), 0, at(20s));
  EXPECT_EQ(use.read, 100);
  EXPECT_EQ(use.write_1h, 80);
  // Another beginning: nothing is found.
  use = cache.use(marks({{9, 50, 0}, {8, 100, 300}}), 0, at(30s));
  EXPECT_EQ(use.read, 0);
  EXPECT_EQ(use.write_5m, 100);
}

TEST(PrefixCache, ForgetsAndRenews) {
  PrefixCache cache;
  const auto asked = marks({{2, 100, 300}});
  cache.use(asked, 0, at(0s));
  EXPECT_EQ(cache.use(asked, 0, at(299s)).read, 100);
  EXPECT_EQ(cache.use(asked, 0, at(598s)).read, 100) << "reading renews";
  EXPECT_EQ(cache.use(asked, 0, at(900s)).read, 0);
}

TEST(PrefixCache, LeavesShortPrefixesAndLooksBackTwentyMarks) {
  PrefixCache cache;
  EXPECT_EQ(cache.use(marks({{2, 100, 300}}), 1024, at(0s)).write_5m, 0);
  EXPECT_EQ(cache.use(marks({{2, 100, 300}}), 0, at(0s)).write_5m, 100);
  for (const size_t between : {20, 21}) {
    std::vector<PrefixMark> far = {{2, 100, 0}};
    for (size_t i = 1; i < between; ++i) far.push_back({100 + i, 100 + static_cast<int64_t>(i), 0});
    far.push_back({7777 + between, 200, 300});
    EXPECT_EQ(cache.use(far, 0, at(1s)).read, between == 20 ? 100 : 0);
  }
}

TEST(PrefixCache, CountsByItself) {
  Prompt prompt;
  prompt.messages = {{Role::kUser, std::string(4000, 'a'), {}, {}}};
  PrefixCache cache;
  EXPECT_EQ(cache.use(automatic_marks(prompt), 0, at(0s)).write_5m, 0);
  prompt.messages.push_back({Role::kAssistant, "b", {}, {}});
  EXPECT_EQ(cache.use(automatic_marks(prompt), 0, at(1s)).read, 1007);
  prompt.messages[0].text[0] = 'b';
  EXPECT_EQ(cache.use(automatic_marks(prompt), 0, at(1s)).read, 0);
}

}  // namespace
}  // namespace perdure::simulate
