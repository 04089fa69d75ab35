#pragma once
// The scripted model: what a simulated supplier answers, as a pure function of the request and a seed. It obeys the
// simple prompts that README.md lists, calls the tools that it is offered, writes JSON for a schema, and says a seeded
// sentence to everything else. System and developer messages are read for what is to be recalled, and do not change an
// answer otherwise.
//
// Shown the beginning of an answer it goes on with it, whatever the words of whoever asks for that:
//   [... user Q, assistant P]          P is a beginning of the answer to Q: what is missing
//   [... user Q, assistant P, user X]  the same, unless X is a prompt that it obeys; how it goes on is an option

#include "simulate/chat_request.h"
#include "simulate/simulate_options.h"

namespace perdure::simulate {

enum class Finish { kStop, kLength, kToolCalls };
std::string_view name_of(Finish finish);

struct ModelOptions {
  Continuation continuation = Continuation::kExact;
  bool reasoning = false;
};

struct Answer {
  std::string reasoning, text;
  std::vector<ToolCall> calls;
  Finish finish = Finish::kStop;
  int64_t reasoning_tokens = 0;
  int64_t tokens = 0;  // all of it, reasoning included
};

Answer answer(const ChatRequest& request, uint64_t seed, ModelOptions options = {});

int64_t prompt_tokens(const ChatRequest& request);

}  // namespace perdure::simulate
