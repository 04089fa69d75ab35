#include "world.h"

#include <algorithm>
#include <cstdio>

#include "async/task_group.h"
#include "dialect/responses_render.h"
#include "generation/continuation_words.h"
#include "store/verify.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr size_t kWindowBytes = 4 << 10;
constexpr Duration kFaultTime = 600s;  // virtual: from then on nothing fails any more
constexpr Duration kSettleTime = 3600s;
const TenantId kTenant{"default"};

// A prompt with an answer that anybody can work out, so the judge is independent of the code and of the supplier.
struct Prompt {
  std::string text, answer;
};

Prompt make_prompt(SeededRandom& random, uint64_t unique) {
  if (random.below(3) == 0) {
    uint64_t to = 5 + random.below(25);
    std::string answer;
    for (uint64_t i = 1; i <= to; ++i) answer += (i > 1 ? ", " : "") + std::to_string(i);
    return {"Count from 1 to " + std::to_string(to) + ".", answer};
  }
  static constexpr const char* kWords[] = {"harbour", "naïve", "ledger",  "copper", "winter", "plainly",
                                           "seven",   "öre",   "carried", "across", "quiet",  "lantern",
                                           "日本",    "under", "paper",   "window"};
  std::string text;
  uint64_t words = 4 + random.below(24);
  for (uint64_t i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random.below(std::size(kWords))];
    text += std::to_string(unique * 1000 + i);  // no part of an answer repeats, so every seam is unambiguous
  }
  return {"Say exactly: " + text, text};
}

class NetworkFaults final : public SimFaults {
 public:
  explicit NetworkFaults(uint64_t seed) : random_(seed) {}
  SimConnection on_connect(const Address&, const ConnectOptions&) override {
    SimConnection connection;
    connection.latency_max = 1ms;
    if (!on || random_.below(100) >= percent) return connection;
    ++happened;
    switch (random_.below(4)) {
      case 0:
        connection.refuse = true;
        break;
      case 1:
        connection.to_connector.reset_after = random_.below(4000);
        break;
      case 2:
        connection.to_connector.stall_after = random_.below(4000);
        break;
      case 3:
        connection.to_connector.end_after = random_.below(4000);
        break;
    }
    return connection;
  }
  bool on = true;
  uint64_t percent = 10;
  int64_t happened = 0;

 private:
  SeededRandom random_;
};

class World {
 public:
  explicit World(const WorldOptions& options)
      : options_(options),
        random_(options.seed * 2654435761u + 17),
        loop_(options.seed),
        cable_(loop_, options.seed ^ 5),
        vfs_("sim" + std::to_string(options.seed)),
        faults_(options.seed ^ 11),
        supplier_network_(cable_),
        group_(loop_),
        up_(loop_) {
    report_.seed = options.seed;
    limits_.run.window_bytes_max = kWindowBytes;
    limits_.run.pending_bytes_max = 2 << 10;
    limits_.generation.stall_time = 20s;
    limits_.generation.open_time = 20s;
    limits_.generation.backoff_max = 2s;
    // The scripted model takes words in English for a wish to go on; in another language they are one more prompt to
    // it.
    limits_.generation.ask = continuation_words(Language::kEnglish);
    limits_.generation.fruitless_attempts_max = 1'000'000;  // honest endings by exhaustion have tests of their own
    limits_.generation.total_time = 24h;
  }

  bool stuck() const { return stuck_; }  // the run ended with coroutines that wait for ever

  Report run() {
    start_supplier();
    cable_.set_faults(&faults_);
    group_.spawn(keep_alive());
    for (int i = 0; i < options_.sessions; ++i) group_.spawn(client(i));
    group_.spawn(chaos());
    Instant end = loop_.now() + kFaultTime + kSettleTime;
    while (!(clients_done_ == options_.sessions && chaos_done_)) {
      if (loop_.now() >= end || !loop_.step(end)) {
        violate("I9: clients are still waiting an hour after the last fault");
        stuck_ = true;
        return std::move(report_);  // the loop is left as it is: nothing can be wound down
      }
      ++report_.steps;
      check_step();
      if (report_.violations.size() > 5) break;
    }
    if (report_.violations.empty()) loop_.run(final_checks());
    finished_ = true;
    loop_.run(finish());
    report_.faults += faults_.happened + supplier_->stats().faults;
    count(FaultKind::kNetwork, Phase::kStreaming, faults_.happened);
    count(FaultKind::kSupplier, Phase::kStreaming, supplier_->stats().faults);
    return std::move(report_);
  }

