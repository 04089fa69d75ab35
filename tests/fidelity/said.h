#pragma once
// What was said in a conversation, as lines: one for each part, call, result and thought. Once as the supplier is to
// hear it, by the rules of each dialect, which are written down here a second time; once as it heard it.

#include <string>
#include <vector>

#include "deployments.h"
#include "model/request.h"

namespace perdure::fidelity {

struct Said {
  std::vector<std::string> lines;
  std::vector<std::string> ids;  // of the calls, in the order of the lines
};

Said expected_lines(const Deployment& at, const Request& request, const std::vector<Item>& context,
                    std::string_view held, std::string_view ask);
Said heard_lines(const simulate::Prompt& prompt);

}  // namespace perdure::fidelity
