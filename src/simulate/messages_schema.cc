#include "simulate/messages_schema.h"

#include <algorithm>
#include <vector>

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int kDepthMax = 64;
constexpr int kSchemasMax = 20'000;  // with what references lead to, every time that they do

class Checker {
 public:
  Checker(StrictReader& in, Value root, const std::string& path) : in_(in), root_(root), path_(path) {}

  void schema(Value value, int depth) {
    if (in_.failed() || depth > kDepthMax || value.boolean()) return;
    if (++seen_ > kSchemasMax) return in_.fail(path_ + ": Schema is too complex", path_);
    if (!value.is_object()) return in_.fail(path_ + ": a schema is an object", path_);
    for (const char* keyword : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
                                "maxLength", "maxItems", "uniqueItems", "patternProperties", "not", "if", "oneOf"})
      if (!value[keyword].missing())
        return in_.fail(path_ + ": For '" + type_of(value) + "' type, property '" + keyword + "' is not supported",
                        path_);
    if (const auto least = value["minItems"].integer(); least && *least > 1)
      return in_.fail(path_ + ": For 'array' type, 'minItems' values other than 0 or 1 are not supported", path_);
    if (type_of(value) == "object" && value["additionalProperties"].boolean() != std::optional(false))
      return in_.fail(path_ + ": For 'object' type, 'additionalProperties' must be explicitly set to false", path_);
    if (value["$ref"].is_string()) return reference(value["$ref"].text(), depth);
    for (const auto& [name, property] : value["properties"].members()) schema(property, depth + 1);
    if (!value["items"].missing()) schema(value["items"], depth + 1);
    for (const char* several : {"anyOf", "allOf"})
      for (const Value one : value[several].elements()) schema(one, depth + 1);
  }

 private:
  static std::string type_of(Value value) {
    if (value["type"].is_string()) return std::string(value["type"].text());
    return value["properties"].is_object() ? "object" : "any";
  }

  void reference(std::string_view to, int depth) {
    if (!to.starts_with("#/$defs/") && !to.starts_with("#/definitions/"))
      return in_.fail(path_ + ": External schema reference '" + std::string(to) + "' is not supported", path_);
    if (std::ranges::find(open_, to) != open_.end())
      return in_.fail(path_ + ": Circular reference detected in schema definitions: " + std::string(to), path_);
    const std::string_view name = to.substr(to.rfind('/') + 1);
    const Value target = root_[to.starts_with("#/$defs/") ? "$defs" : "definitions"][name];
    if (target.missing()) return in_.fail(path_ + ": '" + std::string(to) + "' leads to nothing", path_);
    open_.push_back(to);
    schema(target, depth + 1);
    open_.pop_back();
  }

  StrictReader& in_;
  Value root_;
  const std::string& path_;
  std::vector<std::string_view> open_;
  int seen_ = 0;
};

}  // namespace

void check_compiled_schema(StrictReader& in, Value schema, const std::string& path) {
  Checker(in, schema, path).schema(schema, 0);
}

}  // namespace perdure::simulate
