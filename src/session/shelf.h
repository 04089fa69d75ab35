#pragma once
// Shelf: which responses that are not stored are kept in memory after their end, so that a create repeated with its
// idempotency key can be given the same answer again. Bounded in number, bytes and time; the oldest go first. Pure.

#include <cstdint>
#include <deque>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace perdure {

struct ShelfLimits {
  size_t responses_max = 1024;  // per loop
  size_t bytes_max = 32 << 20;  // per loop
  Duration time = std::chrono::minutes(10);
};

class Shelf {
 public:
  explicit Shelf(ShelfLimits limits) : limits_(limits) {}

  // Those that have to go for it; also itself, where it does not fit at all.
  std::vector<ResponseId> put(ResponseId id, size_t bytes, Instant now) {
    entries_.push_back({std::move(id), bytes, now + limits_.time});
    bytes_ += bytes;
    std::vector<ResponseId> out = due(now);
    while (!entries_.empty() && (entries_.size() > limits_.responses_max || bytes_ > limits_.bytes_max)) pop(out);
    return out;
  }
  // Those whose time is over.
  std::vector<ResponseId> due(Instant now) {
    std::vector<ResponseId> out;
    while (!entries_.empty() && entries_.front().until <= now) pop(out);
    return out;
  }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    ResponseId id;
    size_t bytes;
    Instant until;
  };
  void pop(std::vector<ResponseId>& out) {
    bytes_ -= entries_.front().bytes;
    out.push_back(std::move(entries_.front().id));
    entries_.pop_front();
  }
  ShelfLimits limits_;
  std::deque<Entry> entries_;  // oldest first
  size_t bytes_ = 0;
};

}  // namespace perdure
