#pragma once
// The words that records are written with.

#include "model/names.h"
#include "model/record.h"

namespace perdure {

std::span<const Name<ResponseStatus>> response_statuses();
std::span<const Name<ClientDialect>> client_dialects();

}  // namespace perdure
