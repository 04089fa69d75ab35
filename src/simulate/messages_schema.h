#pragma once
// The JSON schemas that Anthropic compiles for structured output and strict tools: no recursion, no limits of numbers
// and strings, and additionalProperties: false on every object.

#include "simulate/strict_reader.h"

namespace perdure::simulate {

void check_compiled_schema(StrictReader& in, json::Value schema, const std::string& path);

}  // namespace perdure::simulate
