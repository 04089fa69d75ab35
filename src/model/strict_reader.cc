#include "model/strict_reader.h"

#include <algorithm>

namespace perdure {

StrictReader::StrictReader(json::Value object, std::string_view what) : object_(object), what_(what) {
  if (!object.is_object()) error_ = corrupt(std::string(what) + " is not an object");
}

void StrictReader::fail(std::string_view name, std::string_view why) {
  if (error_) return;
  error_ = corrupt(std::string(what_).append(": ").append(name).append(" ").append(why));
}

json::Value StrictReader::take(std::string_view name) {
  known_.push_back(name);
  return object_[name];
}

json::Value StrictReader::any(std::string_view name) { return take(name); }

json::Value StrictReader::array(std::string_view name) {
  json::Value value = take(name);
  if (value.missing() || value.is_array()) return value;
  fail(name, "is not an array");
  return {};
}

json::Value StrictReader::object(std::string_view name) {
  json::Value value = take(name);
  if (value.missing() || value.is_object()) return value;
  fail(name, "is not an object");
  return {};
}

void StrictReader::text(std::string_view name, std::string& out) {
  json::Value value = take(name);
  if (!value.is_string()) return fail(name, "is not a string");
  out = value.text();
}

void StrictReader::optional_text(std::string_view name, std::string& out) {
  json::Value value = take(name);
  if (value.missing()) return;
  if (!value.is_string()) return fail(name, "is not a string");
  out = value.text();
}

void StrictReader::optional_text(std::string_view name, std::optional<std::string>& out) {
  json::Value value = take(name);
  if (value.missing()) return;
  if (!value.is_string()) return fail(name, "is not a string");
  out = std::string(value.text());
}

void StrictReader::optional_boolean(std::string_view name, std::optional<bool>& out) {
  json::Value value = take(name);
  if (value.missing()) return;
  out = value.boolean();
  if (!out) fail(name, "is not a boolean");
}

void StrictReader::optional_boolean(std::string_view name, bool& out) {
  std::optional<bool> value;
  optional_boolean(name, value);
  if (value) out = *value;
}

void StrictReader::optional_integer(std::string_view name, std::optional<int64_t>& out) {
  json::Value value = take(name);
  if (value.missing()) return;
  out = value.integer();
  if (!out) fail(name, "is not an integer");
}

void StrictReader::optional_integer(std::string_view name, int64_t& out) {
  std::optional<int64_t> value;
  optional_integer(name, value);
  if (value) out = *value;
}

void StrictReader::optional_number(std::string_view name, std::optional<double>& out) {
  json::Value value = take(name);
  if (value.missing()) return;
  out = value.number();
  if (!out) fail(name, "is not a number");
}

void StrictReader::texts(std::string_view name, std::vector<std::string>& out) {
  for (json::Value value : array(name).elements()) {
    if (!value.is_string()) return fail(name, "holds what is not a string");
    out.emplace_back(value.text());
  }
}

Result<void> StrictReader::finish() {
  if (error_) return *std::move(error_);
  for (const auto& member : object_.members()) {
    if (std::ranges::find(known_, member.key) == known_.end()) {
      return corrupt(std::string(what_).append(": a field that is not known here"));
    }
  }
  return {};
}

}  // namespace perdure
