#include "simulate/gemini_schema.h"

#include <algorithm>

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int kDepthMax = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

void check(StrictReader& in, Value schema, const std::string& path, int depth) {
  if (in.failed() || !in.object(schema, path)) return;
  if (depth > kDepthMax) return in.fail("Schema at '" + path + "' is nested too deeply", path);
  in.only(schema,
          {"type",      "format",     "description", "nullable",      "enum",          "items",           "minItems",
           "maxItems",  "properties", "required",    "anyOf",         "minimum",       "maximum",         "minLength",
           "maxLength", "pattern",    "example",     "minProperties", "maxProperties", "propertyOrdering"},
          path);
  const Value type_value = schema["type"];
  if (type_value.is_array())
    return in.fail("Invalid value at '" + path +
                       ".type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), proto field is not "
                       "repeating, cannot start list.",
                   path + ".type");
  const std::string type = lower(in.optional_text(type_value, path + ".type"));
  static constexpr std::string_view kTypes[] = {"string", "number", "integer", "boolean", "array", "object", "null"};
  if (!in.failed() && std::ranges::find(kTypes, type) == std::end(kTypes) && schema["anyOf"].missing())
    return in.wrong_value(type, "", path + ".type");
  const std::string format = in.optional_text(schema["format"], path + ".format");
  if (type == "string" && !format.empty() && format != "enum" && format != "date-time")
    in.fail("* GenerateContentRequest." + path + ".format: only 'enum' and 'date-time' are supported for STRING type\n",
            path + ".format");
  in.optional_text(schema["description"], path + ".description");
  in.optional_boolean(schema["nullable"], false, path + ".nullable");
  if (!schema["enum"].absent() && in.array(schema["enum"], path + ".enum")) {
    if (type != "string" && !type.empty())
      in.fail("* GenerateContentRequest." + path + ".enum: only allowed for STRING type\n", path + ".enum");
    for (const Value one : schema["enum"].elements())
      if (in.text(one, path + ".enum[]").empty())
        in.fail("* GenerateContentRequest." + path + ".enum[0]: cannot be empty\n", path + ".enum");
  }
  if (type == "array" && schema["items"].absent())
    in.fail("* GenerateContentRequest." + path + ".items: missing field.\n", path + ".items");
  if (!schema["items"].absent()) check(in, schema["items"], path + ".items", depth + 1);
  const Value properties = schema["properties"];
  if (!properties.absent() && in.object(properties, path + ".properties"))
    for (const auto& [name, property] : properties.members())
      check(in, property, path + ".properties[" + std::string(name) + "]", depth + 1);
  if (!schema["required"].absent() && in.array(schema["required"], path + ".required")) {
    const auto names = schema["required"].elements();
    for (size_t i = 0; i < names.size() && !in.failed(); ++i)
      if (properties[names[i].text()].missing())
        in.fail("* GenerateContentRequest." + path + ".required[" + std::to_string(i) + "]: property is not defined\n",
                path + ".required");
  }
  const auto any = schema["anyOf"].elements();
  for (size_t i = 0; i < any.size() && !in.failed(); ++i) check(in, any[i], in.at(path + ".anyOf", i), depth + 1);
}

void convert(json::Writer& json, Value schema, int depth) {
  if (!schema.is_object() || depth > kDepthMax) return static_cast<void>(json.raw(schema.raw()));
  const bool nullable = schema["nullable"].boolean().value_or(false);
  json.begin_object();
  for (const auto& [key, value] : schema.members()) {
    if (key == "nullable" || key == "propertyOrdering") continue;
    json.key(key);
    if (key == "type" && nullable) {
      json.begin_array().string(lower(value.text())).string("null").end_array();
    } else if (key == "type") {
      json.string(lower(value.text()));
    } else if (key == "items") {
      convert(json, value, depth + 1);
    } else if (key == "anyOf") {
      json.begin_array();
      for (const Value one : value.elements()) convert(json, one, depth + 1);
      json.end_array();
    } else if (key == "properties") {
      json.begin_object();
      for (const auto& [name, property] : value.members()) {
        json.key(name);
        convert(json, property, depth + 1);
      }
      json.end_object();
    } else {
      json.raw(value.raw());
    }
  }
  json.end_object();
}

}  // namespace

void check_gemini_schema(StrictReader& in, Value schema, const std::string& path) { check(in, schema, path, 0); }

std::string as_json_schema(Value gemini_schema) {
  json::Writer json;
  convert(json, gemini_schema, 0);
  return json.take();
}

}  // namespace perdure::simulate
