#pragma once
// Reads what a client sends to /v1/conversations and its items (OpenAI's Conversations 2.3.0), and writes what it is
// shown of them. Pure. Faults are named as in responses_request.h.

#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "dialect/request_reader.h"
#include "model/record.h"

namespace perdure {

inline constexpr size_t kConversationItemsMax = 20;  // in one call

struct ConversationBody {
  Metadata metadata;
  std::vector<Item> items;
};
// POST /v1/conversations; both fields may be left out.
Result<ConversationBody> parse_conversation_create(json::Value body);
// POST /v1/conversations/{id}; null empties it.
Result<Metadata> parse_conversation_update(json::Value body);
// POST /v1/conversations/{id}/items; at least one.
Result<std::vector<Item>> parse_conversation_items(json::Value body);

// At most 16 keys of 64 characters, values of 512.
void parse_metadata(RequestReader& in, Metadata& out);

void write_conversation(json::Writer& out, const ConversationId& id, WallTime created, const Metadata& metadata);
void write_conversation_deleted(json::Writer& out, const ConversationId& id);

}  // namespace perdure
