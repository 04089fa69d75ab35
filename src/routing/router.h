#pragma once
// Router: which deployment serves an attempt, on one Loop. It knows the deployments and workloads, the health of each
// deployment as this Loop has seen it, who of late was served where, and what is withdrawn; choose.h decides.
//
// Deployments and workloads change only as a whole, by reload(). A deployment keeps its number for as long as the
// Router lives, so that a number means the same to all Routers of a process that were reloaded with the same things,
// and to an answer that began before.
//
// Bounds: a few hundred bytes for each deployment, `sticky_sessions_max` sessions, and what waits in queues is bounded
// by the deployments' queue_max and by how many generations there are.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/wait.h"
#include "base/log.h"
#include "routing/attempt_lease.h"
#include "routing/choose.h"
#include "routing/sticky.h"
#include "routing/withdrawal.h"

namespace perdure {

struct RoutingOptions {
  HealthLimits health;
  size_t sticky_sessions_max = 65536;
  Duration sticky_time = std::chrono::minutes(30);
  // How long an answer may wait for a deployment that rests, is broken or full. What is known to take longer is refused
  // at once.
  Duration patience = std::chrono::seconds(60);
};

// Slots are shared by the Routers of all loops: one SlotBook for a process. It is not locked: Routers are made and
// reloaded one after another.
class SlotBook {
 public:
  // Those of its name; new ones when its limits are others than before.
  std::shared_ptr<Slots> slots_of(const Deployment& deployment);

 private:
  std::vector<std::pair<std::string, std::shared_ptr<Slots>>> slots_;
};

// What one Loop has found out and others should know at once.
struct HealthNews {
  enum class Kind : uint8_t { kRests, kCredentialRefused, kCredentialGood };
  Kind kind = Kind::kRests;
  uint32_t number = 0;  // of the deployment, or of the provider
  Instant until{};
};

class Router {
 public:
  // The deployments' providers outlive the Router, or are kept alive by Deployment::keeps. No workload named "default":
  // one with the usual rules is added.
  Router(Loop& loop, std::vector<Deployment> deployments, std::vector<Workload> workloads = {},
         RoutingOptions options = {}, SlotBook* slots = nullptr, Log log = {});
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  struct Reloaded {
    size_t deployments = 0;  // in use now
    size_t added = 0, retired = 0;
  };
  // Everything that is configured, anew. A deployment that is still there (by name, provider and models) keeps its
  // health, its number and its withdrawals. Attempts that are out go on as they began; those that are not out yet and
  // would not go there any more are placed again; credentials get another chance. Attempts in flight are not counted
  // against concurrency limits that changed. What a retired deployment leaves behind are a few hundred bytes.
  Reloaded reload(std::vector<Deployment> deployments, std::vector<Workload> workloads, RoutingOptions options,
                  SlotBook& slots);

  void set_guard(PlacementGuard* guard) { guard_ = guard; }
  void set_news(std::function<void(HealthNews)> news) { news_ = std::move(news); }

  // The decision alone: nothing is taken. Errors, by how far the candidates came:
  //   kUnavailable no_provider            nothing is configured
  //   kNotFound model_not_found           no deployment has this model
  //   kInvalid unsupported, context_length_exceeded   none can; the parameter is named
  //   kDenied placement_denied            none may: residency, parties, the key's permissions
  //   kUnavailable withdrawn              all that may are withdrawn
  //   kUnavailable provider_credential_refused, provider_unavailable; kOverloaded provider_overloaded,
  //   provider_queue_full, retry_budget: none is able now; retry_after_ms says when one may be
  //   or what the budget said
  Result<Placed> place(const PlacementAsk& ask);
  // Whether it makes sense to begin: an error that waiting within the patience would not mend.
  Result<void> check(const PlacementAsk& ask);
  // Room for it within the limits of its key, held until the first attempt is placed; kOverloaded: none.
  Result<RateBook::Reserve> admit(const Traffic& traffic, const Needs& needs);

