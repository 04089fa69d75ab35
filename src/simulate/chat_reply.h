#pragma once
// Chat Completions on its way out: whole answers, chunks of a stream. Azure's are OpenAI's with its content filter's
// findings beside them.

#include <memory>

#include "simulate/call.h"
#include "simulate/chat_request.h"
#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Call> make_chat_call(ChatRequest request, const Origin& origin, bool azure = false);

}  // namespace perdure::simulate
