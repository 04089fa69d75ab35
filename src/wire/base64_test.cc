#include "wire/base64.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace perdure {
namespace {

TEST(Base64, AsInTheStandard) {
  const std::pair<std::string_view, std::string_view> known[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\xfb\xff\xfe", "+//+"}};
  for (const auto& [bytes, text] : known) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, BackAndForth) {
  SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes;
    for (size_t n = random.below(70); n > 0; --n) bytes += static_cast<char>(random.below(256));
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

TEST(Base64, NothingElse) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm9v=", "Zg==Zg==", "Zm 9v", "Zm9-", "Zm9v\n", "Z=g="}) {
    EXPECT_FALSE(is_base64(text)) << text;
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

}  // namespace
}  // namespace perdure
