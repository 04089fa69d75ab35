#include "routing/needs.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

TEST(Needs, ATokenIsFourBytesOfAsciiOrTwoOfAnythingElseHoweverLongTheText) {
  for (size_t ascii : {0, 3, 4, 255, 256, 511, 100'000})
    for (size_t other : {0, 1, 2, 254, 255, 256, 70'000}) {
      std::string text;
      while (text.size() < ascii + other) text += text.size() % 2 == 0 && text.size() / 2 < other ? '\xa9' : 'a';
      size_t counted = 0;
      for (char c : text) counted += static_cast<unsigned char>(c) >= 0x80 ? 1 : 0;
      EXPECT_EQ(estimate_tokens(text), static_cast<int64_t>((text.size() - counted) / 4 + counted / 2))
          << ascii << " and " << other;
    }
  EXPECT_EQ(estimate_tokens(std::string(100'000, '\xa9')), 50'000);
}

TEST(Needs, AllThatAModelReadsIsCounted) {
  Request request{.instructions = std::string(400, 'i')};
  request.tools = {{.name = "f", .description = std::string(40, 'd'), .parameters = std::string(80, 'p')}};
  std::vector<Item> context(3);
  context[0].content = {{.text = std::string(4000, 'u')}, {.kind = PartKind::kInputImage, .url = "https://x"}};
  context[1] = {.kind = ItemKind::kFunctionCall, .arguments = std::string(200, 'a')};
  context[2] = {.kind = ItemKind::kFunctionCallOutput, .output = std::string(800, 'o')};
  const Needs needs = needs_of(request, context);
  EXPECT_EQ(needs.context_tokens, 100 + 10 + 20 + 1000 + 85 + 50 + 200);
  EXPECT_TRUE(needs.capabilities.has(Capability::kImages));
  EXPECT_TRUE(needs.capabilities.has(Capability::kTools));
}

}  // namespace
}  // namespace perdure
