#pragma once
// Loop: one core's event loop, its clock, its timers and its randomness. Two implementations: epoll_loop.h (production,
// one thread each) and sim_loop.h (deterministic simulation: virtual time, seeded order). An object that lives on a
// Loop is touched on that Loop's thread only; post() is the one way in from elsewhere.

#include <coroutine>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/random.h"
#include "base/time.h"

namespace perdure {

class Loop;

// A moment at which a callback runs on the Loop. Intrusive: arming and cancelling allocate nothing but the heap's slot.
// Destruction cancels. Not movable. Lives on one Loop.
class Timer {
 public:
  // `fire(context)` may arm the timer again and may destroy it.
  Timer(Loop& loop, void (*fire)(void*), void* context) : loop_(loop), fire_(fire), context_(context) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void arm(Instant at);  // replaces an earlier moment; Instant::max() cancels
  void cancel();
  bool armed() const { return slot_ != kIdle; }

 private:
  friend class Loop;
  static constexpr size_t kIdle = static_cast<size_t>(-1);
  Loop& loop_;
  void (*fire_)(void*);
  void* context_;
  Instant at_{};
  uint64_t order_ = 0;
  size_t slot_ = kIdle;
};

class Loop : public Clock {
 public:
  ~Loop() override;

  // The Loop whose callback is running on this thread; null outside of one.
  static Loop* current();

  // Runs `work` on this Loop, soon, not from within this call. Thread-safe.
  virtual void post(std::move_only_function<void()> work) = 0;
  virtual Random& random() = 0;

  // Resumes a coroutine of this Loop, soon. On this Loop's thread only.
  void resume_soon(std::coroutine_handle<> handle) {
    post([handle] { handle.resume(); });
  }

 protected:
  // Makes this the current Loop for the enclosing scope.
  class Enter {
   public:
    explicit Enter(Loop& loop);
    ~Enter();

   private:
    Loop* before_;
  };
  Instant next_timer() const;       // Instant::max() when none is armed
  size_t fire_timers(Instant now);  // runs what is due; how many ran
  virtual void timers_changed() {}  // the next moment may have moved

 private:
  friend class Timer;
  bool before(const Timer* a, const Timer* b) const {
    return a->at_ != b->at_ ? a->at_ < b->at_ : a->order_ < b->order_;
  }
  void sift_up(size_t i);
  void sift_down(size_t i);
  void remove(Timer& timer);
  std::vector<Timer*> heap_;
  uint64_t next_order_ = 0;
};

// co_await sleep_until(loop, at)
class SleepAwaiter {
 public:
  SleepAwaiter(Loop& loop, Instant at)
      : timer_(loop, [](void* self) { static_cast<SleepAwaiter*>(self)->handle_.resume(); }, this), at_(at) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    timer_.arm(at_);
  }
  void await_resume() {}

 private:
  Timer timer_;
  Instant at_;
  std::coroutine_handle<> handle_;
};
inline SleepAwaiter sleep_until(Loop& loop, Instant at) { return SleepAwaiter(loop, at); }
inline SleepAwaiter sleep_for(Loop& loop, Duration d) { return SleepAwaiter(loop, loop.now() + d); }

inline Deadline deadline_in(const Clock& clock, Duration d) { return {clock.now() + d}; }

}  // namespace perdure
