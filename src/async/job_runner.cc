#include "async/job_runner.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
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
  void submit_at(Instant at, std::move_only_function<void()> job) override {
    {
      std::lock_guard lock(mutex_);
      later_.emplace(at, std::move(job));
    }
    changed_.notify_one();
  }

 private:
  // Until there is a job, or none will come any more.
  void wait(std::unique_lock<std::mutex>& lock) {
    while (jobs_.empty() && !stopping_) {
      if (later_.empty()) {
        changed_.wait(lock);
        continue;
      }
      auto next = later_.begin();
      std::chrono::steady_clock::time_point due(next->first.time_since_epoch());
      if (changed_.wait_until(lock, due) == std::cv_status::no_timeout || later_.empty()) continue;
      next = later_.begin();  // an earlier one may have come meanwhile
      jobs_.push_back(std::move(next->second));
      later_.erase(next);
    }
  }
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wait(lock);
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
  std::multimap<Instant, std::move_only_function<void()>> later_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<JobRunner> thread_runner(const char* name) { return std::make_unique<ThreadRunner>(name); }

}  // namespace perdure
