#pragma once
// Completion: a value that a JobRunner's job makes and a coroutine on a Loop awaits. The waiter may be destroyed while
// it waits, on its Loop's thread; it is then left alone.

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>

#include "async/loop.h"
#include "base/check.h"

namespace perdure::sqlite {

template <class T>
struct Completion {
  Loop* loop = nullptr;            // set before the job is submitted
  std::coroutine_handle<> waiter;  // on the loop's thread only
  std::optional<T> value;          // set before the resumption is posted

  void resume() {
    if (auto handle = std::exchange(waiter, nullptr)) handle.resume();
  }
};

// co_await Completed<T>(completion, start): calls start() once suspended.
template <class T, class Start>
class Completed {
 public:
  Completed(std::shared_ptr<Completion<T>> completion, Start start)
      : completion_(std::move(completion)), start_(std::move(start)) {}
  ~Completed() { completion_->waiter = nullptr; }
  Completed(const Completed&) = delete;
  Completed& operator=(const Completed&) = delete;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    completion_->loop = Loop::current();
    CHECK(completion_->loop != nullptr, "a store is awaited on a Loop");
    completion_->waiter = handle;
    start_();
  }
  T await_resume() { return std::move(*completion_->value); }

 private:
  std::shared_ptr<Completion<T>> completion_;
  Start start_;
};
template <class T, class Start>
Completed(std::shared_ptr<Completion<T>>, Start) -> Completed<T, Start>;

}  // namespace perdure::sqlite
