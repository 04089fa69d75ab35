#pragma once
// World: one seed's simulation. Clients hold conversations with a Perdure process that is crashed, starved of disk and
// fed by faulty suppliers of every dialect over a faulty network, while its operator withdraws, restores and narrows
// what it may use.
//
// Checked after each step: I7 (bytes held for readers are bounded). At each dispatch of an attempt: I4. At each
// arrival at a supplier: I5. For each answer: I1 (events seen before a crash are the same after it; streamed = stored =
// fetched), the text and the calls equal the uncut ones, gapless numbers, an honest ending. At the end: I3 (a repeated
// create is one response), I6 (a refused create leaves nothing), I9 (nothing is unfinished once faults have stopped),
// what was deleted stays deleted; the journal's chains and totals. At each start: I2 (the lease of a dead life commits
// nothing), and that no withdrawal was forgotten.

#include "report.h"

namespace perdure::sim {

struct WorldOptions {
  uint64_t seed = 1;
  int sessions = 20, turns = 11;
  bool verbose = false;
};

Report run_world(const WorldOptions& options);

}  // namespace perdure::sim
