#include "process.h"

namespace perdure::sim {

using namespace std::chrono_literals;

Process::Process(Machine machine)
    : machine_(machine),
      writer_(machine.loop.make_runner(3ms)),
      reader_(machine.loop.make_runner(1ms)),
      network_(machine.cable) {}

Process::~Process() = default;

Task<std::unique_ptr<Process>> Process::start(Machine machine, SessionLimits limits) {
  std::unique_ptr<Process> process(new Process(machine));
  bool up = co_await process->boot(limits);
  if (!up) {
    co_await process->wind_down();
    process.reset();
  }
  co_return process;
}

Task<bool> Process::boot(SessionLimits limits) {
  client_ = std::make_unique<HttpClient>(machine_.loop, network_, ProxyRules{});
  ChatProviderOptions options{.name = "supplier"};
  options.base_url = *parse_url("http://supplier:" + std::to_string(kSupplierPort) + "/v1");
  provider_ = chat_provider(std::move(options), *client_);
  router_ = std::make_unique<Router>(machine_.loop, std::vector{Deployment::simple("*", *provider_)});
  SqliteOptions store_options{.path = machine_.path, .vfs = machine_.vfs.name()};
  store_options.head_key = Key256{7};
  store_options.on_fatal = [this](const std::string&) { dead_ = true; };
  Result<std::unique_ptr<Store>> store = SqliteStore::open(store_options, *writer_, *reader_, machine_.loop, {});
  if (!store.ok()) co_return false;
  store_ = std::move(*store);
  Result<Lease> lease = co_await store_->acquire(0);
  if (!lease.ok()) co_return false;
  lease_ = *lease;
  responses_ = std::make_unique<Responses>(
      Responses::Options{.store = *store_, .lease = lease_, .master = Key256{9}, .limits = limits, .log = {}},
      std::vector<Loop*>{&machine_.loop}, std::vector<Router*>{router_.get()});
  Result<size_t> recovered = co_await responses_->recover();
  co_return recovered.ok() && !dead_;
}

Task<void> Process::halt() {
  dead_ = true;
  network_.reset_all();
  if (responses_) co_await responses_->stop({machine_.loop.now()});
}

Task<void> Process::wind_down() {
  co_await halt();
  responses_.reset();
  router_.reset();
  provider_.reset();
  client_.reset();
  store_.reset();
}

}  // namespace perdure::sim