 private:
  struct Turn {
    Phase phase = Phase::kIdle;
    ResponseId id;
    std::vector<std::string> seen;  // event data by sequence number
  };

  void violate(std::string what) { report_.violations.push_back(std::move(what)); }
  void count(FaultKind kind, Phase phase, int64_t n = 1) {
    report_.coverage[static_cast<size_t>(kind)][static_cast<size_t>(phase)] += n;
  }
  Machine machine() { return {loop_, cable_, vfs_, "perdure.db"}; }

  void start_supplier() {
    simulate::SupplierOptions options;
    options.seed = options_.seed;
    options.model = "simulated-1,*";
    options.tokens_per_second = 20 + static_cast<double>(random_.below(200));
    options.first_token = std::chrono::milliseconds(random_.below(500));
    options.continuation = static_cast<simulate::Continuation>(random_.below(4));
    static constexpr const char* kFaults[] = {"p=0.08:cut-after-tokens=0..40",   "p=0.05:status=500",
                                              "p=0.05:status=429,retry-after=1", "p=0.05:malformed-after-tokens=3",
                                              "p=0.03:stall-after-tokens=5",     "p=0.05:end-after-tokens=0..30",
                                              "p=0.05:error-after-tokens=4",     "p=0.05:close",
                                              "p=0.05:cut-after-bytes=0..2000"};
    std::string chosen;
    for (const char* fault : kFaults)
      if (random_.below(2) == 0) chosen += (chosen.empty() ? "" : ";") + std::string(fault);
    options.faults = *simulate::parse_faults(chosen);
    if (options_.verbose) std::fprintf(stderr, "supplier: %s\n", chosen.c_str());
    supplier_ = std::make_unique<simulate::SimulatedSupplier>(loop_, options, Log());
    Result<std::unique_ptr<Listener>> listener = supplier_network_.listen({"127.0.0.1", kSupplierPort}, nullptr, false);
    CHECK(listener.ok(), "supplier's port");
    server_ = std::make_unique<HttpServer>(loop_, std::move(*listener), *supplier_, HttpServerLimits{}, Log());
    server_->start();
  }

  // --- the process: started whenever it is down
  // -------------------------------------------------------------------------

  Task<void> keep_alive() {
    while (!finished_) {
      if (process_ && process_->dead() && !crashing_) co_await crash(FaultKind::kCrashInCommit);
      if (!process_ && !crashing_) {
        recovering_ = true;
        std::unique_ptr<Process> started = co_await Process::start(machine(), limits_);
        recovering_ = false;
        if (started) {
          if (old_lease_) co_await check_fenced(*started);
          old_lease_ = started->lease();
          process_ = std::move(started);
          ++life_;
          up_.notify_all();
        } else {
          vfs_.crash(random_);
        }
      }
      (void)co_await up_.wait(deadline_in(loop_, 10ms));
    }
  }

  // I2: what a dead life may still try to write is refused.
  Task<void> check_fenced(Process& process) {
    Batch batch;
    batch.session = SessionId::make(loop_.random());
    batch.create = SessionRow{.id = batch.session, .tenant = kTenant};
    Result<Committed> done = co_await process.store().commit(*old_lease_, std::move(batch));
    if (done.ok()) violate("I2: the lease of a dead life was accepted");
    // A power cut that strikes this very commit refuses it as well, in other words.
    else if (done.error().reason != "fenced" && !vfs_.power_is_cut() && !process.dead() &&
             done.error().reason != "storage_full")
      violate("I2: the lease of a dead life was refused, but not as fenced: " + done.error().message);
  }

  Phase phase_now() const {
    if (recovering_) return Phase::kRecovering;
    Phase most = Phase::kIdle;
    for (const auto& [index, turn] : turns_) most = std::max(most, turn.phase);
    return most;
  }

