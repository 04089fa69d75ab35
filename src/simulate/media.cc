#include "simulate/media.h"

#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdio>

namespace perdure::simulate {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < have ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= have ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t at = 0; at < text.size(); at += 4) {
    uint32_t group = 0;
    size_t have = 4;
    if (at + 4 == text.size())
      while (have > 2 && text[at + have - 1] == '=') --have;
    for (size_t i = 0; i < 4; ++i) {
      const int value = i < have ? kValues[static_cast<unsigned char>(text[at + i])] : 0;
      if (value < 0) return std::nullopt;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (size_t i = 0; i + 1 < have; ++i) out += static_cast<char>(group >> (16 - 8 * i) & 255);
  }
  return out;
}

std::string describe_bytes(std::string_view type, std::string_view bytes) {
  const uLong sum = ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
  std::array<char, 9> hex{};
  std::snprintf(hex.data(), hex.size(), "%08lx", static_cast<unsigned long>(sum));
  return std::string(type) + " of " + std::to_string(bytes.size()) + " bytes (crc32 " + hex.data() + ")";
}

std::string describe_link(std::string_view kind, std::string_view url) {
  return std::string(kind) + " at " + std::string(url);
}

std::string_view image_type_of(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) return "image/gif";
  if (bytes.size() >= 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return "image/webp";
  return {};
}

std::optional<DataUrl> parse_data_url(std::string_view url) {
  if (!url.starts_with("data:")) return std::nullopt;
  const size_t comma = url.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  std::string_view head = url.substr(5, comma - 5);
  if (!head.ends_with(";base64")) return std::nullopt;
  head.remove_suffix(7);
  auto bytes = decode_base64(url.substr(comma + 1));
  if (!bytes) return std::nullopt;
  return DataUrl{std::string(head.substr(0, head.find(';'))), std::move(*bytes)};
}

}  // namespace perdure::simulate
