#include "app/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "access/rate_history.h"
#include "access/spending_keeper.h"
#include "app/deployments.h"
#include "app/key_guard.h"
#include "app/keys.h"
#include "app/model_names.h"
#include "app/provider_factory.h"
#include "app/reload.h"
#include "app/signals.h"
#include "async/epoll_loop.h"
#include "async/job_runner.h"
#include "gateway/gateway.h"
#include "gateway/lost_replies.h"
#include "http/socket_network.h"
#include "routing/withdrawal_desk.h"
#include "store/sqlite/sqlite_store.h"

namespace perdure {
namespace {

constexpr Duration kProbePatience = std::chrono::milliseconds(300);
constexpr Duration kAfterDrain = std::chrono::seconds(1);  // for replies that are being written when the drain ends
constexpr Duration kOneWish = std::chrono::milliseconds(500);
constexpr uint32_t kShard = 0;

// What one loop has been given by a configuration. It lives as long as an answer that was begun with it.
struct Providers {
  std::vector<BuiltProvider> built;
};

// What one loop has of its own. Members are destroyed from the last to the first.
struct Core {
  EpollLoop loop;
  std::unique_ptr<JobRunner> resolver = thread_runner("resolver");
  std::unique_ptr<Network> network;
  std::unique_ptr<HttpClient> client, direct;
  OffLoopFiles files{loop, *resolver};
  std::unique_ptr<Router> router;
  std::shared_ptr<ModelList> models;
  GenerationLimits generation;
  std::unique_ptr<KeyBook> keys;
  std::unique_ptr<KeyGuard> guard;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<HttpServer> server;
  TaskGroup tasks{loop};
  std::thread thread;
};

void say(const std::string& line) {
  std::string whole = line + "\n";
  [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, whole.data(), whole.size());
}

Task<std::vector<std::string>> names_of(std::shared_ptr<ModelList> models) { co_return co_await models->names(); }

}  // namespace

struct Server::Impl {
  Impl(Config c, Environment e, ConfigSource a, std::shared_ptr<LevelLog> l)
      : config(std::move(c)),
        environment(std::move(e)),
        config_again(std::move(a)),
        levels(std::move(l)),
        log(levels),
        metrics(registry),
        generation(registry),
        reloads{&registry.counter("perdure_config_reloads_total", "Configurations read again on SIGHUP.",
                                  "outcome=\"applied\""),
                &registry.counter("perdure_config_reloads_total", "", "outcome=\"refused\"")} {
    config.session.generation.metrics = &generation;
  }

  Config config;                          // to start with
  std::shared_ptr<const Config> current;  // on the first loop; each loop's objects have what they need of it
  Environment environment;
  ConfigSource config_again;
  std::shared_ptr<LevelLog> levels;
  Log log;
  Registry registry;
  GatewayMetrics metrics;
  GenerationMetrics generation;
  Counter* reloads[2];  // applied, refused
  std::atomic<Readiness> readiness{Readiness::kStarting};
  Signals signals;
  std::unique_ptr<JobRunner> writer, reader;
  std::unique_ptr<Store> store;
  SlotBook slots;
  SpendingBook spending;
  RateBook rates;
  Scorecards scorecards;
  std::vector<std::unique_ptr<Core>> cores;
  std::unique_ptr<WithdrawalDesk> desk;
  std::unique_ptr<SpendingKeeper> keeper;
  std::unique_ptr<TaskGroup> background;
  LostReplies lost_replies;
  std::unique_ptr<Responses> responses;
  std::optional<Key256> master;
  Key256 head{};
  int port = 0;  // that is listened on
  Result<void> outcome;
  bool asked_to_stop = false;                // on the first loop
  std::optional<Config> asked_to_change_to;  // likewise; the newest one
  std::unique_ptr<Notifier> asked;

