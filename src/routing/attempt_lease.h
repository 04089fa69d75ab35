#pragma once
// AttemptLease: the right to make one attempt at one deployment, from its placement to its end. It holds a slot of the
// deployment, carries the word of a withdrawal to the attempt, and reports to the deployment's health how it went. Dies
// with the attempt; without ended() nothing is held against anybody. The deployment, its provider and its slots stay as
// they were when the attempt was placed, whatever is configured meanwhile. Lives on its Router's Loop, which must
// outlive it.

#include <memory>
#include <optional>
#include <string>

#include "async/wait.h"
#include "routing/charge.h"
#include "routing/choose.h"

namespace perdure {

class Router;

class AttemptLease {
 public:
  ~AttemptLease();
  AttemptLease(const AttemptLease&) = delete;
  AttemptLease& operator=(const AttemptLease&) = delete;

  const Deployment& deployment() const { return *pinned_; }
  uint32_t number() const { return number_; }  // of the deployment, for Tried
  Provider& provider() const { return *deployment().provider; }
  const std::string& model() const { return model_; }                  // the name to send upstream
  const std::string& logical_model() const { return logical_model_; }  // the model asked for, or its stand-in
  bool stand_in() const { return placed_.tier > 0; }
  const std::string& reason() const { return reason_; }  // content-free, for the record

  // To be asked right before the call goes out, after whatever was waited for: kUnavailable, reason "withdrawn": the
  // deployment was withdrawn meanwhile. kDenied: the key may no longer use it.
  Result<void> dispatch();
  // What the provider gets: requested when the client's is, and when a withdrawal cuts the attempt off.
  Cancellation& cancel() { return cancel_; }
  bool withdrawn() const { return withdrawn_; }

  // Pieces have come after `silence` of waiting for them.
  void came(Duration silence);
  // The first piece has come that a client would see something of.
  void spoke();
  // How long it may be silent before another one is started beside it, by the workload's rule; nothing: as long as it
  // likes.
  std::optional<Duration> hedge_after(const Workload& workload) const;
  // How long the next silence may last; `most` at most.
  Duration stall_limit(Duration most) const;

  const std::string& workload() const { return workload_; }
  // By the price that was in force when the attempt was placed.
  AttemptCost expected_cost() const;
  // What the attempt has cost, before ended(); once. Nothing that was not dispatched was served. Whoever does not
  // settle is taken to have used what was expected, if it was dispatched.
  AttemptCost settle(AttemptUse use);

  // How the attempt ended; once. Returns whose fault it was.
  Fault ended(const Result<void>& outcome);
  // Another attempt at the same answer spoke first: this one is cancelled and has ended. Nobody's fault, but
  // remembered.
  void outrun();

 private:
  friend class Router;
  AttemptLease(Router& router, Cancellation& client, const PlacementAsk& ask, const Decision& decision,
               const Plan& plan, const Workload& workload, std::unique_ptr<SpendingBook::Hold> hold);
  RoutedDeployment& router_deployment() const;
  void cut();
  void leave();
  void pay(const AttemptCost& cost);
  void note_tokens(int64_t tokens);

  Router& router_;
  uint32_t number_;
  std::shared_ptr<const Deployment> pinned_;
  std::shared_ptr<Slots> slots_;
  Placed placed_;
  Traffic traffic_;
  Needs needs_;
  std::string model_, logical_model_, reason_, workload_;
  std::shared_ptr<const Price> price_;
  int64_t tokens_noted_ = 0;
  std::unique_ptr<SpendingBook::Hold> hold_;  // of the budgets; null: settled, or nobody counts
  Instant placed_at_, began_;                 // began: went out
  bool probe_ = false, credential_probe_ = false;
  bool dispatched_ = false, first_ = true, withdrawn_ = false, done_ = false, settled_ = false;
  Cancellation cancel_;
  Cancellation::Hook client_hook_;
  AttemptLease* next_ = nullptr;
  AttemptLease* previous_ = nullptr;
};

}  // namespace perdure
