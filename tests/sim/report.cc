#include "report.h"

#include <algorithm>

namespace perdure::sim {
namespace {

template <size_t Columns>
void add(Table<Columns>& into, const Table<Columns>& from) {
  for (size_t i = 0; i < into.size(); ++i)
    for (size_t j = 0; j < Columns; ++j) into[i][j] += from[i][j];
}

}  // namespace

std::string_view name_of(FaultKind kind) {
  static constexpr std::string_view kNames[] = {"crash",
                                                "crash in commit",
                                                "disk full",
                                                "clock step",
                                                "all cut",
                                                "drain",
                                                "cut",
                                                "restore",
                                                "key narrowed",
                                                "budget raised",
                                                "refused",
                                                "black hole",
                                                "reset",
                                                "stalled",
                                                "ended early",
                                                "garbled",
                                                "429",
                                                "5xx",
                                                "401, 403",
                                                "cut in tokens",
                                                "cut in bytes",
                                                "stall in tokens",
                                                "malformed event",
                                                "error after 200",
                                                "end without end",
                                                "trickle",
                                                "slow head",
                                                "closed",
                                                "client leaves",
                                                "client cancels",
                                                "client deletes",
                                                "client repeats"};
  static_assert(std::size(kNames) == static_cast<size_t>(FaultKind::kCount));
  return kNames[static_cast<size_t>(kind)];
}

std::string_view name_of(Phase phase) {
  static constexpr std::string_view kNames[] = {"idle", "creating", "waiting", "streaming", "continuing", "recovering"};
  static_assert(std::size(kNames) == static_cast<size_t>(Phase::kCount));
  return kNames[static_cast<size_t>(phase)];
}

size_t number_of_dialect(std::string_view dialect) {
  return static_cast<size_t>(std::ranges::find(kDialects, dialect) - std::begin(kDialects));
}

Coverage& Coverage::operator+=(const Coverage& other) {
  add(states, other.states);
  add(dialects, other.dialects);
  return *this;
}

Counts& Counts::operator+=(const Counts& o) {
  sessions += o.sessions, generations += o.generations, faults += o.faults, crashes += o.crashes, events += o.events;
  steps += o.steps, attempts += o.attempts, continuations += o.continuations;
  cancelled += o.cancelled, deleted += o.deleted, left += o.left;
  honest_ends += o.honest_ends;
  outrun += o.outrun;
  by_socket += o.by_socket;
  short_of_money += o.short_of_money;
  too_many += o.too_many;
  opaque_seen += o.opaque_seen, opaque_returned += o.opaque_returned;
  digest ^= o.digest;
  coverage += o.coverage;
  return *this;
}

}  // namespace perdure::sim
