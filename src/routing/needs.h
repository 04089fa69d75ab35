#pragma once
// Needs: what a request demands of whoever serves it. Pure; worked out once for each answer.

#include <span>

#include "model/request.h"
#include "routing/deployment.h"

namespace perdure {

struct Needs {
  CapabilitySet capabilities;
  int64_t context_tokens = 0;  // estimated; see estimate_tokens()
  int64_t output_tokens = 0;   // the client's limit; 0: none
};

// `context` holds history and input; request.input is not looked at.
Needs needs_of(const Request& request, std::span<const Item> context);

// An estimate without a tokenizer, meant to be low rather than high: a request is refused for its length only when it
// is certainly too long. Four bytes of ASCII to a token, two of anything else.
int64_t estimate_tokens(std::string_view text);

// The field of a request that asks for a capability; empty: none does.
std::string_view param_of(Capability capability);

}  // namespace perdure
