#include "setup.h"

#include <algorithm>

#include "base/check.h"
#include "store/seal.h"

namespace perdure::sim {
namespace {

using namespace std::chrono_literals;

constexpr int kFirstPort = 9000;

struct Kind {
  const char *name, *dialect, *region, *party;
};
constexpr Kind kSuppliers[] = {
    {"chat-eu", "chat", "eu", "Acme"},
    {"chat-us", "chat", "us", "Borealis"},
    {"responses-us", "responses", "us", "Opus"},
    {"messages-eu", "messages", "eu", "Claudia"},
    {"messages-us", "messages", "us", "Claudia"},
    {"gemini-eu", "gemini", "eu", "Zodiac"},
    {"converse-us", "converse", "us", "Amber"},
};

constexpr const char* kFaults[] = {"p=0.08:cut-after-tokens=0..40",
                                   "p=0.05:cut-after-bytes=0..2000",
                                   "p=0.05:status=500",
                                   "p=0.03:status=503,retry-after=2",
                                   "p=0.05:status=429,retry-after=1",
                                   "p=0.02:status=429",
                                   "p=0.01:status=401",
                                   "p=0.01:status=403",
                                   "p=0.05:malformed-after-tokens=0..20",
                                   "p=0.03:stall-after-tokens=0..20",
                                   "p=0.03:stall-after-tokens=0..20,for=3s",
                                   "p=0.05:end-after-tokens=0..30",
                                   "p=0.05:error-after-tokens=0..20",
                                   "p=0.03:slow-headers=5s",
                                   "p=0.02:trickle",
                                   "p=0.05:close"};

ApiKey key(std::string id, std::string tenant, Permits permits = {}) {
  ApiKey out{.id = KeyId(id), .name = id, .tenant = TenantId(std::move(tenant)), .scopes = {}};
  out.scopes.add(Scope::kUse);
  out.hash = sha256(secret_of(out.id));
  out.permits = std::move(permits);
  return out;
}

bool lists(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}
bool empty_or_lists(const std::vector<std::string>& list, const std::string& word) {
  return list.empty() || lists(list, word);
}

}  // namespace

std::string secret_of(const KeyId& id) { return "pdk_" + id.value + "_secret"; }

Setup draw_setup(uint64_t seed) {
  SeededRandom random(seed * 0x2545f4914f6cdd1dull + 3);
  Setup setup;
  setup.model_seed = random.below(1000);
  if (seed % 4 == 0) setup.words_max = 24;
  for (const Kind& kind : kSuppliers) {
    SupplierSetup supplier{.name = kind.name, .dialect = kind.dialect, .region = kind.region, .party = kind.party};
    supplier.port = kFirstPort + static_cast<int>(setup.suppliers.size());
    supplier.prefill = random.below(2) == 0;
    std::string faults;
    for (const char* fault : kFaults)
      if (random.below(2) == 0) faults += (faults.empty() ? "" : ";") + std::string(fault);
    supplier.faults = *simulate::parse_faults(faults);
    // Only misbehaviour whose right result is known to the character; the rest is judged by tests/cut, one seam at a
    // time: a model that is shown its own answer with another space in it cannot go on with it as it did before.
    using simulate::Continuation;
    static constexpr Continuation kSeams[] = {Continuation::kExact,   Continuation::kOverlap, Continuation::kRestart,
                                              Continuation::kMixed,   Continuation::kPreface, Continuation::kRefusal,
                                              Continuation::kOverlap, Continuation::kExact};
    const Continuation seam = kSeams[random.below(std::size(kSeams))];
    supplier.options = {.seed = setup.model_seed,
                        .model = "*",
                        .tokens_per_second = 20 + static_cast<double>(random.below(200)),
                        .first_token = std::chrono::milliseconds(random.below(500)),
                        .faults = supplier.faults,
                        .continuation = seam,
                        .prefill = supplier.prefill,
                        .account = kind.name};
    setup.suppliers.push_back(std::move(supplier));
  }
  for (const std::string model : {"small", "large"}) {
    for (size_t i = 0; i < setup.suppliers.size(); ++i) {
      if (model == "large" && i % 3 != 0) continue;  // chat-eu, messages-eu, converse-us
      DeploymentSetup deployment{.name = model + "@" + setup.suppliers[i].name, .model = model, .supplier = i};
      deployment.upstream_model = model + "-1";
      deployment.priority = static_cast<int>(random.below(4));
      deployment.weight = static_cast<uint32_t>(random.below(4));
      if (random.below(3) == 0) {
        deployment.concurrency_max = 1 + static_cast<uint32_t>(random.below(6));
        deployment.queue_max = static_cast<uint32_t>(random.below(30));
      }
      deployment.output_price *= 1 + static_cast<int64_t>(random.below(3));
      setup.deployments.push_back(std::move(deployment));
    }
  }
  static constexpr RoutingPolicy kPolicies[] = {RoutingPolicy::kPriority, RoutingPolicy::kWeighted,
                                                RoutingPolicy::kLeastLatency, RoutingPolicy::kLeastLoaded,
                                                RoutingPolicy::kLeastCost};
  auto workload = [&](std::string name) {
    Workload out{.name = std::move(name)};
    out.policy = kPolicies[random.below(std::size(kPolicies))];
    out.stand_ins = {{"small", {"large"}}, {"large", {"small"}}};
    if (random.below(2) == 0) out.hedge_after = std::chrono::milliseconds(20 + random.below(600));
    if (random.below(4) == 0) out.hedge_percentile = 50 + static_cast<int>(random.below(50));
    return out;
  };
  Workload resident = workload("resident");
  resident.tenants = {"eu"};
  resident.regions = {"eu"};
  Workload choosy = workload("choosy");
  choosy.tenants = {"choosy"};
  choosy.parties_denied = {"Claudia", "Acme"};
  Workload author = workload("author");
  author.keys = {"key_author"};
  author.one_author = true;
  Workload ends = workload("ends");
  ends.keys = {"key_ends"};
  ends.continuation = ContinuationRule::kEnd;
  Workload restarts = workload("restarts");
  restarts.keys = {"key_restarts"};
  restarts.continuation = ContinuationRule::kRestart;
  setup.workloads = {resident, choosy, author, ends, restarts, workload("default")};
  setup.keys = {key("key_free", "free"),
                key("key_small", "free", {.models = {"small"}, .parties = {}, .regions = {}}),
                key("key_us", "free", {.models = {}, .parties = {}, .regions = {"us"}}),
                key("key_eu", "eu"),
                key("key_choosy", "choosy"),
                key("key_two", "choosy", {.models = {}, .parties = {"Borealis", "Amber", "Zodiac"}, .regions = {}}),
                key("key_author", "free", {.models = {}, .parties = {"Acme", "Opus"}, .regions = {}}),
                key("key_ends", "free"),
                key("key_restarts", "free")};
  // Small enough to run out now and then, and large enough for the dearest attempt that there may be.
  auto amount = [&] { return 400'000 + static_cast<int64_t>(random.below(600'000)); };
  const Budget monthly{.name = {}, .amount = {}, .window = {.kind = BudgetWindow::Kind::kMonth}};
  if (random.below(2) == 0) {
    BudgetSetup tenants{.budget = monthly, .of_key = {}, .amount = amount()};
    tenants.budget.name = "tenants";
    tenants.budget.per = Budget::Per::kTenant;
    tenants.budget.tenants = {"eu", "choosy"};
    setup.budgets.push_back(std::move(tenants));
  }
  if (random.below(2) == 0) {
    BudgetSetup keys{.budget = monthly, .of_key = {}, .amount = amount()};
    keys.budget.name = "keys";
    keys.budget.per = Budget::Per::kKey;
    keys.budget.keys = {"key_small", "key_choosy"};
    setup.budgets.push_back(std::move(keys));
  }
  if (random.below(2) == 0) {
    setup.budgets.push_back({.budget = monthly, .of_key = "key_us", .amount = amount()});
    setup.budgets.back().budget.name = "own";
  }
  // From a stream of their own: a seed without them is what it was before there were any.
  SeededRandom limits(seed * 0x9e3779b97f4a7c15ull + 71);
  if (limits.below(4) == 0) {
    setup.limited = 2;
    setup.keys.push_back(key("key_hasty", "free"));
    setup.keys.back().rates.requests_per_minute = 3 + static_cast<int64_t>(limits.below(12));
    setup.keys.push_back(key("key_thrifty", "free"));
    setup.keys.back().rates.tokens_per_minute = 300 + static_cast<int64_t>(limits.below(700));
  }
  return setup;
}

