#pragma once
// What is remembered of a deployment that failed an answer, translated or passed on: elsewhere the next attempt may be
// made at once; there only after a while, or never.

#include <algorithm>
#include <vector>

#include "async/loop.h"
#include "generation/generation.h"
#include "generation/retry.h"
#include "routing/placement.h"

namespace perdure {

// `fruitless`: attempts in a row that brought nothing, which is how long the while is.
inline void note_failure(std::vector<Tried>& tried, uint32_t deployment, bool never, int64_t fruitless,
                         const GenerationLimits& limits, Loop& loop) {
  auto found = std::ranges::find(tried, deployment, &Tried::deployment);
  if (found == tried.end()) found = tried.insert(found, Tried{.deployment = deployment});
  ++found->failures;
  found->never = never;
  found->not_before = loop.now() + backoff(fruitless, Error{}, limits.backoff_first, limits.backoff_max, loop.random());
}

}  // namespace perdure
