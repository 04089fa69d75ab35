#pragma once
// Lives: the process is kept alive: started again whenever it is down, crashed when somebody asks for it. Calls go to
// the process of now; one that a crash overtakes has no answer.

#include <optional>

#include "async/task_group.h"
#include "process.h"

namespace perdure::sim {

class Lives {
 public:
  Lives(Machine machine, SessionLimits limits, Report& report, SeededRandom& random, bool verbose);
  ~Lives();

  Task<void> keep_alive();  // until stop()
  void stop();
  Task<void> crash(FaultKind kind);  // kCrash, kCrashInCommit
  bool crashing() const { return crashing_; }
  Process* process() { return process_.get(); }
  uint64_t number() const { return life_; }
  Task<void> wait_for_process();
  Task<void> wind_down();

  // `make` takes the Process and returns a Task<T>. Nothing: it crashed meanwhile, the answer never reached its client.
  template <class F>
  auto call(F make) -> Task<std::optional<decltype(make(std::declval<Process&>()).await_resume())>> {
    while (!process_) co_await wait_for_process();
    uint64_t life = life_;
    ++in_use_;
    auto result = co_await make(*process_);
    --in_use_;
    if (life != life_) co_return std::nullopt;
    co_return std::move(result);
  }

  // A fault that concerns the whole process: once for each state in which an answer is.
  void count(FaultKind kind);

 private:
  Task<void> check_fenced(Process& process);
  Machine machine_;
  SessionLimits limits_;
  Report& report_;
  SeededRandom& random_;
  bool verbose_;
  Notifier up_;
  std::unique_ptr<Process> process_;
  std::optional<Lease> old_lease_;
  uint64_t life_ = 0;
  int in_use_ = 0;
  bool crashing_ = false, recovering_ = false, finished_ = false;
};

}  // namespace perdure::sim
