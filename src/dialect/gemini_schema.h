#pragma once
// JSON Schema -> the `Schema` of the Gemini API, a small part of OpenAPI 3.0. References are put in place, a constant
// becomes an enumeration of one, a type beside null becomes nullable. Annotations (title, default, examples, $schema,
// additionalProperties beside properties, formats that the API does not know) have no place there and are left out.
// Everything else that has no place is a loss of meaning, and is reported as one.

#include <string>

#include "wire/json.h"

namespace perdure {

struct GeminiSchema {
  std::string text;        // a Schema; with a loss, what is left
  std::string lost;        // the first keyword whose meaning is lost, as messages may show it; empty: none
  bool no_fields = false;  // an object without any properties
};

// Bounded: a schema that grows beyond 10'000 nodes or 48 levels, or refers to itself, is a loss. `ordered`: the order
// of properties is said too (structured output).
GeminiSchema gemini_schema(json::Value schema, bool ordered);

}  // namespace perdure
