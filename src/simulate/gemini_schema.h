#pragma once
// The schemas that Gemini knows: a part of OpenAPI 3.0, not JSON Schema. A keyword that is not in it is refused, as a
// field that cannot be found.

#include <string>

#include "simulate/strict_reader.h"

namespace perdure::simulate {

void check_gemini_schema(StrictReader& in, json::Value schema, const std::string& path);

// The same in JSON Schema: types in lower case, `nullable` as a second type.
std::string as_json_schema(json::Value gemini_schema);

}  // namespace perdure::simulate
