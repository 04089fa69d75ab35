#pragma once
// What models say instead of going on, or before they do. Pure.

#include <cstddef>
#include <string_view>

#include "generation/language.h"

namespace perdure {

struct Preface {
  enum class Kind : unsigned char {
    kNone,     // the text is no such thing
    kUnclear,  // it may become one: wait for more
    kPreface,  // its first `size` bytes announce that the text goes on
    kRefusal,  // it refuses to
  };
  Kind kind = Kind::kNone;
  size_t size = 0;
  Language language = Language::kUnknown;
};

// `ended`: no more text comes; the answer is then never kUnclear. Looks at the first 200 bytes.
Preface preface_of(std::string_view text, bool ended);

}  // namespace perdure
