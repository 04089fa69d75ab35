// Deployments, workloads and routing in perdure.yaml: what they become, and every problem with its place.
#include "app/routing_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/deployments.h"

namespace perdure {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class NamedProvider final : public Provider {
 public:
  explicit NamedProvider(std::string name) : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall, Deadline, Cancellation&) override {
    co_return Error{Code::kUnavailable, "never"};
  }

 private:
  std::string name_;
};

constexpr std::string_view kProviders = R"(providers:
  - {name: azure, base_url: 'http://localhost:1/v1', party: Microsoft, region: eu, account: prod}
  - {name: local, base_url: 'http://localhost:2/v1'}
)";

LoadedConfig load(const std::string& rest) {
  return parse_config(std::string(kProviders) + rest, [](const std::string&) { return std::nullopt; });
}
Config good(const std::string& rest) {
  LoadedConfig loaded = load(rest);
  for (const ConfigProblem& problem : loaded.problems) ADD_FAILURE() << problem.to_string("f");
  return loaded.config;
}
std::vector<std::string> problems_of(const std::string& rest) {
  std::vector<std::string> out;
  for (const ConfigProblem& problem : load(rest).problems) out.push_back(problem.to_string("f"));
  return out;
}
std::vector<Deployment> deployments(const Config& config) {
  static NamedProvider azure("azure"), local("local");
  return deployments_of(config, {&azure, &local});
}

TEST(RoutingYaml, ADeploymentIsWhatItsProviderIsAndWhatItsOwnerSays) {
  std::vector<Deployment> all = deployments(good(R"(models:
  - name: small
    provider: azure
    upstream_model: gpt-4o-mini
    weight: 3
    concurrency: 20
    queue: 100
    context_tokens: 32000
    output_tokens: 4000
    capabilities: {tools: true, images: false}
    price: {input: 0.15, output: "0.60", currency: EUR}
  - {name: small, provider: local, region: cellar, party: us}
  - {name: small, provider: local, upstream_model: other, deployment: spare, priority: 0}
)"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].name, "small@azure");
  EXPECT_EQ(all[0].party, "Microsoft");
  EXPECT_EQ(all[0].region, "eu");
  EXPECT_EQ(all[0].account, "prod");
  EXPECT_EQ(all[0].priority, 0);
  EXPECT_EQ(all[0].weight, 3u);
  EXPECT_EQ(all[0].concurrency_max, 20u);
  EXPECT_EQ(all[0].queue_max, 100u);
  EXPECT_EQ(all[0].capabilities[Capability::kTools], Known::kYes);
  EXPECT_EQ(all[0].capabilities[Capability::kImages], Known::kNo);
  EXPECT_EQ(all[0].capabilities[Capability::kFiles], Known::kUnknown);
  EXPECT_EQ(all[0].capabilities.context_tokens, 32000);
  EXPECT_EQ(all[0].capabilities.output_tokens_max, 4000);
  ASSERT_TRUE(all[0].price);
  EXPECT_EQ(all[0].price->rates.input->to_string(), "0.00000015 EUR");
  EXPECT_EQ(all[0].price->rates.output->to_string(), "0.0000006 EUR");
  EXPECT_EQ(all[1].region, "cellar");
  EXPECT_EQ(all[1].party, "us");
  EXPECT_EQ(all[1].priority, 1) << "its place in the list";
  EXPECT_EQ(all[2].name, "spare");
  EXPECT_EQ(all[2].priority, 0);
}

TEST(RoutingYaml, TheCatalogueSaysWhatTheOwnerDoesNot) {
  Config config = parse_config(R"(
providers: [{name: openai, supplier: openai, api_key: env:K}]
models:
  - {name: a, provider: openai, upstream_model: gpt-4o-mini}
  - {name: b, provider: openai, upstream_model: gpt-4o-mini, capabilities: {tools: false}, context_tokens: 10}
)",
                               [](const std::string&) { return std::optional<std::string>("secret"); })
                      .config;
  NamedProvider openai("openai");
  std::vector<Deployment> all = deployments_of(config, {&openai});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].party, "OpenAI");
  EXPECT_EQ(all[0].capabilities[Capability::kTools], Known::kYes);
  EXPECT_GT(all[0].capabilities.context_tokens.value_or(0), 1000);
  EXPECT_TRUE(all[0].price.has_value());
  EXPECT_EQ(all[1].capabilities[Capability::kTools], Known::kNo) << "the owner's word goes first";
  EXPECT_EQ(all[1].capabilities.context_tokens, 10);
}

