#pragma once
// Reading a session back: the items that a next response starts from, and the last response itself. Follows forks to
// their parents. Costs what the context costs, not what the installation holds.

#include "model/response.h"
#include "session/journal.h"
#include "session/key_ring.h"

namespace perdure {

struct LoadedSession {
  std::vector<Item> context;         // of every response before the last: input, output, input, output, ...
  std::optional<Response> last;      // the last response up to `upto`, ended or not
  std::vector<Record> last_records;  // its records, when asked for
  int64_t last_text_deltas = 0;
};

// `row` up to and including `upto`. kInvalid, reason context_too_long, beyond `bytes_max` of payloads.
Task<Result<LoadedSession>> load_session(Store& store, KeyRing& keys, SessionRow row, uint64_t upto, size_t bytes_max,
                                         bool keep_last_records);

// Adds what `response` contributes to the context of what follows it.
void add_to_context(std::vector<Item>& context, const Response& response);

}  // namespace perdure
