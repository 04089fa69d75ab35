#pragma once
// The line that one attempt leaves in the ledger: JSON, content-free. Pure.

#include <string>

#include "base/time.h"
#include "model/record.h"

namespace perdure {

struct LedgerFacts {
  ResponseId response;
  std::string session;  // empty: not stored
  KeyId key;
  std::string workload_model;  // that the client asked for
  const AttemptStarted& started;
  const AttemptEnded& ended;
  Duration took{};
  bool relayed = false;
};

std::string ledger_line(const LedgerFacts& facts);

}  // namespace perdure
