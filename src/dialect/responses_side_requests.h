#pragma once
// Requests beside the creating of responses, which share its fields: counting the tokens of an input, and compacting a
// conversation. Pure. Faults are named as in responses_request.h; a field that is one of a create only is unknown here.

#include "base/result.h"
#include "dialect/chat_client_request.h"

namespace perdure {

// POST /v1/responses/input_tokens.
Result<ParsedRequest> parse_input_tokens_request(json::Value body);
std::string render_input_tokens(int64_t count);

// POST /v1/responses/compact.
Result<ParsedRequest> parse_compact_request(json::Value body);

}  // namespace perdure
