#pragma once
// BlockingLoop: a loop on a thread of its own, for commands that wait for one Task after the other.

#include <future>
#include <thread>

#include "async/epoll_loop.h"
#include "async/task_group.h"

namespace perdure::cli {

class BlockingLoop {
 public:
  BlockingLoop() : thread_([this] { loop_.run(); }) {}
  ~BlockingLoop() {
    loop_.stop();
    thread_.join();
  }
  EpollLoop& loop() { return loop_; }

  // Runs `task` on the loop and waits for its value.
  template <class T>
  T run(Task<T> task) {
    std::promise<T> out;
    std::future<T> value = out.get_future();
    loop_.post([&] { tasks_.spawn(deliver(std::move(task), out)); });
    T result = value.get();
    wait_for([] {});  // the coroutine is gone before `out` is
    return result;
  }
  // Runs `work` on the loop and waits for it.
  template <class F>
  void wait_for(F work) {
    std::promise<void> ended;
    loop_.post([&] {
      work();
      ended.set_value();
    });
    ended.get_future().wait();
  }

 private:
  template <class T>
  static Task<void> deliver(Task<T> task, std::promise<T>& to) {
    T value = co_await std::move(task);
    to.set_value(std::move(value));
  }
  EpollLoop loop_;
  TaskGroup tasks_{loop_};
  std::thread thread_;
};

}  // namespace perdure::cli
