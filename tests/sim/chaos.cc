#include "chaos.h"

#include <cstdio>
#include <fstream>

#include "visitor.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kBadConnections = 12;  // percent
constexpr size_t kWordsMax = 3;           // withdrawn at a time

}  // namespace

// --- the network

Weather::Weather(const Setup& setup, Rules& rules, Report& report, uint64_t seed)
    : setup_(setup), rules_(rules), report_(report), random_(seed) {}

SimConnection Weather::on_connect(const Address& to, const ConnectOptions&) {
  SimConnection connection;
  connection.latency_max = 1ms;
  if (!on || random_.below(100) >= kBadConnections) return connection;
  SimDirection& direction = random_.below(6) == 0 ? connection.to_listener : connection.to_connector;
  size_t after = random_.below(random_.below(2) == 0 ? 4000 : 20'000);
  switch (random_.below(7)) {
    case 0:
      connection.refuse = true;
      break;
    case 1:
      connection.black_hole = random_.below(3) == 0;
      break;
    case 2:
      direction.reset_after = after;
      break;
    case 3:
      direction.stall_after = after;
      break;
    case 4:
      direction.end_after = after;
      break;
    case 5:  // of what suppliers say: garbled requests are refused as wrong, as they must be
      if (to.port != kFrontDoor) connection.to_connector.garble_after = after;
      break;
    case 6:
      connection.latency_max = 300ms;
      break;
  }
  return connection;
}

void Weather::struck(SimStrike strike, int port) {
  static constexpr FaultKind kKinds[] = {FaultKind::kRefused, FaultKind::kBlackHole,  FaultKind::kReset,
                                         FaultKind::kStalled, FaultKind::kEndedEarly, FaultKind::kGarbled};
  FaultKind kind = kKinds[static_cast<size_t>(strike)];
  ++report_.counts.faults;
  std::set<Phase> phases;
  for (const auto& [number, errand] : rules_.errands()) phases.insert(errand.phase);
  for (Phase phase : phases) ++report_.counts.coverage.states[static_cast<size_t>(kind)][static_cast<size_t>(phase)];
  for (const SupplierSetup& supplier : setup_.suppliers)
    if (supplier.port == port)
      ++report_.counts.coverage.dialects[static_cast<size_t>(kind)][number_of_dialect(supplier.dialect)];
}

// --- the machine

Task<void> run_chaos(Scene& scene, MemVfs& vfs, Instant until, std::function<bool()> enough) {
  SeededRandom random(scene.seed ^ 0x6368616f73ull);
  Lives& lives = scene.lives;
  int minimum = 5;
  while (scene.holds() && ((scene.loop.now() < until && !enough()) || minimum > 0)) {
    co_await sleep_for(scene.loop, std::chrono::milliseconds(random.below(minimum > 0 ? 1500 : 15'000)));
    --minimum;
    switch (random.below(7)) {
      case 0:
      case 1:
        scene.note("crash");
        co_await lives.crash(FaultKind::kCrash);
        break;
      case 2:
      case 3:  // dies in the middle of a commit, or of whatever writes next
        vfs.power_cut_after(random.below(30));
        break;
      case 4:
        scene.say("disk full");
        lives.count(FaultKind::kDiskFull);
        vfs.set_full(true);
        co_await sleep_for(scene.loop, std::chrono::milliseconds(random.below(3000)));
        vfs.set_full(false);
        break;
      case 5:
        scene.say("clock steps");
        lives.count(FaultKind::kClockStep);
        scene.rules.meters().clock_moved();
        scene.loop.step_wall(std::chrono::milliseconds(static_cast<int64_t>(random.below(7'200'000)) - 3'600'000));
        break;
      case 6:
        if (lives.process() == nullptr) break;
        scene.say("all connections break");
        lives.count(FaultKind::kAllCut);
        lives.process()->break_connections();
        break;
    }
  }
  // From here on nothing fails: a cut that is armed is taken back, one that has struck is carried through.
  while (lives.crashing()) co_await sleep_for(scene.loop, 10ms);
  if (vfs.power_is_cut()) co_await lives.crash(FaultKind::kCrashInCommit);
  vfs.power_cut_after(UINT64_MAX / 2);
}

// --- the operator

Operator::Operator(Scene& scene, std::string key_file)
    : scene_(scene), key_file_(std::move(key_file)), random_(scene.seed ^ 0x6f70ull) {
  write_keys_as(scene.setup.keys);
}

Task<void> Operator::run(Instant until, std::function<bool()> enough) {
  while (scene_.holds() && scene_.loop.now() < until && !enough()) {
    co_await sleep_for(scene_.loop, std::chrono::milliseconds(random_.below(8000)));
    const size_t words = scene_.rules.words().size();
    switch (random_.below(5)) {
      case 0:
      case 1:
        if (words < kWordsMax) co_await withdraw();
        break;
      case 2:
      case 3:
        if (words > 0) co_await restore(random_.below(words));
        break;
      case 4:
        narrowed_ ? widen() : narrow();
        break;
    }
    if (scene_.rules.purses().wanted() && random_.below(2) == 0) co_await raise(false);
  }
  while (scene_.holds() && !scene_.rules.words().empty()) co_await restore(0);
  co_await raise(true);
  widen();
}

Task<void> Operator::withdraw() {
  const Setup& setup = scene_.setup;
  const SupplierSetup& supplier = setup.suppliers[random_.below(setup.suppliers.size())];
  WithdrawalAsk ask{.kind = static_cast<WithdrawalKind>(random_.below(4))};
  ask.mode = random_.below(2) == 0 ? WithdrawalMode::kCut : WithdrawalMode::kDrain;
  ask.name = ask.kind == WithdrawalKind::kProvider ? supplier.name
             : ask.kind == WithdrawalKind::kRegion ? supplier.region
             : ask.kind == WithdrawalKind::kParty  ? supplier.party
                                                   : setup.deployments[random_.below(setup.deployments.size())].name;
  std::vector<Rules::Word>& words = scene_.rules.words();
  auto find = [&] {
    return std::ranges::find_if(words, [&](const Rules::Word& w) { return w.kind == *ask.kind && w.name == ask.name; });
  };
  if (find() != words.end()) co_return;
  scene_.say("withdraw " + ask.name + " " + std::string(name_of(ask.mode)));
  // Until it is in force: a reply that was lost, or a disk that was full, leaves nobody certain.
  while (scene_.holds()) {
    std::optional<Result<WithdrawalResult>> done = co_await scene_.lives.call([&](Process& p) {
      // Said to this life, and not before: one that boots meanwhile settles what was said to those before it.
      if (find() == words.end())
        words.push_back({.kind = *ask.kind, .name = ask.name, .mode = ask.mode, .id = {}, .since = scene_.loop.now()});
      return p.desk().withdraw(ask);
    });
    auto word = find();
    if (done && done->ok() && word != words.end()) {
      scene_.lives.count(ask.mode == WithdrawalMode::kCut ? FaultKind::kCut : FaultKind::kDrain);
      *word = {.kind = *ask.kind,
               .name = ask.name,
               .mode = ask.mode,
               .id = (*done)->withdrawal.id,
               .sure = true,
               .since = scene_.loop.now()};
      scene_.say("withdrawn " + ask.name);
      co_return;
    }
    if (done && !done->ok() && (done->error().code == Code::kInvalid || done->error().code == Code::kOverloaded))
      co_return scene_.rules.violate("a withdrawal was refused: " + done->error().message);
    co_await sleep_for(scene_.loop, 100ms);
  }
}

Task<void> Operator::restore(size_t which) {
  std::vector<Rules::Word>& words = scene_.rules.words();
  const Rules::Word target = words[which];
  scene_.say("restore " + target.name);
  while (scene_.holds()) {
    auto word = std::ranges::find_if(
        words, [&](const Rules::Word& w) { return w.kind == target.kind && w.name == target.name; });
    if (word == words.end()) co_return;
    word->sure = false;  // from now on it may be over at any moment
    std::string id = word->id;
    std::optional<Result<Withdrawal>> done =
        co_await scene_.lives.call([&](Process& p) { return p.desk().restore(id); });
    if (done && (done->ok() || done->error().code == Code::kNotFound)) {
      scene_.lives.count(FaultKind::kRestore);
      scene_.rules.lift(target);
      co_return;
    }
    co_await sleep_for(scene_.loop, 100ms);
  }
}

void Operator::write_keys_as(const std::vector<ApiKey>& keys) {
  std::vector<ApiKey> written = keys;
  for (ApiKey& key : written) key.budgets = scene_.rules.purses().own(key.id);
  // Each version has another size: what tells the reader of a change must not depend on a file system's clock.
  written_ = keys;
  written.front().name = std::string(1 + ++revision_ % 97, 'r');
  const std::string fresh = key_file_ + ".new";
  std::ofstream(fresh, std::ios::binary) << write_keys(written);
  CHECK(std::rename(fresh.c_str(), key_file_.c_str()) == 0, "the key file");
}

// A life that begins meanwhile reads them by itself.
Task<void> Operator::raise(bool no_end) {
  scene_.say("budgets are raised");
  scene_.lives.count(FaultKind::kRaised);
  scene_.rules.purses().raise(no_end);
  write_keys_as(written_);
  (void)co_await scene_.lives.call([&](Process& p) { return p.set_budgets(scene_.rules.purses().configured()); });
}

void Operator::narrow() {
  std::vector<ApiKey> keys = scene_.setup.keys;
  ApiKey& key = keys[random_.below(keys.size() - scene_.setup.limited)];
  const SupplierSetup& supplier = scene_.setup.suppliers[random_.below(scene_.setup.suppliers.size())];
  switch (random_.below(3)) {
    case 0:
      key.permits.models = {"none"};
      break;
    case 1:
      key.permits.parties = {supplier.party};
      break;
    case 2:
      key.permits.regions = {supplier.region};
      break;
  }
  scene_.say("narrow " + key.id.value);
  scene_.lives.count(FaultKind::kKeyNarrowed);
  write_keys_as(keys);
  scene_.rules.key_changed(key.id, key.permits);
  narrowed_ = true;
}

void Operator::widen() {
  scene_.say("keys as they were");
  write_keys_as(scene_.setup.keys);
  for (const ApiKey& key : scene_.setup.keys) scene_.rules.key_changed(key.id, key.permits);
  narrowed_ = false;
}

}  // namespace perdure::sim
