#pragma once
// Command: one word behind `perdure`, as a value: its options, its help, what it does. main() holds the list of them.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace perdure::cli {

struct OptionSpec {
  std::string_view name;        // without dashes
  std::string_view value = {};  // what stands for it in the help; empty: a flag without a value
  std::string_view help;
};

// The command line behind the command, sorted: --name value, --name=value, --flag, and words. "--" ends the options.
class Options {
 public:
  // kInvalid names the option that is unknown or lacks its value.
  static Result<Options> parse(std::span<const OptionSpec> specs, std::span<const std::string_view> words);
  bool has(std::string_view name) const;
  std::string get(std::string_view name, std::string missing = {}) const;  // the last one given
  std::vector<std::pair<std::string, std::string>> given;                  // in order
  std::vector<std::string> words;
};

struct Command {
  std::string_view name, words, summary;  // "keys", "create|list|revoke", one line
  std::vector<OptionSpec> options;
  std::string_view details;  // what the help says below the options: examples first
  std::function<int(const Options&)> run;
};

// Picks the command and runs it; answers --help, and helps with unknown words. The exit code.
int run_commands(std::span<const Command> commands, std::span<const std::string_view> words);

// Prints "perdure: message" on standard error; returns the exit code of the error's class.
int complain(const Error& error);
int complain_usage(const std::string& message, std::string_view command);
void print(std::string_view text);  // to standard output, at once

}  // namespace perdure::cli
