#pragma once
// Seam: how a scripted model goes on with an answer whose beginning it is shown, when it is asked for the rest in
// words. Real models do all of this; whoever joins the pieces has to notice.

#include <cstdint>
#include <string_view>

#include "simulate/scripted_model.h"

namespace perdure::simulate {

// Turns the whole answer into what is emitted after `held`, which is a beginning of its text. The choice of kMixed and
// kRandom, and all variation, comes from `seed` and what is held.
void go_on(Answer& whole, std::string_view held, Continuation how, uint64_t seed);

}  // namespace perdure::simulate
