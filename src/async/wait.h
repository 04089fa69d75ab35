#pragma once
// Waiting on one Loop: Notifier (something may have changed: look again), Cancellation (somebody asked for an end), and
// call_on (run a coroutine on another Loop and come back with its value).

#include <coroutine>
#include <functional>
#include <optional>
#include <vector>

#include "async/loop.h"
#include "async/task.h"
#include "base/check.h"

namespace perdure {

// Wakes every current waiter. Keeps no memory: check the condition, then wait, in a loop. Lives on one Loop.
class Notifier {
 public:
  explicit Notifier(Loop& loop) : loop_(loop) {}
  ~Notifier() { CHECK(first_ == nullptr, "a Notifier died under its waiters"); }
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void notify_all();

  class Awaiter {
   public:
    Awaiter(Notifier& notifier, Deadline deadline)
        : notifier_(notifier), timer_(notifier.loop_, &Awaiter::timed_out, this), deadline_(deadline) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    bool await_resume() const { return notified_; }

   private:
    friend class Notifier;
    static void timed_out(void* self);
    void unlink();
    Notifier& notifier_;
    Timer timer_;
    Deadline deadline_;
    std::coroutine_handle<> handle_;
    Awaiter* next_ = nullptr;
    Awaiter* previous_ = nullptr;
    bool notified_ = false;
  };
  // co_await notifier.wait(deadline): true when notified, false when the deadline came first.
  Awaiter wait(Deadline deadline = Deadline::never()) { return Awaiter(*this, deadline); }
  bool has_waiters() const { return first_ != nullptr; }
  Loop& loop() { return loop_; }

 private:
  friend class Awaiter;
  Loop& loop_;
  Awaiter* first_ = nullptr;
};

// A request to stop. Once made it stays. Lives on one Loop.
class Cancellation {
 public:
  explicit Cancellation(Loop& loop) : changed_(loop) {}
  bool requested() const { return requested_; }
  void request();
  // True: cancelled before the deadline.
  Task<bool> wait(Deadline deadline);

  // Calls `action` once when the request is made (at once if it was). Destruction withdraws it.
  class Hook {
   public:
    Hook(Cancellation* source, std::move_only_function<void()> action);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

   private:
    friend class Cancellation;
    Cancellation* source_;
    std::move_only_function<void()> action_;
  };

 private:
  bool requested_ = false;
  Notifier changed_;
  std::vector<Hook*> hooks_;
};

namespace detail {

struct RootTask {
  struct promise_type : PooledFrame {
    RootTask get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

template <class T>
RootTask run_and_return(Task<T> task, std::optional<T>& out, Loop& home, std::coroutine_handle<> awaiter) {
  out.emplace(co_await std::move(task));
  home.post([awaiter] { awaiter.resume(); });
}

}  // namespace detail

// Runs make() on `target` and resumes the caller on its own Loop with the value. `make` returns Task<T>, T not void;
// what it captures must outlive the call. The target's coroutine is destroyed on the target's thread.
template <class F>
auto call_on(Loop& target, F make) -> decltype(make()) {
  using T = decltype(make().await_resume());
  Loop* home = Loop::current();
  CHECK(home != nullptr, "call_on outside of a loop");
  if (home == &target) co_return co_await make();
  std::optional<T> out;
  struct Crossing {
    Loop& to;
    Loop& back;
    F& start;
    std::optional<T>& result;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      to.post([this, handle] { detail::run_and_return<T>(start(), result, back, handle).handle.resume(); });
    }
    void await_resume() {}
  };
  co_await Crossing{target, *home, make, out};
  co_return std::move(*out);
}

}  // namespace perdure