TEST(RoutingYaml, AWorkloadIsReadWhole) {
  Config config = good(R"(models:
  - {name: small, provider: azure}
  - {name: other, provider: local, party: Acme}
routing:
  policy: least_latency
  patience: 10s
  sticky_time: 5m
  sticky_sessions: 1000
  failures: 3
  error_percent: 40
  open_time: 2s
  open_time_max: 1m
  rest_time_max: 5m
  refused_time: 2m
  stall_floor: 3s
workloads:
  - name: support
    tenants: [shop, bank]
    keys: [key_1]
    models: [small]
    policy: least_cost
    stand_ins: {small: [other]}
    continuation: restart
    one_author: true
    regions: [eu]
    parties: [Microsoft]
    parties_denied: [Acme]
    hedge_after: 2s
    continuation_words: Go on.
    deadline: 5m
    retry: {percent: 50, per_second: 1}
  - name: rest
    stand_ins: {small: other}
)");
  const HealthLimits& health = config.routing.options.health;
  EXPECT_EQ(config.routing.options.patience, 10s);
  EXPECT_EQ(config.routing.options.sticky_time, 5min);
  EXPECT_EQ(config.routing.options.sticky_sessions_max, 1000u);
  EXPECT_EQ(health.failures_to_open, 3);
  EXPECT_DOUBLE_EQ(health.error_average_to_open, 0.4);
  EXPECT_EQ(health.open_first, 2s);
  EXPECT_EQ(health.open_max, 1min);
  EXPECT_EQ(health.rest_max, 5min);
  EXPECT_EQ(health.refused, 2min);
  EXPECT_EQ(health.stall_floor, 3s);
  ASSERT_EQ(config.routing.workloads.size(), 3u);
  const Workload& support = config.routing.workloads[0];
  EXPECT_EQ(support.name, "support");
  EXPECT_THAT(support.tenants, ElementsAre("shop", "bank"));
  EXPECT_THAT(support.keys, ElementsAre("key_1"));
  EXPECT_THAT(support.models, ElementsAre("small"));
  EXPECT_EQ(support.policy, RoutingPolicy::kLeastCost);
  ASSERT_EQ(support.stand_ins.size(), 1u);
  EXPECT_EQ(support.stand_ins[0].model, "small");
  EXPECT_THAT(support.stand_ins[0].others, ElementsAre("other"));
  EXPECT_EQ(support.continuation, ContinuationRule::kRestart);
  EXPECT_TRUE(support.one_author);
  EXPECT_THAT(support.regions, ElementsAre("eu"));
  EXPECT_THAT(support.parties, ElementsAre("Microsoft"));
  EXPECT_THAT(support.parties_denied, ElementsAre("Acme"));
  EXPECT_EQ(support.hedge_after, 2s);
  EXPECT_EQ(support.continuation_words, "Go on.");
  EXPECT_EQ(support.deadline, 5min);
  EXPECT_DOUBLE_EQ(support.retry.ratio, 0.5);
  EXPECT_DOUBLE_EQ(support.retry.per_second, 1);
  EXPECT_EQ(config.routing.workloads[1].policy, RoutingPolicy::kLeastLatency);
  EXPECT_THAT(config.routing.workloads[1].stand_ins[0].others, ElementsAre("other"));
  EXPECT_EQ(config.routing.workloads[2].name, "default");
  EXPECT_EQ(config.routing.workloads[2].policy, RoutingPolicy::kLeastLatency);
}

TEST(RoutingYaml, WithoutASectionAllIsAsUsual) {
  Config config = good("");
  EXPECT_EQ(config.routing.policy, RoutingPolicy::kPriority);
  ASSERT_EQ(config.routing.workloads.size(), 1u);
  EXPECT_EQ(config.routing.workloads[0].name, "default");
  EXPECT_THAT(problems_of("workloads:\n  - {name: w, models: [whatever]}\n"), IsEmpty())
      << "every name is served by somebody";
}

