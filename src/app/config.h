#pragma once
// Config: everything that the owner can set, as values. From perdure.yaml, strictly: every problem is reported, not the
// first one, with its place. Secrets stand in the file as references (env:NAME, file:PATH) and are read when the file
// is. docs/reference/configuration.md has the meaning of every key.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "dialect/chat_upstream.h"
#include "http/client.h"
#include "http/server.h"
#include "session/responses.h"

namespace perdure {

// The environment as a parameter: the value of a variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

struct ProviderConfig {
  std::string name;
  Url base_url;
  std::string api_key;  // secret
  std::string ca_file;
  ChatVariant variant;
};

struct ModelConfig {
  std::string name;  // what clients ask for; "*": any
  std::string provider;
  std::string upstream_model;  // empty: the same
};

struct Config {
  Address listen{"127.0.0.1", 8080};
  std::string data;  // folder
  size_t cores = 0;  // 0: as many as there are
  std::optional<ServerTls> tls;
  Level log_level = Level::kInfo;
  std::optional<LogFormat> log_format;  // default: text on a terminal, JSON elsewhere
  HttpServerLimits http;
  SessionLimits session;
  Duration drain = std::chrono::seconds(20);
  bool encryption = true;
  std::string master_key;  // secret, 64 hex digits; empty: DATA/master.key
  std::vector<ProviderConfig> providers;
  std::vector<ModelConfig> models;
  std::string providers_from;  // for the user: "perdure.yaml", "OPENAI_API_KEY", ...
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
// What OPENAI_API_KEY and OPENAI_BASE_URL say: a provider for any model. False: they are not set.
Result<bool> providers_from_environment(Config& config, const Environment& environment);
// What suppliers other than OpenAI understand by default.
ChatVariant usual_variant(const Url& base_url);
ProxyRules proxies_from_environment(const Environment& environment);
std::string default_data_folder(const Environment& environment);

Result<Address> parse_listen(std::string_view text);  // "127.0.0.1:8080", "[::1]:8080", ":8080" is refused
bool is_loopback(const Address& address);
Result<Duration> parse_duration(std::string_view text);  // 250ms, 30s, 5m, 2h, 30d
Result<size_t> parse_size(std::string_view text);        // 512B, 64KiB, 64MiB, 2GiB

}  // namespace perdure
