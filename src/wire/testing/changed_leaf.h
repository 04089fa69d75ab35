#pragma once
// For tests that ask whether a field of some JSON makes a difference: one leaf after the other is changed.

#include <string>

#include "wire/json.h"

namespace perdure {

// The JSON again, with leaf number `target` (from 1, counted down) changed to another of its type, null to a string;
// `changed_path` becomes its place. Nothing is left of `target` when there was one.
inline std::string changed(json::Value value, const std::string& path, size_t& target, std::string& changed_path) {
  json::Writer out;
  if (value.is_object()) {
    out.begin_object();
    for (const auto& [key, member] : value.members())
      out.key(key).raw(changed(member, path + "." + std::string(key), target, changed_path));
    return out.end_object().take();
  }
  if (value.is_array()) {
    out.begin_array();
    for (json::Value element : value.elements()) out.raw(changed(element, path + "[]", target, changed_path));
    return out.end_array().take();
  }
  if (target == 0 || --target > 0) return std::string(value.raw());
  changed_path = path;
  if (value.is_string()) return out.string(std::string(value.text()) + "X").take();
  if (value.boolean()) return *value.boolean() ? "false" : "true";
  if (value.null()) return R"("X")";
  return value.raw() == "0" ? "1" : std::string(value.raw()) + "1";
}

}  // namespace perdure
