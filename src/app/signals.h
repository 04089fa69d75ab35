#pragma once
// Signals as a queue that a thread waits on. Block them before the first thread is started, so that all threads inherit
// it.

#include <optional>

namespace perdure {

class Signals {
 public:
  Signals();  // blocks SIGTERM, SIGINT, SIGHUP for the calling thread and those it starts; ignores SIGPIPE
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  // The next signal; nothing after wake().
  std::optional<int> wait();
  void wake();  // thread-safe

 private:
  int signals_, woken_;
};

}  // namespace perdure
