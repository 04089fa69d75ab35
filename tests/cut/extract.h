#pragma once
// What a client of a dialect puts together from the frames of a stream. Knows the dialects by their specifications and
// shares no code with those that render them.

#include <string>
#include <vector>

namespace perdure::cut {

struct Shown {
  std::string text, reasoning;
  std::string calls;   // "name(arguments) name(arguments)"
  std::string finish;  // the dialect's word for how it ended; empty: it did not
};

Shown extract(const std::string& dialect, const std::vector<std::string>& frames);

}  // namespace perdure::cut
