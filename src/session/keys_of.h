#pragma once
// The index keys of a session's views.

#include "store/store.h"

namespace perdure {

inline IndexKey response_key(const TenantId& tenant, const ResponseId& id) {
  return {tenant, IndexKind::kResponse, id.value};
}
inline IndexKey conversation_key(const TenantId& tenant, const ConversationId& id) {
  return {tenant, IndexKind::kConversation, id.value};
}

}  // namespace perdure
