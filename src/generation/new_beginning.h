#pragma once
// NewBeginning: tells a text that goes on from one that begins anew where it was asked to go on. Pure.
//
// Small real models do all of these (docs/seams.md): they say our own words back, they begin a new sentence in the
// middle of a word ("to keep an eye" + "I have to write"), and they start over with a word in front ("Rain is ..." +
// "The rain is ...").

#include <cstddef>
#include <string_view>

#include "generation/language.h"

namespace perdure {

struct NewBeginning {
  enum class Kind : unsigned char {
    kNone,      // nothing speaks against it
    kUnclear,   // wait for more
    kEcho,      // says the words back that asked to go on
    kRunIn,     // a new sentence where a word had been begun or just ended, without a space between
    kReworded,  // starts over; without its first `size` bytes it repeats the held text from its second byte on
  };
  Kind kind = Kind::kNone;
  size_t size = 0;
};

// `held` does not end inside a code fence. `language`: of the words that asked. `ended`: no more text comes; the answer
// is then never kUnclear. Looks at the first 200 bytes. Words of the owner's own (GenerationLimits::ask) are not known
// here.
NewBeginning new_beginning_of(std::string_view held, std::string_view text, Language language, bool ended);

}  // namespace perdure
