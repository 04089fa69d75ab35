#pragma once
// Reads what a client sends to POST /v1/chat/completions (OpenAI 2.3.0, and what clients of its relatives add:
// reasoning_content, top_k). Pure.
//
// Every wrong field is an Error kInvalid that names it in `param` ("messages[2].content[0].image_url.url"); what is
// unknown, or not to be had here, is refused by name, or, for a lenient request, left out and named.
// docs/reference/api.md has the table.

#include "base/result.h"
#include "dialect/responses_request.h"
#include "model/request.h"
#include "wire/json.h"

namespace perdure {

struct ParsedRequest {
  Request request;
  std::vector<std::string> left_out;           // fields; only of a lenient request
  std::vector<ItemReference> references = {};  // not yet in the request's input
};

Result<ParsedRequest> parse_chat_request(json::Value body, bool lenient = false);

}  // namespace perdure