  Result<void> prepare() {
    if (!is_loopback(config.listen)) {
      TRY(std::vector<ApiKey> keys, KeyFile(KeyFile::in(config.data)).list());
      if (keys.empty())
        return Error{Code::kDenied, "without API keys only loopback addresses are served, and " + config.listen.host +
                                        " is none: make one with `perdure keys create`, or listen on 127.0.0.1"};
    }
    std::error_code error;
    std::filesystem::create_directories(config.data, error);
    if (error) return Error{Code::kUnavailable, "cannot make the data folder " + config.data + ": " + error.message()};
    ::chmod(config.data.c_str(), 0700);
    scorecards = load_scorecards(config.data);
    lay_over(config.providers, scorecards);
    for (const std::string& problem : scorecards.problems) log.warn("scorecard.unreadable", {{"why", problem}});
    writer = thread_runner("store-writer");
    reader = thread_runner("store-reader");
    SqliteOptions options;
    options.path = config.data + "/perdure.db";
    // A store without its key is not one to begin anew.
    bool fresh = !std::filesystem::exists(options.path, error);
    TRY(Key256 key,
        master_key(config.data, config.master_key, fresh ? MissingKey::kCreate : MissingKey::kRefuse, system_random()));
    if (config.encryption) master = key;
    head = head_key(key);
    options.head_key = head;
    TRY(store, SqliteStore::open(std::move(options), *writer, *reader, system_clock(), log));
    return {};
  }

  // Binds every loop's listener; they share the port, which is `port` from then on. What was configured stays as it is:
  // a port 0 that is configured again is no change.
  Result<std::vector<std::unique_ptr<Listener>>> listen() {
    std::vector<std::unique_ptr<Listener>> listeners;
    const ServerTls* tls = config.tls ? &*config.tls : nullptr;
    bool shared = cores.size() > 1;
    Address at = config.listen;
    if (shared) {
      // A shared port would be shared with another process just as well; this finds out whether it is free.
      TRY(std::unique_ptr<Listener> alone, cores[0]->network->listen(at, tls, false));
      at.port = alone->port();
      alone->close();
    }
    for (auto& core : cores) {
      TRY(std::unique_ptr<Listener> listener, core->network->listen(at, tls, shared));
      at.port = listener->port();
      listeners.push_back(std::move(listener));
    }
    port = at.port;
    return listeners;
  }

  Task<void> find_providers(Config& wanted) {
    if (!wanted.providers.empty()) co_return;
    Core& first = *cores[0];
    for (int local : {11434, 8080, 8000}) {
      if (local == port) continue;  // ourselves
      std::string base = "http://127.0.0.1:" + std::to_string(local) + "/v1";
      std::vector<WishProblem> problems;
      ProviderConfig provider = complete({.name = "local", .base_url = base, .auth = AuthKind::kNone},
                                         *wanted.catalogue, environment, problems);
      if (!problems.empty()) continue;
      std::unique_ptr<Credential> none = make_credential(provider, surroundings(first));
      Result<std::vector<std::string>> listed =
          co_await fetch_models(*first.client, first.loop, provider, *none, kProbePatience);
      if (!listed.ok()) continue;
      wanted.models.push_back({"*", provider.name, ""});
      wanted.providers.push_back(std::move(provider));
      wanted.found.push_back("provider local: a model server that answers on " + base);
      co_return;
    }
  }

  ProviderSurroundings surroundings(Core& core) const {
    return {.loop = core.loop, .client = *core.client, .direct = *core.direct, .files = core.files, .log = log};
  }

  // A loop's providers, and the deployments at them.
  std::vector<Deployment> furnish(Core& core, const std::shared_ptr<const Config>& wanted) {
    auto providers = std::make_shared<Providers>();
    std::vector<Provider*> known;
    std::vector<Credential*> credentials;
    for (const ProviderConfig& provider : wanted->providers) {
      providers->built.push_back(make_provider(provider, surroundings(core)));
      known.push_back(providers->built.back().provider.get());
      credentials.push_back(providers->built.back().credential.get());
    }
    core.models = std::make_shared<ModelList>(wanted, std::move(credentials), providers, *core.client, core.loop);
    core.generation = wanted->session.generation;
    return deployments_of(*wanted, known, scorecards, providers);
  }

  void wire(Core& core) {
    std::vector<Deployment> deployments = furnish(core, current);
    core.router = std::make_unique<Router>(core.loop, std::move(deployments), current->routing.workloads,
                                           current->routing.options, &slots, log);
    core.keys = std::make_unique<KeyBook>(KeyFile::in(config.data), core.loop, log);
    core.guard = std::make_unique<KeyGuard>(*core.keys, spending, core.loop, &rates, &metrics.rate_limited);
    core.router->set_guard(core.guard.get());
  }

  Task<Router::Reloaded> wire_again(Core& core) {
    std::vector<Deployment> deployments = furnish(core, current);
    co_return core.router->reload(std::move(deployments), current->routing.workloads, current->routing.options, slots);
  }

