#include "world.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "chaos.h"
#include "client.h"
#include "generation/continuation_words.h"
#include "session/key_ring.h"
#include "store/verify.h"
#include "visitor.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kWindowBytes = 4 << 10;
constexpr Duration kFaultTime = 600s;  // virtual: from then on nothing fails any more
constexpr Duration kSettleTime = 3600s;

SessionLimits session_limits() {
  SessionLimits limits;
  limits.run.window_bytes_max = kWindowBytes;
  limits.run.pending_bytes_max = 2 << 10;
  limits.generation.stall_time = 20s;
  limits.generation.open_time = 20s;
  limits.generation.backoff_max = 2s;
  // The scripted model takes words in English for a wish to go on; in another language they are one more prompt to it.
  limits.generation.ask = continuation_words(Language::kEnglish);
  limits.generation.fruitless_attempts_max = 1'000'000;  // honest endings by exhaustion have tests of their own
  limits.generation.total_time = 24h;
  return limits;
}

class World {
 public:
  explicit World(const WorldOptions& options)
      : options_(options),
        setup_(draw_setup(options.seed)),
        random_(options.seed * 2654435761u + 17),
        loop_(options.seed),
        cable_(loop_, options.seed ^ 5),
        vfs_("sim" + std::to_string(options.seed)),
        key_file_("/tmp/perdure_sim_" + std::to_string(::getpid()) + "_keys.json"),
        rules_(setup_, loop_, report_),
        weather_(setup_, rules_, report_, options.seed ^ 11),
        lives_({loop_, cable_, vfs_, setup_, rules_, "perdure.db", key_file_}, session_limits(), report_, random_,
               options.verbose),
        scene_{options.seed, options.verbose, loop_, setup_, report_, rules_, lives_, {}, {}, {}, {}, {}},
        operator_(scene_, key_file_),
        supplier_network_(cable_),
        client_network_(cable_),
        kept_(loop_, client_network_, ProxyRules{}),
        fresh_(loop_, client_network_, ProxyRules{}, HttpClientLimits{.idle_per_host_max = 0}),
        http_{kept_, fresh_, client_network_},
        group_(loop_) {
    report_.seed = options.seed;
  }
  ~World() { leave_no_files(); }
  void leave_no_files() const { std::filesystem::remove(key_file_); }

  bool stuck() const { return stuck_; }  // the run ended with coroutines that wait for ever

  Report run() {
    start_suppliers();
    cable_.set_faults(&weather_);
    group_.spawn(lives_.keep_alive());
    for (int i = 0; i < options_.sessions; ++i) group_.spawn(client(i));
    group_.spawn(chaos());
    group_.spawn(operate());
    Instant end = loop_.now() + kFaultTime + kSettleTime;
    while (!(clients_done_ == options_.sessions && scene_.healed)) {
      if (loop_.now() >= end || !loop_.step(end)) {
        std::string waiting;
        for (const auto& [number, errand] : rules_.errands())
          if (errand.phase != Phase::kIdle)
            waiting += "\n  errand " + std::to_string(number) + " of " + errand.who.key.value + ", " +
                       std::string(name_of(errand.phase)) + ", " + std::to_string(errand.attempts) + " attempts";
        rules_.violate("I9: clients are still waiting an hour after the last fault" + waiting);
        stuck_ = true;
        return std::move(report_);  // the loop is left as it is: nothing can be wound down
      }
      ++report_.counts.steps;
      check_step();
      if (report_.violations.size() > 5) break;
    }
    if (scene_.holds()) loop_.run(final_checks());
    if (!scene_.holds()) {
      stuck_ = true;
      return std::move(report_);
    }
    loop_.run(finish());
    return std::move(report_);
  }

 private:
  void start_suppliers() {
    for (size_t i = 0; i < setup_.suppliers.size(); ++i) {
      const SupplierSetup& setup = setup_.suppliers[i];
      if (options_.verbose)
        std::fprintf(stderr, "%s: seam %s%s, %s\n", setup.name.c_str(),
                     std::string(name_of(setup.options.continuation)).c_str(), setup.prefill ? ", prefill" : "",
                     simulate::to_string(setup.faults).c_str());
      suppliers_.push_back(std::make_unique<WatchedSupplier>(loop_, setup, i, rules_, report_));
      Result<std::unique_ptr<Listener>> listener = supplier_network_.listen({"127.0.0.1", setup.port}, nullptr, false);
      CHECK(listener.ok(), "a supplier's port");
      servers_.push_back(
          std::make_unique<HttpServer>(loop_, std::move(*listener), *suppliers_.back(), HttpServerLimits{}, Log()));
      servers_.back()->start();
    }
  }

  // Every third one comes in through the front door.
  Task<void> client(int number) {
    if (number % 3 == 2) {
      Visitor visitor(scene_, http_, number, options_.turns);
      co_await visitor.run();
    } else {
      Client client(scene_, number, options_.turns);
      co_await client.run();
    }
    ++clients_done_;
  }

  bool enough() const { return clients_done_ == options_.sessions; }

  Task<void> chaos() {
    co_await run_chaos(scene_, vfs_, loop_.now() + kFaultTime, [this] { return enough(); });
    weather_.on = false;
    for (auto& supplier : suppliers_) supplier->heal();
    chaos_done_ = true;
  }

