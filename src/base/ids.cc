#include "base/ids.h"

namespace perdure {
namespace {

constexpr std::string_view kSessionPrefix = "sess_";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void write_hex(std::string_view bytes, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (unsigned char c : bytes) {
    *out++ = kDigits[c >> 4];
    *out++ = kDigits[c & 15];
  }
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  std::string out(bytes.size() * 2, '\0');
  write_hex(bytes, out.data());
  return out;
}

Result<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return Error{Code::kInvalid, "hex text of odd length"};
  std::string out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return Error{Code::kInvalid, "not a hex digit"};
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string make_id(Random& random, std::string_view prefix, size_t bytes) {
  std::string out(prefix.size() + bytes * 2, '\0');
  prefix.copy(out.data(), prefix.size());
  write_hex(random.bytes(bytes), out.data() + prefix.size());
  return out;
}

SessionId SessionId::make(Random& random) {
  uint64_t hi = random.u64();
  return {hi, random.u64()};
}

std::string SessionId::to_string() const {
  std::string bytes;
  for (uint64_t half : {hi, lo})
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(half >> shift));
  return std::string(kSessionPrefix) + to_hex(bytes);
}

Result<SessionId> SessionId::parse(std::string_view text) {
  if (!text.starts_with(kSessionPrefix) || text.size() != kSessionPrefix.size() + 32)
    return Error{Code::kInvalid, "a session id is sess_ and 32 hex digits"};
  TRY(std::string bytes, from_hex(text.substr(kSessionPrefix.size())));
  SessionId id;
  for (int i = 0; i < 8; ++i) id.hi = id.hi << 8 | static_cast<unsigned char>(bytes[i]);
  for (int i = 8; i < 16; ++i) id.lo = id.lo << 8 | static_cast<unsigned char>(bytes[i]);
  return id;
}

}  // namespace perdure
