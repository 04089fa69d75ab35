#pragma once
// Conversations: sessions that clients know by a name of their own and add items to. What a conversation holds is the
// fold of its session's records: items that clients have added, and the input and output of every response that was
// made in it and came to its end, in the order of the journal. It lives until it is deleted.
// docs/decisions/0019-conversations.md
//
// One writer at a time: whoever wants to change a conversation in which a response is being made waits in line, within
// the limits of SessionLimits, then kConflict. May be used from any of the loops of its Responses, which outlives it.

#include <string>
#include <vector>

#include "session/responses.h"

namespace perdure {

struct Conversation {
  ConversationId id;
  WallTime created{};
  Metadata metadata;
};

struct NewConversation {
  TenantId tenant;
  KeyId key;
  Metadata metadata;
  std::vector<Item> items;
  std::string idempotency_key;  // empty: none
  Hash256 body_hash{};
};

class Conversations {
 public:
  explicit Conversations(Responses& responses) : responses_(responses) {}

  // A repeat with the same idempotency key and body gives the conversation that the first has made.
  Task<Result<Conversation>> create(NewConversation call);
  Task<Result<Conversation>> get(TenantId tenant, ConversationId id);
  // Replaces the metadata.
  Task<Result<Conversation>> update(TenantId tenant, ConversationId id, Metadata metadata);
  // With everything in it: its items, its responses, and the key they are sealed with. What responses elsewhere have
  // started from stays as long as they do. A response that is being made in it is cancelled first.
  Task<Result<void>> remove(TenantId tenant, ConversationId id);

  // Gives the items back with their ids; an id that is taken already is replaced.
  Task<Result<std::vector<Item>>> add_items(TenantId tenant, ConversationId id, std::vector<Item> items);
  // Oldest first. Costs what the conversation holds.
  Task<Result<std::vector<Item>>> items(TenantId tenant, ConversationId id);
  // It is gone from the conversation at once; its bytes go with it unless a response that still lives has them.
  Task<Result<Conversation>> remove_item(TenantId tenant, ConversationId id, std::string item);

 private:
  Task<Result<IndexEntry>> find(TenantId tenant, ConversationId id);
  Responses& responses_;
};

Error no_such_conversation(const ConversationId& id, std::string param = "");
Error no_such_item(const std::string& id);

}  // namespace perdure
