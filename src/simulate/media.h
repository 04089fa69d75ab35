#pragma once
// Images and files in a request, as far as a supplier that looks at nothing cares: whether they are what they claim to
// be, and a description from which a test can see that the very bytes arrived.

#include <optional>
#include <string>
#include <string_view>

namespace perdure::simulate {

std::string encode_base64(std::string_view bytes);
// The standard alphabet with its padding, nothing else.
std::optional<std::string> decode_base64(std::string_view text);

// "image/png of 68 bytes (crc32 0a1b2c3d)"
std::string describe_bytes(std::string_view type, std::string_view bytes);
// "image at https://example.com/a.png"
std::string describe_link(std::string_view kind, std::string_view url);

// image/png, image/jpeg, image/gif or image/webp by the first bytes; empty: none of them.
std::string_view image_type_of(std::string_view bytes);

struct DataUrl {
  std::string type, bytes;
};
std::optional<DataUrl> parse_data_url(std::string_view url);  // base64 ones only

}  // namespace perdure::simulate
