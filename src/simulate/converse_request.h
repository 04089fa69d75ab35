#pragma once
// A request to Bedrock's Converse or ConverseStream (or its CountTokens), read strictly: what the service description
// does not know is refused, and what a Claude model behind it would refuse.

#include <string>

#include "base/result.h"
#include "simulate/prompt.h"
#include "simulate/signer.h"

namespace perdure::simulate {

inline constexpr std::string_view kReasoningContentPurpose = "bedrock reasoning";
inline constexpr std::string_view kRedactedContentPurpose = "bedrock redacted";

struct ConverseRules {
  bool counting = false;  // the body is {"input": {"converse": {...}}}
  bool prefill = true;
};

// kInvalid: the message is AWS's, a ValidationException. `model` stands in the URL.
Result<Prompt> parse_converse_request(std::string body, std::string model, const Signer& signer,
                                      ConverseRules rules = {});

}  // namespace perdure::simulate
