#include "base/spare_text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace perdure {
namespace {

// Behind the end of its thread nothing is kept any more.
thread_local constinit bool over = false;

struct Kept {
  std::array<std::string, SpareText::kKept> texts;
  size_t count = 0;
  ~Kept() { over = true; }
};
thread_local Kept kept;

}  // namespace

std::string SpareText::take(size_t room) {
  std::string out;
  if (kKeeps && !over && room <= kMost)
    if (Kept& mine = kept; mine.count > 0) out = std::move(mine.texts[--mine.count]);
  if (out.capacity() < room) out.reserve(std::max(room, kLeast));
  return out;
}

void SpareText::give(std::string&& text) {
  std::string mine_now = std::move(text);
  if (!kKeeps || over || mine_now.capacity() < kLeast || mine_now.capacity() > kMost) return;
  Kept& mine = kept;
  if (mine.count == kKept) return;
  mine_now.clear();
  mine.texts[mine.count++] = std::move(mine_now);
}

}  // namespace perdure
