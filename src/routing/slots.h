#pragma once
// Slots: how many attempts a deployment serves at once, over all loops, and who waits for one: first come, first
// served, at most queue_max of them. The one object of routing that loops share; thread-safe, its lock is held for a
// few instructions, and a deployment without a limit never takes it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "async/wait.h"

namespace perdure {

class Slots {
 public:
  Slots(uint32_t most, uint32_t queue_max) : most_(most), queue_max_(queue_max) {}

  bool is(uint32_t most, uint32_t queue_max) const { return most_ == most && queue_max_ == queue_max; }
  bool limited() const { return most_ > 0; }
  uint32_t most() const { return most_; }
  // Approximate while other loops run.
  uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }
  uint32_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  bool free() const { return !limited() || (taken() < most_ && waiting() == 0); }
  bool has_room() const { return free() || waiting() < queue_max_; }

  // Without waiting; never past those who wait.
  bool take();
  // Hands it to whoever has waited longest.
  void give_back();

  // A place in the queue. While it is granted it holds a slot; taken() makes that the owner's. Leaves the queue, or
  // gives the slot back, when it dies. Belongs to one Loop, whose `changed` is notified when the slot is granted.
  class Ticket {
   public:
    Ticket(std::shared_ptr<Slots> slots, std::shared_ptr<Notifier> changed)
        : slots_(std::move(slots)), changed_(std::move(changed)) {}
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    bool join();  // false: the queue is full
    bool granted() const;
    void taken();  // the slot is the owner's now, to be given back by give_back()

   private:
    friend class Slots;
    void unlink();
    std::shared_ptr<Slots> slots_;
    std::shared_ptr<Notifier> changed_;
    bool queued_ = false, granted_ = false;
    Ticket* next_ = nullptr;
    Ticket* previous_ = nullptr;
  };

 private:
  void grant_locked();
  const uint32_t most_, queue_max_;
  std::atomic<uint32_t> taken_{0}, waiting_{0};
  mutable std::mutex mutex_;
  Ticket* first_ = nullptr;
  Ticket* last_ = nullptr;
};

}  // namespace perdure
