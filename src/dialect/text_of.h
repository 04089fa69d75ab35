#pragma once
// The texts of parts as one text.

#include <string>
#include <string_view>
#include <vector>

#include "model/item.h"

namespace perdure {

// One behind the other: of a single part its own text, of more put together in `room`.
inline std::string_view text_of(const std::vector<Part>& parts, std::string& room) {
  if (parts.size() == 1) return parts.front().text;
  for (const Part& part : parts) room += part.text;
  return room;
}

}  // namespace perdure
