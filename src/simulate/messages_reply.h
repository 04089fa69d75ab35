#pragma once
// Anthropic's Messages on their way out: whole, and as events.

#include <memory>

#include "simulate/call.h"
#include "simulate/messages_request.h"
#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Call> make_messages_call(MessagesRequest request, const Signer& signer, const Origin& origin);

// {"type": "error", "error": {...}, "request_id": ...}
std::string messages_error(int status, std::string_view message, std::string_view request_id);

}  // namespace perdure::simulate
