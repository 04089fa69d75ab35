#pragma once
// What a response that ended without a whole answer says, for APIs that know errors but no such endings.

#include <optional>

#include "base/result.h"
#include "model/response.h"

namespace perdure {

// Nothing: it runs, or its answer is whole, or it met its limit or a content filter. Otherwise the Error, classed as
// the cause was: failed, broke off and could not be gone on with, or was cancelled.
std::optional<Error> ended_error(const Response& response);

}  // namespace perdure
