#pragma once
// AWS's part of a simulated supplier: Bedrock Runtime's Converse, ConverseStream and CountTokens. Requests are signed
// (Signature Version 4; checked byte by byte where an access key is set) or carry a bearer key.

#include <memory>

#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Surface> make_bedrock_surface(Account& account);

}  // namespace perdure::simulate
