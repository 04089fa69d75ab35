#pragma once
// Bedrock's answers on their way out: ConverseResponse, and ConverseStream's events in AWS's binary framing.

#include <memory>

#include "simulate/call.h"
#include "simulate/signer.h"
#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Call> make_converse_call(Prompt prompt, bool stream, const Signer& signer, const Origin& origin);

}  // namespace perdure::simulate
