#pragma once
// Reads what a client sends to POST /v1/messages and /v1/messages/count_tokens (Anthropic Messages). Pure.
//
// Every wrong field is an Error kInvalid that names it in `param` ("messages[2].content[0].source"); what is unknown,
// or not to be had here, is refused by name, or, for a lenient request, left out and named. Tools that the supplier
// would run itself are always refused. Calls and results that do not fit together are refused in the API's own words.
//
// - `system` as a string is the instructions; as blocks it is a system message before the others.
// - Thinking comes back as what it was (model/opaque.h); a signature that is not ours has no known issuer, so nobody is
//   given it.
// - A last message of the assistant is the beginning of the answer: its item is "in_progress".
// - "thinking": enabled is `reasoning_tokens_max`, adaptive is the effort "high" unless one is given, disabled is a
//   maximum of 0. "display": omitted is the summary "none".

#include "base/result.h"
#include "dialect/chat_client_request.h"
#include "model/request.h"
#include "wire/json.h"

namespace perdure {

Result<ParsedRequest> parse_messages_request(json::Value body, bool lenient = false);
Result<ParsedRequest> parse_messages_count_request(json::Value body, bool lenient = false);

}  // namespace perdure