Identity with_limits(const Setup& setup, Identity who, uint64_t seed, int number) {
  if (setup.limited == 0) return who;
  SeededRandom random(seed * 977 + static_cast<uint64_t>(number));
  if (random.below(2) == 0) return who;
  const ApiKey& key = setup.keys[setup.keys.size() - setup.limited + random.below(setup.limited)];
  return {key.tenant, key.id, std::move(who.model)};
}

Identity draw_identity(const Setup& setup, Random& random) {
  // Those whose answers may end early are few: what is whole can be compared.
  const size_t all = setup.keys.size() - setup.limited;
  const size_t few = random.below(8) == 0 ? all : all - 2;
  const ApiKey& key = setup.keys[random.below(few)];
  return {key.tenant, key.id, key.id.value == "key_small" || random.below(3) > 0 ? "small" : "large"};
}

const ApiKey& Setup::key_of(const KeyId& id) const {
  auto found = std::ranges::find(keys, id, &ApiKey::id);
  CHECK(found != keys.end(), "a key that nobody has");
  return *found;
}

const Workload& Setup::workload_of(const Identity& who) const {
  for (const Workload& workload : workloads)
    if (empty_or_lists(workload.tenants, who.tenant.value) && empty_or_lists(workload.keys, who.key.value) &&
        empty_or_lists(workload.models, who.model))
      return workload;
  return workloads.back();
}

bool Setup::fits(const Workload& workload, const Identity& who, const DeploymentSetup& deployment) const {
  bool serves = deployment.model == who.model;
  for (const Workload::StandIns& rule : workload.stand_ins)
    serves = serves || (rule.model == who.model && lists(rule.others, deployment.model));
  const SupplierSetup& supplier = suppliers[deployment.supplier];
  return serves && empty_or_lists(workload.regions, supplier.region) &&
         empty_or_lists(workload.parties, supplier.party) && !lists(workload.parties_denied, supplier.party);
}

}  // namespace perdure::sim
