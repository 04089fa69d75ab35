#pragma once
// Makes up JSON that satisfies a schema, from what a prompt mentions and a seed: tool arguments and structured output.
// Understood: type (also a list), properties, required, items, enum, const, anyOf, oneOf, allOf, $ref into the schema,
// and the limits of strings, numbers and arrays. Not understood: pattern, not, if; they are ignored.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/json.h"

namespace perdure::simulate {

// What a prompt names that a field may want.
struct Mentions {
  std::string_view prompt;
  std::vector<std::string> places;  // after "in ": "in Paris and New York"
  std::vector<std::string> quoted;  // "between quotes"
  std::vector<int64_t> numbers;
};
Mentions find_mentions(std::string_view prompt);

// Compact JSON. Strings take quoted text first, in order, then the place `place` names (an index), then seeded words.
std::string make_json(json::Value schema, const Mentions& mentions, size_t place, uint64_t seed);

}  // namespace perdure::simulate
