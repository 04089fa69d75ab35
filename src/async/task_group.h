#pragma once
// TaskGroup: the owner of background work on one Loop. Nothing is detached: whoever spawns into a group awaits join()
// before the group dies. Stopping the work is the owner's affair (a Cancellation, a closed stream); join() only waits.

#include <string_view>

#include "async/task.h"
#include "async/wait.h"

namespace perdure {

class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop) : loop_(loop), idle_(loop) {}
  ~TaskGroup() { CHECK(running_ == 0, "a TaskGroup died with running tasks"); }

  // Starts `task` on the group's Loop, from the Loop and not from within this call.
  void spawn(Task<void> task);
  Task<void> join();
  size_t running() const { return running_; }

 private:
  detail::RootTask run(Task<void> task);
  Loop& loop_;
  Notifier idle_;
  size_t running_ = 0;
};

}  // namespace perdure