  // One loop after another, so that what they share is touched by one at a time.
  Task<void> reload(Config wanted) {
    std::vector<std::string> waiting = keep_what_needs_a_restart(*current, wanted);
    wanted.session.generation.metrics = &generation;
    co_await find_providers(wanted);
    scorecards = load_scorecards(wanted.data);
    lay_over(wanted.providers, scorecards);
    current = std::make_shared<const Config>(std::move(wanted));
    Router::Reloaded changed;
    for (auto& core : cores) changed = co_await call_on(core->loop, [&] { return wire_again(*core); });
    co_await responses->set_limits(current->session);
    spending.set_budgets(current->budgets);
    rates.set_default(current->rates);
    levels->set(current->log_level);
    reloads[0]->add();
    std::string keys;
    for (const std::string& key : waiting) keys.append(keys.empty() ? "" : ", ").append(key);
    log.info("config.reloaded", {{"providers", current->providers.size()},
                                 {"deployments", changed.deployments},
                                 {"added", changed.added},
                                 {"retired", changed.retired},
                                 {"workloads", current->routing.workloads.size()}});
    if (!keys.empty()) log.warn("config.needs_restart", {{"keys", keys}});
  }

  Task<Result<void>> start(std::vector<std::unique_ptr<Listener>> listeners) {
    Instant began = cores[0]->loop.now();
    co_await find_providers(config);
    current = std::make_shared<const Config>(config);
    CO_TRY(Lease lease, co_await store->acquire(kShard));
    std::vector<Loop*> loops;
    std::vector<Router*> routers;
    for (auto& core : cores) {
      wire(*core);
      CO_TRY_VOID(core->keys->load());
      loops.push_back(&core->loop);
      routers.push_back(core->router.get());
    }
    desk = std::make_unique<WithdrawalDesk>(*store, routers, log);
    CO_TRY_VOID(co_await desk->load());
    spending.set_budgets(config.budgets);
    rates.set_default(config.rates);
    keeper = std::make_unique<SpendingKeeper>(*store, spending, cores[0]->loop, log);
    CO_TRY_VOID(co_await keeper->load());
    bool limited = rates.limits(nullptr);
    for (const ApiKey& key : cores[0]->keys->keys()) limited = limited || key.rates.any();
    auto rates_of = [&keys = *cores[0]->keys](const KeyId& key) { return keys.rates(key); };
    RateNow at{.through = keeper->through(), .wall = cores[0]->loop.wall(), .now = cores[0]->loop.now()};
    if (limited) CO_TRY_VOID(co_await restore_rates(*store, rates, rates_of, at));
    responses = std::make_unique<Responses>(
        Responses::Options{.store = *store, .lease = lease, .master = master, .limits = config.session, .log = log},
        std::move(loops), std::move(routers));
    // Before anybody can ask for them, unfinished responses go on.
    CO_TRY(size_t recovered, co_await responses->recover());
    for (size_t i = 0; i < cores.size(); ++i) {
      Core& core = *cores[i];
      core.gateway = std::make_unique<Gateway>(
          core.loop, *responses, *core.keys, metrics, [&core] { return names_of(core.models); }, readiness,
          GatewayOptions{.reasoning_events = config.reasoning_events,
                         .router = core.router.get(),
                         .generation = &core.generation,
                         .desk = desk.get(),
                         .spending = &spending,
                         .rates = &rates,
                         .lost_replies = &lost_replies},
          log);
      core.server = std::make_unique<HttpServer>(core.loop, std::move(listeners[i]), *core.gateway, config.http, log);
      co_await call_on(core.loop, [&core]() -> Task<bool> {
        core.server->start();
        co_return true;
      });
    }
    background = std::make_unique<TaskGroup>(cores[0]->loop);
    background->spawn(keeper->run());
    readiness = Readiness::kReady;
    log.info("server.ready", {{"port", port},
                              {"cores", cores.size()},
                              {"recovered", recovered},
                              {"ms", std::chrono::duration<double, std::milli>(cores[0]->loop.now() - began).count()}});
    announce(recovered);
    co_return Result<void>{};
  }

  void announce(size_t recovered) const {
    for (const std::string& line : config.found) say(line);
    if (config.providers.empty())
      say("no provider: set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or the like, or OPENAI_BASE_URL, start a "
          "local model server on 127.0.0.1:11434, :8080 or :8000, or name one in perdure.yaml. Until then every new "
          "response is refused.");
    if (recovered > 0)
      say("going on with " + std::to_string(recovered) + " unfinished response" + (recovered == 1 ? "" : "s"));
    std::string host =
        config.listen.host.find(':') == std::string::npos ? config.listen.host : "[" + config.listen.host + "]";
    say(std::string("listening on ") + (config.tls ? "https" : "http") + "://" + host + ":" + std::to_string(port));
  }

