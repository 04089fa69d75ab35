#pragma once
// JobRunner: where blocking work goes, so that no loop ever blocks. In production a thread (thread_runner()); in
// deterministic simulation the loop itself, with a seeded delay. Jobs of one runner run one at a time, in order.

#include <functional>
#include <memory>

#include "base/time.h"

namespace perdure {

class JobRunner {
 public:
  virtual ~JobRunner() = default;                                // finishes what was submitted
  virtual void submit(std::move_only_function<void()> job) = 0;  // thread-safe
  // Not before `at` by the machine's monotonic clock, in simulation by the loop's. Thread-safe. One whose time has not
  // come when the runner ends is dropped.
  virtual void submit_at(Instant at, std::move_only_function<void()> job) = 0;
};

std::unique_ptr<JobRunner> thread_runner(const char* name);

}  // namespace perdure
