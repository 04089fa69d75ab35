// The list of what the program is made of.

#include "app/commands.h"
#include "app/probe_command.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
  using namespace perdure;
  std::vector<std::string_view> words(argv + 1, argv + argc);
  const std::vector<cli::Command> commands = {
      serve_command(),
      cli::chat_command(),
      cli::responses_command(),
      cli::keys_command(data_folder_of),
      cli::journal_command(open_store_of),
      cli::withdraw_command(),
      cli::restore_command(),
      cli::deployments_command(),
      cli::spending_command(),
      probe_command(),
      check_config_command(),
      cli::catalogue_command(),
      cli::simulate_command(),
      cli::version_command(),
  };
  return cli::run_commands(commands, words);
}
