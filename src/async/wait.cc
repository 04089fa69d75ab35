#include "async/wait.h"

#include <algorithm>

namespace perdure {

void Notifier::Awaiter::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  next_ = notifier_.first_;
  if (next_ != nullptr) next_->previous_ = this;
  notifier_.first_ = this;
  timer_.arm(deadline_.at);
}

void Notifier::Awaiter::unlink() {
  (previous_ != nullptr ? previous_->next_ : notifier_.first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  next_ = previous_ = nullptr;
}

void Notifier::Awaiter::timed_out(void* self) {
  auto* awaiter = static_cast<Awaiter*>(self);
  awaiter->unlink();
  awaiter->handle_.resume();
}

void Notifier::notify_all() {
  while (first_ != nullptr) {
    Awaiter* awaiter = first_;
    awaiter->unlink();
    awaiter->timer_.cancel();
    awaiter->notified_ = true;
    loop_.resume_soon(awaiter->handle_);
  }
}

void Cancellation::request() {
  if (requested_) return;
  requested_ = true;
  auto hooks = std::move(hooks_);
  hooks_.clear();
  for (Hook* hook : hooks) hook->source_ = nullptr;
  for (Hook* hook : hooks) hook->action_();
  changed_.notify_all();
}

Task<bool> Cancellation::wait(Deadline deadline) {
  if (!requested_) (void)co_await changed_.wait(deadline);
  co_return requested_;
}

Cancellation::Hook::Hook(Cancellation* source, std::move_only_function<void()> action)
    : source_(source), action_(std::move(action)) {
  if (source_ == nullptr) return;
  if (source_->requested_) {
    source_ = nullptr;
    action_();
  } else {
    source_->hooks_.push_back(this);
  }
}

Cancellation::Hook::~Hook() {
  if (source_ != nullptr) std::erase(source_->hooks_, this);
}

}  // namespace perdure
