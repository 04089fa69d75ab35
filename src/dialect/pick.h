#pragma once
// pick(): several members of an object in one pass over it, for readers of what comes by the thousand.

#include <span>
#include <string_view>

#include "wire/json.h"

namespace perdure {

struct Pick {
  std::string_view name;
  json::Value* into;  // stays as it is where there is no such member; the last of equal names counts
};

inline void pick(json::Value object, std::span<const Pick> wanted) {
  for (const auto& [name, value] : object.members()) {
    for (const Pick& each : wanted) {
      if (each.name != name) continue;
      *each.into = value;
      break;
    }
  }
}

}  // namespace perdure
