#include "async/job_runner.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace perdure {
namespace {

class ThreadRunner final : public JobRunner {
 public:
  explicit ThreadRunner(const char* name) : thread_([this] { work(); }) {
    ::pthread_setname_np(thread_.native_handle(), name);
  }
  ~ThreadRunner() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void submit(std::move_only_function<void()> job) override {
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<JobRunner> thread_runner(const char* name) { return std::make_unique<ThreadRunner>(name); }

}  // namespace perdure
