#pragma once
// KeyRates: how many requests and how many tokens a minute an API key may ask for. RateBook keeps count. One for a
// process, shared by all loops: thread-safe, its lock is held for an instant, and where no key has a limit it is
// not taken.
//
// Each limit is a bucket that holds one minute's worth, fills evenly, and begins full. A request is taken whole or
// refused. Tokens are known only afterwards, so what a request is expected to use is reserved when it begins, or the
// request is refused; its first attempt takes the reservation's place, and every attempt is set right when it ends. Who
// is expected to use more than a whole minute's worth reserves that: it is let in when all of it is there. What is used
// beyond what was expected makes a bucket fall below nothing, and the next request waits until that is made up for:
// over any longer time the limit holds.
//
// A limit may change at any moment. What was used of the old one counts for the new one, up to the whole of it: a limit
// that was lowered is never owed more than before.
//
// Bounds: two numbers for each key that has used a limit of late; what is full again is forgotten. It ends with the
// process; rate_history.h tells the next one of the last minute.

#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

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
  // Tokens that are held for a request, until its first attempt holds its own. Thread-safe, as the book, which outlives
  // it.
  class Reserve {
   public:
    Reserve() = default;
    Reserve(Reserve&& other) noexcept
        : book_(std::exchange(other.book_, nullptr)), key_(other.key_), tokens_(other.tokens_), since_(other.since_) {}
    Reserve& operator=(Reserve&& other) noexcept;
    ~Reserve() { let_go(); }
    void let_go();
    int64_t tokens() const { return book_ != nullptr ? tokens_ : 0; }

   private:
    friend class RateBook;
    Reserve(RateBook& book, KeyId key, int64_t tokens, Instant since)
        : book_(&book), key_(std::move(key)), tokens_(tokens), since_(since) {}
    RateBook* book_ = nullptr;
    KeyId key_;
    int64_t tokens_ = 0;
    Instant since_{};
  };

  // For keys that say nothing of their own.
  void set_default(KeyRates rates);

  // Takes one request of `key` where both limits have room. A request that is refused takes nothing. `own` null: the
  // key has no limits of its own. No key, no limits.
  Admission admit(const KeyId& key, const KeyRates* own, Instant now);
  // The second half, when it is known what the request is expected to use. kOverloaded, as of admit(): there is no room
  // for that; the request that admit() has taken is given back.
  Result<Reserve> reserve(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now);
  // Tokens that an attempt is expected to use; how many of them are held. Nothing is refused any more.
  int64_t hold(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now);
  // Tokens that an attempt has used more (less: a negative number) than was held for it `since` then. What has flowed
  // back to the last token meanwhile is not given back once more.
  void note_tokens(const KeyId& key, const KeyRates* own, int64_t tokens, Instant since, Instant now);
  // What a process before this one has let in; `at` is not after now, and no earlier than that of the call before.
  void remember(const KeyId& key, const KeyRates* own, int64_t requests, int64_t tokens, Instant at);
  bool limits(const KeyRates* own) const { return effective(own).any(); }

  size_t size() const;  // keys that are remembered

 private:
  struct Bucket {
    double used = 0;  // of one minute's worth; what flows back makes it less
    Instant at{};
    int64_t limit = 0;    // when it was last looked at
    Instant unused_at{};  // when nothing of it was last seen to be used
    void settle(int64_t now_limit, Instant now);
    void add(double count, Instant since);
    RateLeft left() const;
  };
  struct Counted {
    Bucket requests, tokens;
    Instant full_at{};  // both, if nothing more is asked for
  };
  void give_back(const KeyId& key, int64_t tokens, Instant since);
  KeyRates effective(const KeyRates* own) const;
  Counted& counted(const KeyId& key, Instant now);

  std::atomic<int64_t> requests_{0}, tokens_{0};  // the default
  mutable std::mutex mutex_;
  std::unordered_map<KeyId, Counted> keys_;
  size_t sweep_at_ = 1024;
};

}  // namespace perdure
