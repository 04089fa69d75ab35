#pragma once
// Items of an answer that was relayed and broke off, as its client has seen them: what another author goes on from.
// Pure. Inside the gateway only.

#include <string>
#include <vector>

#include "base/random.h"
#include "model/delta.h"
#include "model/piece.h"

namespace perdure {

// An item as the frames of the Responses dialect announced it. Other dialects announce none.
struct SeenItem {
  ItemKind kind = ItemKind::kMessage;
  std::string id, phase;
  bool ended = false;
  size_t text_bytes = 0;  // of one that has ended: all its text
  bool sealed = false;    // it ended with a block that only its issuer can read
  size_t parts = 0;       // that have begun
  bool part_open = false;
  PartKind part = PartKind::kOutputText;  // the last one
};

// The deltas that make the items which the client knows: under their ids, with parts open where they are open for it.
// `said` is what a parser heard of the very frames. Without `seen` the items follow from what was said. Holds no calls.
std::vector<Delta> relayed_items(const std::vector<Piece>& said, const std::vector<SeenItem>& seen, Random& random);

}  // namespace perdure
