#pragma once
// Runs a command of the CLI in this process, for tests: what it printed, and how it ended.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace perdure::cli {

struct Ran {
  int code = -1;
  std::string out, err;
};

inline Ran run_command(Command command, std::vector<std::string_view> words) {
  words.insert(words.begin(), command.name);
  const std::vector<Command> commands = {std::move(command)};
  Ran out;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  out.code = run_commands(commands, words);
  out.out = testing::internal::GetCapturedStdout();
  out.err = testing::internal::GetCapturedStderr();
  return out;
}

}  // namespace perdure::cli
