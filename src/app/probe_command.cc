#include "app/probe_command.h"

#include <charconv>
#include <cstdio>

#include "access/budget.h"
#include "app/commands.h"
#include "app/deployments.h"
#include "app/provider_factory.h"
#include "app/scorecards.h"
#include "async/job_runner.h"
#include "cli/blocking_loop.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "http/socket_network.h"
#include "routing/probe.h"

namespace perdure {
namespace {

struct Target {
  const ProviderConfig* provider = nullptr;
  std::string model;  // upstream
  std::optional<Price> price;
};

// What the word names: a deployment by its own name, or the only one of a model.
Result<Target> target_of(const Config& config, const std::string& word, const std::string& named_model) {
  const ModelConfig* found = nullptr;
  std::string all;
  for (const ModelConfig& model : config.models) {
    all += (all.empty() ? "" : ", ") + model.deployment_name();
    if (model.deployment_name() == word) found = &model;
  }
  if (found == nullptr) {
    for (const ModelConfig& model : config.models) {
      if (model.provider == word && !named_model.empty()) {
        found = &model;
        break;
      }
      if (model.name != word && model.provider != word) continue;
      if (found != nullptr)
        return Error{Code::kInvalid, "there is more than one deployment of \"" + word + "\": name one of " + all};
      found = &model;
    }
  }
  if (found == nullptr)
    return Error{Code::kNotFound, "there is no deployment \"" + word + "\"" +
                                      (all.empty() ? ": no provider is configured" : "; there are " + all)};
  Target out{.model = !named_model.empty()            ? named_model
                      : found->upstream_model.empty() ? found->name
                                                      : found->upstream_model};
  if (out.model == "*")
    return Error{Code::kInvalid, found->deployment_name() + " takes any model: name one with --model"};
  for (const ProviderConfig& provider : config.providers)
    if (provider.name == found->provider) out.provider = &provider;
  if (out.provider == nullptr) return Error{Code::kNotFound, "there is no provider \"" + found->provider + "\""};
  out.price = found->price ? found->price : config.catalogue->price(out.provider->supplier, out.model);
  return out;
}

std::string utc_now() {
  WallTime now = system_clock().wall();
  std::string text = cli::show_time(unix_seconds(now));
  text[10] = 'T';
  return text;
}

void say_plan(const Target& target, const ProbePlan& plan, const ProbeLimits& limits) {
  std::fprintf(
      stderr,
      "probing %s at %s: at most %lld calls, %lld tokens of input (%lld of them to find the context's size) and "
      "%lld of output, ",
      target.model.c_str(), target.provider->name.c_str(), static_cast<long long>(plan.calls),
      static_cast<long long>(plan.input_tokens), static_cast<long long>(limits.context_budget),
      static_cast<long long>(plan.output_tokens));
  Result<Cost> most = Error{Code::kInvalid, "no price"};
  if (target.price)
    most = cost({.input_tokens = plan.input_tokens, .output_tokens = plan.output_tokens, .known = true}, *target.price);
  Result<Money> shown = most.ok() ? most->amount.rounded(4) : Result<Money>(most.error());
  std::fprintf(stderr, "%s; usually a tenth of that output\n",
               shown.ok() ? ("at most " + shown->to_string()).c_str() : "at a price that is not known");
}

void show(const Scorecard& card, const std::string& path) {
  cli::print(card.upstream_model + " at " + card.provider + " (" + card.dialect + ", " + card.base_url + "), " +
             card.measured_at + "\n\n");
  cli::Table table({"WHAT", "FOUND", "SEEN"});
  for (const Scorecard::Finding& finding : card.findings) table.row({finding.what, finding.found, finding.seen});
  cli::print(table.text());
  cli::print("\ntook " + std::to_string(card.calls) + " calls, " + std::to_string(card.input_tokens) +
             " tokens of input and " + std::to_string(card.output_tokens) +
             " of output, as far as they were counted\n");
  cli::print("kept as " + path + "\n");
}

// How a chat endpoint takes a prefill is for the probe to find out where nobody has said it.
std::vector<ChatPrefill> forms_to_try(const ProviderConfig& config) {
  if (config.dialect != WireDialect::kChat || config.chat.prefill != ChatPrefill::kNone) return {};
  return {ChatPrefill::kPlain, ChatPrefill::kContinueFinal, ChatPrefill::kPrefixOfMessage};
}

// A provider with all that it needs, for one command.
struct Reach {
  cli::BlockingLoop worker;
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network = socket_network(worker.loop(), *resolver);
  std::unique_ptr<HttpClient> client, direct;
  std::unique_ptr<OffLoopFiles> files = std::make_unique<OffLoopFiles>(worker.loop(), *resolver);
  BuiltProvider built;
  std::vector<BuiltProvider> others;  // of a chat endpoint: with other ways to say a prefill
  std::vector<PrefillWay> ways;

