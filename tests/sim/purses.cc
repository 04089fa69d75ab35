#include "purses.h"

#include <algorithm>

namespace perdure::sim {
namespace {

// What is assumed of an answer where its request has no limit, and the most that is: docs/routing.md.
constexpr int64_t kOutputAssumed = 1024;
constexpr Duration kKeysAreRead = std::chrono::seconds(1);  // after a change, at the latest
constexpr Duration kCommitted = std::chrono::seconds(10);   // an end that was heard of, and the way back from a crash
constexpr int64_t kInputMost = 20'000;                      // tokens of any request here

std::string text_of(Micros amount) { return std::to_string(amount) + " millionths"; }

bool empty_or_lists(const std::vector<std::string>& list, const std::string& word) {
  return list.empty() || std::ranges::find(list, word) != list.end();
}

Budget with_amount(Budget budget, Micros amount) {
  budget.amount = *Money::parse(std::to_string(amount) + "e-6");
  return budget;
}

}  // namespace

Purses::Purses(const Setup& setup, SimLoop& loop, std::function<void(std::string)> violate)
    : setup_(setup), loop_(loop), violate_(std::move(violate)) {
  for (const BudgetSetup& each : setup.budgets) limits_.push_back(each.amount);
  before_ = limits_;
  known_by_.resize(limits_.size(), Instant::min());
  for (const DeploymentSetup& each : setup.deployments)
    dearest_ = std::max(dearest_, kOutputAssumed * each.output_price + kInputMost * each.input_price);
}

bool Purses::concerns(const BudgetSetup& each, const Identity& who) const {
  if (!each.of_key.empty()) return who.key.value == each.of_key;
  return empty_or_lists(each.budget.tenants, who.tenant.value) && empty_or_lists(each.budget.keys, who.key.value);
}

std::string Purses::subject(const BudgetSetup& each, const Identity& who) {
  if (each.budget.per == Budget::Per::kTenant) return who.tenant.value;
  if (each.budget.per == Budget::Per::kKey || !each.of_key.empty()) return who.key.value;
  return "";
}

bool Purses::is_short(size_t budget, const Purse& purse, Instant when) const {
  return purse.most + nobodys_ + dearest_ > (when < known_by_[budget] ? before_[budget] : limits_[budget]);
}

uint64_t Purses::dispatched(const std::optional<Identity>& who, const Attempt& attempt) {
  const DeploymentSetup& deployment = setup_.deployments[attempt.deployment];
  const int64_t output = std::min(kOutputAssumed, attempt.output_limit.value_or(kOutputAssumed));
  Running running{.purses = {},
                  .errand = attempt.errand,
                  .deployment = attempt.deployment,
                  .least = attempt.relayed ? 0 : output * deployment.output_price,
                  .most = kOutputAssumed * deployment.output_price + attempt.input_most * deployment.input_price,
                  .input_most = attempt.input_most,
                  .life = life_,
                  .relayed = attempt.relayed};
  if (!who) nobodys_ += running.most;
  for (size_t i = 0; who && i < setup_.budgets.size(); ++i) {
    if (!concerns(setup_.budgets[i], *who)) continue;
    running.purses.emplace_back(i, subject(setup_.budgets[i], *who));
    Purse& purse = at(running.purses.back());
    purse.running += running.least;
    purse.most += running.most;
    if (is_short(i, purse, loop_.now())) purse.last_short = loop_.now();
    const Micros certain = purse.durable + purse.in_life + purse.running;
    if (certain > limits_[i])
      violate_("budget: an attempt went to " + deployment.name + " though " + text_of(certain) + " of the " +
               text_of(limits_[i]) + " of " + setup_.budgets[i].budget.name + " were spent with it (" +
               text_of(purse.durable) + " in earlier lives, " + text_of(purse.in_life) + " in this one, " +
               text_of(purse.running) + " running)");
  }
  running_.emplace(next_, std::move(running));
  return next_++;
}

void Purses::ended(uint64_t number, const End& end) {
  auto found = running_.find(number);
  if (found == running_.end()) return;
  Running running = std::move(found->second);
  running_.erase(found);
  const DeploymentSetup& deployment = setup_.deployments[running.deployment];
  // What nobody has settled may have been taken for what was expected.
  Micros most = running.most, certain = 0;
  if (!end.dead && !running.relayed) {
    most = running.input_most * deployment.input_price + end.heard_tokens * deployment.output_price;
    if (end.usage)
      certain = most =
          end.usage->input_tokens * deployment.input_price + end.usage->output_tokens * deployment.output_price;
  }
  for (const auto& name : running.purses) {
    Purse& purse = at(name);
    if (is_short(name.first, purse, loop_.now())) purse.last_short = loop_.now();
    purse.most += most - running.most;
    if (running.life != life_) continue;
    purse.running -= running.least;
    purse.in_life += certain;
  }
  std::erase_if(doubts_, [&](const Doubt& each) { return each.at + kCommitted < loop_.now(); });
  if (running.life == life_ && most < running.most)
    doubts_.push_back({running.purses, running.errand, running.most - most, loop_.now()});
  if (certain > 0 && running.errand) bills_[*running.errand] = {std::move(running.purses), certain, running.life};
}

void Purses::cancelled(uint64_t number) {
  auto found = running_.find(number);
  if (found == running_.end()) return;
  Running& running = found->second;
  for (const auto& name : running.purses)
    if (running.life == life_) at(name).running -= running.least;
  running.least = 0;
}

void Purses::new_life() {
  ++life_;
  for (auto& [name, purse] : purses_) purse.in_life = purse.running = 0;
  for (const Doubt& each : doubts_)
    if (each.at + kCommitted >= loop_.now())
      for (const auto& name : each.purses) at(name).most += each.amount;
  doubts_.clear();
}

void Purses::seen(uint64_t errand) {
  std::erase_if(doubts_, [&](const Doubt& each) { return each.errand == errand; });
  auto found = bills_.find(errand);
  if (found == bills_.end()) return;
  const Bill& bill = found->second;
  for (const auto& name : bill.purses) {
    Purse& purse = at(name);
    purse.durable += bill.amount;
    if (bill.life == life_) purse.in_life -= bill.amount;
  }
  bills_.erase(found);
}

bool Purses::may_be_short(const Identity& who, Instant since) const {
  for (size_t i = 0; i < setup_.budgets.size(); ++i) {
    if (!concerns(setup_.budgets[i], who)) continue;
    auto found = purses_.find({i, subject(setup_.budgets[i], who)});
    const Purse purse = found == purses_.end() ? Purse{} : found->second;
    if (purse.last_short >= since || is_short(i, purse, since)) return true;
  }
  return false;
}

void Purses::refused(const Identity& who, Instant asked) {
  wanted_ = true;
  if (may_be_short(who, asked)) return;
  std::string sums;
  for (size_t i = 0; i < setup_.budgets.size(); ++i)
    if (concerns(setup_.budgets[i], who))
      sums += "; of the " + text_of(limits_[i]) + " of " + setup_.budgets[i].budget.name + " at most " +
              text_of(at({i, subject(setup_.budgets[i], who)}).most) + " were spent";
  violate_("budget: " + who.key.value + " was refused though its budgets have room" + sums + "; an attempt may cost " +
           text_of(dearest_) + ", and " + text_of(nobodys_) + " are nobody's");
}

void Purses::raise(bool no_end) {
  wanted_ = false;
  for (auto& [name, purse] : purses_)
    if (is_short(name.first, purse, loop_.now()))
      purse.last_short = loop_.now() + (setup_.budgets[name.first].of_key.empty() ? Duration::zero() : kKeysAreRead);
  for (size_t i = 0; i < limits_.size(); ++i) {
    if (!setup_.budgets[i].of_key.empty()) {
      if (loop_.now() >= known_by_[i]) before_[i] = limits_[i];
      known_by_[i] = loop_.now() + kKeysAreRead;
    }
    limits_[i] = no_end ? Micros{1'000'000'000'000} : limits_[i] + setup_.budgets[i].amount;
  }
}

std::vector<Budget> Purses::configured() const {
  std::vector<Budget> out;
  for (size_t i = 0; i < limits_.size(); ++i)
    if (setup_.budgets[i].of_key.empty()) out.push_back(with_amount(setup_.budgets[i].budget, limits_[i]));
  return out;
}

std::vector<Budget> Purses::own(const KeyId& key) const {
  std::vector<Budget> out;
  for (size_t i = 0; i < limits_.size(); ++i)
    if (setup_.budgets[i].of_key == key.value) out.push_back(with_amount(setup_.budgets[i].budget, limits_[i]));
  return out;
}

}  // namespace perdure::sim
