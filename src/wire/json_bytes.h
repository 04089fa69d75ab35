#pragma once
// Looking at the bytes of JSON text sixteen or eight at a time: how far a string literal goes on as it is, and what of
// a text is ASCII. Inside json*.cc only.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace perdure::json {

static_assert(std::endian::native == std::endian::little, "plain_run() takes the lowest byte to be the first");

inline constexpr uint64_t kEach = 0x0101010101010101;

#if defined(__SSE2__)
// Of 16 bytes, one bit each: those that a string literal cannot hold as they are, and those beyond ASCII.
struct Marks {
  explicit Marks(const char* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i special = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes));
    not_plain = static_cast<unsigned>(_mm_movemask_epi8(special));
    not_ascii = static_cast<unsigned>(_mm_movemask_epi8(bytes));
  }
  unsigned not_plain, not_ascii;
};
#endif

// The first byte of [p, end) that a string literal cannot hold as it is: a quote, a backslash, a control character.
// `beyond_ascii` becomes true where one before it is; it may also where one of the 15 after it is.
inline const char* plain_run(const char* p, const char* end, bool& beyond_ascii) {
#if defined(__SSE2__)
  unsigned seen = 0;
  while (end - p >= 16) {
    const Marks marks(p);
    seen |= marks.not_ascii;
    if (marks.not_plain != 0) {
      beyond_ascii |= seen != 0;
      return p + std::countr_zero(marks.not_plain);
    }
    p += 16;
  }
  beyond_ascii |= seen != 0;
#endif
  while (end - p >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    beyond_ascii |= (word & (kEach * 0x80)) != 0;
    // Each term marks the high bit of the bytes looked for. Marks above the lowest may be false, the lowest is exact.
    const uint64_t quote = word ^ (kEach * '"'), backslash = word ^ (kEach * '\\');
    const uint64_t marks =
        (((word - kEach * 0x20) & ~word) | ((quote - kEach) & ~quote) | ((backslash - kEach) & ~backslash)) &
        (kEach * 0x80);
    if (marks != 0) return p + (std::countr_zero(marks) >> 3);
    p += 8;
  }
  for (; p != end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20; ++p)
    beyond_ascii |= static_cast<unsigned char>(*p) >= 0x80;
  return p;
}

// Whether eight bytes are ASCII that a string literal can hold as it is.
inline bool plain_word(uint64_t word) {
  const uint64_t quote = word ^ (kEach * '"'), backslash = word ^ (kEach * '\\');
  return ((word | (word - kEach * 0x20) | ((quote - kEach) & ~quote) | ((backslash - kEach) & ~backslash)) &
          (kEach * 0x80)) == 0;
}

// Whether all of it is.
inline bool plain_ascii(std::string_view text) {
  const char* p = text.data();
  size_t left = text.size();
#if defined(__SSE2__)
  for (; left >= 16; p += 16, left -= 16)
    if (Marks marks(p); (marks.not_plain | marks.not_ascii) != 0) return false;
#endif
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    if (!plain_word(word)) return false;
  }
  if (left == 0) return true;
  // What is left, in a word: together with bytes that were looked at before, or from both ends.
  uint64_t rest = kEach * 'a';
  if (text.size() >= 8) {
    memcpy(&rest, p + left - 8, 8);
  } else if (left >= 4) {
    uint32_t low, high;
    memcpy(&low, p, 4);
    memcpy(&high, p + left - 4, 4);
    rest = uint64_t{high} << 32 | low;
  } else {
    for (size_t i = 0; i < left; ++i) rest = rest << 8 | static_cast<unsigned char>(p[i]);
  }
  return plain_word(rest);
}

// One UTF-8 sequence at the start of `text`, or where there is none the bytes that one U+FFFD stands for (Unicode 3.9,
// D93b).
struct Sequence {
  size_t length;
  bool valid;
};
Sequence utf8_sequence(std::string_view text);

}  // namespace perdure::json