  Reach(const ProviderConfig& config, ProxyRules proxies) {
    client = std::make_unique<HttpClient>(worker.loop(), *network, std::move(proxies));
    direct = std::make_unique<HttpClient>(worker.loop(), *network, ProxyRules{});
    ProviderSurroundings at{.loop = worker.loop(), .client = *client, .direct = *direct, .files = *files, .log = Log()};
    built = make_provider(config, at);
    for (ChatPrefill form : forms_to_try(config)) {
      ProviderConfig other = config;
      other.chat.prefill = form;
      others.push_back(make_provider(other, at));
      for (const auto& [value, word] : kChatPrefillNames)
        if (value == form) ways.push_back({std::string(word), others.back().provider.get()});
    }
  }
  // Connections close on their loop.
  ~Reach() {
    worker.wait_for([this] {
      for (BuiltProvider& other : others) other.provider.reset();
      others.clear();
      built.provider.reset();
      built.credential.reset();
      files.reset();
      client.reset();
      direct.reset();
      network.reset();
    });
  }
};

int run_probe(const cli::Options& options) {
  if (options.words.size() != 1) return cli::complain_usage("probe takes one deployment, model or provider", "probe");
  ProbeLimits limits;
  if (options.has("context-tokens")) {
    std::string text = options.get("context-tokens");
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limits.context_budget);
    if (error != std::errc() || end != text.data() + text.size() || limits.context_budget < 0)
      return cli::complain_usage("--context-tokens: must be a whole number of 0 or more", "probe");
  }
  int exit = cli::kOk;
  std::optional<Config> config = effective_config(options, "probe", exit);
  if (!config) return exit;
  Result<Target> target = target_of(*config, options.words[0], options.get("model"));
  if (!target.ok()) return cli::complain(target.error());
  say_plan(*target, plan_of(limits, forms_to_try(*target->provider).size()), limits);
  if (options.has("dry-run")) return cli::kOk;
  Result<Scorecard> card = Error{Code::kInternal, "not asked"};
  {
    Reach reach(*target->provider, proxies_from_environment(process_environment));
    card = reach.worker.run(probe(*reach.built.provider, target->model, limits, reach.worker.loop(), reach.ways));
  }
  if (!card.ok()) return cli::complain(std::move(card).error().with_context("the deployment does not answer"));
  card->provider = target->provider->name;
  card->upstream_model = target->model;
  card->dialect = name_of(target->provider->dialect);
  card->base_url = address_of(*target->provider);
  card->measured_at = utc_now();
  if (Result<void> saved = save_scorecard(config->data, *card); !saved.ok()) return cli::complain(saved.error());
  if (options.has("json"))
    cli::print(to_json(*card) + "\n");
  else
    show(*card, scorecard_path(config->data, card->provider, card->upstream_model));
  return cli::kOk;
}

}  // namespace

cli::Command probe_command() {
  return {
      .name = "probe",
      .words = "DEPLOYMENT|MODEL|PROVIDER",
      .summary = "measures what a deployment can really do, and keeps it as its scorecard",
      .options = {{"model", "NAME", "the model's name there, for a provider or a deployment of any model"},
                  {"context-tokens", "N",
                   "tokens of input to spend on finding the context's size (default 50000; 0: none)"},
                  {"dry-run", "", "says what it would take, and does nothing"},
                  {"config", "FILE", "the server's configuration"},
                  {"data", "DIR", "the server's data folder, where scorecards rest"},
                  {"json", "", "the scorecard as JSON"}},
      .details =
          "  perdure probe small@openai\n"
          "  perdure probe small@openai --context-tokens 300000\n"
          "  OPENAI_BASE_URL=http://127.0.0.1:8000/v1 perdure probe environment --model my-model\n"
          "\n"
          "Says first what it may take at most. It asks the supplier itself: no server has to run, and the answers\n"
          "are nobody's responses. Prefill, tools, parallel tools, structured output, token counts in streams,\n"
          "caching, the size of a context and the largest limit for an answer. What was measured goes before what\n"
          "the catalogue says, and behind what the configuration says of the deployment, from the server's next\n"
          "start on.\n",
      .run = run_probe};
}

}  // namespace perdure
