#pragma once
// JobRunner: where blocking work goes, so that no loop ever blocks. In production a thread (thread_runner()); in
// deterministic simulation the loop itself, with a seeded delay. Jobs of one runner run one at a time, in order.

#include <functional>
#include <memory>

namespace perdure {

class JobRunner {
 public:
  virtual ~JobRunner() = default;                                // finishes what was submitted
  virtual void submit(std::move_only_function<void()> job) = 0;  // thread-safe
};

std::unique_ptr<JobRunner> thread_runner(const char* name);

}  // namespace perdure
