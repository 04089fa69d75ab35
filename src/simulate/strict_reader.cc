#include "simulate/strict_reader.h"

#include <algorithm>

namespace perdure::simulate {
namespace {

using json::Value;
using Style = StrictReader::Style;

std::string quoted_list(StrictReader::Words words, Style style) {
  std::string out;
  size_t i = 0;
  for (const auto word : words) {
    if (i > 0 && style == Style::kAnthropic) out += i + 1 == words.size() ? " or " : ", ";
    if (i > 0 && style != Style::kAnthropic) out += i + 1 == words.size() && style == Style::kOpenAi ? ", and " : ", ";
    if (style == Style::kBedrock)
      out.append(word);
    else
      out.append("'").append(word).append("'");
    ++i;
  }
  return out;
}

std::string shortened(std::string_view raw) {
  size_t end = std::min<size_t>(raw.size(), 80);
  while (end > 0 && end < raw.size() && (static_cast<unsigned char>(raw[end]) & 0xC0) == 0x80) --end;
  return std::string(raw.substr(0, end));
}

std::string number_text(double value) {
  json::Writer json;
  json.number(value);
  return json.take();
}

}  // namespace

std::string StrictReader::in(std::string_view path, std::string_view key) const {
  if (path.empty()) return std::string(key);
  std::string out(path);
  return out.append(".").append(key);
}

std::string StrictReader::at(std::string_view path, size_t index) const {
  std::string out(path);
  switch (style_) {
    case Style::kAnthropic:
      return out.append(".").append(std::to_string(index));
    case Style::kBedrock:
      return out.append(".").append(std::to_string(index + 1)).append(".member");
    default:
      return out.append("[").append(std::to_string(index)).append("]");
  }
}

void StrictReader::fail(std::string message, std::string param, std::string code) {
  if (error_) return;
  error_ = Error{
      .code = Code::kInvalid, .message = std::move(message), .param = std::move(param), .reason = std::move(code)};
}

void StrictReader::missing(const std::string& path) {
  switch (style_) {
    case Style::kOpenAi:
      return fail("Missing required parameter: '" + path + "'.", path, "missing_required_parameter");
    case Style::kAnthropic:
      return fail(path + ": Field required", path);
    case Style::kGoogle:
      return fail("* " + path + ": required field is not specified\n", path);
    case Style::kBedrock:
      return fail(
          "1 validation error detected: Value at '" + path + "' failed to satisfy constraint: Member must not be null",
          path);
  }
}

void StrictReader::wrong_type(Value value, std::string_view expected, const std::string& path) {
  switch (style_) {
    case Style::kOpenAi:
      return fail("Invalid type for '" + path + "': expected " + std::string(expected) + ", but got " +
                      std::string(name_of(value.type())) + " instead.",
                  path, "invalid_type");
    case Style::kAnthropic: {
      std::string_view wanted = expected;
      if (wanted == "an object") wanted = "a valid dictionary";
      if (wanted == "a string") wanted = "a valid string";
      if (wanted == "a boolean") wanted = "a valid boolean";
      if (wanted == "a number") wanted = "a valid number";
      if (wanted == "an integer") wanted = "a valid integer";
      if (wanted.starts_with("an array")) wanted = "a valid list";
      return fail(path + ": Input should be " + std::string(wanted), path);
    }
    case Style::kGoogle:
      return fail("Invalid value at '" + path + "' (expected " + std::string(expected) + "), " + shortened(value.raw()),
                  path);
    case Style::kBedrock:
      return fail("The value at '" + path + "' is " + std::string(name_of(value.type())) + ", not " +
                      std::string(expected) + ".",
                  path);
  }
}

void StrictReader::wrong_value(std::string_view value, std::string_view supported, const std::string& path) {
  switch (style_) {
    case Style::kOpenAi:
      return fail("Invalid value: '" + shortened(value) + "'. Supported values are: " + std::string(supported) + ".",
                  path, "invalid_value");
    case Style::kAnthropic:
      return fail(path + ": Input should be " + std::string(supported), path);
    case Style::kGoogle:
      return fail("Invalid value at '" + path + "', \"" + shortened(value) + "\"", path);
    case Style::kBedrock:
      return fail("1 validation error detected: Value '" + shortened(value) + "' at '" + path +
                      "' failed to satisfy constraint: Member must satisfy enum value set: [" + std::string(supported) +
                      "]",
                  path);
  }
}

void StrictReader::out_of_range(const std::string& path, bool below, bool integer, double least, double most) {
  const std::string limit = number_text(below ? least : most);
  switch (style_) {
    case Style::kOpenAi: {
      const std::string kind = integer ? "integer" : "decimal";
      return fail("Invalid '" + path + "': " + kind + " outside of the supported range.", path,
                  kind + (below ? "_below_min_value" : "_above_max_value"));
    }
    case Style::kAnthropic:
      return fail(path + ": Input should be " + (below ? "greater" : "less") + " than or equal to " + limit, path);
    case Style::kGoogle:
      return fail(
          "Unable to submit request because " + path + " must be " + (below ? "at least " : "at most ") + limit + ".",
          path);
    case Style::kBedrock:
      return fail("1 validation error detected: Value at '" + path +
                      "' failed to satisfy constraint: Member must have value " + (below ? "greater" : "less") +
                      " than or equal to " + limit,
                  path);
  }
}

void StrictReader::only(Value object, Words known, const std::string& path) {
  if (failed()) return;
  for (const auto& [key, value] : object.members()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const std::string param = in(path, key);
    switch (style_) {
      case Style::kOpenAi:
        return fail("Unknown parameter: '" + param + "'.", param, "unknown_parameter");
      case Style::kAnthropic:
        return fail(param + ": Extra inputs are not permitted", param);
      case Style::kGoogle:
        return fail("Invalid JSON payload received. Unknown name \"" + std::string(key) + "\"" +
                        (path.empty() ? "" : " at '" + path + "'") + ": Cannot find field.",
                    param);
      case Style::kBedrock:
        return fail("Malformed input request: #" + (path.empty() ? "" : "/" + path) + ": extraneous key [" +
                        std::string(key) + "] is not permitted, please reformat your input and try again.",
                    param);
    }
  }
}

bool StrictReader::object(Value value, const std::string& path) {
  if (value.missing()) return missing(path), false;
  if (!value.is_object()) return wrong_type(value, "an object", path), false;
  return true;
}

bool StrictReader::array(Value value, const std::string& path) {
  if (value.missing()) return missing(path), false;
  if (!value.is_array()) return wrong_type(value, "an array of objects", path), false;
  return true;
}

std::string StrictReader::text(Value value, const std::string& path) {
  if (value.missing()) return missing(path), "";
  if (!value.is_string()) return wrong_type(value, "a string", path), "";
  return std::string(value.text());
}

std::string StrictReader::one_of(Value value, Words words, const std::string& path) {
  std::string got = text(value, path);
  if (!failed() && std::ranges::find(words, std::string_view(got)) == words.end())
    wrong_value(got, quoted_list(words, style_), path);
  return got;
}

std::string StrictReader::optional_text(Value value, const std::string& path) {
  return value.absent() ? std::string() : text(value, path);
}

std::string StrictReader::optional_one_of(Value value, Words words, const std::string& path) {
  return value.absent() ? std::string() : one_of(value, words, path);
}

bool StrictReader::optional_boolean(Value value, bool otherwise, const std::string& path) {
  if (value.absent()) return otherwise;
  if (!value.boolean()) return wrong_type(value, "a boolean", path), otherwise;
  return *value.boolean();
}

std::optional<double> StrictReader::optional_number(Value value, double least, double most, const std::string& path) {
  if (value.absent()) return std::nullopt;
  if (!value.number()) return wrong_type(value, "a number", path), std::nullopt;
  const double number = *value.number();
  if (number < least || number > most) out_of_range(path, number < least, false, least, most);
  return number;
}

std::optional<int64_t> StrictReader::optional_integer(Value value, int64_t least, int64_t most,
                                                      const std::string& path) {
  if (value.absent()) return std::nullopt;
  if (!value.integer()) return wrong_type(value, "an integer", path), std::nullopt;
  const int64_t integer = *value.integer();
  if (integer < least || integer > most)
    out_of_range(path, integer < least, true, static_cast<double>(least), static_cast<double>(most));
  return integer;
}

bool made_of_word_characters(std::string_view text, std::string_view also, size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

}  // namespace perdure::simulate
