#pragma once
// LostReplies: stored creates whose clients were gone before anything of the reply had reached them. The official SDKs
// repeat such a create by themselves, without an idempotency key; they only count (x-stainless-retry-count). A repeat
// that is byte for byte the same request, with the same key on the same route, is taken for what it repeats, so that it
// makes no second response.
//
// Remembered when a reply breaks, and given out once: two that were lost need two repeats. Bounds: `most` of them, the
// oldest goes, each for `time`. Lost with the process. Shared by the Gateways of all loops: a lock, held for a look-up.

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"

namespace perdure {

class LostReplies {
 public:
  explicit LostReplies(size_t most = 4096, Duration time = std::chrono::minutes(10)) : most_(most), time_(time) {}

  // `what` names the request: tenant, key, route and the hash of its body.
  void lost(std::string what, ResponseId id, Instant now);
  // The response that a repeat of `what` is about, the oldest first; nothing: none was lost.
  std::optional<ResponseId> found(const std::string& what, Instant now);

 private:
  struct Lost {
    std::string what;
    ResponseId id;
    Instant until;
  };
  void forget(Instant now);
  const size_t most_;
  const Duration time_;
  std::mutex lock_;
  std::list<Lost> lost_;  // in order of time; few: a client that leaves is rare
};

}  // namespace perdure
