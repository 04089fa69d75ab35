#include "app/commands.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/config.h"
#include "app/keys.h"
#include "app/server.h"
#include "cli/exit_code.h"
#include "cli/open_files.h"
#include "store/sqlite/sqlite_store.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::string_view kDefaultFile = "perdure.yaml";

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

// --config, PERDURE_CONFIG, or perdure.yaml in the current folder; empty: there is none.
std::string config_file(const cli::Options& options) {
  if (options.has("config")) return options.get("config");
  if (auto set = environment("PERDURE_CONFIG"); set && !set->empty()) return *set;
  return ::access(std::string(kDefaultFile).c_str(), F_OK) == 0 ? std::string(kDefaultFile) : "";
}

Result<LoadedConfig> load(const std::string& path) {
  if (path.empty()) return LoadedConfig{};
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Code::kInvalid, "the configuration file " + path + " cannot be read"};
  std::ostringstream text;
  text << file.rdbuf();
  LoadedConfig loaded = parse_config(text.str(), environment);
  if (!loaded.config.providers.empty()) loaded.config.found = {"providers from " + path};
  return loaded;
}

// Loads the file and lays the command line and the environment over it.
EffectiveConfig read_config(const cli::Options& options, const std::string& path) {
  EffectiveConfig out;
  Result<LoadedConfig> loaded = load(path);
  if (!loaded.ok()) {
    out.problems.push_back(loaded.error().message);
    return out;
  }
  for (const ConfigProblem& problem : loaded->problems) out.problems.push_back(problem.to_string(path));
  Config& config = loaded->config;
  if (options.has("listen")) {
    Result<Address> address = parse_listen(options.get("listen"));
    if (address.ok())
      config.listen = *address;
    else
      out.problems.push_back("--listen: " + address.error().message);
  }
  if (options.has("cores")) {
    std::string text = options.get("cores");
    char* end = nullptr;
    unsigned long cores = std::strtoul(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || cores < 1 || cores > 256)
      out.problems.push_back("--cores: must be a whole number from 1 to 256");
    else
      config.cores = cores;
  }
  if (options.has("data"))
    config.data = options.get("data");
  else if (config.data.empty() || environment("PERDURE_DATA"))
    config.data = default_data_folder(environment);
  if (config.providers.empty()) {
    Result<void> found = providers_from_environment(config, environment);
    if (!found.ok()) out.problems.push_back(found.error().message);
  }
  out.config = std::move(config);
  return out;
}

// Says every problem. Nothing: there was none.
void say_problems(const EffectiveConfig& read, const std::string& path, std::string_view command) {
  for (const std::string& problem : read.problems) {
    if (!path.empty() && problem.starts_with(path))
      std::fprintf(stderr, "%s\n", problem.c_str());
    else
      (void)cli::complain_usage(problem, command);
  }
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) { return environment(name); }

std::optional<Config> effective_config(const cli::Options& options, std::string_view command, int& exit) {
  std::string path = config_file(options);
  EffectiveConfig read = read_config(options, path);
  say_problems(read, path, command);
  if (read.problems.empty()) return std::move(read.config);
  exit = cli::kUsage;
  return std::nullopt;
}

