#pragma once
// How an answer is to be, as lines: one for each setting that a dialect has a field for. Once as the supplier is to
// hear it, once as it heard it; and what a lenient request gives up.

#include <string>
#include <vector>

#include "deployments.h"
#include "model/request.h"

namespace perdure::fidelity {

std::vector<std::string> expected_settings(const Deployment& at, const Request& request, bool has_calls);
std::vector<std::string> heard_settings(const Deployment& at, const Request& request, const simulate::Prompt& prompt);

// Takes what was declared to be left out from the request; false: a field that is not known here.
bool take_away(Dialect dialect, const std::string& field, Request& request, std::vector<Item>& context);

}  // namespace perdure::fidelity
