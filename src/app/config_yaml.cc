// Reads perdure.yaml. Every problem becomes a ConfigProblem with its place and reading goes on.

#include <algorithm>
#include <set>

#include "app/budget_yaml.h"
#include "app/config.h"
#include "app/provider_yaml.h"
#include "app/routing_yaml.h"
#include "app/yaml_fields.h"

namespace perdure {
namespace {

void read_limits(YamlFields fields, Config& config) {
  HttpServerLimits& http = config.http;
  fields.size("header_bytes", http.header_bytes_max);
  fields.size("body_bytes", http.body_bytes_max);
  fields.size("body_bytes_total", http.body_bytes_total_max);
  fields.count("connections", http.connections_max, 1, 1'000'000);
  fields.duration("header_time", http.header_time);
  fields.duration("body_time", http.body_time);
  fields.duration("idle_time", http.idle_time);
  fields.duration("write_time", http.write_time);
  fields.count("responses", config.session.runs_max, 1, 1'000'000);
  fields.size("context_bytes", config.session.context_bytes_max);
  GenerationLimits& generation = config.session.generation;
  fields.size("answer_bytes", generation.answer_bytes_max);
  fields.duration("answer_time", generation.total_time);
  fields.duration("first_byte_time", generation.open_time);
  fields.duration("stall_time", generation.stall_time);
  fields.count("fruitless_attempts", generation.fruitless_attempts_max, 1, 1000);
  fields.finish();
}

void read_catalogue(YamlProblems& problems, const YAML::Node& node, Config& config) {
  YamlFields fields(problems, node, "catalogue");
  CatalogueFiles& files = config.catalogue_files;
  fields.text("file", files.file);
  YAML::Node overlays = fields.take("overlay");
  auto one = [&](const YAML::Node& overlay, const std::string& path) {
    if (overlay.IsScalar())
      files.overlays.push_back(overlay.Scalar());
    else
      problems.add(overlay, path, "must be the name of a file, not " + std::string(form_of(overlay)));
  };
  if (overlays.IsDefined() && overlays.IsScalar())
    one(overlays, fields.at("overlay"));
  else
    for_elements(problems, overlays, fields.at("overlay"), one);
  fields.finish();
  // One after the other, so that a problem stands at the file that has it.
  CatalogueFiles some{.file = files.file, .overlays = {}};
  auto load = [&](const YAML::Node& at, const std::string& path) {
    Result<std::shared_ptr<const Catalogue>> loaded = load_catalogue(some);
    if (!loaded.ok()) {
      problems.add(at, path, loaded.error().message);
      return false;
    }
    config.catalogue = *std::move(loaded);
    return true;
  };
  if (!files.file.empty() && !load(node["file"], fields.at("file"))) return;
  for (size_t i = 0; i < files.overlays.size(); ++i) {
    some.overlays.push_back(files.overlays[i]);
    bool single = overlays.IsScalar();
    if (!load(single ? overlays : overlays[i], fields.at("overlay") + (single ? "" : "[" + std::to_string(i) + "]")))
      return;
  }
}

// What workloads may name: what the deployments have.
RoutingNames routing_names(const Config& config) {
  RoutingNames names;
  for (const ModelConfig& model : config.models) {
    names.models.insert(model.name);
    names.any_model = names.any_model || model.name == "*";
    auto at = std::ranges::find(config.providers, model.provider, &ProviderConfig::name);
    bool known = at != config.providers.end();
    names.regions.insert(!model.region.empty() || !known ? model.region : at->region);
    names.parties.insert(!model.party.empty() || !known ? model.party : at->party);
  }
  return names;
}

// A model of a chat endpoint that is said to take no prefill cannot be said to take one. Where nobody says how it is
// told, `perdure probe` may find out.
void refuse_prefill_that_cannot_be_said(YamlProblems& problems, const YAML::Node& providers, const YAML::Node& models,
                                        const Config& config) {
  std::set<std::string> without;
  for (size_t i = 0; i < config.providers.size(); ++i) {
    const ProviderConfig& provider = config.providers[i];
    if (provider.dialect != WireDialect::kChat || provider.chat.prefill != ChatPrefill::kNone) continue;
    if (!providers[i].IsMap()) continue;
    const YAML::Node variant = providers[i]["variant"];
    if (variant.IsDefined() && variant.IsMap() && variant["prefill"].IsDefined()) without.insert(provider.name);
  }
  if (without.empty() || !models.IsSequence()) return;
  for (size_t i = 0; i < config.models.size(); ++i) {
    const ModelConfig& model = config.models[i];
    if (model.capabilities[Capability::kPrefill] != Known::kYes || !without.contains(model.provider)) continue;
    problems.add(models[i]["capabilities"]["prefill"], "models[" + std::to_string(i) + "].capabilities.prefill",
                 "contradicts variant.prefill of the provider \"" + model.provider + "\", which is none");
  }
}

void read_all(YamlProblems& problems, const YAML::Node& root, Config& config, const Environment& environment) {
  YamlFields fields(problems, root, "");
  fields.parsed("listen", config.listen, parse_listen);
  fields.text("data", config.data);
  fields.count("cores", config.cores, 1, 256);

  if (YAML::Node tls = fields.take("tls"); tls.IsDefined()) {
    YamlFields inner(problems, tls, "tls");
    ServerTls out;
    for (auto [key, file] : {std::pair("certificate", &out.certificate_file), std::pair("key", &out.key_file)}) {
      inner.parsed(key, *file, existing_file);
      if (tls.IsMap() && !tls[key].IsDefined()) problems.add(tls, inner.at(key), "is missing");
    }
    inner.finish();
    config.tls = out;
  }

  YamlFields log(problems, fields.take("log"), "log");
  log.parsed("level", config.log_level, [](const std::string& word) -> Result<Level> {
    constexpr std::string_view kWords[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < std::size(kWords); ++i)
      if (word == kWords[i]) return static_cast<Level>(i);
    return Error{Code::kInvalid, "must be debug, info, warn or error, not \"" + word + "\""};
  });
  log.parsed("format", config.log_format, [](const std::string& word) -> Result<std::optional<LogFormat>> {
    if (word == "text") return std::optional(LogFormat::kText);
    if (word == "json") return std::optional(LogFormat::kJson);
    return Error{Code::kInvalid, "must be text or json, not \"" + word + "\""};
  });
  log.finish();

  read_limits(YamlFields(problems, fields.take("limits"), "limits"), config);
  fields.parsed("retention", config.session.retention,
                [](const std::string& word) -> Result<std::chrono::milliseconds> {
                  if (word == "forever") return std::chrono::milliseconds(0);
                  TRY(Duration value, parse_duration(word));
                  if (value <= Duration::zero())
                    return Error{Code::kInvalid, "must be longer than nothing; write forever to keep all"};
                  return std::chrono::duration_cast<std::chrono::milliseconds>(value);
                });
  fields.duration("drain", config.drain);
  fields.parsed("reasoning_events", config.reasoning_events, [](const std::string& word) -> Result<ReasoningEvents> {
    if (word == "openai") return ReasoningEvents::kOpenAi;
    if (word == "open_responses") return ReasoningEvents::kOpenResponses;
    return Error{Code::kInvalid, "must be openai or open_responses, not \"" + word + "\""};
  });

  YamlFields encryption(problems, fields.take("encryption"), "encryption");
  encryption.boolean("enabled", config.encryption);
  encryption.parsed("key", config.master_key, [&](const std::string& word) -> Result<std::string> {
    TRY(std::string key, read_secret(word, environment));
    if (key.size() != 64 || !from_hex(key).ok()) return Error{Code::kInvalid, "the master key must be 64 hex digits"};
    return key;
  });
  encryption.finish();

  read_catalogue(problems, fields.take("catalogue"), config);

  std::set<std::string> names;
  YAML::Node providers = fields.take("providers");
  for_elements(problems, providers, "providers", [&](const YAML::Node& node, const std::string& path) {
    ProviderConfig provider = read_provider(problems, node, path, *config.catalogue, environment);
    if (!provider.name.empty() && !names.insert(provider.name).second)
      problems.add(node, path + ".name", "another provider is named \"" + provider.name + "\" too");
    config.providers.push_back(std::move(provider));
  });
  YAML::Node models = fields.take("models");
  config.models = read_models(problems, models, names);
  refuse_prefill_that_cannot_be_said(problems, providers, models, config);
  // Providers without models serve whatever is asked for.
  if (config.models.empty())
    for (const ProviderConfig& provider : config.providers) config.models.push_back({"*", provider.name, ""});
  read_routing(YamlFields(problems, fields.take("routing"), "routing"), config.routing);
  read_workloads(problems, fields.take("workloads"), routing_names(config), config.routing);
  std::set<std::string> workloads;
  for (const Workload& workload : config.routing.workloads) workloads.insert(workload.name);
  config.budgets = read_budgets(problems, fields.take("budgets"), workloads);
  YamlFields rates(problems, fields.take("rate_limits"), "rate_limits");
  rates.count("requests_per_minute", config.rates.requests_per_minute, 1, kRateMax);
  rates.count("tokens_per_minute", config.rates.tokens_per_minute, 1, kRateMax);
  rates.finish();
  fields.finish();
}

}  // namespace

LoadedConfig parse_config(const std::string& text, const Environment& environment) {
  LoadedConfig out;
  YamlProblems problems;
  try {
    YAML::Node root = YAML::Load(text);
    read_all(problems, root, out.config, environment);
  } catch (const YAML::Exception& error) {
    problems.add(error.mark, "", "not YAML: " + error.msg);
  }
  out.problems = std::move(problems.found);
  std::ranges::sort(out.problems, {}, [](const ConfigProblem& p) { return std::tuple(p.line, p.column, p.field); });
  return out;
}

}  // namespace perdure
