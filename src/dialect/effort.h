#pragma once
// How hard a model is to think, where its API has words for that only. Pure.

#include <string_view>

#include "model/request.h"

namespace perdure {

// What was asked for; else the word that comes nearest to the limit to reasoning in tokens. Empty: nothing was asked.
inline std::string_view effort_of(const Request& request) {
  if (!request.reasoning_effort.empty()) return request.reasoning_effort;
  const int64_t tokens = request.reasoning_tokens_max.value_or(0);
  if (tokens <= 0) return {};
  return tokens <= 2048 ? "low" : tokens <= 8192 ? "medium" : "high";
}

}  // namespace perdure
