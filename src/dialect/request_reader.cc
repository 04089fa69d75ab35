#include "dialect/request_reader.h"

#include <algorithm>

#include "dialect/say.h"

namespace perdure {
namespace {

// A value that is kept as raw bytes comes back inside other JSON, which is read with the same limit to its depth.
constexpr int kRawDepthMax = json::Document::kDepthMax - 28;

int depth_of(std::string_view raw) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Error invalid(std::string param, std::string reason, std::string message) {
  return {
      .code = Code::kInvalid, .message = std::move(message), .param = std::move(param), .reason = std::move(reason)};
}

Error not_supported(std::string param, std::string what) {
  std::string message = say("Not supported here: {}.", what);
  return invalid(std::move(param), "unsupported_parameter", std::move(message));
}

std::string quoted(std::string_view word) {
  const bool plain =
      word.size() <= 64 && std::ranges::all_of(word, [](char c) { return c > ' ' && c <= '~' && c != '\''; });
  return plain ? say("'{}'", word) : "one that is no plain word";
}

bool longer_than(std::string_view text, size_t characters) {
  if (text.size() <= characters) return false;
  const auto continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  return text.size() - static_cast<size_t>(std::ranges::count_if(text, continuation)) > characters;
}

RequestReader::RequestReader(json::Value object, std::string path) : object_(object), path_(std::move(path)) {
  known_.reserve(path_.empty() ? 64 : 8);  // of the body many are asked for
  if (object.is_object()) return;
  const std::string_view name = path_.empty() ? "the body" : std::string_view(path_);
  error_ = invalid(path_, "invalid_type",
                   say("Invalid type for {}: expected an object, got {}.", name, json::name_of(object.type())));
}

std::string RequestReader::param(std::string_view name) const {
  return path_.empty() ? std::string(name) : say("{}.{}", path_, name);
}

std::string RequestReader::param(std::string_view name, size_t index) const {
  return say("{}[{}]", param(name), index);
}

void RequestReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

json::Value RequestReader::take(std::string_view name) {
  known_.push_back(name);
  return object_[name];
}

void RequestReader::expected(std::string_view name, json::Value value, std::string_view what) {
  if (value.absent()) {
    return fail(
        invalid(param(name), "missing_required_parameter", say("Missing required parameter: '{}'.", param(name))));
  }
  fail(invalid(param(name), "invalid_type",
               say("Invalid type for '{}': expected {}, got {}.", param(name), what, json::name_of(value.type()))));
}

json::Value RequestReader::any(std::string_view name) { return take(name); }

json::Value RequestReader::array(std::string_view name) {
  json::Value value = take(name);
  if (value.absent()) return {};
  if (value.is_array()) return value;
  expected(name, value, "an array");
  return {};
}

json::Value RequestReader::object(std::string_view name) {
  json::Value value = take(name);
  if (value.absent()) return {};
  if (value.is_object()) return value;
  expected(name, value, "an object");
  return {};
}

bool RequestReader::text(std::string_view name, std::string& out, const TextRule& rule) {
  json::Value value = take(name);
  if (value.absent() && !rule.required) return false;
  if (!value.is_string()) {
    expected(name, value, "a string");
    return false;
  }
  const std::string_view text = value.text();
  if (text.empty() && (rule.not_empty || rule.name)) {
    fail(invalid(param(name), "empty_string", say("Invalid '{}': it must not be empty.", param(name))));
  } else if (longer_than(text, rule.length_max)) {
    fail(invalid(param(name), "string_above_max_length",
                 say("Invalid '{}': longer than {} characters.", param(name), rule.length_max)));
  } else if (rule.name && !is_name(text)) {
    fail(invalid(param(name), "invalid_value",
                 say("Invalid '{}': only letters, digits, '_' and '-' are allowed.", param(name))));
  } else if (rule.one_of.size() != 0 && std::ranges::find(rule.one_of, text) == rule.one_of.end()) {
    std::string words;
    for (std::string_view word : rule.one_of) words.append(words.empty() ? "" : ", ").append(quoted(word));
    fail(invalid(param(name), "invalid_value",
                 say("Invalid value for '{}': {}. Supported are {}.", param(name), quoted(text), words)));
  }
  out = text;
  return true;
}

void RequestReader::text(std::string_view name, std::optional<std::string>& out, const TextRule& rule) {
  std::string read;
  if (text(name, read, rule)) out = std::move(read);
}

void RequestReader::boolean(std::string_view name, std::optional<bool>& out) {
  json::Value value = take(name);
  if (value.absent()) return;
  out = value.boolean();
  if (!out) expected(name, value, "a boolean");
}

void RequestReader::boolean(std::string_view name, bool& out) {
  std::optional<bool> read;
  boolean(name, read);
  if (read) out = *read;
}

void RequestReader::integer(std::string_view name, std::optional<int64_t>& out, int64_t min, int64_t max) {
  json::Value value = take(name);
  if (value.absent()) return;
  out = value.integer();
  if (!out) return expected(name, value, "an integer");
  if (*out < min)
    fail(invalid(param(name), "integer_below_min_value",
                 say("Invalid '{}': it must be at least {}.", param(name), static_cast<int64_t>(min))));
  if (*out > max)
    fail(invalid(param(name), "integer_above_max_value",
                 say("Invalid '{}': it must be at most {}.", param(name), static_cast<int64_t>(max))));
}

void RequestReader::number(std::string_view name, std::optional<double>& out, double min, double max) {
  json::Value value = take(name);
  if (value.absent()) return;
  out = value.number();
  if (!out) return expected(name, value, "a number");
  if (*out < min)
    fail(invalid(param(name), "decimal_below_min_value",
                 say("Invalid '{}': it must be at least {}.", param(name), static_cast<int64_t>(min))));
  if (*out > max)
    fail(invalid(param(name), "decimal_above_max_value",
                 say("Invalid '{}': it must be at most {}.", param(name), static_cast<int64_t>(max))));
}

void RequestReader::raw_object(std::string_view name, std::string& out) {
  out = object(name).raw();
  check_depth(name, out);
}

void RequestReader::raw_array(std::string_view name, std::string& out) {
  if (json::Value value = array(name); value.size() != 0) out = value.raw();
  check_depth(name, out);
}

void RequestReader::check_depth(std::string_view name, std::string_view raw) {
  if (depth_of(raw) > kRawDepthMax)
    fail(invalid(param(name), "invalid_value", say("Invalid '{}': nested too deeply.", param(name))));
}

void RequestReader::refuse(std::string_view name) {
  if (!take(name).absent()) fail(not_supported(param(name), quoted(param(name))));
}

void RequestReader::leave_out_unknown(std::vector<std::string>& out) {
  for (const auto& member : object_.members()) {
    if (member.value.null() || std::ranges::find(known_, member.key) != known_.end()) continue;
    if (quoted(member.key).front() != '\'') continue;  // its name cannot be told, so it is not left out
    out.push_back(param(member.key));
    known_.push_back(member.key);
  }
}

Result<void> RequestReader::finish() {
  if (error_) return *std::move(error_);
  for (const auto& member : object_.members()) {
    if (member.value.null() || std::ranges::find(known_, member.key) != known_.end()) continue;
    std::string name = param(member.key.substr(0, 64));
    if (quoted(member.key).front() != '\'') name = path_;
    return invalid(name, "unknown_parameter", say("Unknown parameter: {}.", quoted(param(member.key))));
  }
  return {};
}

}  // namespace perdure