  // Places the attempt and takes a slot, waiting for one, or for somebody to be able, until `deadline` and within the
  // patience. kCancelled: `client` was requested. `ask` and `client` outlive the call, `client` the lease too.
  Task<Result<std::unique_ptr<AttemptLease>>> begin(const PlacementAsk& ask, Deadline deadline, Cancellation& client);

  // A second attempt beside one that stays silent: at once or not at all (null). It takes a free slot and a token of
  // the workload's retry budget, and moves no session: stays_at() does, once it is the one that is gone on with.
  std::unique_ptr<AttemptLease> begin_beside(const PlacementAsk& ask, Cancellation& client);
  void stays_at(const PlacementAsk& ask, uint32_t deployment);

  // Whether any deployment of the model takes requests of this dialect as they are. Also where there is none at all:
  // begin() says so.
  bool relays(const Traffic& traffic, std::string_view model, std::string_view dialect) const;

  Workload workload_of(const Traffic& traffic, std::string_view model) const;
  void answer_begun(const PlacementAsk& ask);  // pays into the workload's retry budget

  // At once: what is newly covered takes no attempt, and its running attempts are cut off where `mode` says so. An
  // attempt that was placed and not dispatched does not go out.
  void set_withdrawals(std::vector<Withdrawal> withdrawals);
  void hear(const HealthNews& news);

  const std::vector<RoutedDeployment>& deployments() const { return deployments_; }
  const std::vector<RoutedProvider>& providers() const { return providers_; }
  const std::vector<Workload>& workloads() const { return workloads_; }
  const Plans& plans() const { return plans_; }
  const std::vector<Withdrawal>& withdrawals() const { return withdrawals_; }
  size_t attempts_running() const;
  Loop& loop() { return loop_; }

 private:
  friend class AttemptLease;
  Reloaded install(std::vector<Deployment> deployments, std::vector<Workload> workloads, SlotBook& slots);
  bool may_still(const AttemptLease& lease) const;
  size_t workload_number(const Traffic& traffic, std::string_view model) const;
  Decision decide(const PlacementAsk& ask, const Plan& plan, size_t workload);
  // The same for one deployment whose slot is held, or waited for.
  Decision decide_at(const PlacementAsk& ask, const Plan& plan, size_t workload, uint32_t deployment);
  Decision decide_among(const PlacementAsk& ask, const Plan& plan, size_t workload, bool slot_held);
  Error error_of(const PlacementAsk& ask, const Decision& decision) const;
  std::string reason_of(const Decision& decision, const Plan& plan) const;
  Result<const Plan*> plan_of(const PlacementAsk& ask, size_t workload) const;
  // kOverloaded: the budget had room when it was decided, and somebody on another loop was quicker.
  Result<std::unique_ptr<AttemptLease>> start(const PlacementAsk& ask, const Decision& decision, const Plan& plan,
                                              size_t workload, Cancellation& client);
  void credential_is_refused(uint32_t provider, int status);
  void credential_is_good(uint32_t provider);
  void noticed(uint32_t deployment, Health::Change change, Fault fault);
  void changed() {
    if (changed_->has_waiters()) changed_->notify_all();
  }

  Loop& loop_;
  RoutingOptions options_;
  Log log_;
  std::vector<Workload> workloads_;
  std::vector<RoutedDeployment> deployments_;
  std::vector<RoutedProvider> providers_;
  Plans plans_;
  std::vector<RetryTokens> retries_;  // by workload
  Sticky sticky_;
  SeededRandom random_;
  PlacementGuard* guard_ = nullptr;
  std::function<void(HealthNews)> news_;
  std::vector<Withdrawal> withdrawals_;
  std::shared_ptr<Notifier> changed_;  // somebody may be able again
  AttemptLease* leases_ = nullptr;
};

}  // namespace perdure