  Task<void> operate() {
    co_await operator_.run(loop_.now() + kFaultTime, [this] { return enough(); });
    while (!chaos_done_) co_await sleep_for(loop_, 10ms);
    scene_.healed = true;
  }

  void check_step() {
    Process* process = lives_.process();
    if (process == nullptr) return;
    size_t held = process->responses().bytes_held();
    size_t bound = process->responses().running() * (kWindowBytes + 8 * 1024);
    if (held > bound)
      rules_.violate("I7: " + std::to_string(held) + " bytes are held for readers, bound " + std::to_string(bound));
  }

  Task<void> final_checks() {
    while (lives_.process() == nullptr) co_await lives_.wait_for_process();
    Process& process = *lives_.process();
    // What nobody waits for (its client retried elsewhere, or left) must come to rest as well.
    for (int i = 0; i < 600 && process.responses().running() > 0; ++i) co_await sleep_for(loop_, 1s);
    Result<std::vector<SessionId>> unfinished = co_await process.store().unfinished(std::nullopt, 10);
    if (!unfinished.ok() || !unfinished->empty())
      rules_.violate("I9: sessions are unfinished and nobody works on them");
    if (!rules_.words().empty()) rules_.violate("I4: what was restored is still withdrawn");
    for (const Remembered& one : scene_.remembered) co_await check_remembered(process, one);
    for (const auto& [tenant, id] : scene_.deleted) {
      Result<Response> got = co_await process.responses().get(tenant, id);
      if (got.ok() || got.error().code != Code::kNotFound)
        rules_.violate("a deleted response is there again: " + id.value);
    }
    for (const std::string tenant : {"free", "eu", "choosy", "stranger"}) co_await check_list(process, tenant);
    KeyRing keys(Key256{9}, process.store(), loop_.random());
    Result<VerifyReport> verified =
        co_await verify(process.store(), Key256{7}, [&](const SessionRow& row) { return keys.open(row); });
    if (!verified.ok())
      rules_.violate("journal verify: " + verified.error().message);
    else
      for (const std::string& problem : verified->problems) rules_.violate("journal verify: " + problem);
  }

  // What a client saw long ago is there as it was, and what it left has ended as it must.
  Task<void> check_remembered(Process& process, const Remembered& one) {
    Result<std::unique_ptr<EventReader>> reader = co_await process.responses().follow(one.tenant, one.id);
    if (!reader.ok()) {
      rules_.violate("I1: an answer that was left is gone: " + reader.error().message);
      co_return;
    }
    std::vector<RenderedEvent> events;
    while (!(*reader)->finished()) {
      Result<void> more = co_await (*reader)->next(events, deadline_in(loop_, 5s));
      if (!more.ok()) {
        rules_.violate("I1: an answer cannot be read again: " + more.error().message);
        co_return;
      }
    }
    bool same = events.size() >= one.seen.size() && (!one.whole || events.size() == one.seen.size());
    for (size_t i = 0; same && i < one.seen.size(); ++i) same = events[i].data == one.seen[i];
    if (!same) rules_.violate("I1: events of " + one.id.value + " are not as they were seen");
    Errand* errand = rules_.find(one.errand);
    if (!one.whole && errand != nullptr) judge_answer(scene_, *errand, one.prompt, false, (*reader)->response());
  }

  Task<void> check_list(Process& process, const std::string& tenant) {
    int64_t listed = 0;
    uint64_t before = 0;
    for (;;) {
      Result<std::vector<ResponseSummary>> page = co_await process.responses().list(TenantId(tenant), before, 100);
      if (!page.ok() || page->empty()) break;
      listed += static_cast<int64_t>(page->size());
      before = page->back().cursor;
    }
    const int64_t created = scene_.created[tenant], unheard = scene_.unheard[tenant];
    if (listed < created || listed > created + unheard)
      rules_.violate("I3/I6: " + std::to_string(listed) + " responses of " + tenant + " exist, " +
                     std::to_string(created) + " were created");
  }

  Task<void> finish() {
    lives_.stop();
    co_await group_.join();
    co_await lives_.wind_down();
    for (auto& server : servers_) co_await server->stop({loop_.now()});
    servers_.clear();
  }

  WorldOptions options_;
  Setup setup_;
  Report report_;
  SeededRandom random_;
  SimLoop loop_;
  SimCable cable_;
  MemVfs vfs_;
  std::string key_file_;
  Rules rules_;
  Weather weather_;
  Lives lives_;
  Scene scene_;
  Operator operator_;
  SimNetwork supplier_network_, client_network_;
  HttpClient kept_, fresh_;
  Connections http_;
  std::vector<std::unique_ptr<WatchedSupplier>> suppliers_;
  std::vector<std::unique_ptr<HttpServer>> servers_;
  TaskGroup group_;
  int clients_done_ = 0;
  bool chaos_done_ = false, stuck_ = false;
};

}  // namespace

Report run_world(const WorldOptions& options) {
  auto world = std::make_unique<World>(options);
  Report report = world->run();
  if (world->stuck()) {  // nothing in it can be wound down; the process ends soon
    world->leave_no_files();
    (void)world.release();
  }
  return report;
}

}  // namespace perdure::sim
