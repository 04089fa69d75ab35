#pragma once
// Conversations of agents as clients hold them, drawn by a seed: every kind of item, every parameter, in every order
// that clients were seen to send. None is wrong; much of it is awkward.

#include <cstdint>
#include <string>
#include <vector>

#include "model/request.h"

namespace perdure::fidelity {

inline constexpr std::string_view kOurs = "ours";  // the issuer of reasoning that the asked supplier gave itself

struct Talk {
  Request request;            // its input is the whole conversation
  std::string held, ask;      // an answer to go on with
  std::vector<size_t> rests;  // places in the input where a request would have ended
};

Talk make_talk(uint64_t seed);

}  // namespace perdure::fidelity
