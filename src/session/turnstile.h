#pragma once
// Turnstiles: one writer of a session at a time. Whoever holds a session's Turn may append to it; others wait in line,
// in order of arrival, within limits of number and time. Lives on one Loop; Turns must be gone before it is.
//
// Bounds: `waiting_max` for each session; an entry lives as long as somebody holds or awaits its turn.

#include <deque>
#include <memory>
#include <unordered_map>

#include "async/wait.h"
#include "base/ids.h"
#include "base/result.h"

namespace perdure {

class Turnstiles;

// What whoever would begin or await something is told from stop() on.
inline Error server_stopping() { return {Code::kUnavailable, "the server is stopping", "", "server_stopping"}; }

// The right to write one session. Released when it dies.
class Turn {
 public:
  Turn() = default;
  Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), session_(other.session_) {}
  Turn& operator=(Turn&& other) noexcept {
    if (this == &other) return *this;
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    session_ = other.session_;
    return *this;
  }
  ~Turn() { release(); }
  explicit operator bool() const { return owner_ != nullptr; }
  void release();

 private:
  friend class Turnstiles;
  Turn(Turnstiles& owner, SessionId session) : owner_(&owner), session_(session) {}
  Turnstiles* owner_ = nullptr;
  SessionId session_;
};

class Turnstiles {
 public:
  explicit Turnstiles(Loop& loop) : loop_(loop) {}

  // At once, or not at all.
  Turn try_take(SessionId session) {
    if (gates_.contains(session)) return {};
    gates_.emplace(session, std::make_shared<Gate>(loop_));
    return {*this, session};
  }

  // kConflict: too many wait already, or the deadline came. kUnavailable: close() was called.
  Task<Result<Turn>> take(SessionId session, size_t waiting_max, Deadline deadline) {
    if (Turn at_once = try_take(session)) co_return at_once;
    std::shared_ptr<Gate> gate = gates_.at(session);
    if (gate->line.size() >= waiting_max) co_return busy();
    uint64_t mine = next_++;
    gate->line.push_back(mine);
    while (!closed_ && (gate->held || gate->line.front() != mine)) {
      bool woken = co_await gate->changed.wait(deadline);
      if (!woken) break;
    }
    bool first = !gate->held && gate->line.front() == mine;
    std::erase(gate->line, mine);
    if (closed_ || !first) {
      gate->changed.notify_all();
      if (!gate->held && gate->line.empty()) gates_.erase(session);
      if (closed_) co_return server_stopping();
      co_return busy();
    }
    gate->held = true;
    co_return Turn(*this, session);
  }

  // Ends every wait.
  void close() {
    closed_ = true;
    for (auto& [session, gate] : gates_) gate->changed.notify_all();
  }
  bool held(SessionId session) const { return gates_.contains(session); }
  size_t size() const { return gates_.size(); }

 private:
  friend class Turn;
  struct Gate {
    explicit Gate(Loop& loop) : changed(loop) {}
    Notifier changed;
    std::deque<uint64_t> line;
    bool held = true;
  };
  static Error busy() { return {Code::kConflict, "the session is being written by others", "", "session_busy"}; }
  void leave(SessionId session) {
    auto found = gates_.find(session);
    found->second->held = false;
    if (found->second->line.empty())
      gates_.erase(found);
    else
      found->second->changed.notify_all();
  }
  Loop& loop_;
  std::unordered_map<SessionId, std::shared_ptr<Gate>> gates_;
  uint64_t next_ = 0;
  bool closed_ = false;
};

inline void Turn::release() {
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->leave(session_);
}

}  // namespace perdure
