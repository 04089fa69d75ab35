#pragma once
// Scene: what the parts of one seed's world share.

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "lives.h"
#include "prompts.h"
#include "report.h"
#include "rules.h"
#include "setup.h"
#include "simulate/tokens.h"

namespace perdure::sim {

// An answer that its client has left, or has seen whole: looked at again when all is over.
struct Remembered {
  uint64_t errand = 0;
  TenantId tenant;
  ResponseId id;
  Prompt prompt;
  std::vector<std::string> seen;  // event data by sequence number
  bool whole = false;
};

struct Scene {
  uint64_t seed;
  bool verbose;
  SimLoop& loop;
  const Setup& setup;
  Report& report;
  Rules& rules;
  Lives& lives;
  uint64_t next_errand = 1;
  bool healed = false;                     // nothing fails any more
  std::map<std::string, int64_t> created;  // by tenant: answers that must be listed in the end
  std::map<std::string, int64_t> unheard;  // and those that may be: nobody knows whether they were created
  std::vector<Remembered> remembered;
  std::vector<std::pair<TenantId, ResponseId>> deleted;

  bool holds() const { return report.violations.empty(); }
  double seconds() const { return std::chrono::duration<double>(loop.now().time_since_epoch()).count(); }
  // What the digest is made of: everything that happens, with its time.
  void note(std::string_view what) {
    uint64_t now = static_cast<uint64_t>(loop.now().time_since_epoch().count());
    report.counts.digest = simulate::hash_of(what, report.counts.digest * 0x9e3779b97f4a7c15ull + now);
  }
  void say(const std::string& what) {
    note(what);
    if (verbose) std::fprintf(stderr, "%8.3f %s\n", seconds(), what.c_str());
  }
};

}  // namespace perdure::sim
