#pragma once
// Exchange: one answer on its way out: its pace, the faults that were drawn for it, its bytes. The same for every
// dialect; what the bytes are is the Call's business.

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

// What an Exchange works with; outlives it.
struct ExchangeContext {
  Loop& loop;
  Log& log;
  Account& account;
  SupplierStats& stats;
  const Surface& surface;
  HttpReply& reply;
};

// Ends when the reply has ended, in whatever way.
Task<void> run_exchange(ExchangeContext context, Call& call, const FaultPlan& plan);

}  // namespace perdure::simulate
