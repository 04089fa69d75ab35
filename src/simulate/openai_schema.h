#pragma once
// The rules that OpenAI has for JSON schemas with "strict": true: every object forbids further properties and requires
// all that it has, and only keywords that its grammar knows are used.

#include "simulate/strict_reader.h"

namespace perdure::simulate {

// `what` is how the error names the schema: "function 'f'", "response_format 'r'".
void check_strict_schema(StrictReader& in, json::Value schema, const std::string& what, const std::string& param);

}  // namespace perdure::simulate
