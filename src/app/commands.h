#pragma once
// The commands that need the whole program: serve and check-config; and what cli's offline commands ask of app.

#include "app/config.h"
#include "cli/commands.h"

namespace perdure {

cli::Command serve_command();
cli::Command check_config_command();
// Of this process.
std::optional<std::string> process_environment(const std::string& name);
// The configuration that --config, PERDURE_CONFIG or perdure.yaml names, with the command line and the environment laid
// over it. Nothing: it was refused, every problem has been said, and `exit` is the exit code.
std::optional<Config> effective_config(const cli::Options& options, std::string_view command, int& exit);
// By --data, PERDURE_DATA, the configuration, or the usual folder.
Result<std::string> data_folder_of(const cli::Options& options);
// The store in that folder, read-only, with its keys.
Result<cli::OpenedStore> open_store_of(const cli::Options& options);

}  // namespace perdure
