#pragma once
// SpendingBook: what was spent, by whom, on which day, and whether a budget has room for another attempt. One for a
// process, shared by all loops: thread-safe, its lock is held for a few microseconds at most, and where there are no
// budgets a decision does not take it.
//
// The rule: an attempt is placed only if
//
//   spent in the window + held by attempts that run + what this one is expected to cost  <=  the budget's amount
//
// What is expected is held from the placement on and replaced by what the attempt came to when it ends. A budget is
// therefore exceeded at most by what the attempts that run at one time cost more than was expected of them.
//
// Bounds: a row for each tenant, key, workload and currency that has spent anything, with at most kSpendingDaysKept
// days; a sum for each budget and its tenant or key; what is in flight.

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "access/budget.h"
#include "base/ids.h"

namespace perdure {

// On whose account an attempt goes.
struct Spender {
  TenantId tenant;
  KeyId key;  // empty: there are no keys
  std::string workload;
  bool operator==(const Spender&) const = default;
};

// What an attempt is asked about, or has come to.
struct SpendingAsk {
  const Spender& spender;
  const std::vector<Budget>* own = nullptr;  // of the key itself, besides those of the configuration
  std::optional<Money> expected;             // nothing: no price is known
  WallTime now{};
};

struct Spent {
  Money exact;      // of attempts whose cost is known
  Money estimated;  // assumed of others
  int64_t attempts = 0;
  int64_t estimates = 0;  // of them
  int64_t unpriced = 0;   // of them: no price was known
  void operator+=(const Spent& other);
};

class SpendingBook {
 private:
  struct Account;
  struct InFlight;

 public:
  SpendingBook();
  ~SpendingBook();
  SpendingBook(const SpendingBook&) = delete;
  SpendingBook& operator=(const SpendingBook&) = delete;

  // Those of the configuration, in place of earlier ones; what was spent counts for the new ones too.
  void set_budgets(std::vector<Budget> budgets);

  // Whether any budget may have a say; false: check() says yes to everything.
  bool limits(const std::vector<Budget>* own) const {
    return any_.load(std::memory_order_relaxed) || (own != nullptr && !own->empty());
  }
  // Whether there is room now. kOverloaded, reason "budget_exceeded", with the budget's name and when to come again.
  // kDenied, reason "budget_price_unknown": it cannot be counted in a budget's currency.
  Result<void> check(const SpendingAsk& ask);

  // An attempt's share of the budgets, from its placement to its end. Without settle() nothing was spent.
  class Hold {
   public:
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    // `amount` nothing: no price is known. `exact`: it is no estimate.
    void settle(std::optional<Money> amount, bool exact, WallTime now);

   private:
    friend class SpendingBook;
    Hold(SpendingBook& book, std::list<InFlight>::iterator at) : book_(book), at_(at) {}
    SpendingBook& book_;
    std::list<InFlight>::iterator at_;
  };
  // check() and holding, at once.
  Result<std::unique_ptr<Hold>> take(const SpendingAsk& ask);

  // What was spent before, or elsewhere. Absent currency: without a price.
  void add(const Spender& spender, std::optional<Currency> currency, DayNumber day, const Spent& spent);

  struct BudgetState {
    Budget budget;
    std::string subject;  // the tenant or key whose sum it is; empty: of all
    Money spent, held;
    WallTime resets_at{};
  };
  struct OwnBudgets {
    Spender spender;
    std::vector<Budget> budgets;
  };
  // Of all budgets of the configuration and `own`.
  std::vector<BudgetState> budgets(const std::vector<OwnBudgets>& own, WallTime now);
  struct Row {
    Spender spender;
    std::optional<Currency> currency;
    Spent today, month;
  };
  std::vector<Row> rows(WallTime now);

 private:
  using RowKey = std::tuple<std::string, std::string, std::string, std::string>;  // tenant, key, workload, currency
  using Days = std::map<DayNumber, Spent>;
  struct Counted {  // a budget and its sums, by subject
    Budget budget;
    std::map<std::string, std::shared_ptr<Account>, std::less<>> accounts;
  };

  std::shared_ptr<Account> account(Counted& counted, std::string_view subject, DayNumber today);
  std::vector<Counted>& own(const Spender& spender, const std::vector<Budget>& budgets);
  void recount(Account& account, DayNumber today) const;
  // The sums that an attempt must fit into; the error of the first that it does not fit into.
  Result<std::vector<std::shared_ptr<Account>>> fitting(const SpendingAsk& ask);
  void enter(const Spender& spender, std::optional<Currency> currency, DayNumber day, const Spent& spent);

  mutable std::mutex mutex_;
  std::atomic<bool> any_{false};  // budgets of the configuration
  std::vector<Counted> configured_;
  std::unordered_map<KeyId, std::vector<Counted>> own_;
  std::map<RowKey, Days> rows_;
  std::list<InFlight> in_flight_;
};

}  // namespace perdure
