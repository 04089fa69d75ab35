#pragma once
// A request to generateContent, streamGenerateContent or countTokens, read strictly: what Google would refuse is
// refused, with its words. Names of fields are taken in their JSON form only (functionCall, not function_call).

#include <string>

#include "base/result.h"
#include "simulate/prompt.h"
#include "simulate/signer.h"

namespace perdure::simulate {

inline constexpr std::string_view kThoughtPurpose = "gemini thought";

struct GeminiRequest : Prompt {
  bool include_thoughts = false;
};

struct GeminiRules {
  bool counting = false;  // countTokens
  bool prefill = true;
};

// kInvalid: the message is Google's. `model` stands in the URL.
Result<GeminiRequest> parse_gemini_request(std::string body, std::string model, const Signer& signer,
                                           GeminiRules rules = {});

}  // namespace perdure::simulate
