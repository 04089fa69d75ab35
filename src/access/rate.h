#pragma once
// KeyRates: how many requests and how many tokens a minute an API key may ask for. RateBook keeps count. One for a
// process, shared by all loops: thread-safe, its lock is held for an instant, and where no key has a limit it is
// not taken.
//
// Each limit is a bucket that holds one minute's worth, fills evenly, and begins full. A request is taken whole or
// refused. Tokens are known only afterwards: a request is let in while any are left, the attempts that are made for it
// take what they are expected to use and are set right when they end. So a bucket of tokens may fall below nothing, and
// the next request waits until that is made up for: over any longer time the limit holds.
//
// Bounds: two numbers for each key that has used a limit of late; what is full again is forgotten. Lost with the
// process.

#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace perdure {

struct KeyRates {
  int64_t requests_per_minute = 0, tokens_per_minute = 0;  // 0: no limit is said
  bool any() const { return requests_per_minute > 0 || tokens_per_minute > 0; }
  bool operator==(const KeyRates&) const = default;
};
inline constexpr int64_t kRateMax = 1'000'000'000'000;

// What is left of one limit.
struct RateLeft {
  int64_t limit = 0, remaining = 0;
  Duration full_in{};
};

struct Admission {
  std::optional<RateLeft> requests, tokens;  // nothing: there is no such limit
  std::optional<Error> refused;              // kOverloaded, reason "rate_limit_exceeded", and when to come again
};

class RateBook {
 public:
  // For keys that say nothing of their own.
  void set_default(KeyRates rates);

  // Takes one request of `key` where both limits have room. A request that is refused takes nothing. `own` null: the
  // key has no limits of its own. No key, no limits.
  Admission admit(const KeyId& key, const KeyRates* own, Instant now);
  // Tokens that an attempt is expected to use, or has used more (less: a negative number) than that.
  void note_tokens(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now);

  size_t size() const;  // keys that are remembered

 private:
  struct Bucket {
    double used = 0;  // of one minute's worth; what flows back makes it less
    Instant at{};
    void settle(int64_t limit, Instant now);
    RateLeft left(int64_t limit) const;
  };
  struct Counted {
    Bucket requests, tokens;
    Instant full_at{};  // both, if nothing more is asked for
  };
  KeyRates effective(const KeyRates* own) const;
  Counted& counted(const KeyId& key, Instant now);

  std::atomic<int64_t> requests_{0}, tokens_{0};  // the default
  mutable std::mutex mutex_;
  std::unordered_map<KeyId, Counted> keys_;
  size_t sweep_at_ = 1024;
};

}  // namespace perdure
