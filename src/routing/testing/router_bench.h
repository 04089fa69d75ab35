#pragma once
// RouterBench: a Router in virtual time over three deployments of one model, "m@a", "m@b" and "m@c" in this order of
// priority, that a test changes before it first asks for the router.

#include <memory>
#include <string>
#include <vector>

#include "async/sim_loop.h"
#include "routing/router.h"
#include "routing/testing/silent_provider.h"

namespace perdure {

struct BenchGuard final : PlacementGuard {
  std::optional<Permits> permits_of_all;
  std::optional<Error> budget;
  const Permits* permits(const Traffic&) override { return permits_of_all ? &*permits_of_all : nullptr; }
  Result<void> may_spend(const SpendAsk&) override {
    if (budget) return *budget;
    return {};
  }
  SpendingBook* book = nullptr;
  Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk& ask) override {
    if (book == nullptr) return std::unique_ptr<SpendingBook::Hold>();
    const Price* price = ask.deployment.price ? &*ask.deployment.price : nullptr;
    return book->take({.spender = {ask.traffic.tenant, ask.traffic.key, std::string(ask.workload)},
                       .expected = expected_money(expected_use(ask.needs), price),
                       .now = wall});
  }
  WallTime wall{};
};

struct RouterBench {
  SimLoop loop{11};
  SilentProvider a{"a"}, b{"b"}, c{"c"};
  std::vector<Deployment> deployments{Deployment::simple("m", a), Deployment::simple("m", b),
                                      Deployment::simple("m", c)};
  std::vector<Workload> workloads;
  RoutingOptions options;
  BenchGuard guard;
  std::unique_ptr<Router> made;
  PlacementAsk ask{.model = "m", .traffic = {}, .needs = {}, .tried = {}, .author = {}};
  Cancellation client{loop};

  RouterBench() {
    for (int i = 0; i < 3; ++i) deployments[static_cast<size_t>(i)].priority = i;
  }
  Router& router() {
    if (!made) {
      made = std::make_unique<Router>(loop, deployments, workloads, options);
      made->set_guard(&guard);
    }
    return *made;
  }
  Workload& workload() {
    if (workloads.empty()) workloads.emplace_back();
    return workloads[0];
  }
  std::string where() {
    Result<Placed> placed = router().place(ask);
    return placed.ok() ? router().deployments()[placed->deployment].deployment.name : placed.error().reason;
  }
  std::string code() {
    Result<Placed> placed = router().place(ask);
    return placed.ok() ? "ok" : std::string(to_string(placed.error().code));
  }
  Result<std::unique_ptr<AttemptLease>> begin(Deadline deadline = Deadline::never()) {
    return loop.run(router().begin(ask, deadline, client));
  }
  void withdraw(WithdrawalKind kind, std::string name, WithdrawalMode mode = WithdrawalMode::kDrain) {
    std::vector<Withdrawal> all = router().withdrawals();
    all.push_back({.id = "wd_1", .kind = kind, .name = std::move(name), .mode = mode});
    router().set_withdrawals(std::move(all));
  }
  // One attempt there that ends with `error`.
  Fault fail(Error error) {
    Result<std::unique_ptr<AttemptLease>> lease = begin();
    CHECK(lease.ok(), "a lease");
    return (*lease)->ended(std::move(error));
  }
};

inline Error cut() { return {Code::kUnavailable, "cut"}; }

}  // namespace perdure
