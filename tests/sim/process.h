#pragma once
// One life of a simulated Perdure process: the unmodified store, session, generation and provider code over the
// simulation's clock, network and file layer. Crashing it is a power cut of its files and its network; its remains are
// then wound down where nobody can see them.

#include <memory>
#include <string>

#include "async/sim_loop.h"
#include "http/client.h"
#include "http/sim_network.h"
#include "provider/chat_provider.h"
#include "session/responses.h"
#include "store/sqlite/mem_vfs.h"
#include "store/sqlite/sqlite_store.h"

namespace perdure::sim {

struct Machine {  // what survives a crash
  SimLoop& loop;
  SimCable& cable;
  MemVfs& vfs;
  std::string path;
};

class Process {
 public:
  // Opens the store, takes the lease, recovers. Null when the process "died" on the way (a fault of the store).
  static Task<std::unique_ptr<Process>> start(Machine machine, SessionLimits limits);
  ~Process();

  Responses& responses() { return *responses_; }
  Store& store() { return *store_; }
  Lease lease() const { return lease_; }
  bool dead() const { return dead_; }

  // After a crash: stops what runs, without any effect that could be seen; calls into responses() come back.
  Task<void> halt();
  // halt(), and the end of everything.
  Task<void> wind_down();

 private:
  explicit Process(Machine machine);
  Task<bool> boot(SessionLimits limits);
  Machine machine_;
  std::unique_ptr<JobRunner> writer_, reader_;
  SimNetwork network_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<Provider> provider_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Store> store_;
  Lease lease_;
  std::unique_ptr<Responses> responses_;
  bool dead_ = false;
};

inline constexpr int kSupplierPort = 9000;

}  // namespace perdure::sim
