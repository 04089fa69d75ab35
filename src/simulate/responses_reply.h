#pragma once
// OpenAI's Responses on their way out: the response object, and the events of its life.

#include <memory>

#include "simulate/call.h"
#include "simulate/responses_request.h"
#include "simulate/surface.h"

namespace perdure::simulate {

// `shelf` is null where nothing is kept; otherwise a response that asks for it is kept when it is whole.
std::unique_ptr<Call> make_responses_call(ResponsesRequest request, const Signer& signer, ResponseShelf* shelf,
                                          const Origin& origin);

}  // namespace perdure::simulate
