#pragma once
// SpareText: strings whose room is used again, so that a message of usual size costs no trip to the allocator. What is
// given back is kept by thread and handed out again, empty. Giving back is never owed: a string that is not is freed.
//
// Bounds: kKept strings of at most kMost bytes each and thread. A string may be given back on another thread than it
// was taken on. Under a sanitizer nothing is kept, so that it sees each use of what is gone.

#include <cstddef>
#include <string>

namespace perdure {

class SpareText {
 public:
  static constexpr size_t kLeast = 2 << 10, kMost = 8 << 10, kKept = 64;
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PERDURE_SPARES_KEPT false
#endif
#endif
#if !defined(PERDURE_SPARES_KEPT)
#define PERDURE_SPARES_KEPT true
#endif
  static constexpr bool kKeeps = PERDURE_SPARES_KEPT;

  static std::string take(size_t room);  // empty, with at least that much room
  static void give(std::string&& text);
};

}  // namespace perdure
