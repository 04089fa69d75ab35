#include "routing/withdrawal_desk.h"

#include <algorithm>
#include <tuple>

#include "base/planted.h"

namespace perdure {
namespace {

const std::string kSetting = "withdrawals";
constexpr int kRounds = 8;
constexpr size_t kNameMax = 256;

Error changed_too_often() {
  return {Code::kConflict, "others are changing the withdrawals at this moment", "", "busy"};
}

struct Stored {
  std::optional<std::string> text;
  WithdrawalSet set;
};

Task<Result<Stored>> read_stored(Store& store) {
  Stored out;
  CO_TRY(out.text, co_await store.setting(kSetting));
  if (!out.text) co_return out;
  CO_TRY(out.set, decode_withdrawals(*out.text));
  co_return out;
}

}  // namespace

WithdrawalDesk::WithdrawalDesk(Store& store, std::vector<Router*> routers, Log log)
    : store_(store), routers_(std::move(routers)), log_(std::move(log)) {
  CHECK(!routers_.empty(), "a router for each loop");
  for (Router* router : routers_)
    router->set_news([this, router](HealthNews news) {
      for (Router* other : routers_)
        if (other != router) other->loop().post([other, news] { other->hear(news); });
    });
}

WithdrawalDesk::~WithdrawalDesk() {
  for (Router* router : routers_) router->set_news({});
}

Task<void> WithdrawalDesk::tell(WithdrawalSet set) {
  if (set.revision < set_.revision) co_return;
  set_ = std::move(set);
  std::vector<Withdrawal> all = set_.withdrawals;
  for (Router* router : routers_) {
    auto take = [](Router* r, const std::vector<Withdrawal>& w) -> Task<bool> {
      r->set_withdrawals(w);
      co_return true;
    };
    (void)co_await call_on(router->loop(), [&] { return take(router, all); });
  }
}

Task<Result<void>> WithdrawalDesk::load() {
  auto here = [](WithdrawalDesk* desk) -> Task<Result<void>> {
    CO_TRY(Stored stored, co_await read_stored(desk->store_));
    if (planted(PlantedBug::kForgetWithdrawal)) stored.set.withdrawals.clear();
    co_await desk->tell(std::move(stored.set));
    for (const Withdrawal& withdrawal : desk->set_.withdrawals)
      desk->log_.warn("withdrawal.in_force",
                      {{"withdrawal", withdrawal.id}, {"kind", name_of(withdrawal.kind)}, {"name", withdrawal.name}});
    co_return Result<void>();
  };
  co_return co_await call_on(home(), [&] { return here(this); });
}

// What the operator means. A name that nothing has is a slip of the hand, and not to be taken for an order.
Result<Withdrawal> WithdrawalDesk::resolve(const WithdrawalAsk& ask) const {
  if (ask.name.empty() || ask.name.size() > kNameMax)
    return Error{Code::kInvalid, "target: name what is to be withdrawn", "target"};
  if (ask.reason.size() > kWithdrawalReasonMax)
    return Error{Code::kInvalid, "reason: at most " + std::to_string(kWithdrawalReasonMax) + " bytes", "reason"};
  Withdrawal out{.id = {}, .kind = {}, .name = ask.name, .mode = ask.mode, .reason = ask.reason, .by = ask.by};
  std::vector<WithdrawalKind> kinds;
  for (WithdrawalKind kind :
       {WithdrawalKind::kProvider, WithdrawalKind::kRegion, WithdrawalKind::kDeployment, WithdrawalKind::kParty}) {
    if (ask.kind && ask.kind != kind) continue;
    out.kind = kind;
    bool there = std::ranges::any_of(routers_.front()->deployments(), [&](const RoutedDeployment& d) {
      return (!d.retired || d.health.in_flight() > 0) && out.covers(d.deployment);
    });
    if (there) kinds.push_back(kind);
  }
  if (kinds.size() == 1) {
    out.kind = kinds.front();
    return out;
  }
  std::string message;
  if (kinds.empty()) {
    message = "there is no " + std::string(ask.kind ? name_of(*ask.kind) : "provider, region, deployment or party") +
              " named \"" + ask.name + "\"";
  } else {
    message = "\"" + ask.name + "\" is more than one thing: say which:";
    for (WithdrawalKind kind : kinds) message += " " + std::string(name_of(kind));
  }
  return Error{Code::kInvalid, std::move(message), "target", kinds.empty() ? "unknown_target" : "ambiguous_target"};
}

Task<WithdrawalTouch> WithdrawalDesk::touch_of(const Withdrawal& withdrawal) {
  const Router& mine = *routers_.front();
  std::vector<int64_t> running(mine.deployments().size());
  for (Router* router : routers_) {
    auto count = [](Router* r) -> Task<std::vector<int64_t>> {
      std::vector<int64_t> out;
      for (const RoutedDeployment& d : r->deployments()) out.push_back(d.health.in_flight());
      co_return out;
    };
    std::vector<int64_t> there = co_await call_on(router->loop(), [&] { return count(router); });
    // While the configuration is being read again, some know more deployments than others.
    for (size_t i = 0; i < std::min(running.size(), there.size()); ++i) running[i] += there[i];
  }
  WithdrawalTouch out;
  std::vector<bool> covered, before;
  for (size_t i = 0; i < running.size(); ++i) {
    const RoutedDeployment& d = mine.deployments()[i];
    covered.push_back(withdrawal.covers(d.deployment));
    // What this very withdrawal has taken already is counted as lost by it.
    before.push_back(std::ranges::any_of(set_.withdrawals, [&](const Withdrawal& other) {
      return !other.same_target(withdrawal) && other.covers(d.deployment);
    }));
    if (!covered.back()) continue;
    out.running += running[i];
    if (d.retired && running[i] == 0) continue;
    if (out.deployments.size() < kTouchedMax)
      out.deployments.push_back({d.deployment.name, running[i], static_cast<int64_t>(d.slots->waiting())});
  }
  for (size_t w = 0; w < mine.workloads().size(); ++w) {
    for (const std::string& model : mine.plans().models()) {
      const Plan* plan = mine.plans().find(model, w);
      if (plan == nullptr) continue;
      size_t had = 0, has = 0;
      for (const Candidate& candidate : plan->candidates) {
        if (candidate.fixed != Why::kEligible || before[candidate.deployment]) continue;
        ++had;
        has += !covered[candidate.deployment];
      }
      if (has == had) continue;
      out.models_left_with_none += has == 0;
      out.models.push_back({mine.workloads()[w].name, model, has});
    }
  }
  std::ranges::sort(out.models, {}, [](const auto& m) { return std::tie(m.remaining, m.workload, m.model); });
  if (out.models.size() > kTouchedMax) out.models.resize(kTouchedMax);
  co_return out;
}

Task<Result<WithdrawalResult>> WithdrawalDesk::preview(WithdrawalAsk ask) {
  co_return co_await call_on(home(), [&] { return preview_here(std::move(ask)); });
}

Task<Result<WithdrawalResult>> WithdrawalDesk::preview_here(WithdrawalAsk ask) {
  CO_TRY(Withdrawal withdrawal, resolve(ask));
  WithdrawalTouch touch = co_await touch_of(withdrawal);
  co_return WithdrawalResult{std::move(withdrawal), std::move(touch)};
}

Task<Result<WithdrawalResult>> WithdrawalDesk::withdraw(WithdrawalAsk ask) {
  co_return co_await call_on(home(), [&] { return withdraw_here(std::move(ask)); });
}

Task<Result<WithdrawalResult>> WithdrawalDesk::withdraw_here(WithdrawalAsk ask) {
  CO_TRY(Withdrawal withdrawal, resolve(ask));
  withdrawal.id = make_id(home().random(), "wd_", 8);
  withdrawal.at = home().wall();
  for (int round = 0; round < kRounds; ++round) {
    CO_TRY(Stored stored, co_await read_stored(store_));
    std::vector<Withdrawal>& all = stored.set.withdrawals;
    auto same = std::ranges::find_if(all, [&](const Withdrawal& w) { return w.same_target(withdrawal); });
    if (same != all.end() && (same->mode == WithdrawalMode::kCut || same->mode == withdrawal.mode)) {
      Withdrawal known = *same;
      WithdrawalTouch touch = co_await touch_of(known);
      co_await tell(std::move(stored.set));  // another process may have written it
      co_return WithdrawalResult{std::move(known), std::move(touch)};
    }
    if (same != all.end()) {
      withdrawal.id = same->id;
      *same = withdrawal;
    } else if (all.size() >= kWithdrawalsMax) {
      co_return Error{Code::kOverloaded, "there are too many withdrawals", "", "too_many_withdrawals"};
    } else {
      all.push_back(withdrawal);
    }
    ++stored.set.revision;
    Result<void> swapped =
        co_await store_.swap_setting(kSetting, std::move(stored.text), encode_withdrawals(stored.set));
    if (!swapped.ok() && swapped.error().code == Code::kConflict) continue;
    if (!swapped.ok()) co_return std::move(swapped).error();
    WithdrawalTouch touch = co_await touch_of(withdrawal);
    co_await tell(std::move(stored.set));
    log_.warn("withdrawal.made", {{"withdrawal", withdrawal.id},
                                  {"kind", name_of(withdrawal.kind)},
                                  {"name", withdrawal.name},
                                  {"mode", name_of(withdrawal.mode)},
                                  {"by", withdrawal.by},
                                  {"running", touch.running}});
    co_return WithdrawalResult{std::move(withdrawal), std::move(touch)};
  }
  co_return changed_too_often();
}

Task<Result<Withdrawal>> WithdrawalDesk::restore(std::string id) {
  co_return co_await call_on(home(), [&] { return restore_here(std::move(id)); });
}

Task<Result<Withdrawal>> WithdrawalDesk::restore_here(std::string id) {
  for (int round = 0; round < kRounds; ++round) {
    CO_TRY(Stored stored, co_await read_stored(store_));
    std::vector<Withdrawal>& all = stored.set.withdrawals;
    auto found = std::ranges::find(all, id, &Withdrawal::id);
    if (found == all.end())
      co_return Error{Code::kNotFound, "there is no withdrawal with the id \"" + id + "\"", "", "withdrawal_not_found"};
    Withdrawal gone = *found;
    all.erase(found);
    ++stored.set.revision;
    Result<void> swapped =
        co_await store_.swap_setting(kSetting, std::move(stored.text), encode_withdrawals(stored.set));
    if (!swapped.ok() && swapped.error().code == Code::kConflict) continue;
    if (!swapped.ok()) co_return std::move(swapped).error();
    co_await tell(std::move(stored.set));
    log_.info("withdrawal.restored", {{"withdrawal", gone.id}, {"kind", name_of(gone.kind)}, {"name", gone.name}});
    co_return gone;
  }
  co_return changed_too_often();
}

Task<std::vector<Withdrawal>> WithdrawalDesk::list() {
  auto here = [](WithdrawalDesk* desk) -> Task<std::vector<Withdrawal>> { co_return desk->set_.withdrawals; };
  co_return co_await call_on(home(), [&] { return here(this); });
}

namespace {

// What one Router knows, to be laid over what the others know.
Task<std::vector<DeploymentState>> states_of(Router* router) {
  Instant now = router->loop().now();
  std::vector<DeploymentState> out;
  for (const RoutedDeployment& d : router->deployments()) {
    const Breaker& credential = router->providers()[d.provider].credential;
    DeploymentState state{.deployment = d.deployment, .withdrawn_by = {}, .retired = d.retired};
    for (const Withdrawal& withdrawal : router->withdrawals())
      if (withdrawal.covers(d.deployment)) state.withdrawn_by.push_back(withdrawal.id);
    state.breaker = d.health.breaker().state(now);
    if (state.breaker != Breaker::State::kClosed) state.cause = d.health.cause();
    state.credential_refused = credential.state(now) != Breaker::State::kClosed;
    state.resting = std::max(Duration::zero(), d.health.resting(now) ? d.health.rest_until() - now : Duration::zero());
    Instant able = now;
    if (state.breaker != Breaker::State::kClosed) able = std::max(able, d.health.breaker().until());
    if (state.credential_refused) able = std::max(able, credential.until());
    state.able_in = std::max(able - now, state.resting);
    state.in_flight = d.health.in_flight();
    state.waiting = d.slots->waiting();
    state.attempts = d.health.attempts();
    state.failures = d.health.failures();
    state.error_average = d.health.error_average();
    state.first_piece = d.health.first_piece_average();
    state.gap = d.health.gap_average();
    out.push_back(std::move(state));
  }
  co_return out;
}

// Averages are weighed by the attempts that they come from.
void add(DeploymentState& all, const DeploymentState& one) {
  double mine = static_cast<double>(all.attempts), theirs = static_cast<double>(one.attempts), sum = mine + theirs;
  auto mix = [&](Duration a, Duration b) {
    if (a == Duration::zero() || sum == 0) return std::max(a, b);
    if (b == Duration::zero()) return a;
    return Duration(
        static_cast<int64_t>((static_cast<double>(a.count()) * mine + static_cast<double>(b.count()) * theirs) / sum));
  };
  all.first_piece = mix(all.first_piece, one.first_piece);
  all.gap = mix(all.gap, one.gap);
  if (sum > 0) all.error_average = (all.error_average * mine + one.error_average * theirs) / sum;
  if (one.breaker > all.breaker) {
    all.breaker = one.breaker;
    all.cause = one.cause;
  }
  all.credential_refused = all.credential_refused || one.credential_refused;
  all.able_in = std::max(all.able_in, one.able_in);
  all.resting = std::max(all.resting, one.resting);
  all.in_flight += one.in_flight;
  all.waiting = std::max(all.waiting, one.waiting);  // the queue is one for all loops
  all.attempts += one.attempts;
  all.failures += one.failures;
}

}  // namespace

Task<std::vector<DeploymentState>> WithdrawalDesk::deployments() {
  std::vector<DeploymentState> all;
  for (Router* router : routers_) {
    std::vector<DeploymentState> there = co_await call_on(router->loop(), [&] { return states_of(router); });
    for (size_t i = 0; i < there.size(); ++i) {
      if (i < all.size())
        add(all[i], there[i]);
      else
        all.push_back(std::move(there[i]));
    }
  }
  std::erase_if(all, [](const DeploymentState& state) { return state.retired && state.in_flight == 0; });
  co_return all;
}

}  // namespace perdure
