#pragma once
// A request to POST /v1/chat/completions, read strictly: what OpenAI would refuse is refused, with its words and codes.

#include <string>

#include "base/result.h"
#include "simulate/prompt.h"

namespace perdure::simulate {

struct ChatRequest : Prompt {
  bool stream = false;
  bool include_usage = false;
  bool store = false;
};

struct ChatRules {
  bool model_elsewhere = false;  // the URL names it: the body need not
};

// kInvalid: `param` names the field, `reason` is OpenAI's error code (empty: null).
Result<ChatRequest> parse_chat_request(std::string body, ChatRules rules = {});

}  // namespace perdure::simulate
