#pragma once
// The scripted model: what a simulated supplier answers, as a pure function of the request and a seed. It obeys the
// simple prompts that README.md lists, calls the tools that it is offered, writes JSON for a schema, and says a seeded
// sentence to everything else. System and developer messages are read for what is to be recalled, and do not change an
// answer otherwise. A user's message and a text part of one are the same to it, and results of tools come in the order
// of their calls, since dialects differ in that; so a conversation may change its dialect at every turn.
//
// Shown the beginning of an answer it goes on with it, whatever the words of whoever asks for that:
//   [... user Q, assistant P]          P is a beginning of the answer to Q: what is missing
//   [... user Q, assistant P, user X]  the same, unless X is a prompt that it obeys; how it goes on: seam.h

#include "simulate/prompt.h"
#include "simulate/simulate_options.h"

namespace perdure::simulate {

enum class Finish {
  kStop,
  kLength,
  kToolCalls,
  kRefusal,  // the model declines, in the words of the text
  kFilter,   // the service breaks it off; what there was of it is the text
};

struct ModelOptions {
  Continuation continuation = Continuation::kExact;
  bool reasoning = false;
  bool prefill = true;  // goes on with a last message of the assistant; otherwise it begins anew
};

struct Answer {
  std::string reasoning, text;
  std::vector<ToolCall> calls;  // ids are "call_" and 24 letters or digits
  Finish finish = Finish::kStop;
  std::string stop_sequence = {};   // the one that it stopped at
  bool reasoning_redacted = false;  // nobody may read the reasoning
  int64_t reasoning_tokens = 0;
  int64_t tokens = 0;  // all of it, reasoning included
};

Answer answer(const Prompt& prompt, uint64_t seed, ModelOptions options = {});

int64_t prompt_tokens(const Prompt& prompt);

}  // namespace perdure::simulate