  Task<void> crash(FaultKind kind) {
    if (!process_ || crashing_) co_return;
    crashing_ = true;
    ++report_.crashes;
    ++report_.faults;
    count(kind, phase_now());
    ++life_;  // whatever the old life says from now on, nobody hears
    if (options_.verbose) std::fprintf(stderr, "%8.3f crash\n", seconds());
    vfs_.power_cut_after(0);
    std::unique_ptr<Process> remains = std::move(process_);
    up_.notify_all();
    // Some calls, as a cancel whose ending finds no room, return only when their process stops.
    co_await remains->halt();
    while (in_use_ > 0) (void)co_await up_.wait(deadline_in(loop_, 10ms));
    co_await remains->wind_down();
    remains.reset();
    vfs_.crash(random_);
    crashing_ = false;
  }

  Task<void> chaos() {
    Instant until = loop_.now() + kFaultTime;
    int minimum = 5;
    while ((loop_.now() < until && clients_done_ < options_.sessions) || minimum > 0) {
      co_await sleep_for(loop_, std::chrono::milliseconds(random_.below(minimum > 0 ? 1500 : 15'000)));
      --minimum;
      switch (random_.below(6)) {
        case 0:
        case 1:
          co_await crash(FaultKind::kCrash);
          break;
        case 2:
        case 3:  // dies in the middle of a commit, or of whatever writes next
          count(FaultKind::kCrashInCommit, phase_now());
          ++report_.faults;
          vfs_.power_cut_after(random_.below(30));
          break;
        case 4:
          count(FaultKind::kDiskFull, phase_now());
          ++report_.faults;
          vfs_.set_full(true);
          co_await sleep_for(loop_, std::chrono::milliseconds(random_.below(3000)));
          vfs_.set_full(false);
          break;
        case 5:
          count(FaultKind::kClockStep, phase_now());
          ++report_.faults;
          loop_.step_wall(std::chrono::milliseconds(static_cast<int64_t>(random_.below(7'200'000)) - 3'600'000));
          break;
      }
    }
    // From here on nothing fails: a cut that is armed is taken back, one that has struck is carried through.
    while (crashing_) co_await sleep_for(loop_, 10ms);
    if (vfs_.power_is_cut()) co_await crash(FaultKind::kCrashInCommit);
    vfs_.power_cut_after(UINT64_MAX / 2);
    faults_.on = false;
    supplier_->set_faults({});
    chaos_done_ = true;
  }

  // --- clients
  // ------------------------------------------------------------------------------------------------------------

  // A call on the process of now; nothing when it crashed meanwhile, so that the answer never reached its client.
  template <class F>
  auto call(F make) -> Task<std::optional<decltype(make(std::declval<Responses&>()).await_resume())>> {
    while (!process_) (void)co_await up_.wait(deadline_in(loop_, 50ms));
    uint64_t life = life_;
    ++in_use_;
    auto result = co_await make(process_->responses());
    --in_use_;
    if (life != life_) co_return std::nullopt;
    co_return std::move(result);
  }

  Task<void> client(int index) {
    SeededRandom random(options_.seed * 1000 + static_cast<uint64_t>(index));
    std::string previous;
    co_await sleep_for(loop_, std::chrono::milliseconds(random.below(2000)));
    for (int number = 0; number < options_.turns && report_.violations.empty(); ++number) {
      Turn& turn = turns_[index];
      turn = {};
      co_await one_turn(turn, random, static_cast<uint64_t>(index * options_.turns + number), previous);
      turn.phase = Phase::kIdle;
      co_await sleep_for(loop_, std::chrono::milliseconds(random.below(1000)));
    }
    ++clients_done_;
  }

  Task<void> one_turn(Turn& turn, SeededRandom& random, uint64_t unique, std::string& previous) {
    if (random.below(10) == 0) co_await bad_turn(random);
    Prompt prompt = make_prompt(random, unique + 1);
    CreateCall call_{.tenant = kTenant};
    call_.request.model = "simulated";
    call_.request.input.push_back(
        {.kind = ItemKind::kMessage, .content = {{.kind = PartKind::kInputText, .text = prompt.text}}});
    // One in eight starts anew or forks from an older answer.
    if (random.below(8) != 0) call_.request.previous_response_id = previous;
    bool keyed = random.below(3) != 0;
    if (keyed) {
      call_.idempotency_key = "turn-" + std::to_string(unique);
      call_.body_hash = sha256(prompt.text);
    }
    bool cancels = random.below(15) == 0;

    turn.phase = Phase::kCreating;
    std::set<std::string> ids;
    int lost_replies = random.below(6) == 0 ? 1 : 0;  // the reply never came: the client repeats
    for (;;) {
      std::optional<Result<Created>> created = co_await call([&](Responses& r) { return r.create(call_); });
      if (created && created->ok()) ids.insert((*created)->id.value);
      if (created && created->ok() && (!keyed || lost_replies-- <= 0)) break;
      if (!keyed && !created) ++unheard_;  // without a key nobody can know whether it happened
      if (created && !created->ok()) {
        Code code = created->error().code;
        if (code == Code::kInvalid || code == Code::kNotFound || code == Code::kDenied) {
          violate("a good create was refused: " + created->error().message);
          co_return;
        }
      }
      co_await sleep_for(loop_, 20ms);
    }
    if (ids.size() != 1) violate("I3: a repeated create made " + std::to_string(ids.size()) + " responses");
    turn.id = ResponseId(*ids.begin());
    ++created_;
    ++report_.generations;
    turn.phase = Phase::kWaiting;

    std::vector<std::string> first_full;
    size_t cancel_at = cancels ? 2 + random.below(12) : SIZE_MAX;
    bool cancelled = false;
    std::string last_type;
    for (bool finished = false; !finished && report_.violations.empty();) {
      std::optional<Result<bool>> followed =
          co_await call([&](Responses& r) { return follow(r, turn, cancel_at, last_type); });
      if (!followed || !followed->ok()) {
        if (followed && followed->error().code == Code::kCorrupt) violate("I1: " + followed->error().message);
        if (followed && followed->error().code == Code::kNotFound) violate("I1: a created response is gone");
        co_await sleep_for(loop_, 20ms);
        continue;
      }
      finished = **followed;
      if (!finished && turn.seen.size() >= cancel_at) {
        cancel_at = SIZE_MAX;
        cancelled = true;
        (void)co_await call([&](Responses& r) { return r.cancel(kTenant, turn.id); });
      }
    }
    if (!report_.violations.empty()) co_return;
    co_await check_answer(turn, prompt, cancelled);
    previous = turn.id.value;
  }

  // Follows from the first event on, checking what was seen before. True: to the end.
  Task<Result<bool>> follow(Responses& responses, Turn& turn, size_t stop_at, std::string& last_type) {
    uint64_t life = life_;
    CO_TRY(std::unique_ptr<EventReader> reader, co_await responses.follow(kTenant, turn.id));
    size_t position = 0;
    while (!reader->finished()) {
      std::vector<RenderedEvent> events;
      CO_TRY_VOID(co_await reader->next(events, deadline_in(loop_, 5s)));
      if (life != life_) co_return false;  // crashed: these never reached the client
      for (RenderedEvent& event : events) {
        if (event.sequence_number != position) co_return Error{Code::kCorrupt, "sequence numbers have a gap"};
        if (position < turn.seen.size()) {
          if (turn.seen[position] != event.data)
            co_return Error{Code::kCorrupt,
                            "event " + std::to_string(position) + " of " + turn.id.value + " changed after a crash"};
        } else {
          turn.seen.push_back(std::move(event.data));
          ++report_.events;
          if (position > 1) turn.phase = Phase::kStreaming;
        }
        last_type = event.type;
        ++position;
      }
      if (turn.seen.size() >= stop_at) co_return false;
    }
    if (position < turn.seen.size()) co_return Error{Code::kCorrupt, "events that a client saw are missing"};
    co_return true;
  }

  Task<void> check_answer(Turn& turn, const Prompt& prompt, bool cancelled) {
    for (;;) {
      std::optional<Result<Response>> got = co_await call([&](Responses& r) { return r.get(kTenant, turn.id); });
      if (!got || !got->ok()) {
        co_await sleep_for(loop_, 20ms);
        continue;
      }
      const Response& response = **got;
      std::string text;
      for (const Item& item : response.output())
        for (const Part& part : item.content) text += part.text;
      if (cancelled && response.status == ResponseStatus::kCancelled) {
        ++report_.cancelled;
        if (!prompt.answer.starts_with(text)) violate("a cancelled answer is no beginning of the whole one: " + text);
      } else {
        if (response.status != ResponseStatus::kCompleted)
          violate("an answer ended " + std::string(name_of(response.status)) +
                  " though its supplier was healthy again");
        else if (text != prompt.answer)
          violate("I1: an answer differs from the uncut one:\n  got  " + text + "\n  want " + prompt.answer);
      }
      // streamed = fetched: the resource in the last event is the one that is fetched.
      json::Writer writer;
      write_response(writer, response);
      if (turn.seen.back().find(writer.text()) == std::string::npos)
        violate("I1: the fetched response is not the streamed one");
      co_return;
    }
  }

  // I6: refused in the caller's words, and nothing is left behind.
  Task<void> bad_turn(SeededRandom& random) {
    CreateCall bad{.tenant = kTenant};
    bad.request.model = "simulated";
    bad.request.previous_response_id = "resp_" + std::to_string(random.next());
    std::optional<Result<Created>> refused = co_await call([&](Responses& r) { return r.create(bad); });
    if (!refused) co_return;
    if (refused->ok() || (refused->error().code == Code::kNotFound && refused->error().param != "previous_response_id"))
      violate("I6: a create with an unknown previous response was not refused by name");
  }

  // --- checks
  // -------------------------------------------------------------------------------------------------------------

  void check_step() {
    if (!process_) return;
    size_t held = process_->responses().bytes_held();
    size_t bound = process_->responses().running() * (kWindowBytes + 8 * 1024);
    if (held > bound)
      violate("I7: " + std::to_string(held) + " bytes are held for readers, bound " + std::to_string(bound));
  }

  Task<void> final_checks() {
    while (!process_) (void)co_await up_.wait(deadline_in(loop_, 50ms));
    // What nobody waits for (its client retried elsewhere) must come to rest as well.
    for (int i = 0; i < 600 && process_->responses().running() > 0; ++i) co_await sleep_for(loop_, 1s);
    Result<std::vector<SessionId>> unfinished = co_await process_->store().unfinished(std::nullopt, 10);
    if (!unfinished.ok() || !unfinished->empty()) violate("I9: sessions are unfinished and nobody works on them");
    size_t listed = 0;
    uint64_t before = 0;
    for (;;) {
      Result<std::vector<ResponseSummary>> page = co_await process_->responses().list(kTenant, before, 100);
      if (!page.ok() || page->empty()) break;
      listed += page->size();
      before = page->back().cursor;
    }
    if (listed < created_ || listed > created_ + unheard_)
      violate("I3/I6: " + std::to_string(listed) + " responses exist, " + std::to_string(created_) + " were created");
    KeyRing keys(Key256{9}, process_->store(), loop_.random());
    Result<VerifyReport> verified =
        co_await verify(process_->store(), Key256{7}, [&](const SessionRow& row) { return keys.open(row); });
    if (!verified.ok())
      violate("journal verify: " + verified.error().message);
    else
      for (const std::string& problem : verified->problems) violate("journal verify: " + problem);
  }

  Task<void> finish() {
    up_.notify_all();
    co_await group_.join();
    if (process_) co_await process_->wind_down();
    process_.reset();
    co_await server_->stop({loop_.now()});
    server_.reset();
  }

  double seconds() const { return std::chrono::duration<double>(loop_.now().time_since_epoch()).count(); }

  WorldOptions options_;
  Report report_;
  SeededRandom random_;
  SimLoop loop_;
  SimCable cable_;
  MemVfs vfs_;
  NetworkFaults faults_;
  SimNetwork supplier_network_;
  std::unique_ptr<simulate::SimulatedSupplier> supplier_;
  std::unique_ptr<HttpServer> server_;
  SessionLimits limits_;
  TaskGroup group_;
  Notifier up_;
  std::unique_ptr<Process> process_;
  std::optional<Lease> old_lease_;
  std::map<int, Turn> turns_;
  uint64_t life_ = 0, created_ = 0, unheard_ = 0;
  int clients_done_ = 0, in_use_ = 0;
  bool chaos_done_ = false, crashing_ = false, recovering_ = false, finished_ = false, stuck_ = false;
};

}  // namespace

std::string_view name_of(FaultKind kind) {
  static constexpr std::string_view kNames[] = {"crash",   "crash in commit", "disk full",
                                                "network", "supplier",        "clock step"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view name_of(Phase phase) {
  static constexpr std::string_view kNames[] = {"idle", "creating", "waiting", "streaming", "recovering"};
  return kNames[static_cast<size_t>(phase)];
}

Report run_world(const WorldOptions& options) {
  auto world = std::make_unique<World>(options);
  Report report = world->run();
  if (world->stuck()) (void)world.release();  // nothing in it can be wound down; the process ends soon
  return report;
}

}  // namespace perdure::sim
