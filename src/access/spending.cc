#include "access/spending.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/planted.h"

namespace perdure {
namespace {

constexpr int64_t kLookAgainMs = 1000;  // where only what runs stands in the way

// Sums past 10^20 stay where they are: no budget is that large.
void grow(Money& to, const Money& by) {
  Result<Money> sum = to.plus(by);
  if (sum.ok()) to = *sum;
}

bool listed(const std::vector<std::string>& list, std::string_view word) {
  return list.empty() || std::ranges::find(list, word) != list.end();
}

bool concerns(const Budget& budget, const Spender& spender) {
  return listed(budget.tenants, spender.tenant.value) && listed(budget.keys, spender.key.value) &&
         listed(budget.workloads, spender.workload);
}

std::string_view subject_of(const Budget& budget, const Spender& spender) {
  if (budget.per == Budget::Per::kTenant) return spender.tenant.value;
  if (budget.per == Budget::Per::kKey) return spender.key.value;
  return "";
}

}  // namespace

// Sums of one currency each.
void Spent::operator+=(const Spent& other) {
  if (attempts == 0) {
    exact = Money(other.exact.currency());
    estimated = Money(other.estimated.currency());
  }
  grow(exact, other.exact);
  grow(estimated, other.estimated);
  attempts += other.attempts;
  estimates += other.estimates;
  unpriced += other.unpriced;
}

struct SpendingBook::Account {
  Budget budget;
  std::string subject;
  DayNumber today = INT64_MIN;  // for which `spent` was counted
  Money spent, held;
};

struct SpendingBook::InFlight {
  Spender spender;
  std::optional<Money> expected;
  std::vector<std::shared_ptr<Account>> accounts;  // that hold it
};

SpendingBook::SpendingBook() = default;
SpendingBook::~SpendingBook() { CHECK(in_flight_.empty(), "a SpendingBook died under its attempts"); }

void SpendingBook::set_budgets(std::vector<Budget> budgets) {
  std::lock_guard lock(mutex_);
  any_ = !budgets.empty();
  configured_.clear();
  for (Budget& budget : budgets) configured_.push_back({std::move(budget), {}});
}

void SpendingBook::recount(Account& account, DayNumber today) const {
  if (account.today == today) return;
  account.today = today;
  account.spent = Money(account.budget.amount.currency());
  DayNumber first = account.budget.window.first_day(today);
  for (const auto& [key, days] : rows_) {
    const auto& [tenant, api_key, workload, currency] = key;
    Spender spender{TenantId(tenant), KeyId(api_key), workload};
    if (currency != account.spent.currency().code() || !concerns(account.budget, spender) ||
        subject_of(account.budget, spender) != account.subject)
      continue;
    for (auto day = days.lower_bound(first); day != days.end(); ++day) {
      grow(account.spent, day->second.exact);
      grow(account.spent, day->second.estimated);
    }
  }
}

std::shared_ptr<SpendingBook::Account> SpendingBook::account(Counted& counted, std::string_view subject,
                                                             DayNumber today) {
  auto found = counted.accounts.find(subject);
  if (found == counted.accounts.end()) {
    auto made = std::make_shared<Account>();
    made->budget = counted.budget;
    made->subject = subject;
    made->held = Money(counted.budget.amount.currency());
    for (InFlight& each : in_flight_) {
      if (!each.expected || each.expected->currency() != made->held.currency() ||
          !concerns(counted.budget, each.spender) || subject_of(counted.budget, each.spender) != subject)
        continue;
      grow(made->held, *each.expected);
      each.accounts.push_back(made);
    }
    found = counted.accounts.emplace(subject, std::move(made)).first;
  }
  recount(*found->second, today);
  return found->second;
}

std::vector<SpendingBook::Counted>& SpendingBook::own(const Spender& spender, const std::vector<Budget>& budgets) {
  std::vector<Counted>& known = own_[spender.key];
  bool same = std::ranges::equal(known, budgets, {}, &Counted::budget);
  if (!same) {
    known.clear();
    for (const Budget& budget : budgets) known.push_back({budget, {}});
  }
  return known;
}

Result<std::vector<std::shared_ptr<SpendingBook::Account>>> SpendingBook::fitting(const SpendingAsk& ask) {
  std::vector<std::shared_ptr<Account>> out;
  DayNumber today = day_of(ask.now);
  auto fits = [&](Counted& counted) -> Result<void> {
    const Budget& budget = counted.budget;
    if (!concerns(budget, ask.spender)) return {};
    auto name = [&] { return "the budget \"" + budget.name + "\" of " + to_string(budget); };
    if (!ask.expected || ask.expected->currency() != budget.amount.currency()) {
      if (budget.unpriced_allowed) return {};
      return Error{.code = Code::kDenied,
                   .message = name() + " cannot be kept there: no price in its currency is known",
                   .reason = "budget_price_unknown"};
    }
    std::shared_ptr<Account> sum = account(counted, subject_of(budget, ask.spender), today);
    auto above = [&](const Money& other) {
      Result<Money> total = other.plus(*ask.expected);
      Result<int> order = total.ok() ? total->compare(budget.amount) : Result<int>(1);
      return !order.ok() || *order > 0;
    };
    Money with_held = sum->spent;
    grow(with_held, sum->held);
    if (above(with_held) && !planted(PlantedBug::kIgnoreBudgets)) {
      const bool spent = above(sum->spent);
      int64_t wait = spent ? (budget.window.resets_at(today) - ask.now).count() : kLookAgainMs;
      std::string when = " at " + day_text(day_of(budget.window.resets_at(today))) + "T00:00:00Z";
      return Error{.code = Code::kOverloaded,
                   .message = name() + (spent ? (budget.window.kind == BudgetWindow::Kind::kDays
                                                     ? " has no room for this request; some may be free" + when
                                                     : " has no room for this request; it begins anew" + when)
                                              : " is held by requests that are running"),
                   .reason = "budget_exceeded",
                   .retry_after_ms = wait};
    }
    out.push_back(std::move(sum));
    return {};
  };
  for (Counted& counted : configured_) TRY_VOID(fits(counted));
  if (ask.own != nullptr && !ask.own->empty())
    for (Counted& counted : own(ask.spender, *ask.own)) TRY_VOID(fits(counted));
  return out;
}

Result<void> SpendingBook::check(const SpendingAsk& ask) {
  if (!limits(ask.own)) return {};
  std::lock_guard lock(mutex_);
  Result<std::vector<std::shared_ptr<Account>>> accounts = fitting(ask);
  if (!accounts.ok()) return std::move(accounts).error();
  return {};
}

Result<std::unique_ptr<SpendingBook::Hold>> SpendingBook::take(const SpendingAsk& ask) {
  std::lock_guard lock(mutex_);
  TRY(std::vector<std::shared_ptr<Account>> accounts, fitting(ask));
  for (const auto& each : accounts) grow(each->held, *ask.expected);
  in_flight_.push_front({ask.spender, ask.expected, std::move(accounts)});
  return std::unique_ptr<Hold>(new Hold(*this, in_flight_.begin()));
}

SpendingBook::Hold::~Hold() {
  std::lock_guard lock(book_.mutex_);
  for (const auto& each : at_->accounts) {
    Result<Money> left = each->held.minus(*at_->expected);
    if (left.ok()) each->held = *left;
  }
  book_.in_flight_.erase(at_);
}

void SpendingBook::Hold::settle(std::optional<Money> amount, bool exact, WallTime now) {
  std::lock_guard lock(book_.mutex_);
  Spent spent{.attempts = 1};
  std::optional<Currency> currency;
  if (amount) {
    currency = amount->currency();
    spent.exact = spent.estimated = Money(*currency);
    (exact ? spent.exact : spent.estimated) = *amount;
    spent.estimates = exact ? 0 : 1;
  } else {
    spent.unpriced = 1;
  }
  book_.enter(at_->spender, currency, day_of(now), spent);
}

void SpendingBook::enter(const Spender& spender, std::optional<Currency> currency, DayNumber day, const Spent& spent) {
  std::string code = currency ? std::string(currency->code()) : std::string();
  Days& days = rows_[RowKey{spender.tenant.value, spender.key.value, spender.workload, code}];
  days[day] += spent;
  while (!days.empty() && days.begin()->first <= day - kSpendingDaysKept) days.erase(days.begin());
  if (!currency) return;
  auto count = [&](Counted& counted) {
    if (!concerns(counted.budget, spender)) return;
    auto found = counted.accounts.find(subject_of(counted.budget, spender));
    if (found == counted.accounts.end() || *currency != counted.budget.amount.currency()) return;
    Account& sum = *found->second;
    // What was counted for another day is counted anew when it is looked at.
    if (sum.today != day) {
      sum.today = INT64_MIN;
      return;
    }
    grow(sum.spent, spent.exact);
    grow(sum.spent, spent.estimated);
  };
  for (Counted& counted : configured_) count(counted);
  if (auto found = own_.find(spender.key); found != own_.end())
    for (Counted& counted : found->second) count(counted);
}

void SpendingBook::add(const Spender& spender, std::optional<Currency> currency, DayNumber day, const Spent& spent) {
  std::lock_guard lock(mutex_);
  enter(spender, currency, day, spent);
}

std::vector<SpendingBook::BudgetState> SpendingBook::budgets(const std::vector<OwnBudgets>& own_budgets, WallTime now) {
  std::lock_guard lock(mutex_);
  DayNumber today = day_of(now);
  std::vector<BudgetState> out;
  auto show = [&](Counted& counted, const std::string& subject) {
    std::shared_ptr<Account> sum = account(counted, subject, today);
    out.push_back({counted.budget, subject, sum->spent, sum->held, counted.budget.window.resets_at(today)});
  };
  for (Counted& counted : configured_) {
    std::set<std::string> subjects;
    if (counted.budget.per == Budget::Per::kAll) subjects.insert("");
    for (const auto& [subject, sum] : counted.accounts) subjects.insert(subject);
    for (const auto& [key, days] : rows_) {
      Spender spender{TenantId(std::get<0>(key)), KeyId(std::get<1>(key)), std::get<2>(key)};
      if (concerns(counted.budget, spender)) subjects.emplace(subject_of(counted.budget, spender));
    }
    for (const std::string& subject : subjects) show(counted, subject);
  }
  for (const OwnBudgets& each : own_budgets)
    for (Counted& counted : own(each.spender, each.budgets)) show(counted, each.spender.key.value);
  return out;
}

std::vector<SpendingBook::Row> SpendingBook::rows(WallTime now) {
  std::lock_guard lock(mutex_);
  DayNumber today = day_of(now), month = BudgetWindow{}.first_day(today);
  std::vector<Row> out;
  for (const auto& [key, days] : rows_) {
    const auto& [tenant, api_key, workload, code] = key;
    Row row{.spender = {TenantId(tenant), KeyId(api_key), workload}};
    if (Result<Currency> currency = Currency::parse(code); currency.ok()) row.currency = *currency;
    for (auto day = days.lower_bound(month); day != days.end(); ++day) {
      row.month += day->second;
      if (day->first == today) row.today += day->second;
    }
    if (row.month.attempts > 0) out.push_back(std::move(row));
  }
  return out;
}

}  // namespace perdure
