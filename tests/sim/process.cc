#include "process.h"

#include "access/rate_history.h"
#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_upstream.h"
#include "provider/http_provider.h"
#include "visitor.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<UpstreamDialect> dialect_named(std::string_view name) {
  if (name == "responses") return responses_upstream();
  if (name == "messages") return messages_upstream(MessagesVariant{.structured_output = true});
  if (name == "gemini") return gemini_upstream();
  if (name == "converse") return converse_upstream({.family = ConverseFamily::kClaudeBudget});
  ChatVariant variant;
  variant.prefill = ChatPrefill::kPlain;
  return chat_upstream(variant);
}

std::string base_of(std::string_view dialect, int port) {
  std::string base = "http://supplier:" + std::to_string(port);
  return base + (dialect == "gemini" ? "/v1beta" : dialect == "converse" ? "" : "/v1");
}

std::unique_ptr<Credential> credential_for(std::string_view dialect) {
  if (dialect == "messages") return header_credential("x-api-key", "", "any");
  if (dialect == "gemini") return header_credential("x-goog-api-key", "", "any");
  return header_credential("Authorization", "Bearer ", "any");
}

Price price_of(const DeploymentSetup& each) {
  Price price;
  price.rates.input = *Money::parse(std::to_string(each.input_price) + "e-6");
  price.rates.output = *Money::parse(std::to_string(each.output_price) + "e-6");
  price.version = {"2027-01-01", "the simulation"};
  return price;
}

}  // namespace

Process::Process(Machine machine, SessionLimits limits)
    : machine_(std::move(machine)),
      limits_(std::move(limits)),
      writer_(machine_.loop.make_runner(3ms)),
      reader_(machine_.loop.make_runner(1ms)),
      network_(machine_.cable),
      keeping_(machine_.loop) {}

Process::~Process() = default;

Task<std::unique_ptr<Process>> Process::start(Machine machine, SessionLimits limits) {
  std::unique_ptr<Process> process(new Process(std::move(machine), std::move(limits)));
  bool up = co_await process->boot();
  if (!up) {
    co_await process->wind_down();
    process.reset();
  }
  co_return process;
}

Task<bool> Process::set_budgets(std::vector<Budget> budgets) {
  spending_.set_budgets(std::move(budgets));
  co_return true;
}

void Process::wire() {
  const Setup& setup = machine_.setup;
  machine_.rules.new_life();
  spending_.set_budgets(machine_.rules.purses().configured());
  client_ = std::make_unique<HttpClient>(machine_.loop, network_, ProxyRules{});
  for (size_t i = 0; i < setup.suppliers.size(); ++i) {
    const SupplierSetup& supplier = setup.suppliers[i];
    credentials_.push_back(credential_for(supplier.dialect));
    HttpProviderOptions options{.name = supplier.name};
    options.base_url = *parse_url(base_of(supplier.dialect, supplier.port));
    providers_.push_back(std::make_unique<WatchedProvider>(
        http_provider(std::move(options), dialect_named(supplier.dialect), *credentials_.back(), *client_), i,
        machine_.rules, dead_));
  }
  std::vector<Deployment> deployments;
  for (const DeploymentSetup& each : setup.deployments) {
    const SupplierSetup& supplier = setup.suppliers[each.supplier];
    Deployment deployment = Deployment::simple(each.model, *providers_[each.supplier], each.upstream_model);
    deployment.name = each.name;
    deployment.party = supplier.party;
    deployment.region = supplier.region;
    deployment.account = supplier.name;
    deployment.priority = each.priority;
    deployment.weight = each.weight;
    deployment.concurrency_max = each.concurrency_max;
    deployment.queue_max = each.queue_max;
    deployment.price = price_of(each);
    deployment.capabilities[Capability::kPrefill] = supplier.prefill ? Known::kYes : Known::kNo;
    deployments.push_back(std::move(deployment));
  }
  RoutingOptions options;
  options.patience = 24h;  // what waits for somebody to be able gets its answer, so that every ending can be judged
  options.health.refused = options.health.refused_max = 20s;
  router_ = std::make_unique<Router>(machine_.loop, std::move(deployments), setup.workloads, options);
  keys_ = std::make_unique<KeyBook>(machine_.keys, machine_.loop, Log());
  guard_ = std::make_unique<KeyGuard>(*keys_, spending_, machine_.loop, &rates_);
  router_->set_guard(guard_.get());
}

