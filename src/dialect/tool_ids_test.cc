#include "dialect/tool_ids.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace perdure {
namespace {

constexpr ToolIdRule kRules[] = {kMessagesToolIds, kConverseToolIds};

bool allowed(std::string_view id, const ToolIdRule& rule) {
  const std::string every =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + std::string(rule.punctuation);
  return !id.empty() && id.size() <= rule.length_max && id.find_first_not_of(every) == std::string_view::npos;
}

TEST(ToolIds, T7_WhatMayBeSentIsSentAsItIs) {
  for (const ToolIdRule& rule : kRules)
    for (const char* id : {"call_1", "toolu_01A-b", "fc_68a3", "9", "-", "_", "chatcmpl-tool-9f2"})
      EXPECT_EQ(supplier_tool_id(id, rule), id);
  EXPECT_EQ(supplier_tool_id("functions.get_weather:0", kConverseToolIds), "functions.get_weather:0");
}

// Part of what suppliers' prompt caches have seen: these may never change.
TEST(ToolIds, T7_TheMappingIsTheSameForever) {
  EXPECT_EQ(supplier_tool_id("functions.get_weather:0", kMessagesToolIds), "pdx_functions-2eget_weather-3a0");
  EXPECT_EQ(supplier_tool_id("", kMessagesToolIds), "pdx_");
  EXPECT_EQ(supplier_tool_id("a b-\xc3\xa9", kConverseToolIds), "pdx_a-20b-2d-c3-a9");
  EXPECT_EQ(supplier_tool_id("pdx_a", kMessagesToolIds), "pdx_pdx_a");
  EXPECT_EQ(supplier_tool_id("pdh_a", kMessagesToolIds), "pdx_pdh_a");
  EXPECT_EQ(supplier_tool_id(std::string(64, 'a'), kConverseToolIds), std::string(64, 'a'));
  EXPECT_EQ(supplier_tool_id(std::string(65, 'a'), kConverseToolIds),
            "pdh_635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa914");
  EXPECT_EQ(supplier_tool_id(std::string(60, ' '), kConverseToolIds).substr(0, 4), "pdh_");
}

TEST(ToolIds, T7_EveryIdIsMappedToOneOfItsOwnAndBack) {
  SeededRandom random(7);
  for (const ToolIdRule& rule : kRules) {
    std::map<std::string, std::string> taken;  // theirs -> id
    std::vector<std::string> known;
    for (int i = 0; i < 20'000; ++i) {
      std::string id;
      if (random.below(4) == 0) id = random.below(2) == 0 ? "pdx_" : "pdh_";
      if (!taken.empty() && random.below(8) == 0)
        id = std::next(taken.begin(), static_cast<long>(random.below(std::min<size_t>(taken.size(), 50))))->first;
      const std::string_view letters = random.below(2) == 0 ? "ab0-_.:" : "a-2d_.: \xff\x01|";
      for (size_t n = random.below(random.below(10) == 0 ? 300 : 12); n > 0; --n)
        id += letters[random.below(letters.size())];
      const std::string theirs = supplier_tool_id(id, rule);
      EXPECT_TRUE(allowed(theirs, rule)) << theirs;
      const auto [at, fresh] = taken.emplace(theirs, id);
      EXPECT_EQ(at->second, id) << "two ids became " << theirs;
      known.assign(1, id);
      EXPECT_EQ(client_tool_id(theirs, rule, known), id);
      if (!theirs.starts_with("pdh_")) EXPECT_EQ(client_tool_id(theirs, rule), id);
    }
  }
}

TEST(ToolIds, WhatIsNotOursIsLeftAlone) {
  EXPECT_EQ(client_tool_id("toolu_1", kMessagesToolIds), "toolu_1");
  for (const char* damaged : {"pdx_a-", "pdx_a-2", "pdx_a-zz", "pdx_a", "pdx_a-41", "pdx_a-3A", "pdh_00"})
    EXPECT_EQ(client_tool_id(damaged, kMessagesToolIds), std::nullopt) << damaged;
}

}  // namespace
}  // namespace perdure