namespace {

// What a large request has taken is kept for the next one. Given back each time, and faulted in again, it cost more
// than all that is done with a context of 500 KB. A thread keeps so much at most.
void keep_freed_memory() {
#if defined(__GLIBC__)
  constexpr int kBlockMax = 4 << 20, kKept = 8 << 20;
  (void)::mallopt(M_MMAP_THRESHOLD, kBlockMax);
  (void)::mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

int serve(const cli::Options& options) {
  if (!options.words.empty()) return cli::complain_usage("serve takes options only", "serve");
  // Once and for all: a file that is gone later is a problem, not an empty configuration.
  std::string path = config_file(options);
  EffectiveConfig read = read_config(options, path);
  say_problems(read, path, "serve");
  if (!read.problems.empty()) return cli::kUsage;
  Config& config = read.config;
  LogFormat format = config.log_format.value_or(::isatty(STDERR_FILENO) ? LogFormat::kText : LogFormat::kJson);
  auto levels = std::make_shared<LevelLog>(config.log_level, stderr_log(Level::kDebug, format, system_clock()));
  cli::allow_many_open_files();
  keep_freed_memory();
  Server server(std::move(config), environment, [&] { return read_config(options, path); }, levels);
  Result<void> ran = server.run();
  return ran.ok() ? cli::kOk : cli::complain(ran.error());
}

int check_config(const cli::Options& options) {
  if (options.words.size() > 1) return cli::complain_usage("check-config takes one file", "check-config");
  std::string path = options.words.empty() ? config_file(options) : options.words[0];
  if (path.empty()) {
    return cli::complain_usage("there is no perdure.yaml here: name a file", "check-config");
  }
  Result<LoadedConfig> loaded = load(path);
  if (!loaded.ok()) {
    (void)cli::complain(loaded.error());
    return cli::kUsage;
  }
  if (options.has("json")) {
    json::Writer out;
    out.begin_object().field("file", path).field("ok", loaded->problems.empty()).key("problems").begin_array();
    for (const ConfigProblem& problem : loaded->problems)
      out.begin_object()
          .field("line", problem.line)
          .field("column", problem.column)
          .field("field", problem.field)
          .field("message", problem.message)
          .end_object();
    out.end_array().end_object();
    cli::print(out.text() + "\n");
  } else {
    for (const ConfigProblem& problem : loaded->problems) std::fprintf(stderr, "%s\n", problem.to_string(path).c_str());
    size_t count = loaded->problems.size();
    std::string verdict = count == 0 ? "good" : std::to_string(count) + (count == 1 ? " problem" : " problems");
    cli::print(path + ": " + verdict + "\n");
  }
  return loaded->problems.empty() ? cli::kOk : cli::kUsage;
}

}  // namespace

Result<std::string> data_folder_of(const cli::Options& options) {
  if (options.has("data")) return options.get("data");
  if (environment("PERDURE_DATA")) return default_data_folder(environment);
  std::string path = config_file(options);
  TRY(LoadedConfig loaded, load(path));
  // A problem elsewhere in the file does not matter here.
  return loaded.config.data.empty() ? default_data_folder(environment) : loaded.config.data;
}

Result<cli::OpenedStore> open_store_of(const cli::Options& options) {
  struct Owner {
    std::unique_ptr<JobRunner> writer = thread_runner("store-writer"), reader = thread_runner("store-reader");
    std::unique_ptr<Store> store;
  };
  TRY(std::string folder, data_folder_of(options));
  TRY(LoadedConfig loaded, load(config_file(options)));
  TRY(Key256 master, master_key(folder, loaded.config.master_key, MissingKey::kRefuse, system_random()));
  auto owner = std::make_shared<Owner>();
  cli::OpenedStore out;
  out.head_key = head_key(master);
  if (loaded.config.encryption) out.master = master;
  SqliteOptions sqlite;
  sqlite.path = folder + "/perdure.db";
  sqlite.read_only = sqlite.one_moment = true;
  sqlite.head_key = out.head_key;
  TRY(owner->store, SqliteStore::open(std::move(sqlite), *owner->writer, *owner->reader, system_clock(), Log()));
  out.store = owner->store.get();
  out.owner = std::move(owner);
  return out;
}

cli::Command serve_command() {
  return {.name = "serve",
          .words = "",
          .summary = "runs the server",
          .options = {{"config", "FILE", "configuration (default PERDURE_CONFIG, or perdure.yaml here, or none)"},
                      {"listen", "HOST:PORT", "where (default 127.0.0.1:8080; port 0 takes a free one)"},
                      {"data", "DIR", "where sessions and keys rest (default PERDURE_DATA or ~/.local/share/perdure)"},
                      {"cores", "N", "event loops (default: one for each core)"}},
          .details =
              "  OPENAI_API_KEY=sk-... perdure serve\n"
              "  OPENAI_BASE_URL=http://127.0.0.1:8000/v1 perdure serve --listen 127.0.0.1:9000\n"
              "  perdure serve --config /etc/perdure.yaml\n"
              "\n"
              "Without providers in a configuration file they come from OPENAI_API_KEY and OPENAI_BASE_URL,\n"
              "ANTHROPIC_API_KEY, GEMINI_API_KEY and other suppliers' usual variables, or from a model server that\n"
              "answers on 127.0.0.1:11434, :8080 or :8000. Clients speak the OpenAI Responses API:\n"
              "\n"
              "  curl http://127.0.0.1:8080/v1/responses -H 'Content-Type: application/json' \\\n"
              "       -d '{\"model\": \"gpt-4o-mini\", \"input\": \"Count to five.\"}'\n"
              "\n"
              "SIGTERM drains: running responses may end, what does not end in time goes on with the next start.\n"
              "SIGHUP reads the configuration again, without dropping a stream; a broken one changes nothing.\n",
          .run = serve};
}

cli::Command check_config_command() {
  return {.name = "check-config",
          .words = "[FILE]",
          .summary = "reads a configuration and says everything that is wrong with it",
          .options = {{"config", "FILE", "the same as FILE"}, {"json", "", "as JSON"}},
          .details =
              "  perdure check-config /etc/perdure.yaml\n"
              "\n"
              "Every problem comes with line, column and field. Secrets are looked up, never shown. Exit code 2: "
              "problems.\n",
          .run = check_config};
}

}  // namespace perdure
