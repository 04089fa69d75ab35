#include "app/routing_yaml.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace perdure {
namespace {

constexpr uint64_t kTokensMost = 1'000'000'000;
constexpr size_t kWordsMax = 2000;

using Check = std::function<void(const YAML::Node&, const std::string&, const std::string&)>;

// A list of names, each once and not empty. Calls `check(node, path, name)` for each.
void read_names(YamlProblems& problems, YamlFields& fields, std::string_view key, std::vector<std::string>& out,
                const Check& check) {
  for_elements(problems, fields.take(key), fields.at(key), [&](const YAML::Node& node, const std::string& path) {
    if (!node.IsScalar() || node.Scalar().empty()) {
      problems.add(node, path, "must be a name");
      return;
    }
    if (std::ranges::find(out, node.Scalar()) != out.end()) {
      problems.add(node, path, "stands here twice");
      return;
    }
    check(node, path, node.Scalar());
    out.push_back(node.Scalar());
  });
}

void any_name(const YAML::Node&, const std::string&, const std::string&) {}

void read_capabilities(YamlFields fields, Capabilities& out) {
  for (const auto& [capability, word] : kCapabilityNames) {
    std::optional<bool> known;
    fields.parsed(word, known, [](const std::string& text) -> Result<std::optional<bool>> {
      if (text == "true") return std::optional(true);
      if (text == "false") return std::optional(false);
      return Error{Code::kInvalid, "must be true or false, not \"" + text + "\""};
    });
    if (known) out[capability] = *known ? Known::kYes : Known::kNo;
  }
  fields.finish();
}

void read_price(YamlProblems& problems, const YAML::Node& node, YamlFields fields, std::optional<Price>& out) {
  Currency currency;
  fields.parsed("currency", currency, [](const std::string& word) { return Currency::parse(word); });
  Price price;
  price.version.origin = "perdure.yaml";
  for (auto [key, rate] : {std::pair("input", &price.rates.input), std::pair("cached_input", &price.rates.cached_input),
                           std::pair("cache_write", &price.rates.cache_write), std::pair("output", &price.rates.output),
                           std::pair("reasoning", &price.rates.reasoning)})
    fields.parsed(key, *rate, [&](const std::string& word) -> Result<std::optional<Money>> {
      TRY(Money per_million, Money::parse(word, currency));
      if (per_million.negative()) return Error{Code::kInvalid, "must not be negative"};
      TRY(Money each, per_million.divided_exactly(1'000'000));
      return std::optional(each);
    });
  for (auto [key, rate] : {std::pair("input", &price.rates.input), std::pair("output", &price.rates.output)})
    if (node.IsMap() && !node[key].IsDefined()) problems.add(node, fields.at(key), "is missing");
  fields.finish();
  out = price;
}

ModelConfig read_model(YamlProblems& problems, const YAML::Node& node, const std::string& path,
                       const std::set<std::string>& providers) {
  ModelConfig model;
  YamlFields fields(problems, node, path);
  if (!fields.text("name", model.name) || model.name.empty()) problems.add(node, fields.at("name"), "is missing");
  if (!fields.text("provider", model.provider))
    problems.add(node, fields.at("provider"), "is missing");
  else if (!providers.contains(model.provider))
    problems.add(node["provider"], fields.at("provider"), "there is no provider named \"" + model.provider + "\"");
  fields.text("upstream_model", model.upstream_model);
  fields.text("deployment", model.deployment);
  fields.text("party", model.party);
  fields.text("region", model.region);
  fields.text("account", model.account);
  uint64_t priority = UINT64_MAX;
  fields.count("priority", priority, 0, 1'000'000);
  if (priority != UINT64_MAX) model.priority = static_cast<int>(priority);
  fields.count("weight", model.weight, 0, 1'000'000);
  fields.count("concurrency", model.concurrency_max, 1, 1'000'000);
  fields.count("queue", model.queue_max, 0, 1'000'000);
  if (model.queue_max > 0 && model.concurrency_max == 0)
    problems.add(node["queue"], fields.at("queue"), "means nothing without concurrency");
  int64_t tokens = 0;
  fields.count("context_tokens", tokens, 1, kTokensMost);
  if (tokens > 0) model.capabilities.context_tokens = tokens;
  tokens = 0;
  fields.count("output_tokens", tokens, 1, kTokensMost);
  if (tokens > 0) model.capabilities.output_tokens_max = tokens;
  read_capabilities(YamlFields(problems, fields.take("capabilities"), fields.at("capabilities")), model.capabilities);
  if (YAML::Node price = fields.take("price"); price.IsDefined())
    read_price(problems, price, YamlFields(problems, price, fields.at("price")), model.price);
  fields.finish();
  return model;
}

void read_retry(YamlFields fields, RetryBudget& retry) {
  uint64_t percent = static_cast<uint64_t>(retry.ratio * 100), per_second = static_cast<uint64_t>(retry.per_second);
  fields.count("percent", percent, 0, 1000);
  fields.count("per_second", per_second, 0, 1'000'000);
  retry.ratio = static_cast<double>(percent) / 100;
  retry.per_second = static_cast<double>(per_second);
  fields.finish();
}

class WorkloadReader {
 public:
  WorkloadReader(YamlProblems& problems, const RoutingNames& names) : problems_(problems), names_(names) {}

