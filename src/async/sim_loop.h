#pragma once
// SimLoop: a Loop in virtual time with seeded order. run_until_idle() runs everything that is ready, then jumps the
// clock to the next timer, and so on. The same seed gives the same order, always. One thread only. Used by unit tests
// and by the deterministic simulation.

#include <deque>
#include <memory>

#include "async/job_runner.h"
#include "async/loop.h"
#include "async/wait.h"

namespace perdure {

class SimLoop final : public Loop {
 public:
  explicit SimLoop(uint64_t seed = 1);
  ~SimLoop() override;

  Instant now() const override { return now_; }
  WallTime wall() const override {
    return wall_base_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  }
  Random& random() override { return random_; }
  void post(std::move_only_function<void()> work) override;

  void step_wall(std::chrono::milliseconds by) { wall_base_ += by; }  // the wall clock jumps; monotonic time does not

  // One piece of ready work, or one jump of the clock. False: nothing is ready and no timer is armed before `horizon`.
  bool step(Instant horizon = Instant::max());
  // Steps until `done()` or nothing is left. True: done() came true.
  bool run_until(std::move_only_function<bool()> done, Duration at_most = std::chrono::hours(24));
  void run_until_idle() {
    while (step()) {
    }
  }

  // Runs `task` to its end on this loop; CHECKs that it ends.
  template <class T>
  T run(Task<T> task);

  // Drops everything that is ready. A crashed process's coroutines are never resumed.
  void drop_ready() { ready_.clear(); }

  // Jobs run on this loop after a delay up to `latency_max`, one at a time, in order.
  std::unique_ptr<JobRunner> make_runner(Duration latency_max);

 private:
  SeededRandom random_;
  SeededRandom order_;
  Instant now_{};
  WallTime wall_base_{std::chrono::milliseconds(1'800'000'000'000)};
  std::deque<std::move_only_function<void()>> ready_;
};

namespace detail {
template <class T>
RootTask store_result(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}
inline RootTask store_done(Task<void> task, std::optional<bool>& out) {
  co_await std::move(task);
  out.emplace(true);
}
}  // namespace detail

template <class T>
T SimLoop::run(Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    std::optional<bool> out;
    resume_soon(detail::store_done(std::move(task), out).handle);
    CHECK(run_until([&] { return out.has_value(); }), "the task did not end");
  } else {
    std::optional<T> out;
    resume_soon(detail::store_result<T>(std::move(task), out).handle);
    CHECK(run_until([&] { return out.has_value(); }), "the task did not end");
    return std::move(*out);
  }
}

}  // namespace perdure
