#pragma once
// Exchange: one answer on its way out: its pace, the faults that were drawn for it, its bytes. The same for every
// dialect; what the bytes are is the Call's business.

#include <functional>

#include "async/loop.h"
#include "base/log.h"
#include "http/server.h"
#include "simulate/fault_plan.h"
#include "simulate/surface.h"

namespace perdure::simulate {

struct SupplierStats {
  int64_t requests = 0;   // for answers, whatever became of them
  int64_t refused = 0;    // answered with 4xx because they were wrong
  int64_t completed = 0;  // answered to the end
  int64_t abandoned = 0;  // the client left before the end
  int64_t faults = 0;     // faults that took effect
  int64_t tokens = 0;     // emitted
};

// Told of every fault that took effect, with the status that it answers with (or 0), and of the reply that it struck.
// For simulations that keep account of them.
using FaultWitness = std::function<void(Fault::Kind, int status, HttpReply&)>;

// What an Exchange works with; outlives it.
struct ExchangeContext {
  Loop& loop;
  Log& log;
  Account& account;
  SupplierStats& stats;
  const Surface& surface;
  HttpReply& reply;
  const FaultWitness& witness;

  void struck(Fault::Kind kind, int status = 0) {
    ++stats.faults;
    if (witness) witness(kind, status, reply);
  }
};

// Ends when the reply has ended, in whatever way.
Task<void> run_exchange(ExchangeContext context, Call& call, const FaultPlan& plan);

}  // namespace perdure::simulate
