#include "model/opaque.h"

#include <array>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::string_view kPrefix = "pd1.";
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64url(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (k < left ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k <= left; ++k) out += kAlphabet[word >> (18 - 6 * k) & 63];
  }
  return out;
}

bool from_base64url(std::string_view text, std::string& out) {
  if (text.size() % 4 == 1) return false;
  uint32_t word = 0;
  int bits = 0;
  for (char c : text) {
    size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    word = (word << 6 | static_cast<uint32_t>(value)) & 0xffffff;
    bits += 6;
    if (bits >= 8) out += static_cast<char>(word >> (bits -= 8) & 0xff);
  }
  return true;
}

}  // namespace

std::string pack_opaque(OpaqueKind kind, std::string_view issuer, std::string_view block) {
  std::string out(kPrefix);
  out.append(std::to_string(static_cast<int>(kind))).append(".").append(to_base64url(issuer)).append(".").append(block);
  return out;
}

OpaqueBlock unpack_opaque(std::string_view text, OpaqueKind otherwise) {
  OpaqueBlock unknown{otherwise, "", std::string(text)};
  if (!text.starts_with(kPrefix) || text.size() < kPrefix.size() + 3 || text[kPrefix.size() + 1] != '.') return unknown;
  int kind = text[kPrefix.size()] - '0';
  if (kind < static_cast<int>(OpaqueKind::kEncrypted) || kind > static_cast<int>(OpaqueKind::kRedacted)) return unknown;
  std::string_view rest = text.substr(kPrefix.size() + 2);
  size_t dot = rest.find('.');
  OpaqueBlock known{static_cast<OpaqueKind>(kind), "", ""};
  if (dot == std::string_view::npos || !from_base64url(rest.substr(0, dot), known.issuer)) return unknown;
  if (!json::valid_utf8(known.issuer)) return unknown;  // no name of anybody
  known.block = rest.substr(dot + 1);
  return known;
}

}  // namespace perdure
