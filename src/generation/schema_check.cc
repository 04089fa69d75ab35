// RapidJSON's validator: the one place that knows it.
#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include "generation/structured.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kStackMax = 1 << 20;  // bytes of nesting that the validator may use

}  // namespace

bool keeps_to(std::string_view json, std::string_view schema) {
  // Its own reader decides what JSON is, as everywhere.
  if (!json::Document::parse(std::string(json)).ok()) return false;
  if (schema.empty()) return true;
  rapidjson::Document rules;
  // Nesting is bounded by the parse of the request that brought the schema.
  if (rules.Parse(schema.data(), schema.size()).HasParseError() || !rules.IsObject()) return true;
  rapidjson::Document value;
  if (value.Parse < rapidjson::kParseIterativeFlag |
      rapidjson::kParseFullPrecisionFlag > (json.data(), json.size()).HasParseError())
    return false;
  rapidjson::SchemaDocument compiled(rules);
  rapidjson::GenericSchemaValidator<rapidjson::SchemaDocument> validator(compiled, nullptr, kStackMax);
  return value.Accept(validator);
}

}  // namespace perdure
