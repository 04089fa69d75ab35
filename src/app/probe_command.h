#pragma once
// `perdure probe`: measures a deployment of the configuration, from here and without a running server, and keeps what
// was found as its scorecard (scorecards.h), which `perdure serve` goes by from its next start on.

#include "cli/command.h"

namespace perdure {

cli::Command probe_command();

}  // namespace perdure
