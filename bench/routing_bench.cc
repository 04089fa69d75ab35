// How long a routing decision takes, with 10 deployments and with 1,000: Router::place() alone, and an attempt's whole
// way through the Router (begin, dispatch, first piece, end). Besides the mean that Google Benchmark gives, each run
// reports the 50th and 99th percentile of single decisions in nanoseconds, what reading the clock costs included.
//
// routing_bench [--benchmark_filter=...]

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "async/sim_loop.h"
#include "routing/router.h"

namespace perdure {
namespace {

class NoProvider final : public Provider {
 public:
  const std::string& name() const override { return name_; }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall, Deadline, Cancellation&) override {
    co_return Error{Code::kUnavailable, "never"};
  }

 private:
  std::string name_ = "provider";
};

// `count` deployments; every model has five of them at five providers in three regions, as a company's might.
std::vector<Deployment> deployments(size_t count, Provider& provider) {
  std::vector<Deployment> out;
  for (size_t i = 0; i < count; ++i) {
    Deployment d = Deployment::simple("model-" + std::to_string(i / 5), provider);
    d.provider_name = "provider-" + std::to_string(i % 5);
    d.name = d.model + "@" + d.provider_name;
    d.party = "party-" + std::to_string(i % 4);
    d.region = "region-" + std::to_string(i % 3);
    d.priority = static_cast<int>(i % 5) / 2;
    d.capabilities.context_tokens = 128'000;
    if (i % 5 == 4) d.capabilities[Capability::kTools] = Known::kNo;
    Price price;
    price.rates.input = *Money::parse("0.0000025");
    price.rates.output = *Money::parse("0.00001");
    d.price = price;
    out.push_back(std::move(d));
  }
  return out;
}

struct World {
  SimLoop loop{1};
  NoProvider provider;
  std::vector<Workload> workloads;
  Router router;
  std::vector<std::string> models;
  PlacementAsk ask{.model = "model-0", .traffic = {}, .needs = {}, .tried = {}, .author = {}};

  World(size_t count, RoutingPolicy policy)
      : workloads(make(policy)), router(loop, deployments(count, provider), workloads) {
    for (size_t i = 0; i < count / 5; ++i) models.push_back("model-" + std::to_string(i));
    ask.traffic = {.tenant = TenantId("shop"), .key = KeyId("key_0123456789abcdef"), .session = 0};
    ask.needs.capabilities.add(Capability::kTools);
    ask.needs.context_tokens = 4000;
  }
  static std::vector<Workload> make(RoutingPolicy policy) {
    Workload strict;
    strict.name = "strict";
    strict.tenants = {"bank"};
    strict.regions = {"region-1"};
    Workload usual;
    usual.policy = policy;
    return {strict, usual};
  }
};

void report(benchmark::State& state, std::vector<int64_t>& times) {
  std::ranges::sort(times);
  auto at = [&](double q) {
    return static_cast<double>(times[static_cast<size_t>(q * static_cast<double>(times.size() - 1))]);
  };
  state.counters["p50_ns"] = at(0.5);
  state.counters["p99_ns"] = at(0.99);
  state.counters["p99.9_ns"] = at(0.999);
}

void place(benchmark::State& state, RoutingPolicy policy) {
  World world(static_cast<size_t>(state.range(0)), policy);
  std::vector<int64_t> times;
  times.reserve(1 << 22);
  uint64_t i = 0;
  for (auto _ : state) {
    world.ask.model = world.models[i++ * 7919 % world.models.size()];
    world.ask.traffic.session = i % 50'000 + 1;
    auto began = std::chrono::steady_clock::now();
    Result<Placed> placed = world.router.place(world.ask);
    auto ended = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(placed);
    if (times.size() < times.capacity()) times.push_back((ended - began).count());
  }
  report(state, times);
}

void attempt(benchmark::State& state, RoutingPolicy policy) {
  World world(static_cast<size_t>(state.range(0)), policy);
  Cancellation client(world.loop);
  std::vector<int64_t> times;
  times.reserve(1 << 22);
  auto one = [](World& w, Cancellation& c) -> Task<bool> {
    Result<std::unique_ptr<AttemptLease>> lease = co_await w.router.begin(w.ask, Deadline::never(), c);
    if (!lease.ok() || !(*lease)->dispatch().ok()) co_return false;
    (*lease)->came(std::chrono::milliseconds(200));
    (void)(*lease)->ended({});
    co_return true;
  };
  uint64_t i = 0;
  for (auto _ : state) {
    world.ask.model = world.models[i++ * 7919 % world.models.size()];
    world.ask.traffic.session = i % 50'000 + 1;
    auto began = std::chrono::steady_clock::now();
    bool good = world.loop.run(one(world, client));
    auto ended = std::chrono::steady_clock::now();
    if (!good) state.SkipWithError("nothing was placed");
    if (times.size() < times.capacity()) times.push_back((ended - began).count());
  }
  report(state, times);
}

constexpr RoutingPolicy kPolicies[] = {RoutingPolicy::kPriority, RoutingPolicy::kWeighted, RoutingPolicy::kLeastCost,
                                       RoutingPolicy::kLeastLatency, RoutingPolicy::kLeastLoaded};

}  // namespace
}  // namespace perdure

int main(int argc, char** argv) {
  using namespace perdure;
  for (RoutingPolicy policy : kPolicies) {
    std::string name(name_of(policy));
    benchmark::RegisterBenchmark(("place/" + name).c_str(), [policy](benchmark::State& s) { place(s, policy); })
        ->Arg(10)
        ->Arg(1000);
  }
  benchmark::RegisterBenchmark("attempt/priority", [](benchmark::State& s) { attempt(s, RoutingPolicy::kPriority); })
      ->Arg(10)
      ->Arg(1000);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
