#pragma once
// JSON Schema -> one that Anthropic compiles for structured output and strict tools. Limits of numbers, strings and
// lists, which it does not compile, are said in the description of what they limit, as its own SDKs say them; an object
// that leaves open whether it may have more properties may not; "oneOf" becomes "anyOf". A schema that needs none of it
// stays as it is, byte for byte. Pure; bounded by the depth of JSON.

#include <string>

#include "wire/json.h"

namespace perdure {

std::string messages_schema(json::Value schema);

}  // namespace perdure
