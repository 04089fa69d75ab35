#pragma once
// What the process before this one has let in within the last minute, from the ledger: limits of API keys then hold
// over a restart. Read backwards from its end, a page at a time, and only where somebody has a limit.
//
// Known is what has ended and was counted by its supplier, at the moment of its end, and one request for each answer's
// first attempt. Not known: requests that reached no attempt; what was cut off before its supplier had counted; what an
// unstored answer used when the process crashed within the ledger's flush interval. What was running at the crash
// counts when it is taken up again.

#include <functional>
#include <optional>

#include "access/rate.h"
#include "async/task.h"
#include "store/store.h"

namespace perdure {

struct RateUse {
  KeyId key;
  int64_t requests = 0, tokens = 0;
  WallTime at{};
};
// Nothing: no key, or nothing was used.
std::optional<RateUse> rate_use(const LedgerEntry& entry);

struct RateNow {
  uint64_t through = 0;  // ordinal of the ledger's last entry
  WallTime wall{};
  Instant now{};
};
// Before the first request. At most kRateHistoryMax entries are read: a minute of more than that was busier than the
// limits of keys, which are then held against what is known.
inline constexpr size_t kRateHistoryMax = 100'000;
Task<Result<void>> restore_rates(Store& store, RateBook& book, std::function<const KeyRates*(const KeyId&)> rates_of,
                                 RateNow at);

}  // namespace perdure
