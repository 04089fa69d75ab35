#include "gateway/lost_replies.h"

namespace perdure {

void LostReplies::forget(Instant now) {
  while (!lost_.empty() && lost_.front().until <= now) lost_.pop_front();
}

void LostReplies::lost(std::string what, ResponseId id, Instant now) {
  std::scoped_lock held(lock_);
  forget(now);
  if (lost_.size() >= most_) lost_.pop_front();
  lost_.push_back({std::move(what), std::move(id), now + time_});
}

std::optional<ResponseId> LostReplies::found(const std::string& what, Instant now) {
  std::scoped_lock held(lock_);
  forget(now);
  for (auto each = lost_.begin(); each != lost_.end(); ++each) {
    if (each->what != what) continue;
    ResponseId id = std::move(each->id);
    lost_.erase(each);
    return id;
  }
  return std::nullopt;
}

}  // namespace perdure
