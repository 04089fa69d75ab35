#pragma once
// Probe: finds out what a live deployment can do, by asking it. What the model says about itself counts for nothing;
// what counts is whether it goes on from a known beginning, calls the tool, keeps to the schema, remembers the first
// word of a long context, refuses a limit.
//
//   prefill             an answer whose text is known is begun for it; it must go on behind that beginning, twice
//   tools, parallel     a function is offered whose use is asked for, for one thing and for two
//   structured_output   a schema that prose does not meet
//   streaming_usage     whether the stream ended with token counts
//   caching             the same long prompt twice; the second must count cached tokens
//   context_tokens      longer and longer contexts with a word to remember at their beginning, within a budget
//   output_tokens       larger and larger limits, until one is refused; the answers themselves are a word
//
// A refusal (400 and the like) is an answer; a failure (overload, cut, silence) is tried again twice and then leaves
// the matter unknown. Works on the Provider's Loop.

#include <string>
#include <vector>

#include "catalogue/scorecard.h"
#include "provider/provider.h"

namespace perdure {

struct ProbeLimits {
  int64_t context_budget = 50'000;  // tokens of input, of all the calls that look for the context's size
  int64_t context_most = 2'000'000;
  int64_t output_most = 1 << 20;
  int64_t cache_tokens = 4'500;  // of the prompt that is sent twice: what suppliers cache at all has 1,024 to 4,096
  Duration call_time = std::chrono::seconds(120);
  Duration pause_max = std::chrono::seconds(30);  // between tries, whatever a supplier asks for
};

// What a probe may use at most, to be said before it begins.
struct ProbePlan {
  int64_t calls = 0, input_tokens = 0, output_tokens = 0;
};
ProbePlan plan_of(const ProbeLimits& limits, size_t ways = 1);

// The card without what it is about (provider, dialect, address, time). An Error: it does not answer at all.
// `ways`: the same provider with other ways to tell it that an answer is to be gone on with, by their names; tried in
// order, in place of its own.
struct PrefillWay {
  std::string name;
  Provider* provider = nullptr;
};
Task<Result<Scorecard>> probe(Provider& provider, std::string model, ProbeLimits limits, Loop& loop,
                              std::vector<PrefillWay> ways = {});

}  // namespace perdure
