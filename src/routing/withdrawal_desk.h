#pragma once
// WithdrawalDesk: where operators withdraw and restore, for all loops of a process. It keeps the set of withdrawals in
// the store, changes it by compare-and-swap, and tells every Router; a call returns when all of them know. It also
// passes on what one Router has found out and the others should know (a refused credential, a rest), and gathers what
// they know of the deployments.
//
// Its methods may be called on any of the loops; it works on the first Router's. The Routers, their loops and the store
// outlive it.

#include <optional>
#include <string>
#include <vector>

#include "routing/router.h"
#include "store/store.h"

namespace perdure {

struct WithdrawalAsk {
  std::optional<WithdrawalKind> kind;  // nothing: whatever has this name, if only one has
  std::string name;
  WithdrawalMode mode = WithdrawalMode::kDrain;
  std::string reason;
  std::string by;
};

// What a withdrawal touches, or has touched. Lists are cut at kTouchedMax, counts are not.
struct WithdrawalTouch {
  struct AtDeployment {
    std::string deployment;
    int64_t running = 0, waiting = 0;
  };
  struct ForModel {
    std::string workload, model;
    size_t remaining = 0;  // candidates that are left, whatever their health
  };
  int64_t running = 0;  // attempts, of all deployments
  size_t models_left_with_none = 0;
  std::vector<AtDeployment> deployments;  // that it covers
  std::vector<ForModel> models;           // that lose a candidate by it, those with none left first
};
inline constexpr size_t kTouchedMax = 1000;

struct WithdrawalResult {
  Withdrawal withdrawal;  // without id: a preview
  WithdrawalTouch touch;
};

struct DeploymentState {
  Deployment deployment;
  std::vector<std::string> withdrawn_by;             // ids
  bool retired = false;                              // no longer configured; listed while attempts at it are out
  Breaker::State breaker = Breaker::State::kClosed;  // the worst of all loops
  Fault cause = Fault::kNone;                        // why it is not closed
  bool credential_refused = false;
  Duration able_in{};  // zero: now
  Duration resting{};
  int64_t in_flight = 0, waiting = 0, attempts = 0, failures = 0;
  double error_average = 0;
  Duration first_piece{}, gap{};  // averages; zero: not known
};

class WithdrawalDesk {
 public:
  WithdrawalDesk(Store& store, std::vector<Router*> routers, Log log);
  ~WithdrawalDesk();

  // What was withdrawn before. Before the first attempt. kCorrupt: refuse to start rather than forget it.
  Task<Result<void>> load();

  // kInvalid: nothing, or more than one thing, has this name. kConflict: others keep changing it. kOverloaded: too
  // many. Errors of the store: nothing was changed, or (kUnknown) look again. Withdrawing again what is withdrawn is no
  // error; a cut goes before a drain.
  Task<Result<WithdrawalResult>> withdraw(WithdrawalAsk ask);
  Task<Result<WithdrawalResult>> preview(WithdrawalAsk ask);
  // kNotFound: no such withdrawal.
  Task<Result<Withdrawal>> restore(std::string id);
  Task<std::vector<Withdrawal>> list();
  Task<std::vector<DeploymentState>> deployments();

 private:
  Result<Withdrawal> resolve(const WithdrawalAsk& ask) const;
  Task<Result<WithdrawalResult>> preview_here(WithdrawalAsk ask);
  Task<Result<WithdrawalResult>> withdraw_here(WithdrawalAsk ask);
  Task<Result<Withdrawal>> restore_here(std::string id);
  Task<WithdrawalTouch> touch_of(const Withdrawal& withdrawal);
  Task<void> tell(WithdrawalSet set);
  Loop& home() const { return routers_.front()->loop(); }

  Store& store_;
  std::vector<Router*> routers_;
  Log log_;
  WithdrawalSet set_;  // as told last
};

}  // namespace perdure
