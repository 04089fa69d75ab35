#include "async/task_group.h"

namespace perdure {

detail::RootTask TaskGroup::run(Task<void> task) {
  {
    Task<void> owned = std::move(task);
    co_await std::move(owned);
  }
  if (--running_ == 0) idle_.notify_all();
}

void TaskGroup::spawn(Task<void> task) {
  ++running_;
  loop_.resume_soon(run(std::move(task)).handle);
}

Task<void> TaskGroup::join() {
  while (running_ > 0) (void)co_await idle_.wait();
}

}  // namespace perdure