Task<bool> Process::boot() {
  wire();
  SqliteOptions store_options{.path = machine_.path, .vfs = machine_.vfs.name()};
  store_options.head_key = Key256{7};
  store_options.on_fatal = [this](const std::string&) { dead_ = true; };
  Result<std::unique_ptr<Store>> store = SqliteStore::open(store_options, *writer_, *reader_, machine_.loop, {});
  if (!store.ok()) co_return false;
  store_ = std::move(*store);
  Result<Lease> lease = co_await store_->acquire(0);
  if (!lease.ok()) co_return false;
  lease_ = *lease;
  CHECK(keys_->load().ok(), "the key file");
  desk_ = std::make_unique<WithdrawalDesk>(*store_, std::vector<Router*>{router_.get()}, Log());
  Result<void> loaded = co_await desk_->load();
  if (!loaded.ok()) co_return false;
  std::vector<Withdrawal> withdrawn = co_await desk_->list();
  if (dead_) co_return false;
  machine_.rules.settle(withdrawn);
  keeper_ = std::make_unique<SpendingKeeper>(*store_, spending_, machine_.loop, Log());
  Result<void> counted = co_await keeper_->load();
  if (!counted.ok()) {
    if (counted.error().code == Code::kCorrupt)
      machine_.rules.violate("budget: what was spent cannot be read again: " + counted.error().message);
    co_return false;
  }
  if (machine_.setup.limited > 0) {
    auto rates_of = [this](const KeyId& key) { return keys_->rates(key); };
    RateNow at{.through = keeper_->through(), .wall = machine_.loop.wall(), .now = machine_.loop.now()};
    Result<void> restored = co_await restore_rates(*store_, rates_, rates_of, at);
    if (!restored.ok()) co_return false;
  }
  responses_ = std::make_unique<Responses>(
      Responses::Options{.store = *store_, .lease = lease_, .master = Key256{9}, .limits = limits_, .log = {}},
      std::vector<Loop*>{&machine_.loop}, std::vector<Router*>{router_.get()});
  Result<size_t> recovered = co_await responses_->recover();
  if (!recovered.ok() || dead_) co_return false;
  keeping_.spawn(keeper_->run());
  gateway_ = std::make_unique<Gateway>(
      machine_.loop, *responses_, *keys_, metrics_,
      []() -> Task<std::vector<std::string>> { co_return std::vector<std::string>{"small", "large"}; }, readiness_,
      GatewayOptions{.router = router_.get(), .generation = &limits_.generation, .desk = desk_.get(), .rates = &rates_},
      Log());
  Result<std::unique_ptr<Listener>> listener = network_.listen({"", kFrontDoor}, nullptr, false);
  CHECK(listener.ok(), "the front door");
  server_ = std::make_unique<HttpServer>(machine_.loop, std::move(*listener), *gateway_, HttpServerLimits{}, Log());
  server_->start();
  co_return true;
}

Task<void> Process::halt() {
  dead_ = true;
  network_.reset_all();
  if (responses_) co_await responses_->stop({machine_.loop.now()});
  if (server_) co_await server_->stop({machine_.loop.now()});
  if (gateway_) co_await gateway_->stop();
  if (keeper_) keeper_->stop();
  co_await keeping_.join();
}

Task<void> Process::wind_down() {
  co_await halt();
  server_.reset();
  gateway_.reset();
  responses_.reset();
  keeper_.reset();
  desk_.reset();
  router_.reset();
  guard_.reset();
  keys_.reset();
  providers_.clear();
  credentials_.clear();
  client_.reset();
  store_.reset();
}

}  // namespace perdure::sim
