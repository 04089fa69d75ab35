#pragma once
// A request to POST /v1/messages, or to its count_tokens, read strictly: what Anthropic would refuse is refused, with
// its words. Thinking blocks must carry the signature that this supplier gave them.

#include <string>

#include "base/result.h"
#include "simulate/prompt.h"
#include "simulate/signer.h"

namespace perdure::simulate {

inline constexpr std::string_view kThinkingPurpose = "anthropic thinking";
inline constexpr std::string_view kRedactedPurpose = "anthropic redacted";

struct MessagesRequest : Prompt {
  bool stream = false;
  bool thinking_omitted = false;  // display: omitted; the signature comes without the text
};

struct MessagesRules {
  bool counting = false;  // count_tokens: what only an answer needs is not allowed
  bool prefill = true;    // a last message of the assistant is gone on with
};

// kInvalid: the message is Anthropic's, and begins with the field where there is one.
Result<MessagesRequest> parse_messages_request(std::string body, const Signer& signer, MessagesRules rules = {});

}  // namespace perdure::simulate
