#pragma once
// Config: everything that the owner can set, as values. From perdure.yaml, strictly: every problem is reported, not the
// first one, with its place. Secrets stand in the file as references (env:NAME, file:PATH) and are read when the file
// is. docs/reference/configuration.md has the meaning of every key.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/budget.h"
#include "access/rate.h"
#include "app/catalogue_file.h"
#include "app/provider_config.h"
#include "app/routing_config.h"
#include "base/log.h"
#include "dialect/responses_render.h"
#include "http/client.h"
#include "http/server.h"
#include "session/responses.h"

namespace perdure {

struct Config {
  Address listen{"127.0.0.1", 8080};
  std::string data;  // folder
  size_t cores = 0;  // 0: as many as there are
  std::optional<ServerTls> tls;
  Level log_level = Level::kInfo;
  std::optional<LogFormat> log_format;  // default: text on a terminal, JSON elsewhere
  HttpServerLimits http;
  SessionLimits session;
  ReasoningEvents reasoning_events = ReasoningEvents::kOpenAi;
  Duration drain = std::chrono::seconds(20);
  bool encryption = true;
  std::string master_key;  // secret, 64 hex digits; empty: DATA/master.key
  CatalogueFiles catalogue_files;
  std::shared_ptr<const Catalogue> catalogue = known_catalogue();  // what is in those
  std::vector<ProviderConfig> providers;
  std::vector<ModelConfig> models;
  RoutingConfig routing;
  std::vector<Budget> budgets;
  KeyRates rates;                  // of API keys that say nothing of their own
  std::vector<std::string> found;  // where the providers come from, a line each, for the user
};

struct ConfigProblem {
  int line = 0, column = 0;  // from 1; 0: of the file as a whole
  std::string field;         // "providers[0].api_key"
  std::string message;
  std::string to_string(std::string_view file) const;  // "perdure.yaml:3:5: providers[0].api_key: ..."
};

struct LoadedConfig {
  Config config;  // meaningful only without problems
  std::vector<ConfigProblem> problems;
};

LoadedConfig parse_config(const std::string& text, const Environment& environment);
// What the usual variables say (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...), see found_providers.cc; adds providers, models
// and what was found. Names that the catalogue knows go to one provider each; any other name goes to OPENAI_BASE_URL or
// OPENAI_API_KEY, else to the provider if there is only one. The error names the variable that makes no sense.
Result<void> providers_from_environment(Config& config, const Environment& environment);
ProxyRules proxies_from_environment(const Environment& environment);
std::string default_data_folder(const Environment& environment);

Result<Address> parse_listen(std::string_view text);  // "127.0.0.1:8080", "[::1]:8080", ":8080" is refused
bool is_loopback(const Address& address);
Result<Duration> parse_duration(std::string_view text);  // 250ms, 30s, 5m, 2h, 30d
Result<size_t> parse_size(std::string_view text);        // 512B, 64KiB, 64MiB, 2GiB

}  // namespace perdure
