#pragma once
// SpareHeaders: the room of header fields that are done with, for the next message. One for a server and for a client.
//
// Bounds: kMost sets of fields, of kRoomMax bytes at most; larger ones are let go. On one Loop.

#include <utility>
#include <vector>

#include "http/message.h"

namespace perdure {

class SpareHeaders {
 public:
  // Gives `headers`, which have nothing in them, the room of some that were kept.
  void lend(Headers& headers) {
    if (spare_.empty()) return;
    headers = std::move(spare_.back());
    spare_.pop_back();
  }
  void keep(Headers&& headers) {
    headers.clear();
    if (headers.room() <= kRoomMax && spare_.size() < kMost) spare_.push_back(std::move(headers));
  }

 private:
  static constexpr size_t kMost = 64, kRoomMax = 4 << 10;
  std::vector<Headers> spare_;
};

}  // namespace perdure
