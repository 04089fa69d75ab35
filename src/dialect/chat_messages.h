#pragma once
// The `messages` of a Chat Completions request. Used by chat_request.cc.

#include "dialect/chat_upstream.h"
#include "dialect/left_out.h"
#include "wire/json.h"

namespace perdure {

// Appends one object per message; what an answer continues from is not among them. How many there were.
Result<size_t> write_chat_messages(json::Writer& out, const UpstreamAsk& ask, const ChatVariant& variant,
                                   LeftOut& left_out);

}  // namespace perdure
