#include "lives.h"

#include <cstdio>
#include <set>

namespace perdure::sim {

using namespace std::chrono_literals;

Lives::Lives(Machine machine, SessionLimits limits, Report& report, SeededRandom& random, bool verbose)
    : machine_(std::move(machine)),
      limits_(std::move(limits)),
      report_(report),
      random_(random),
      verbose_(verbose),
      up_(machine_.loop) {}

Lives::~Lives() = default;

Task<void> Lives::wait_for_process() { (void)co_await up_.wait(deadline_in(machine_.loop, 50ms)); }

void Lives::stop() {
  finished_ = true;
  up_.notify_all();
}

Task<void> Lives::keep_alive() {
  while (!finished_) {
    if (process_ && process_->dead() && !crashing_) co_await crash(FaultKind::kCrashInCommit);
    if (!process_ && !crashing_) {
      recovering_ = true;
      std::unique_ptr<Process> started = co_await Process::start(machine_, limits_);
      recovering_ = false;
      if (started) {
        if (old_lease_) co_await check_fenced(*started);
        old_lease_ = started->lease();
        process_ = std::move(started);
        ++life_;
        up_.notify_all();
      } else {
        machine_.vfs.crash(random_);
      }
    }
    (void)co_await up_.wait(deadline_in(machine_.loop, 10ms));
  }
}

// I2: what a dead life may still try to write is refused.
Task<void> Lives::check_fenced(Process& process) {
  Batch batch;
  batch.session = SessionId::make(machine_.loop.random());
  batch.create = SessionRow{.id = batch.session, .tenant = TenantId("free")};
  Result<Committed> done = co_await process.store().commit(*old_lease_, std::move(batch));
  if (done.ok()) machine_.rules.violate("I2: the lease of a dead life was accepted");
  // A power cut that strikes this very commit refuses it as well, in other words.
  else if (done.error().reason != "fenced" && !machine_.vfs.power_is_cut() && !process.dead() &&
           done.error().reason != "storage_full")
    machine_.rules.violate("I2: the lease of a dead life was refused, but not as fenced: " + done.error().message);
}

void Lives::count(FaultKind kind) {
  ++report_.counts.faults;
  std::set<Phase> phases;
  if (recovering_) phases.insert(Phase::kRecovering);
  for (const auto& [number, errand] : machine_.rules.errands()) phases.insert(errand.phase);
  if (phases.empty()) phases.insert(Phase::kIdle);
  for (Phase phase : phases) ++report_.counts.coverage.states[static_cast<size_t>(kind)][static_cast<size_t>(phase)];
}

Task<void> Lives::crash(FaultKind kind) {
  if (!process_ || crashing_) co_return;
  crashing_ = true;
  ++report_.counts.crashes;
  count(kind);
  ++life_;  // whatever the old life says from now on, nobody hears
  if (verbose_)
    std::fprintf(stderr, "%8.3f crash\n",
                 std::chrono::duration<double>(machine_.loop.now().time_since_epoch()).count());
  machine_.vfs.power_cut_after(0);
  std::unique_ptr<Process> remains = std::move(process_);
  up_.notify_all();
  // Some calls, as a cancel whose ending finds no room, return only when their process stops.
  co_await remains->halt();
  while (in_use_ > 0) (void)co_await up_.wait(deadline_in(machine_.loop, 10ms));
  co_await remains->wind_down();
  remains.reset();
  machine_.vfs.crash(random_);
  crashing_ = false;
}

Task<void> Lives::wind_down() {
  if (process_) co_await process_->wind_down();
  process_.reset();
}

}  // namespace perdure::sim
