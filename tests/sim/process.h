#pragma once
// One life of a simulated Perdure process: the unmodified gateway, store, session, generation, routing, provider,
// dialect and HTTP code over the simulation's clock, network and file layer. Crashing it is a power cut of its files
// and its network; its remains are then wound down where nobody can see them.

#include <memory>
#include <string>
#include <vector>

#include "access/key_book.h"
#include "access/spending_keeper.h"
#include "app/key_guard.h"
#include "async/sim_loop.h"
#include "async/task_group.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "http/server.h"
#include "http/sim_network.h"
#include "provider/credential.h"
#include "routing/withdrawal_desk.h"
#include "session/responses.h"
#include "store/sqlite/mem_vfs.h"
#include "store/sqlite/sqlite_store.h"
#include "watch.h"

namespace perdure::sim {

struct Machine {  // what survives a crash
  SimLoop& loop;
  SimCable& cable;
  MemVfs& vfs;
  const Setup& setup;
  Rules& rules;
  std::string path;  // of the store, in vfs
  std::string keys;  // the key file, on a real disk: it is not written by the process
};

class Process {
 public:
  // Opens the store, takes the lease, recovers. Null when the process "died" on the way (a fault of the store).
  static Task<std::unique_ptr<Process>> start(Machine machine, SessionLimits limits);
  ~Process();

  Responses& responses() { return *responses_; }
  WithdrawalDesk& desk() { return *desk_; }
  Store& store() { return *store_; }
  Lease lease() const { return lease_; }
  bool dead() const { return dead_; }
  // The owner's configuration says other budgets.
  Task<bool> set_budgets(std::vector<Budget> budgets);
  void break_connections() { network_.reset_all(); }

  // After a crash: stops what runs, without any effect that could be seen; calls into responses() come back.
  Task<void> halt();
  // halt(), and the end of everything.
  Task<void> wind_down();

 private:
  Process(Machine machine, SessionLimits limits);
  Task<bool> boot();
  void wire();
  Machine machine_;
  SessionLimits limits_;
  std::unique_ptr<JobRunner> writer_, reader_;
  SimNetwork network_;
  std::unique_ptr<HttpClient> client_;
  std::vector<std::unique_ptr<Credential>> credentials_;
  std::vector<std::unique_ptr<Provider>> providers_;
  std::unique_ptr<KeyBook> keys_;
  SpendingBook spending_;
  RateBook rates_;
  std::unique_ptr<KeyGuard> guard_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Store> store_;
  Lease lease_;
  std::unique_ptr<WithdrawalDesk> desk_;
  std::unique_ptr<SpendingKeeper> keeper_;
  TaskGroup keeping_;
  std::unique_ptr<Responses> responses_;
  Registry registry_;
  GatewayMetrics metrics_{registry_};
  std::atomic<Readiness> readiness_{Readiness::kReady};
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<HttpServer> server_;
  bool dead_ = false;
};

}  // namespace perdure::sim
