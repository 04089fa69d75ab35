#pragma once
// What suppliers really sent, as others have recorded it: data that a checkout may have beside it. Tests that want it
// skip where it is not.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "wire/json.h"

namespace perdure {

inline std::filesystem::path recordings() {
  const char* given = std::getenv("PERDURE_SHARED_DATA");
  return std::filesystem::path(given ? given : "../shared/data") / "upstream-recordings";
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every string, number and boolean, with its path: "choices[].delta.content".
inline void walk(json::Value value, const std::string& path,
                 const std::function<void(const std::string&, json::Value)>& see) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.members())
      walk(member, path.empty() ? std::string(key) : path + "." + std::string(key), see);
  } else if (value.is_array()) {
    for (json::Value element : value.elements()) walk(element, path + "[]", see);
  } else if (!value.absent() && !(value.is_string() && value.text().empty())) {
    see(path, value);
  }
}

}  // namespace perdure
