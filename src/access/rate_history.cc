#include "access/rate_history.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "wire/json.h"

namespace perdure {
namespace {

constexpr size_t kPage = 1000;
constexpr std::chrono::minutes kWindow{1};

}  // namespace

std::optional<RateUse> rate_use(const LedgerEntry& entry) {
  Result<json::Document> line = json::Document::parse(entry.line);
  if (!line.ok()) return std::nullopt;
  json::Value root = line->root();
  RateUse out{.key = KeyId(std::string(root["key"].text())), .at = entry.time};
  if (root["attempt"].integer() == 1) out.requests = 1;
  if (root["usage_known"].boolean().value_or(false))
    out.tokens = std::max<int64_t>(0, root["input_tokens"].integer().value_or(0)) +
                 std::max<int64_t>(0, root["output_tokens"].integer().value_or(0));
  if (out.key.empty() || (out.requests == 0 && out.tokens == 0)) return std::nullopt;
  return out;
}

Task<Result<void>> restore_rates(Store& store, RateBook& book, std::function<const KeyRates*(const KeyId&)> rates_of,
                                 RateNow at) {
  const WallTime since = at.wall - kWindow;
  std::vector<RateUse> used;
  bool all = false;
  for (uint64_t end = at.through; end > 0 && !all && at.through - end < kRateHistoryMax;) {
    const uint64_t begin = end > kPage ? end - kPage : 0;
    CO_TRY(std::vector<LedgerEntry> page, co_await store.ledger(begin, kPage));
    for (const LedgerEntry& entry : page) {
      if (entry.ordinal > end) break;
      all = all || entry.time < since;
      if (entry.time < since) continue;
      std::optional<RateUse> use = rate_use(entry);
      if (use && book.limits(rates_of(use->key))) used.push_back(*std::move(use));
    }
    end = begin;
  }
  // A clock that went back, or entries of several loops: in the order of time, and never from the future.
  std::ranges::stable_sort(used, {}, &RateUse::at);
  for (const RateUse& use : used) {
    Duration age = std::max(WallTime::duration{}, at.wall - use.at);
    book.remember(use.key, rates_of(use.key), use.requests, use.tokens, at.now - age);
  }
  co_return Result<void>();
}

}  // namespace perdure
