#pragma once
// KeyGuard: what the API key of a request may use, asked at every placement. Budgets are to join here. Lives on one
// Loop.

#include "access/key_book.h"
#include "routing/placement.h"

namespace perdure {

class KeyGuard final : public PlacementGuard {
 public:
  explicit KeyGuard(KeyBook& keys) : keys_(keys) {}
  const Permits* permits(const Traffic& traffic) override { return keys_.permits(traffic.key); }
  Result<void> may_spend(const Traffic&, const Deployment&, const Needs&) override { return {}; }

 private:
  KeyBook& keys_;
};

}  // namespace perdure
