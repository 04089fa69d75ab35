#pragma once
// Reads what a client sends to POST /v1/responses (OpenAI Responses 2.3.0, Open Responses 2026-04-24). Pure.
//
// Every wrong field is an Error kInvalid that names it in `param` ("input[2].content[0].image_url"); unknown fields and
// what Perdure does not do yet are refused by name, never dropped. Limits are those of the Open Responses schema.

#include "base/result.h"
#include "model/request.h"

namespace perdure {

// {"type":"item_reference","id":...} in an input: an item that a stored response has brought. Whoever has the responses
// puts it where it belongs.
struct ItemReference {
  size_t before = 0;  // the index in Request::input of the item that follows it
  std::string id, param;
};

struct ResponsesRules {
  std::vector<ItemReference>* references = nullptr;  // null: they are refused
  bool input_needed = true;                          // false: a request may hold nothing but what later ones go on with
};
Result<Request> parse_responses_request(json::Value body, ResponsesRules rules = {});
// One input item, as also found in item lists.
Result<Item> parse_input_item(json::Value value, const std::string& param);

}  // namespace perdure
