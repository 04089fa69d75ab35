#include "async/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace perdure {
namespace {

constexpr int kEventsMax = 256;
// How often work that posts work goes on before descriptors have their turn.
constexpr int kRoundsMax = 32;

}  // namespace

EpollLoop::EpollLoop() : events_(std::make_unique<epoll_event[]>(kEventsMax)) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(epoll_ >= 0 && wake_ >= 0, "no descriptor for an event loop");
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0, "an event loop cannot watch its own descriptor");
}

EpollLoop::~EpollLoop() {
  ::close(wake_);
  ::close(epoll_);
}

Instant EpollLoop::now() const {
  if (current() != this) return system_clock().now();
  if (now_.uses-- == 0) now_ = {system_clock().now(), kReadingUses};
  return now_.moment;
}

WallTime EpollLoop::wall() const {
  if (current() != this) return system_clock().wall();
  if (wall_.uses-- == 0) wall_ = {system_clock().wall(), kReadingUses};
  return wall_.moment;
}

Random& EpollLoop::random() { return system_random(); }

void EpollLoop::post(std::move_only_function<void()> work) {
  if (current() == this) {
    ready_.push_back(std::move(work));
    return;
  }
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = foreign_.empty();
    foreign_.push_back(std::move(work));
  }
  uint64_t one = 1;
  if (first) CHECK(::write(wake_, &one, sizeof one) == sizeof one || errno == EAGAIN, "an event loop cannot be woken");
}

void EpollLoop::run() {
  Enter enter(*this);
  while (!stopped_.load(std::memory_order_acquire)) {
    run_ready();
    if (stopped_.load(std::memory_order_acquire)) return;
    callback_begins();
    wait_for_descriptors();
    callback_begins();
    if (next_timer() != Instant::max()) fire_timers(now());
    callback_begins();
  }
}

void EpollLoop::stop() {
  stopped_.store(true, std::memory_order_release);
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_, &one, sizeof one);
}

void EpollLoop::run_ready() {
  for (int round = 0; round < kRoundsMax && !ready_.empty(); ++round) {
    running_.swap(ready_);
    for (std::move_only_function<void()>& each : running_) {
      std::move_only_function<void()> work = std::move(each);
      work();
      callback_begins();
      if (stopped_.load(std::memory_order_relaxed)) return;
    }
    running_.clear();
  }
}

void EpollLoop::wait_for_descriptors() {
  timespec wait{};
  timespec* timeout = &wait;
  if (ready_.empty()) {
    Instant next = next_timer();
    if (next == Instant::max()) {
      timeout = nullptr;
    } else if (Duration left = next - now(); left > Duration::zero()) {
      wait.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000);
      wait.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
    }
  }
  int n = ::epoll_pwait2(epoll_, events_.get(), kEventsMax, timeout, nullptr);
  if (n < 0 && errno == ENOSYS) {  // before Linux 5.11: whole milliseconds, never too early
    long ms = timeout == nullptr ? -1 : wait.tv_sec * 1000 + (wait.tv_nsec + 999'999) / 1'000'000;
    n = ::epoll_wait(epoll_, events_.get(), kEventsMax, static_cast<int>(std::min<long>(ms, 3'600'000)));
  }
  CHECK(n >= 0 || errno == EINTR, std::strerror(errno));
  events_end_ = n;
  for (events_at_ = 0; events_at_ < events_end_;) {
    epoll_event event = events_[static_cast<size_t>(events_at_++)];
    if (event.events == 0) continue;  // forgotten meanwhile
    callback_begins();
    if (event.data.ptr == nullptr)
      take_foreign();
    else
      static_cast<Watcher*>(event.data.ptr)->ready(event.events);
    if (stopped_.load(std::memory_order_relaxed)) return;
  }
}

void EpollLoop::take_foreign() {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t n = ::read(wake_, &count, sizeof count);
  std::lock_guard lock(mutex_);
  for (std::move_only_function<void()>& each : foreign_) ready_.push_back(std::move(each));
  foreign_.clear();
}

Result<void> EpollLoop::watch(int descriptor, Watcher& watcher) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &watcher}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0)
    return Error{Code::kUnavailable, std::string("epoll: ") + std::strerror(errno)};
  return {};
}

void EpollLoop::forget(Watcher& watcher) {
  for (int i = events_at_; i < events_end_; ++i)
    if (events_[static_cast<size_t>(i)].data.ptr == &watcher) events_[static_cast<size_t>(i)].events = 0;
}

}  // namespace perdure
