#include <sys/random.h>
#include <time.h>

#include <array>
#include <cstring>

#include "base/check.h"
#include "base/random.h"
#include "base/time.h"

namespace perdure {
namespace {

class SystemClock final : public Clock {
 public:
  Instant now() const override { return Instant(Duration(read(CLOCK_MONOTONIC))); }
  WallTime wall() const override { return WallTime(std::chrono::milliseconds(read(CLOCK_REALTIME) / 1'000'000)); }

 private:
  static int64_t read(clockid_t id) {
    timespec ts{};
    ::clock_gettime(id, &ts);
    return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
  }
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<unsigned char> out) override {
    if (out.size() > kSmall) return ask(out);
    Drawn& drawn = drawn_;
    if (drawn.bytes.size() - drawn.used < out.size()) {
      ask(drawn.bytes);
      drawn.used = 0;
    }
    unsigned char* from = drawn.bytes.data() + drawn.used;
    std::memcpy(out.data(), from, out.size());
    ::explicit_bzero(from, out.size());  // what was given out once is nowhere else
    drawn.used += out.size();
  }

 private:
  static constexpr size_t kSmall = 64;
  // Drawn ahead, so that an id does not cost a system call.
  struct Drawn {
    std::array<unsigned char, 512> bytes;
    size_t used = sizeof bytes;
  };
  static void ask(std::span<unsigned char> out) {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
      if (n > 0) done += static_cast<size_t>(n);
    }
  }
  static thread_local Drawn drawn_;
};
thread_local SystemRandom::Drawn SystemRandom::drawn_;

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace perdure