  Workload read(const YAML::Node& node, const std::string& path, RoutingPolicy policy) {
    Workload out;
    out.policy = policy;
    YamlFields fields(problems_, node, path);
    out.name.clear();
    if (!fields.text("name", out.name) || out.name.empty()) problems_.add(node, fields.at("name"), "is missing");
    read_names(problems_, fields, "tenants", out.tenants, any_name);
    read_names(problems_, fields, "keys", out.keys, any_name);
    read_names(problems_, fields, "models", out.models, known_model());
    fields.parsed("policy", out.policy, parse_routing_policy);
    read_stand_ins(YamlFields(problems_, fields.take("stand_ins"), fields.at("stand_ins")), out);
    fields.parsed("continuation", out.continuation, parse_continuation_rule);
    fields.boolean("one_author", out.one_author);
    read_names(problems_, fields, "regions", out.regions, known(names_.regions, "no deployment is in the region "));
    read_names(problems_, fields, "parties", out.parties, known(names_.parties, "no deployment is of the party "));
    read_names(problems_, fields, "parties_denied", out.parties_denied,
               known(names_.parties, "no deployment is of the party "));
    read_hedge(fields, out);
    fields.text("continuation_words", out.continuation_words);
    if (out.continuation_words.size() > kWordsMax)
      problems_.add(node, fields.at("continuation_words"), "must be at most 2000 bytes");
    read_duration(fields, "deadline", out.deadline);
    read_retry(YamlFields(problems_, fields.take("retry"), fields.at("retry")), out.retry);
    fields.finish();
    return out;
  }

 private:
  Check known(const std::set<std::string>& names, std::string complaint) {
    return [this, &names, complaint](const YAML::Node& node, const std::string& path, const std::string& name) {
      if (!names.contains(name)) problems_.add(node, path, complaint + "\"" + name + "\"");
    };
  }
  Check known_model() {
    return [this](const YAML::Node& node, const std::string& path, const std::string& name) {
      if (!names_.models.contains(name) && !names_.any_model)
        problems_.add(node, path, "no deployment has the model \"" + name + "\"");
    };
  }

  void read_stand_ins(YamlFields fields, Workload& out) {
    fields.each([&](const std::string& model, const YAML::Node& node, const std::string& path) {
      Workload::StandIns rule{.model = model, .others = {}};
      known_model()(node, path, model);
      // One name may stand for a list of one.
      if (node.IsScalar()) {
        add_stand_in(rule, node, path);
      } else {
        for_elements(problems_, node, path,
                     [&](const YAML::Node& other, const std::string& at) { add_stand_in(rule, other, at); });
      }
      if (rule.others.size() > 32) problems_.add(node, path, "at most 32 models may stand in for one");
      out.stand_ins.push_back(std::move(rule));
    });
  }
  void add_stand_in(Workload::StandIns& rule, const YAML::Node& node, const std::string& path) {
    if (!node.IsScalar() || node.Scalar().empty()) return problems_.add(node, path, "must be the name of a model");
    const std::string& other = node.Scalar();
    if (other == rule.model) return problems_.add(node, path, "a model needs no leave to stand in for itself");
    if (std::ranges::find(rule.others, other) != rule.others.end())
      return problems_.add(node, path, "stands here twice");
    known_model()(node, path, other);
    rule.others.push_back(other);
  }

