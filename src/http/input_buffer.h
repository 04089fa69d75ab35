#pragma once
// InputBuffer: bytes that a connection has received and not yet used. Starts small, because most connections of a
// server are idle, and grows when a read fills it.

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace perdure {

class InputBuffer {
 public:
  std::string_view view() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void consume(size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Room for the next read; never empty. Invalidates view().
  std::span<char> space() {
    size_t held = end_ - begin_;
    if (filled_ && capacity_ < kComfortable) {
      resize(std::min(capacity_ * 4, kComfortable), held);
    } else if (capacity_ - held < kRoomLeast) {
      resize(std::max(kFirst, capacity_ * 2), held);
    } else if (capacity_ - end_ < kRoomLeast) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    }
    return {bytes_.get() + end_, capacity_ - end_};
  }
  void commit(size_t n) {
    end_ += n;
    filled_ = end_ == capacity_;
  }
  // Between messages: gives memory back that only a large one needed.
  void settle() {
    if (begin_ != end_ || capacity_ <= kFirst) return;
    bytes_.reset();
    capacity_ = begin_ = end_ = 0;
    filled_ = false;
  }

 private:
  static constexpr size_t kFirst = 4 << 10, kComfortable = 64 << 10, kRoomLeast = 1 << 10;
  void resize(size_t wanted, size_t held) {
    wanted = std::max(wanted, held + kRoomLeast);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (held > 0) std::memcpy(larger.get(), bytes_.get() + begin_, held);
    bytes_ = std::move(larger);
    capacity_ = wanted;
    begin_ = 0;
    end_ = held;
    filled_ = false;
  }
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  bool filled_ = false;
};

}  // namespace perdure
