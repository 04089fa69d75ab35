#include "async/sim_loop.h"

#include <map>

namespace perdure {
namespace {

class SimRunner final : public JobRunner {
 public:
  SimRunner(SimLoop& loop, Duration latency_max)
      : loop_(loop),
        latency_max_(latency_max),
        timer_(loop, &SimRunner::fire, this),
        later_timer_(loop, &SimRunner::come_due, this) {}
  void submit(std::move_only_function<void()> job) override {
    jobs_.push_back(std::move(job));
    if (!timer_.armed() && !running_) arm();
  }
  void submit_at(Instant at, std::move_only_function<void()> job) override {
    later_.emplace(at, std::move(job));
    later_timer_.arm(later_.begin()->first);
  }

 private:
  static void come_due(void* context) {
    auto* self = static_cast<SimRunner*>(context);
    auto job = std::move(self->later_.begin()->second);
    self->later_.erase(self->later_.begin());
    if (!self->later_.empty()) self->later_timer_.arm(self->later_.begin()->first);
    self->submit(std::move(job));
  }
  void arm() {
    auto delay = Duration(static_cast<int64_t>(loop_.random().below(static_cast<uint64_t>(latency_max_.count()) + 1)));
    timer_.arm(loop_.now() + delay);
  }
  static void fire(void* context) {
    auto* self = static_cast<SimRunner*>(context);
    auto job = std::move(self->jobs_.front());
    self->jobs_.pop_front();
    self->running_ = true;
    job();
    self->running_ = false;
    if (!self->jobs_.empty()) self->arm();
  }
  SimLoop& loop_;
  Duration latency_max_;
  Timer timer_, later_timer_;
  std::multimap<Instant, std::move_only_function<void()>> later_;
  bool running_ = false;
  std::deque<std::move_only_function<void()>> jobs_;
};

}  // namespace

SimLoop::SimLoop(uint64_t seed) : random_(seed), order_(seed ^ 0x6f72646572ull) {}
SimLoop::~SimLoop() = default;

void SimLoop::post(std::move_only_function<void()> work) { ready_.push_back(std::move(work)); }

bool SimLoop::step(Instant horizon) {
  Enter enter(*this);
  if (!ready_.empty()) {
    size_t pick = order_.below(ready_.size());
    auto work = std::move(ready_[pick]);
    ready_.erase(ready_.begin() + static_cast<ptrdiff_t>(pick));
    work();
    return true;
  }
  Instant next = next_timer();
  if (next == Instant::max() || next > horizon) return false;
  if (next > now_) now_ = next;
  fire_timers(now_);
  return true;
}

bool SimLoop::run_until(std::move_only_function<bool()> done, Duration at_most) {
  Instant horizon = now_ + at_most;
  while (!done())
    if (!step(horizon)) return done();
  return true;
}

std::unique_ptr<JobRunner> SimLoop::make_runner(Duration latency_max) {
  return std::make_unique<SimRunner>(*this, latency_max);
}

}  // namespace perdure
