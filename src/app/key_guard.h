#pragma once
// KeyGuard: what the API key of a request may use and spend, asked at every placement. Lives on one Loop; the book is
// all loops'.

#include "access/key_book.h"
#include "access/rate.h"
#include "access/spending.h"
#include "base/metrics.h"
#include "routing/charge.h"
#include "routing/placement.h"

namespace perdure {

class KeyGuard final : public PlacementGuard {
 public:
  // `rates` null: nobody counts tokens. `refused` counts what has no room among them.
  KeyGuard(KeyBook& keys, SpendingBook& spending, const Clock& clock, RateBook* rates = nullptr,
           Counter* refused = nullptr)
      : keys_(keys), spending_(spending), clock_(clock), rates_(rates), refused_(refused) {}
  const Permits* permits(const Traffic& traffic) override { return keys_.permits(traffic.key); }
  Result<void> may_spend(const SpendAsk& ask) override {
    const std::vector<Budget>* own = keys_.budgets(ask.traffic.key);
    if (!spending_.limits(own)) return {};
    Spender spender = spender_of(ask);
    return named(spending_.check({spender, own, expected(ask), clock_.wall()}), ask);
  }
  Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk& ask) override {
    Spender spender = spender_of(ask);
    return named(spending_.take({spender, keys_.budgets(ask.traffic.key), expected(ask), clock_.wall()}), ask);
  }
  Result<RateBook::Reserve> admit(const Traffic& traffic, int64_t tokens) override {
    if (rates_ == nullptr) return RateBook::Reserve();
    auto reserve = rates_->reserve(traffic.key, keys_.rates(traffic.key), tokens, clock_.now());
    if (!reserve.ok() && refused_ != nullptr) refused_->add();
    return reserve;
  }
  int64_t hold_tokens(const Traffic& traffic, int64_t tokens) override {
    return rates_ == nullptr ? 0 : rates_->hold(traffic.key, keys_.rates(traffic.key), tokens, clock_.now());
  }
  void note_tokens(const Traffic& traffic, int64_t tokens, Instant since) override {
    if (rates_ != nullptr) rates_->note_tokens(traffic.key, keys_.rates(traffic.key), tokens, since, clock_.now());
  }

 private:
  static Spender spender_of(const SpendAsk& ask) {
    return {ask.traffic.tenant, ask.traffic.key, std::string(ask.workload)};
  }
  static std::optional<Money> expected(const SpendAsk& ask) {
    return expected_money(expected_use(ask.needs), ask.deployment.price ? &*ask.deployment.price : nullptr);
  }
  // The book does not know deployments.
  template <class T>
  static Result<T> named(Result<T> said, const SpendAsk& ask) {
    if (said.ok() || said.error().reason != "budget_price_unknown") return said;
    Error error = std::move(said).error();
    error.message += " of the deployment \"" + ask.deployment.name + "\"";
    return error;
  }

  KeyBook& keys_;
  SpendingBook& spending_;
  const Clock& clock_;
  RateBook* rates_;
  Counter* refused_;
};

}  // namespace perdure
