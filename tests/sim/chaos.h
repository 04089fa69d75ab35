#pragma once
// What goes wrong, and what the operator does, at moments that the seed says: Weather (the network),
// Chaos (the machine: crashes, disk, clock), Operator (withdrawals, restorations, keys). All come to an end: then
// nothing fails any more and everything is given back.

#include "scene.h"

namespace perdure::sim {

class Weather final : public SimFaults {
 public:
  Weather(const Setup& setup, Rules& rules, Report& report, uint64_t seed);
  SimConnection on_connect(const Address& to, const ConnectOptions& options) override;
  void struck(SimStrike strike, int port) override;
  bool on = true;

 private:
  const Setup& setup_;
  Rules& rules_;
  Report& report_;
  SeededRandom random_;
};

// Faults of the machine until `until`, or until `enough()`; at least five of them.
Task<void> run_chaos(Scene& scene, MemVfs& vfs, Instant until, std::function<bool()> enough);

// Withdraws, restores and narrows keys until `enough()`, then gives everything back.
class Operator {
 public:
  Operator(Scene& scene, std::string key_file);
  Task<void> run(Instant until, std::function<bool()> enough);

 private:
  Task<void> withdraw();
  Task<void> restore(size_t which);
  void narrow();
  Task<void> raise(bool no_end);  // budgets
  void widen();                   // every key as it was
  void write_keys_as(const std::vector<ApiKey>& keys);
  Scene& scene_;
  std::string key_file_;
  SeededRandom random_;
  uint64_t revision_ = 0;
  std::vector<ApiKey> written_;
  bool narrowed_ = false;
};

}  // namespace perdure::sim