  Task<void> stop() {
    readiness = Readiness::kDraining;
    Core& first = *cores[0];
    Deadline drain = deadline_in(first.loop, current ? current->drain : config.drain);
    Deadline replies{drain.at + kAfterDrain};
    log.info("server.draining", {{"responses", responses ? responses->running() : 0}});
    // Servers first, so that nothing new comes in while responses end.
    TaskGroup stopping(first.loop);
    for (auto& core : cores) stopping.spawn(stop_core(*core, replies));
    if (responses) co_await responses->stop(drain);
    co_await stopping.join();
    if (keeper) keeper->stop();
    if (background) co_await background->join();
    log.info("server.stopped");
  }

  static Task<void> stop_core(Core& core, Deadline deadline) {
    co_await call_on(core.loop, [&core, deadline] { return stop_here(core, deadline); });
  }
  static Task<bool> stop_here(Core& core, Deadline deadline) {
    if (core.server) co_await core.server->stop(deadline);
    if (core.gateway) co_await core.gateway->stop();
    core.client->close_idle();
    core.direct->close_idle();
    co_return true;
  }

  // Start, life and end, on the first loop.
  Task<void> live(std::vector<std::unique_ptr<Listener>> listeners) {
    outcome = co_await start(std::move(listeners));
    while (outcome.ok() && !asked_to_stop) {
      if (asked_to_change_to) {
        Config wanted = *std::exchange(asked_to_change_to, std::nullopt);
        co_await reload(std::move(wanted));
        continue;
      }
      (void)co_await asked->wait();
    }
    co_await stop();
    signals.wake();
  }

  // On the main thread: files are read here.
  void read_again(EpollLoop& first) {
    EffectiveConfig read = config_again();
    for (const std::string& problem : read.problems) log.error("config.problem", {{"problem", problem}});
    if (!read.problems.empty()) {
      reloads[1]->add();
      log.error("config.reload_refused",
                {{"problems", read.problems.size()}, {"hint", "nothing was changed; the old configuration stays"}});
      return;
    }
    first.post([this, wanted = std::move(read.config)]() mutable {
      asked_to_change_to = std::move(wanted);
      asked->notify_all();
    });
  }

  Result<void> run() {
    TRY_VOID(prepare());
    size_t count = config.cores > 0 ? config.cores : std::max(1u, std::thread::hardware_concurrency());
    ProxyRules proxies = proxies_from_environment(environment);
    for (size_t i = 0; i < count; ++i) {
      auto core = std::make_unique<Core>();
      core->network = socket_network(core->loop, *core->resolver);
      core->client = std::make_unique<HttpClient>(core->loop, *core->network, proxies);
      core->direct = std::make_unique<HttpClient>(core->loop, *core->network, ProxyRules{});
      cores.push_back(std::move(core));
    }
    Result<std::vector<std::unique_ptr<Listener>>> listeners = listen();
    if (!listeners.ok()) return std::move(listeners).error();
    EpollLoop& first = cores[0]->loop;
    asked = std::make_unique<Notifier>(first);
    cores[0]->tasks.spawn(live(std::move(*listeners)));
    for (auto& core : cores) core->thread = std::thread([&loop = core->loop] { loop.run(); });

    std::optional<Instant> stopping_since;
    while (std::optional<int> signal = signals.wait()) {
      if (*signal == SIGHUP) {
        read_again(first);
        continue;
      }
      // Some supervisors send the same signal twice at once, to the process and to its group: that is one wish.
      Instant now = system_clock().now();
      if (stopping_since && now - *stopping_since > kOneWish) ::_exit(128 + *signal);
      if (stopping_since) continue;
      stopping_since = now;
      first.post([this] {
        asked_to_stop = true;
        asked->notify_all();
      });
    }
    for (auto& core : cores) core->loop.stop();
    for (auto& core : cores) core->thread.join();
    return outcome;
  }

  ~Impl() {
    for (auto& core : cores) {
      core->server.reset();
      core->gateway.reset();
    }
    responses.reset();
    background.reset();
    keeper.reset();
    desk.reset();
    asked.reset();
    store.reset();
    cores.clear();
  }
};

Server::Server(Config config, Environment environment, ConfigSource again, std::shared_ptr<LevelLog> levels)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(environment), std::move(again), std::move(levels))) {}
Server::~Server() = default;
Result<void> Server::run() { return impl_->run(); }

}  // namespace perdure
