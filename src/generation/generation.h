#pragma once
// Generation: one model answer that survives. It places an attempt, turns the supplier's pieces into canonical deltas
// for its sink, and when the attempt fails goes on with another from what is held. A crashed server's answer is
// continued by the very same code: what was held is handed in.
//
//   visible text    goes on where it stopped: by prefill where the deployment is known to take it, otherwise by words
//                   that ask for it, with the seam mended (seam.h) or the attempt given up
//   a JSON format   the remainder is held until it and what was shown are valid together (structured.h)
//   tool calls      one atomic group: handed to the sink in one call when the answer is whole, never before
//   reasoning       shown while nothing else was shown; of later attempts it stays hidden
//   nothing shown   the next attempt starts over
//
// It never makes up an ending: when it cannot go on, the answer ends `failed` (nothing was shown) or `incomplete`.

#include <optional>
#include <span>
#include <vector>

#include "base/log.h"
#include "generation/metrics.h"
#include "model/record.h"
#include "routing/router.h"

namespace perdure {

struct GenerationLimits {
  int64_t fruitless_attempts_max = 6;  // in a row without a new visible byte
  Duration total_time = std::chrono::minutes(30);
  Duration open_time = std::chrono::seconds(120);  // until the supplier's first byte
  Duration stall_time = std::chrono::seconds(60);  // between pieces
  Duration backoff_first = std::chrono::milliseconds(200);
  Duration backoff_max = std::chrono::seconds(10);
  size_t answer_bytes_max = 16 << 20;
  std::string ask;  // the words that ask to go on; empty: continuation_words.h, in the conversation's language
  GenerationMetrics* metrics = nullptr;  // what is counted; outlives every generation. Null: nothing is
};

// Where the answer goes. Errors of the sink end the generation without an ending (the session is broken or stopping).
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual Task<Result<void>> attempt_started(AttemptStarted attempt) = 0;
  // Waits while too much of what was handed over is not yet durable or not yet taken: the backpressure towards the
  // supplier.
  virtual Task<Result<void>> deltas(std::vector<Delta> deltas) = 0;
  virtual Task<Result<void>> attempt_ended(AttemptEnded attempt) = 0;
};

struct GenerationInput {
  const Request* request = nullptr;      // outlives the call, as `context` does
  Traffic traffic;                       // whose request it is, for routing
  std::span<const Item> context;         // history and input, in order
  std::optional<Needs> needs;            // of these two; nothing: they are worked out
  AnswerItems held;                      // what an earlier run has handed to the sink
  int64_t held_tokens = 0;               // deltas of text in it: the measure of what is left of max_output_tokens
  bool broke_off = false;                // nobody said that `held` is whole, although its last item may have ended
  int64_t attempts = 0;                  // how many there were
  Usage usage;                           // of those attempts
  std::string author;                    // logical model of the one that was the first to show something of `held`
  std::optional<AttemptEnded> finished;  // the last attempt was whole and only its ending is missing
  std::string traceparent;
};

// Two ways to stop: `cancel` is the client's wish and gives the ending kCancelled; `halt` is the server's (drain): no
// ending is given, and the answer is continued by whoever recovers the session.
struct GenerationStop {
  Cancellation& cancel;
  const bool& halt;  // set before `cancel` is requested
};

// The ending, or nothing when halted or when the sink failed. The last deltas are handed over before it returns.
Task<std::optional<ResponseEnded>> generate(GenerationInput input, Router& router, GenerationSink& sink, Loop& loop,
                                            GenerationStop stop, const GenerationLimits& limits, Log log);

}  // namespace perdure
