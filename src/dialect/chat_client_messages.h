#pragma once
// The `messages` of a Chat Completions request -> items. Used by chat_client_request.cc.

#include <vector>

#include "base/result.h"
#include "model/item.h"
#include "wire/json.h"

namespace perdure {

// Items come without ids. Every tool message must answer a call of an assistant's message before it, and every call
// must be answered.
Result<std::vector<Item>> parse_chat_messages(json::Value messages);

}  // namespace perdure
