#pragma once
// Budget: how much may be spent within a window of time, and on whose attempts. Values; spending.h keeps count.
//
// Windows are made of whole days, UTC: today, this month, or the last so many days with today.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalogue/money.h"

namespace perdure {

using DayNumber = int64_t;  // since 1970-01-01
DayNumber day_of(WallTime time);
std::string day_text(DayNumber day);  // "2026-08-01"

struct BudgetWindow {
  enum class Kind : uint8_t { kDay, kMonth, kDays };
  static constexpr int kDaysMax = 90;
  Kind kind = Kind::kMonth;
  int days = 1;  // of kDays

  static Result<BudgetWindow> parse(std::string_view text);  // "day", "month", "7d"
  std::string to_string() const;
  DayNumber first_day(DayNumber today) const;
  // The moment at which it begins anew; of the last so many days: at which the oldest of them leaves it.
  WallTime resets_at(DayNumber today) const;
  bool operator==(const BudgetWindow&) const = default;
};
// The longest window that there is, with today.
inline constexpr int kSpendingDaysKept = BudgetWindow::kDaysMax + 1;

struct Budget {
  // One sum for all whom the conditions let in, or one for each tenant or key of them.
  enum class Per : uint8_t { kAll, kTenant, kKey };
  std::string name;
  Money amount;
  BudgetWindow window;
  Per per = Per::kAll;
  std::vector<std::string> tenants, keys, workloads;  // conditions; empty: any
  // Attempts that cannot be counted in its currency, because no price in it is known: allowed, or refused.
  bool unpriced_allowed = false;
  bool operator==(const Budget&) const = default;
};

Result<Budget::Per> parse_budget_per(std::string_view word);  // "all", "tenant", "key"
Result<Money> parse_budget_amount(std::string_view text);     // "100 USD"
// "100 USD/month", without name and conditions: as it is given to a key.
Result<Budget> parse_budget(std::string_view text);
std::string to_string(const Budget& budget);  // the same

}  // namespace perdure
