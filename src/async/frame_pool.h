#pragma once
// Where the frames of coroutines come from: freed ones of the same size class are kept by thread and given out again,
// so that a call costs no trip to the allocator. A frame may be freed on another thread than it was made on.
//
// Bounds: kBytesMax of each size class and thread, which is 64 frames of 2 KiB: as many requests at a time find theirs.
// A thread that ends does not give them back. Larger frames than kLargest are the allocator's own affair. Under a
// sanitizer all are, so that it sees each use of a dead frame.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace perdure {

class FramePool {
 public:
  static void* take(size_t size) {
    if (!kPooled || size > kLargest) return ::operator new(size);
    Class& c = mine_.classes_[(size - 1) / kStep];
    if (c.first == nullptr) return ::operator new(rounded(size));
    Free* frame = c.first;
    c.first = frame->next;
    --c.count;
    return frame;
  }
  static void give(void* frame, size_t size) {
    if (!kPooled || size > kLargest) return ::operator delete(frame, size);
    Class& c = mine_.classes_[(size - 1) / kStep];
    if (c.count >= kBytesMax / rounded(size)) return ::operator delete(frame, rounded(size));
    c.first = new (frame) Free{c.first};
    ++c.count;
  }

 private:
  static constexpr size_t kStep = 64, kLargest = 8 << 10, kBytesMax = 128 << 10;
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PERDURE_FRAMES_POOLED false
#endif
#endif
#if !defined(PERDURE_FRAMES_POOLED)
#define PERDURE_FRAMES_POOLED true
#endif
  static constexpr bool kPooled = PERDURE_FRAMES_POOLED;

  struct Free {
    Free* next;
  };
  struct Class {
    Free* first = nullptr;
    uint32_t count = 0;
  };
  static constexpr size_t rounded(size_t size) { return (size + kStep - 1) / kStep * kStep; }

  std::array<Class, kLargest / kStep> classes_;
  static constinit thread_local FramePool mine_;
};

inline constinit thread_local FramePool FramePool::mine_;

}  // namespace perdure
