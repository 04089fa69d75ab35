#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/exit_code.h"

namespace perdure::cli {
namespace {

constexpr std::string_view kIntroduction =
    "Perdure: answers of language models that outlive connections, suppliers and crashes.\n"
    "\n"
    "usage: perdure <command> [options]\n\n";

constexpr std::string_view kExamples =
    "\n"
    "perdure <command> --help tells more about one of them. To begin:\n"
    "\n"
    "  perdure serve                       a server on http://127.0.0.1:8080, with providers from the environment\n"
    "  perdure chat \"Count to five.\"       one question to it\n"
    "  perdure responses list              what it holds\n"
    "\n"
    "Client commands find the server by PERDURE_URL (default http://127.0.0.1:8080) and PERDURE_API_KEY.\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not found, 5 try later, 6 a check found problems\n";

void pad(std::string& out, size_t used, size_t width) { out.append(used < width ? width - used : 1, ' '); }

std::string overview(std::span<const Command> commands) {
  std::string out(kIntroduction);
  for (const Command& command : commands) {
    out += "  ";
    out += command.name;
    pad(out, command.name.size(), 14);
    out += command.summary;
    out += "\n";
  }
  return out += kExamples;
}

std::string help_of(const Command& command) {
  std::string out = "usage: perdure " + std::string(command.name);
  if (!command.words.empty()) out += " " + std::string(command.words);
  if (!command.options.empty()) out += " [options]";
  out += "\n\n" + std::string(command.summary) + "\n";
  if (!command.options.empty()) out += "\noptions:\n";
  for (const OptionSpec& option : command.options) {
    std::string left =
        "  --" + std::string(option.name) + (option.value.empty() ? "" : " " + std::string(option.value));
    out += left;
    pad(out, left.size(), 30);
    out += option.help;
    out += "\n";
  }
  if (!command.details.empty()) out += "\n" + std::string(command.details);
  return out;
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Result<Options> Options::parse(std::span<const OptionSpec> specs, std::span<const std::string_view> words) {
  Options out;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--") {
      for (++i; i < words.size(); ++i) out.words.emplace_back(words[i]);
      break;
    }
    if (!word.starts_with("--")) {
      out.words.emplace_back(word);
      continue;
    }
    size_t equals = word.find('=');
    std::string_view name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    auto spec = std::ranges::find(specs, name, &OptionSpec::name);
    if (spec == specs.end()) return Error{Code::kInvalid, "there is no option --" + std::string(name)};
    bool flag = spec->value.empty();
    if (flag && equals != std::string_view::npos)
      return Error{Code::kInvalid, "--" + std::string(name) + " takes no value"};
    std::string value;
    if (!flag && equals != std::string_view::npos) {
      value = word.substr(equals + 1);
    } else if (!flag) {
      if (i + 1 == words.size())
        return Error{Code::kInvalid, "--" + std::string(name) + " needs a value: " + std::string(spec->value)};
      value = words[++i];
    }
    out.given.emplace_back(name, std::move(value));
  }
  return out;
}

bool Options::has(std::string_view name) const {
  return std::ranges::any_of(given, [&](const auto& option) { return option.first == name; });
}

std::string Options::get(std::string_view name, std::string missing) const {
  for (const auto& [key, value] : given)
    if (key == name) missing = value;
  return missing;
}

int run_commands(std::span<const Command> commands, std::span<const std::string_view> words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || (words[0] == "help" && words.size() == 1)) {
    print(overview(commands));
    return words.empty() ? kUsage : kOk;
  }
  bool help = words[0] == "help";
  std::string_view name = help ? words[1] : words[0] == "--version" ? "version" : words[0];
  auto command = std::ranges::find(commands, name, &Command::name);
  if (command == commands.end()) {
    std::string message = "there is no command \"" + std::string(name) + "\"";
    auto closest = std::ranges::min_element(commands, {}, [&](const Command& c) { return distance(c.name, name); });
    if (closest != commands.end() && distance(closest->name, name) <= 2)
      message += "; did you mean " + std::string(closest->name) + "?";
    return complain_usage(message, "");
  }
  auto rest = words.subspan(1);
  auto end_of_options = std::ranges::find(rest, "--");
  for (auto word = rest.begin(); word != end_of_options; ++word) help = help || *word == "--help" || *word == "-h";
  if (help) {
    print(help_of(*command));
    return kOk;
  }
  Result<Options> options = Options::parse(command->options, rest);
  if (!options.ok()) return complain_usage(options.error().message, command->name);
  return command->run(*options);
}

int complain(const Error& error) {
  std::string line = "perdure: " + error.message + "\n";
  std::fflush(stdout);
  std::fputs(line.c_str(), stderr);
  return exit_code(error);
}

int complain_usage(const std::string& message, std::string_view command) {
  std::string line = "perdure: " + message + "\n" + "perdure " + (command.empty() ? "" : std::string(command) + " ") +
                     "--help tells how it is used\n";
  std::fputs(line.c_str(), stderr);
  return kUsage;
}

void print(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace perdure::cli
