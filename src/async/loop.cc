#include "async/loop.h"

#include "base/check.h"

namespace perdure {
namespace {
thread_local Loop* current_loop = nullptr;
}

Loop::~Loop() { CHECK(heap_.empty(), "a timer outlived its loop"); }

Loop* Loop::current() { return current_loop; }

Loop::Enter::Enter(Loop& loop) : before_(std::exchange(current_loop, &loop)) {}
Loop::Enter::~Enter() { current_loop = before_; }

void Timer::arm(Instant at) {
  cancel();
  if (at == Instant::max()) return;
  at_ = at;
  order_ = loop_.next_order_++;
  slot_ = loop_.heap_.size();
  loop_.heap_.push_back(this);
  loop_.sift_up(slot_);
  if (slot_ == 0) loop_.timers_changed();
}

void Timer::cancel() {
  if (slot_ != kIdle) loop_.remove(*this);
}

void Loop::remove(Timer& timer) {
  size_t i = timer.slot_;
  Timer* last = heap_.back();
  heap_.pop_back();
  timer.slot_ = Timer::kIdle;
  if (last == &timer) return;
  heap_[i] = last;
  last->slot_ = i;
  sift_up(i);
  sift_down(last->slot_);
}

void Loop::sift_up(size_t i) {
  while (i > 0) {
    size_t parent = (i - 1) / 2;
    if (!before(heap_[i], heap_[parent])) return;
    std::swap(heap_[i], heap_[parent]);
    heap_[i]->slot_ = i;
    heap_[parent]->slot_ = parent;
    i = parent;
  }
}

void Loop::sift_down(size_t i) {
  for (;;) {
    size_t least = i, left = 2 * i + 1, right = left + 1;
    if (left < heap_.size() && before(heap_[left], heap_[least])) least = left;
    if (right < heap_.size() && before(heap_[right], heap_[least])) least = right;
    if (least == i) return;
    std::swap(heap_[i], heap_[least]);
    heap_[i]->slot_ = i;
    heap_[least]->slot_ = least;
    i = least;
  }
}

Instant Loop::next_timer() const { return heap_.empty() ? Instant::max() : heap_[0]->at_; }

size_t Loop::fire_timers(Instant now) {
  size_t fired = 0;
  while (!heap_.empty() && heap_[0]->at_ <= now) {
    Timer& timer = *heap_[0];
    remove(timer);
    ++fired;
    timer.fire_(timer.context_);
  }
  return fired;
}

}  // namespace perdure
