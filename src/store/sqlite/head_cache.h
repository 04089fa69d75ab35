#pragma once
// HeadCache: where the writer keeps the heads of sessions. Entries that are ahead of their session row (dirty) stay;
// the others go when there are too many, least recently used first.

#include <list>
#include <unordered_map>

#include "store/sqlite/reads.h"

namespace perdure::sqlite {

struct CachedHead {
  SessionId id;
  Head now;
  uint64_t row_seq = 0;  // what the session row says
  Hash256 row_chain{};
  uint64_t point_seq = 0;   // the newest point in `seg`
  bool dirty = false;       // now is ahead of the row
  uint64_t touched_in = 0;  // the transaction that saved its earlier state
};

class HeadCache {
 public:
  explicit HeadCache(size_t entries_max) : entries_max_(entries_max) {}

  CachedHead* find(SessionId id) {
    auto at = by_id_.find(id);
    if (at == by_id_.end()) return nullptr;
    order_.splice(order_.begin(), order_, at->second);
    return &*at->second;
  }
  CachedHead& add(CachedHead entry) {
    order_.push_front(entry);
    by_id_[entry.id] = order_.begin();
    return order_.front();
  }
  void remove(SessionId id) {
    auto at = by_id_.find(id);
    if (at == by_id_.end()) return;
    order_.erase(at->second);
    by_id_.erase(at);
  }
  // Not within a transaction: its undo list names entries.
  void trim() {
    for (auto at = order_.end(); by_id_.size() > entries_max_ && at != order_.begin();) {
      --at;
      if (at->dirty) continue;
      by_id_.erase(at->id);
      at = order_.erase(at);
    }
  }
  size_t size() const { return by_id_.size(); }

 private:
  const size_t entries_max_;
  std::list<CachedHead> order_;  // most recently used first
  std::unordered_map<SessionId, std::list<CachedHead>::iterator> by_id_;
};

}  // namespace perdure::sqlite
