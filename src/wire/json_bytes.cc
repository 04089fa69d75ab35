#include "wire/json_bytes.h"

#include <simdjson.h>

#include "wire/json.h"

namespace perdure::json {
namespace {

// How much of it is ASCII, in whole words.
size_t ascii_run(std::string_view text) {
  size_t at = 0;
#if defined(__SSE2__)
  for (; text.size() - at >= 16; at += 16)
    if (Marks(text.data() + at).not_ascii != 0) return at;
#endif
  for (; text.size() - at >= 8; at += 8) {
    uint64_t word;
    memcpy(&word, text.data() + at, 8);
    if ((word & (kEach * 0x80)) != 0) return at;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

Sequence utf8_sequence(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return {1, false};
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {i, false};
  }
  return {length, true};
}

bool valid_utf8(std::string_view text) {
  text.remove_prefix(ascii_run(text));
  return text.empty() || simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace perdure::json
