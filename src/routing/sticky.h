#pragma once
// Sticky: where the sessions of late were served, so that a supplier's prompt cache keeps hitting. The least recently
// used is forgotten when it is full; memory is bounded by its size. Lives on one Loop.

#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/time.h"

namespace perdure {

class Sticky {
 public:
  Sticky(size_t sessions_max, Duration kept) : sessions_max_(sessions_max), kept_(kept) {}
  static constexpr uint32_t kNone = UINT32_MAX;

  // The deployment that served `key` last, while that is worth something; kNone: none.
  uint32_t find(uint64_t key, Instant now) const {
    auto found = index_.find(key);
    if (found == index_.end() || now - found->second->at > kept_) return kNone;
    return found->second->deployment;
  }
  void put(uint64_t key, uint32_t deployment, Instant now) {
    if (sessions_max_ == 0) return;
    auto found = index_.find(key);
    if (found != index_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      *found->second = {key, deployment, now};
      return;
    }
    if (index_.size() >= sessions_max_) {  // the oldest one's nodes are used again
      auto oldest = std::prev(order_.end());
      auto node = index_.extract(oldest->key);
      *oldest = {key, deployment, now};
      order_.splice(order_.begin(), order_, oldest);
      node.key() = key;
      index_.insert(std::move(node));
      return;
    }
    order_.push_front({key, deployment, now});
    index_.emplace(key, order_.begin());
  }
  size_t size() const { return index_.size(); }

 private:
  struct Entry {
    uint64_t key;
    uint32_t deployment;
    Instant at;
  };
  size_t sessions_max_;
  Duration kept_;
  std::list<Entry> order_;  // newest first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> index_;
};

}  // namespace perdure
