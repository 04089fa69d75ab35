#pragma once
// What of a configuration can change while the server runs, and what waits for its next start. Pure.

#include <string>
#include <vector>

#include "app/config.h"

namespace perdure {

// Gives `next` what `running` has of everything that cannot change, and names the keys that were to be changed.
std::vector<std::string> keep_what_needs_a_restart(const Config& running, Config& next);

}  // namespace perdure
