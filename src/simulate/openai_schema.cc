#include "simulate/openai_schema.h"

#include <algorithm>
#include <vector>

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int kDepthMax = 64;

class Checker {
 public:
  Checker(StrictReader& in, const std::string& what, const std::string& param) : in_(in), what_(what), param_(param) {}

  void schema(Value value, const std::string& context, int depth) {
    if (in_.failed() || depth > kDepthMax || value.boolean()) return;
    if (!value.is_object()) return wrong(context, "schema must be an object");
    for (const char* keyword :
         {"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"})
      if (!value[keyword].missing()) return wrong(context, "'" + std::string(keyword) + "' is not permitted");
    if (is_object(value)) object(value, context, depth);
    if (value["items"].is_object()) schema(value["items"], context + ", 'items'", depth + 1);
    const auto any = value["anyOf"].elements();
    for (size_t i = 0; i < any.size(); ++i)
      schema(any[i], context + ", 'anyOf', '" + std::to_string(i) + "'", depth + 1);
    for (const char* definitions : {"$defs", "definitions"})
      for (const auto& [name, definition] : value[definitions].members())
        schema(definition, context + ", '" + std::string(name) + "'", depth + 1);
  }

  void root(Value value) {
    if (!is_object(value) && value["$ref"].missing())
      return wrong("", "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"" +
                           std::string(value["type"].text()) + "\"'");
    if (!value["anyOf"].missing()) return wrong("", "schema must not have 'anyOf' at the top level");
    schema(value, "", 0);
  }

 private:
  static bool is_object(Value value) {
    const Value type = value["type"];
    if (type.is_array()) return std::ranges::any_of(type.elements(), [](Value one) { return one.text() == "object"; });
    return type.text() == "object" || (type.missing() && value["properties"].is_object());
  }

  void object(Value value, const std::string& context, int depth) {
    if (value["additionalProperties"].boolean() != std::optional(false))
      return wrong(context, "'additionalProperties' is required to be supplied and to be false");
    std::vector<std::string_view> required;
    for (const Value name : value["required"].elements()) required.push_back(name.text());
    for (const auto& [name, property] : value["properties"].members()) {
      if (std::ranges::find(required, name) == required.end())
        return wrong(context,
                     "'required' is required to be supplied and to be an array including every key in properties. "
                     "Missing '" +
                         std::string(name) + "'");
      schema(property, context + ", 'properties', '" + std::string(name) + "'", depth + 1);
    }
    for (const std::string_view name : required)
      if (value["properties"][name].missing())
        return wrong(context, "Extra required key '" + std::string(name) + "' supplied");
  }

  void wrong(const std::string& context, const std::string& why) {
    const std::string_view inside = context.empty() ? std::string_view() : std::string_view(context).substr(2);
    in_.fail("Invalid schema for " + what_ + ": In context=(" + std::string(inside) + "), " + why + ".", param_,
             what_.starts_with("function") ? "invalid_function_parameters" : "invalid_json_schema");
  }

  StrictReader& in_;
  const std::string& what_;
  const std::string& param_;
};

}  // namespace

void check_strict_schema(StrictReader& in, Value schema, const std::string& what, const std::string& param) {
  if (in.failed()) return;
  Checker(in, what, param).root(schema);
}

}  // namespace perdure::simulate
