#pragma once
// Tape: what a parse of JSON leaves behind, and what a Value looks at. Inside json*.cc only.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/json.h"

namespace perdure::json {

// Nodes in order of appearance. An array's elements follow it; an object's members follow it as key, value, key, value.
struct Tape {
  struct Node {
    Type type;
    bool escaped;    // string: its text is in `unescaped`, not in `source`
    uint32_t begin;  // where in `source`
    uint32_t length;
    uint32_t size;  // elements or members; of a string the bytes of its text
    uint32_t next;  // the node after it and all inside
    uint32_t text;  // escaped string: where in `unescaped`
  };

  std::string source;
  std::string unescaped;
  std::vector<Node> nodes;

  uint32_t after(uint32_t index) const { return nodes[index].next; }
  std::string_view raw(uint32_t index) const { return {source.data() + nodes[index].begin, nodes[index].length}; }
  std::string_view text(uint32_t index) const {
    const Node& node = nodes[index];
    if (node.escaped) return {unescaped.data() + node.text, node.size};
    return {source.data() + node.begin + 1, node.size};
  }
};

}  // namespace perdure::json