TEST(RoutingYaml, EveryProblemHasItsPlace) {
  EXPECT_THAT(
      problems_of(R"(models:
  - name: small
    provider: azure
    priority: high
    queue: 5
    context_tokens: 0
    capabilities: {tools: yes, smell: true}
    price: {input: cheap, output: -1, currency: euro}
  - {name: small, provider: azure}
  - {name: big, provider: local, deployment: small@azure}
  - {name: big, provider: local, price: {input: 1}}
routing:
  policy: best
  failures: 0
  speed: fast
workloads:
  - models: [unheard]
    regions: [moon]
    parties: [Nobody]
    policy: cheapest
    continuation: maybe
    hedge_after: 0s
    retry: {percent: many}
    stand_ins: {small: [small, big, big], ghost: [big]}
    tenants: shop
    colour: blue
  - {name: a}
  - {name: a, parties_denied: [Microsft]}
)"),
      ElementsAre(
          R"(f:7:15: models[0].priority: must be a whole number from 0 to 1000000, not "high")",
          "f:8:12: models[0].queue: means nothing without concurrency",
          R"(f:9:21: models[0].context_tokens: must be a whole number from 1 to 1000000000, not "0")",
          R"(f:10:27: models[0].capabilities.tools: must be true or false, not "yes")",
          "f:10:32: models[0].capabilities.smell: there is no such key; here may stand: tools, parallel_tools, images, "
          "files, reasoning, prefill, structured_output, caching, streaming",
          testing::StartsWith("f:11:20: models[0].price.input: "),
          "f:11:35: models[0].price.output: must not be negative",
          testing::StartsWith("f:11:49: models[0].price.currency: "),
          "f:12:5: models[1].name: this model stands at this provider twice; give one of the two a name of its own by "
          "deployment",
          R"(f:13:5: models[2].deployment: another deployment is named "small@azure" too)",
          "f:14:41: models[3].price.output: is missing",
          R"(f:16:11: routing.policy: must be one of priority, weighted, least_cost, least_latency, least_loaded, not "best")",
          R"(f:17:13: routing.failures: must be a whole number from 1 to 1000, not "0")",
          testing::StartsWith("f:18:3: routing.speed: there is no such key"), "f:20:5: workloads[0].name: is missing",
          R"(f:20:14: workloads[0].models[0]: no deployment has the model "unheard")",
          R"(f:21:15: workloads[0].regions[0]: no deployment is in the region "moon")",
          R"(f:22:15: workloads[0].parties[0]: no deployment is of the party "Nobody")",
          R"(f:23:13: workloads[0].policy: must be one of priority, weighted, least_cost, least_latency, least_loaded, not "cheapest")",
          R"(f:24:19: workloads[0].continuation: must be one of continue, restart, end, not "maybe")",
          "f:25:18: workloads[0].hedge_after: must be longer than nothing",
          R"(f:26:22: workloads[0].retry.percent: must be a whole number from 0 to 1000, not "many")",
          "f:27:25: workloads[0].stand_ins.small[0]: a model needs no leave to stand in for itself",
          "f:27:37: workloads[0].stand_ins.small[2]: stands here twice",
          R"(f:27:50: workloads[0].stand_ins.ghost: no deployment has the model "ghost")",
          "f:28:14: workloads[0].tenants: must be a list, not a plain value",
          testing::StartsWith("f:29:5: workloads[0].colour: there is no such key"),
          R"(f:31:5: workloads[2].name: another workload is named "a" too)",
          R"(f:31:32: workloads[2].parties_denied[0]: no deployment is of the party "Microsft")"));
}

TEST(RoutingYaml, WhatTakesNoPrefillCannotBeSaidToTakeOne) {
  const char* providers = R"(providers:
  - {name: none, base_url: "http://127.0.0.1:1/v1", variant: {prefill: none}}
  - {name: unsaid, base_url: "http://127.0.0.1:2/v1"}
  - {name: plain, base_url: "http://127.0.0.1:3/v1", variant: {prefill: plain}}
models:
)";
  auto model = [](const std::string& provider, const std::string& takes) {
    return "  - {name: m, provider: " + provider + ", deployment: " + provider + ", capabilities: {prefill: " + takes +
           "}}\n";
  };
  auto said = [&](const std::string& models) {
    std::vector<std::string> out;
    for (const ConfigProblem& problem :
         parse_config(providers + models, [](const std::string&) { return std::nullopt; }).problems)
      out.push_back(problem.field + ": " + problem.message);
    return out;
  };
  EXPECT_THAT(said(model("unsaid", "true") + model("plain", "true") + model("none", "false")), ElementsAre());
  EXPECT_THAT(said(model("plain", "true") + model("none", "true")),
              ElementsAre(R"(models[1].capabilities.prefill: contradicts variant.prefill of the provider )"
                          R"("none", which is none)"));
}

}  // namespace
}  // namespace perdure
