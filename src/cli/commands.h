#pragma once
// The commands that this module brings: clients of the public API, the key file, the journal's check, the catalogue,
// the simulated supplier. `serve` and `check-config` are app's.

#include <functional>
#include <memory>

#include "cli/command.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure::cli {

// A store opened for reading, with the owner's keys, and what keeps it alive; app knows how.
struct OpenedStore {
  std::shared_ptr<void> owner;
  Store* store = nullptr;
  std::optional<Key256> master;
  Key256 head_key{};
};
using OpenStore = std::function<Result<OpenedStore>(const Options&)>;
using DataFolder = std::function<Result<std::string>(const Options&)>;

Command chat_command();
Command responses_command();
Command keys_command(DataFolder data_folder);
Command journal_command(OpenStore open_store);
Command catalogue_command();
Command withdraw_command();
Command restore_command();
Command deployments_command();
Command spending_command();
Command simulate_command();
Command version_command();

}  // namespace perdure::cli
