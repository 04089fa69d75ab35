#include "access/rate.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace perdure {
namespace {

constexpr double kMinute = 60;
constexpr double kTiny = 1e-6;  // what adding up fractions may lose

Duration seconds_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, 1e9)));
}

Error too_many(const char* what, const RateLeft& left, double wait_s) {
  int64_t ms = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(std::min(wait_s, 1e9) * 1000 - kTiny)));
  return {.code = Code::kOverloaded,
          .message = std::string("Rate limit reached for this API key on ") + what + " per minute: the limit is " +
                     std::to_string(left.limit) + ". Try again in " + std::to_string((ms + 999) / 1000) + " s.",
          .reason = "rate_limit_exceeded",
          .retry_after_ms = ms};
}

}  // namespace

void RateBook::Bucket::settle(int64_t limit, Instant now) {
  double passed = std::chrono::duration<double>(now - at).count();
  at = std::max(at, now);
  if (passed > 0) used = std::max(0.0, used - passed * static_cast<double>(limit) / kMinute);
}

RateLeft RateBook::Bucket::left(int64_t limit) const {
  double remaining = std::max(0.0, static_cast<double>(limit) - used);
  return {.limit = limit,
          .remaining = static_cast<int64_t>(remaining + kTiny),
          .full_in = seconds_of(used * kMinute / static_cast<double>(limit))};
}

void RateBook::set_default(KeyRates rates) {
  requests_.store(rates.requests_per_minute, std::memory_order_relaxed);
  tokens_.store(rates.tokens_per_minute, std::memory_order_relaxed);
}

KeyRates RateBook::effective(const KeyRates* own) const {
  KeyRates out{requests_.load(std::memory_order_relaxed), tokens_.load(std::memory_order_relaxed)};
  if (own != nullptr && own->requests_per_minute > 0) out.requests_per_minute = own->requests_per_minute;
  if (own != nullptr && own->tokens_per_minute > 0) out.tokens_per_minute = own->tokens_per_minute;
  return out;
}

RateBook::Counted& RateBook::counted(const KeyId& key, Instant now) {
  if (auto found = keys_.find(key); found != keys_.end()) return found->second;
  if (keys_.size() >= sweep_at_) {
    std::erase_if(keys_, [&](const auto& each) { return each.second.full_at <= now; });
    sweep_at_ = std::max<size_t>(1024, 2 * keys_.size());
  }
  return keys_[key];
}

Admission RateBook::admit(const KeyId& key, const KeyRates* own, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || !rates.any()) return {};
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, now);
  Admission out;
  if (rates.requests_per_minute > 0) {
    counts.requests.settle(rates.requests_per_minute, now);
    out.requests = counts.requests.left(rates.requests_per_minute);
  }
  if (rates.tokens_per_minute > 0) {
    counts.tokens.settle(rates.tokens_per_minute, now);
    out.tokens = counts.tokens.left(rates.tokens_per_minute);
  }
  auto wait_for_one = [](const Bucket& bucket, int64_t limit) {
    return (bucket.used + 1 - static_cast<double>(limit)) * kMinute / static_cast<double>(limit);
  };
  if (out.requests && out.requests->remaining < 1) {
    out.refused = too_many("requests", *out.requests, wait_for_one(counts.requests, rates.requests_per_minute));
  } else if (out.tokens && out.tokens->remaining < 1) {
    out.refused = too_many("tokens", *out.tokens, wait_for_one(counts.tokens, rates.tokens_per_minute));
  } else if (out.requests) {
    counts.requests.used += 1;
    out.requests = counts.requests.left(rates.requests_per_minute);
  }
  Duration full_in =
      std::max(out.requests ? out.requests->full_in : Duration{}, out.tokens ? out.tokens->full_in : Duration{});
  counts.full_at = now + full_in;
  return out;
}

void RateBook::note_tokens(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || rates.tokens_per_minute <= 0 || tokens == 0) return;
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, now);
  counts.tokens.settle(rates.tokens_per_minute, now);
  counts.tokens.used = std::max(0.0, counts.tokens.used + static_cast<double>(tokens));
  counts.full_at = std::max(counts.full_at, now + counts.tokens.left(rates.tokens_per_minute).full_in);
}

size_t RateBook::size() const {
  std::scoped_lock held(mutex_);
  return keys_.size();
}

}  // namespace perdure
