#pragma once
// Reading a session back: the items that a next response starts from, and the last response itself. Follows forks to
// their parents. Costs what the context costs, not what the installation holds.
//
// Items come in the order of their records. A response of a chain contributes its input and output, whatever became of
// it; a response of a conversation does so when it has completed, or ended incomplete. What was erased is missed only
// where it contributed something that nothing has replaced (kItemsMoved).

#include "model/response.h"
#include "session/journal.h"
#include "session/key_ring.h"

namespace perdure {

struct LoadedSession {
  std::vector<Item> context;         // of everything before the last response
  std::optional<Response> last;      // the last response up to `upto`, ended or not, when nothing but it follows
  std::vector<Record> last_records;  // its records, when asked for
  int64_t last_text_deltas = 0;
  size_t bytes = 0;             // of payloads that were read
  ConversationId conversation;  // the session is one; empty: it is none, or was deleted
  bool is_conversation = false;

  // The items of everything, the last response's included: `named`, it is where a next one goes on.
  std::vector<Item> take_all(bool named) &&;
};

// `row` up to and including `upto`. kInvalid, reason context_too_long, beyond `bytes_max` of payloads. kNotFound: a
// part of it was erased.
Task<Result<LoadedSession>> load_session(Store& store, KeyRing& keys, SessionRow row, uint64_t upto, size_t bytes_max,
                                         bool keep_last_records);

// Adds what `response` contributes to the context of what follows it.
void add_to_context(std::vector<Item>& context, const Response& response);
// Whether a response that ended so becomes part of its conversation.
bool contributes(ResponseStatus status);

}  // namespace perdure
