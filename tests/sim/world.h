#pragma once
// World: one seed's simulation. Many clients hold conversations with a Perdure process that is crashed, starved of disk
// and fed by a faulty supplier over a faulty network; what each client saw is checked against what the next life shows.
//
// Checked after each step: I7 (bytes held for readers are bounded), no event visible that is not durable (by I1 across
// crashes). Checked for each response: I1 (events seen before a crash are the same after it; streamed = stored =
// fetched), the answer equals the uncut one, gapless numbers, an honest ending. Checked at the end: I3 (a repeated
// create is one response), I6 (a refused create leaves nothing), I9 (nothing is unfinished once faults have stopped),
// I2 (the lease of a dead life commits nothing), and the journal's chains and totals.

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "process.h"
#include "simulate/supplier.h"

namespace perdure::sim {

enum class FaultKind { kCrash, kCrashInCommit, kDiskFull, kNetwork, kSupplier, kClockStep, kCount };
enum class Phase { kIdle, kCreating, kWaiting, kStreaming, kRecovering, kCount };
std::string_view name_of(FaultKind kind);
std::string_view name_of(Phase phase);
using Coverage =
    std::array<std::array<int64_t, static_cast<size_t>(Phase::kCount)>, static_cast<size_t>(FaultKind::kCount)>;

struct Report {
  uint64_t seed = 0;
  int64_t generations = 0, faults = 0, crashes = 0, events = 0, cancelled = 0, steps = 0;
  Coverage coverage{};
  std::vector<std::string> violations;  // empty: the seed holds
};

struct WorldOptions {
  uint64_t seed = 1;
  int sessions = 20, turns = 10;
  bool verbose = false;
};

Report run_world(const WorldOptions& options);

}  // namespace perdure::sim
