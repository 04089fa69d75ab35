#pragma once
// Planted bugs: a campaign that never fails proves nothing, so each checker is shown a bug of the kind it is there for.
// Selected by the environment variable PERDURE_PLANT=<name>[,<name>] or, in deterministic simulation, by plant().
// Compiled to `false` in the release preset.

#include <string_view>

namespace perdure {

enum class PlantedBug {
  kSyncOff,            // "sync-off": the embedded store commits with synchronous=OFF
  kSendBeforeCommit,   // "send-before-commit": readers see records before they are durable
  kLostTail,           // "lost-tail": recovery forgets the last batch of deltas of an unfinished response
  kDoubleOverlap,      // "double-overlap": a continuation's overlap is not trimmed
  kIgnoreIdempotency,  // "ignore-idempotency": a repeated create makes a second response
  kForgetUnfinished,   // "forget-unfinished": recovery skips unfinished sessions
  kUnboundedReader,    // "unbounded-reader": the window of records kept for readers has no bound
  kAcceptBadInput,     // "accept-bad-input": a refused create leaves its record behind
  kDoubledText,        // "doubled-text": a piece that comes while a commit runs is shown twice
  kForbiddenRegion,    // "forbidden-placement": a workload's regions and parties are not looked at
  kIgnorePermits,      // "ignore-permits": what an API key may use is not looked at
  kForgetWithdrawal,   // "forget-withdrawal": a restart forgets what is withdrawn
  kDeafToCuts,         // "deaf-to-cuts": a withdrawal does not reach attempts that run, or are about to
  kForeignOpaque,      // "foreign-opaque": every supplier's opaque blocks are taken for anybody's
  kForgetAuthor,       // "forget-author": another model goes on, though the workload wants one author
  kForgetSpending,     // "forget-spending": a restart forgets what was spent
  kIgnoreBudgets,      // "ignore-budgets": an attempt is placed though its budget has no room
  kLostRemainder,      // "lost-remainder": a continuation loses its first byte
  kIgnoreRates,        // "ignore-rates": a request is let in though its key's limits have no room
  kCount,
};

std::string_view name_of(PlantedBug bug);

#if defined(PERDURE_PLANTED_BUGS)
bool planted(PlantedBug bug);
// Replaces the selection: a comma-separated list of names, empty for none. False: a name is unknown.
bool plant(std::string_view names);
#else
constexpr bool planted(PlantedBug) { return false; }
#endif

}  // namespace perdure
