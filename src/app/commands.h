#pragma once
// The commands that need the whole program: serve and check-config; and what cli's offline commands ask of app.

#include "cli/commands.h"

namespace perdure {

cli::Command serve_command();
cli::Command check_config_command();
// By --data, PERDURE_DATA, the configuration, or the usual folder.
Result<std::string> data_folder_of(const cli::Options& options);
// The store in that folder, read-only, with its keys.
Result<cli::OpenedStore> open_store_of(const cli::Options& options);

}  // namespace perdure
