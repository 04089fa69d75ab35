#pragma once
// Anthropic's part of a simulated supplier: Messages, count_tokens, models. Calls need a key (x-api-key, or a bearer
// token) and an anthropic-version, also where no key is set.

#include <memory>

#include "simulate/surface.h"

namespace perdure::simulate {

std::unique_ptr<Surface> make_anthropic_surface(Account& account);

}  // namespace perdure::simulate