  // A time, or a percentile of the times that a deployment has taken of late: p95.
  static void read_hedge(YamlFields& fields, Workload& out) {
    struct Hedge {
      Duration after{};
      int percentile = 0;
    } hedge;
    fields.parsed("hedge_after", hedge, [](const std::string& word) -> Result<Hedge> {
      if (!word.starts_with('p')) {
        TRY(Duration after, parse_duration(word));
        if (after <= Duration::zero()) return Error{Code::kInvalid, "must be longer than nothing"};
        return Hedge{.after = after};
      }
      int percent = 0;
      auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), percent);
      if (error != std::errc() || end != word.data() + word.size() || percent < 50 || percent > 99)
        return Error{Code::kInvalid, "must be a duration like 2s, or a percentile from p50 to p99"};
      return Hedge{.percentile = percent};
    });
    if (hedge.after > Duration::zero()) out.hedge_after = hedge.after;
    out.hedge_percentile = hedge.percentile;
  }

  static void read_duration(YamlFields& fields, std::string_view key, std::optional<Duration>& out) {
    Duration value{};
    fields.duration(key, value);
    if (value > Duration::zero()) out = value;
  }

  YamlProblems& problems_;
  const RoutingNames& names_;
};

}  // namespace

std::vector<ModelConfig> read_models(YamlProblems& problems, const YAML::Node& list,
                                     const std::set<std::string>& providers) {
  std::vector<ModelConfig> out;
  std::set<std::string> names;
  for_elements(problems, list, "models", [&](const YAML::Node& node, const std::string& path) {
    ModelConfig model = read_model(problems, node, path, providers);
    if (!model.name.empty() && !model.provider.empty() && !names.insert(model.deployment_name()).second)
      problems.add(node, path + (model.deployment.empty() ? ".name" : ".deployment"),
                   model.deployment.empty()
                       ? "this model stands at this provider twice; give one of the two a name of its own by deployment"
                       : "another deployment is named \"" + model.deployment + "\" too");
    out.push_back(std::move(model));
  });
  return out;
}

void read_routing(YamlFields fields, RoutingConfig& routing) {
  RoutingOptions& options = routing.options;
  HealthLimits& health = options.health;
  fields.parsed("policy", routing.policy, parse_routing_policy);
  fields.duration("patience", options.patience);
  fields.duration("sticky_time", options.sticky_time);
  fields.count("sticky_sessions", options.sticky_sessions_max, 0, 10'000'000);
  fields.count("failures", health.failures_to_open, 1, 1000);
  uint64_t percent = static_cast<uint64_t>(health.error_average_to_open * 100);
  fields.count("error_percent", percent, 1, 100);
  health.error_average_to_open = static_cast<double>(percent) / 100;
  fields.duration("open_time", health.open_first);
  fields.duration("open_time_max", health.open_max);
  fields.duration("rest_time_max", health.rest_max);
  fields.duration("refused_time", health.refused);
  fields.duration("stall_floor", health.stall_floor);
  fields.finish();
}

void read_workloads(YamlProblems& problems, const YAML::Node& list, const RoutingNames& names, RoutingConfig& routing) {
  std::set<std::string> seen;
  for_elements(problems, list, "workloads", [&](const YAML::Node& node, const std::string& path) {
    Workload workload = WorkloadReader(problems, names).read(node, path, routing.policy);
    if (!workload.name.empty() && !seen.insert(workload.name).second)
      problems.add(node, path + ".name", "another workload is named \"" + workload.name + "\" too");
    routing.workloads.push_back(std::move(workload));
  });
  if (seen.contains("default")) return;
  Workload rest;
  rest.policy = routing.policy;
  routing.workloads.push_back(std::move(rest));
}

}  // namespace perdure
