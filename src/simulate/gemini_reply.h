#pragma once
// Google's answers on their way out: GenerateContentResponse whole, as events, or as an array that grows.

#include <memory>

#include "simulate/call.h"
#include "simulate/gemini_request.h"
#include "simulate/surface.h"

namespace perdure::simulate {

enum class GeminiStream { kNone, kEvents, kArray };

std::unique_ptr<Call> make_gemini_call(GeminiRequest request, GeminiStream stream, const Signer& signer,
                                       const Origin& origin);

// {"error": {"code", "message", "status", "details"}}
std::string gemini_error(int status, std::string_view message, int64_t retry_after_s = -1);

}  // namespace perdure::simulate
