#include "access/rate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/planted.h"

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

void RateBook::Bucket::settle(int64_t now_limit, Instant now) {
  if (limit > now_limit) used = std::min(used, now_limit + std::max(0.0, used - static_cast<double>(limit)));
  limit = now_limit;
  double passed = std::chrono::duration<double>(now - at).count();
  at = std::max(at, now);
  if (passed <= 0) return;
  used = std::max(0.0, used - passed * static_cast<double>(limit) / kMinute);
  if (used <= 0) unused_at = now;
}

void RateBook::Bucket::add(double count, Instant since) {
  if (count >= 0 || unused_at <= since) used = std::max(0.0, used + count);
}

RateLeft RateBook::Bucket::left() const {
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
  Counted& fresh = keys_[key];
  fresh.tokens.unused_at = now;
  return fresh;
}

Admission RateBook::admit(const KeyId& key, const KeyRates* own, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || !rates.any()) return {};
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, now);
  Admission out;
  if (rates.requests_per_minute > 0) {
    counts.requests.settle(rates.requests_per_minute, now);
    out.requests = counts.requests.left();
  }
  if (rates.tokens_per_minute > 0) {
    counts.tokens.settle(rates.tokens_per_minute, now);
    out.tokens = counts.tokens.left();
  }
  auto wait_for_one = [](const Bucket& bucket, int64_t limit) {
    return (bucket.used + 1 - static_cast<double>(limit)) * kMinute / static_cast<double>(limit);
  };
  const bool deaf = planted(PlantedBug::kIgnoreRates);
  if (out.requests && out.requests->remaining < 1 && !deaf) {
    out.refused = too_many("requests", *out.requests, wait_for_one(counts.requests, rates.requests_per_minute));
  } else if (out.tokens && out.tokens->remaining < 1 && !deaf) {
    out.refused = too_many("tokens", *out.tokens, wait_for_one(counts.tokens, rates.tokens_per_minute));
  } else if (out.requests) {
    counts.requests.used += 1;
    out.requests = counts.requests.left();
  }
  Duration full_in =
      std::max(out.requests ? out.requests->full_in : Duration{}, out.tokens ? out.tokens->full_in : Duration{});
  counts.full_at = now + full_in;
  return out;
}

Result<RateBook::Reserve> RateBook::reserve(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || rates.tokens_per_minute <= 0) return Reserve();
  tokens = std::clamp<int64_t>(tokens, 1, rates.tokens_per_minute);
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, now);
  counts.tokens.settle(rates.tokens_per_minute, now);
  const double limit = static_cast<double>(rates.tokens_per_minute);
  const double lacking = counts.tokens.used + static_cast<double>(tokens) - limit;
  if (lacking > kTiny && !planted(PlantedBug::kIgnoreRates)) {
    if (rates.requests_per_minute > 0) counts.requests.used = std::max(0.0, counts.requests.used - 1);
    return too_many("tokens", counts.tokens.left(), lacking * kMinute / limit);
  }
  counts.tokens.used += static_cast<double>(tokens);
  counts.full_at = std::max(counts.full_at, now + counts.tokens.left().full_in);
  return Reserve(*this, key, tokens, now);
}

void RateBook::give_back(const KeyId& key, int64_t tokens, Instant since) {
  std::scoped_lock held(mutex_);
  auto found = keys_.find(key);
  if (found == keys_.end()) return;  // it was full again, and forgotten
  found->second.tokens.add(-static_cast<double>(tokens), since);
}

RateBook::Reserve& RateBook::Reserve::operator=(Reserve&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  book_ = std::exchange(other.book_, nullptr);
  key_ = other.key_;
  tokens_ = other.tokens_;
  since_ = other.since_;
  return *this;
}

void RateBook::Reserve::let_go() {
  if (RateBook* book = std::exchange(book_, nullptr)) book->give_back(key_, tokens_, since_);
}

int64_t RateBook::hold(const KeyId& key, const KeyRates* own, int64_t tokens, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || rates.tokens_per_minute <= 0) return 0;
  tokens = std::min(tokens, rates.tokens_per_minute);
  note_tokens(key, own, tokens, now, now);
  return tokens;
}

void RateBook::remember(const KeyId& key, const KeyRates* own, int64_t requests, int64_t tokens, Instant at) {
  KeyRates rates = effective(own);
  if (key.empty() || !rates.any()) return;
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, at);
  auto take = [&](Bucket& bucket, int64_t limit, double most, int64_t count) {
    if (limit <= 0 || count <= 0) return;
    bucket.settle(limit, at);
    bucket.used = std::min(most, bucket.used + static_cast<double>(count));
    counts.full_at = std::max(counts.full_at, at + bucket.left().full_in);
  };
  take(counts.requests, rates.requests_per_minute, static_cast<double>(rates.requests_per_minute), requests);
  take(counts.tokens, rates.tokens_per_minute, std::numeric_limits<double>::max(), tokens);
}

void RateBook::note_tokens(const KeyId& key, const KeyRates* own, int64_t tokens, Instant since, Instant now) {
  KeyRates rates = effective(own);
  if (key.empty() || rates.tokens_per_minute <= 0 || tokens == 0) return;
  std::scoped_lock held(mutex_);
  Counted& counts = counted(key, now);
  counts.tokens.settle(rates.tokens_per_minute, now);
  counts.tokens.add(static_cast<double>(tokens), since);
  counts.full_at = std::max(counts.full_at, now + counts.tokens.left().full_in);
}

size_t RateBook::size() const {
  std::scoped_lock held(mutex_);
  return keys_.size();
}

}  // namespace perdure
