#include "routing/slots.h"

namespace perdure {

bool Slots::take() {
  if (!limited()) return true;
  std::lock_guard lock(mutex_);
  if (taken_ >= most_ || first_ != nullptr) return false;
  ++taken_;
  return true;
}

void Slots::give_back() {
  if (!limited()) return;
  std::lock_guard lock(mutex_);
  CHECK(taken_ > 0, "a slot that nobody took");
  --taken_;
  grant_locked();
}

void Slots::grant_locked() {
  while (first_ != nullptr && taken_ < most_) {
    Ticket* ticket = first_;
    ticket->unlink();
    ticket->granted_ = true;
    ++taken_;
    std::shared_ptr<Notifier> changed = ticket->changed_;
    changed->loop().post([changed] { changed->notify_all(); });
  }
}

void Slots::Ticket::unlink() {
  (previous_ != nullptr ? previous_->next_ : slots_->first_) = next_;
  (next_ != nullptr ? next_->previous_ : slots_->last_) = previous_;
  next_ = previous_ = nullptr;
  queued_ = false;
  --slots_->waiting_;
}

bool Slots::Ticket::join() {
  std::lock_guard lock(slots_->mutex_);
  if (slots_->waiting_ >= slots_->queue_max_) return false;
  previous_ = slots_->last_;
  (previous_ != nullptr ? previous_->next_ : slots_->first_) = this;
  slots_->last_ = this;
  queued_ = true;
  ++slots_->waiting_;
  slots_->grant_locked();  // one may have become free meanwhile
  return true;
}

bool Slots::Ticket::granted() const {
  std::lock_guard lock(slots_->mutex_);
  return granted_;
}

void Slots::Ticket::taken() {
  std::lock_guard lock(slots_->mutex_);
  CHECK(granted_, "a slot that was not granted");
  granted_ = false;
}

Slots::Ticket::~Ticket() {
  bool give = false;
  {
    std::lock_guard lock(slots_->mutex_);
    if (queued_) unlink();
    give = granted_;
  }
  if (give) slots_->give_back();
}

}  // namespace perdure
