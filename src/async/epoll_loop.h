#pragma once
// EpollLoop: the production Loop, one thread and one epoll instance each. A turn runs what was posted, waits for
// descriptors until the next timer, tells their watchers, and fires timers. Nothing of a turn allocates: what is posted
// goes into vectors that keep their room, timers are the Loop's heap, and the wait's own timeout is the only alarm.
//
// Time stands still within a callback, as it does in simulation: the clock is read when a callback first asks, and
// again after every kReadingUses times that it asks, so that what waits for a moment by asking still sees it come.
// Other threads, and the own one outside of run(), read the clock itself.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "async/loop.h"
#include "base/result.h"

struct epoll_event;

namespace perdure {

class EpollLoop final : public Loop {
 public:
  // Whoever wants to know what a descriptor is ready for.
  class Watcher {
   public:
    // A bit set of EPOLLIN, EPOLLOUT, ...: what has become so since the last time. May forget and destroy any watcher,
    // also this one.
    virtual void ready(uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  EpollLoop();
  ~EpollLoop() override;

  Instant now() const override;
  WallTime wall() const override;
  Random& random() override;
  void post(std::move_only_function<void()> work) override;

  // Runs on the calling thread until stop(). Work that is still queued then is destroyed with the loop.
  void run();
  void stop();  // thread-safe

  // On the loop's thread, or before run(). Edge triggered: what is ready already is told once, then every change.
  // kUnavailable: the kernel has no room for it.
  Result<void> watch(int descriptor, Watcher& watcher);
  // Nothing more is told, not even what this turn has found already. Before the descriptor is closed, which makes the
  // kernel forget it too.
  void forget(Watcher& watcher);

 private:
  // What the clocks said in this callback, and how often that may still be said.
  template <class Moment>
  struct Reading {
    Moment moment{};
    int uses = 0;
  };
  static constexpr int kReadingUses = 64;
  void callback_begins() { now_.uses = wall_.uses = 0; }
  void run_ready();
  void wait_for_descriptors();
  void take_foreign();

  mutable Reading<Instant> now_;
  mutable Reading<WallTime> wall_;
  int epoll_ = -1, wake_ = -1;
  std::vector<std::move_only_function<void()>> ready_, running_;
  std::unique_ptr<epoll_event[]> events_;
  int events_at_ = 0, events_end_ = 0;  // those of this turn that were not told yet
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> foreign_;  // posted by other threads; guarded by mutex_
};

}  // namespace perdure
