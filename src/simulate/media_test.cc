#include "simulate/media.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace perdure::simulate {
namespace {

TEST(Media, Base64IsStrict) {
  SeededRandom random(1);
  for (size_t length = 0; length < 100; ++length) {
    const std::string bytes = random.bytes(length);
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(encode_base64("foob"), "Zm9vYg==");
  for (const char* wrong : {"Zm9vYg", "Zm9vYg=", "Zm9v Yg=", "Zm=vYg==", "=m9v", "Zm9-", "Z===", "===="})
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
}

TEST(Media, SaysWhatItWasGiven) {
  EXPECT_EQ(describe_bytes("image/png", "123456789"), "image/png of 9 bytes (crc32 cbf43926)");  // the check value
  EXPECT_EQ(image_type_of("\x89PNG\r\n\x1a\n..."), "image/png");
  EXPECT_EQ(image_type_of("\xff\xd8\xff\xe0"), "image/jpeg");
  EXPECT_EQ(image_type_of("GIF89a"), "image/gif");
  EXPECT_EQ(image_type_of("RIFF\1\2\3\4WEBPVP8 "), "image/webp");
  EXPECT_EQ(image_type_of("RIFF\1\2\3\4WAVE"), "");
  EXPECT_EQ(image_type_of(""), "");
  const auto data = parse_data_url("data:text/plain;charset=utf-8;base64,aGk=");
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->type, "text/plain");
  EXPECT_EQ(data->bytes, "hi");
  EXPECT_FALSE(parse_data_url("data:text/plain,hi"));
  EXPECT_FALSE(parse_data_url("data:text/plain;base64"));
  EXPECT_FALSE(parse_data_url("https://example.com/"));
}

}  // namespace
}  // namespace perdure::simulate
