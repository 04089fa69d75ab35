#include "access/budget.h"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace perdure {
namespace {

constexpr int64_t kDayMs = 24 * 3600 * 1000;

std::chrono::sys_days date_of(DayNumber day) { return std::chrono::sys_days(std::chrono::days(day)); }

}  // namespace

DayNumber day_of(WallTime time) {
  int64_t ms = time.time_since_epoch().count();
  return ms >= 0 ? ms / kDayMs : (ms - kDayMs + 1) / kDayMs;
}

std::string day_text(DayNumber day) {
  std::chrono::year_month_day date(date_of(day));
  char text[24];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return text;
}

Result<BudgetWindow> BudgetWindow::parse(std::string_view text) {
  if (text == "day") return BudgetWindow{.kind = Kind::kDay};
  if (text == "month") return BudgetWindow{.kind = Kind::kMonth};
  int days = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), days);
  bool good = error == std::errc() && std::string_view(end, text.data() + text.size()) == "d";
  if (!good || days < 1 || days > kDaysMax)
    return Error{Code::kInvalid, "a window is day, month, or the last so many days, from 1d to " +
                                     std::to_string(kDaysMax) + "d, not \"" + std::string(text) + "\""};
  return BudgetWindow{.kind = Kind::kDays, .days = days};
}

std::string BudgetWindow::to_string() const {
  return kind == Kind::kDay ? "day" : kind == Kind::kMonth ? "month" : std::to_string(days) + "d";
}

DayNumber BudgetWindow::first_day(DayNumber today) const {
  if (kind == Kind::kDay) return today;
  if (kind == Kind::kDays) return today - days + 1;
  std::chrono::year_month_day date(date_of(today));
  return std::chrono::sys_days(date.year() / date.month() / 1).time_since_epoch().count();
}

WallTime BudgetWindow::resets_at(DayNumber today) const {
  DayNumber day = today + 1;
  if (kind == Kind::kMonth) {
    std::chrono::year_month_day date(date_of(today));
    day = std::chrono::sys_days((date.year() / date.month() + std::chrono::months(1)) / 1).time_since_epoch().count();
  }
  return WallTime(std::chrono::milliseconds(day * kDayMs));
}

Result<Budget::Per> parse_budget_per(std::string_view word) {
  if (word == "all") return Budget::Per::kAll;
  if (word == "tenant") return Budget::Per::kTenant;
  if (word == "key") return Budget::Per::kKey;
  return Error{Code::kInvalid, "must be all, tenant or key, not \"" + std::string(word) + "\""};
}

Result<Money> parse_budget_amount(std::string_view text) {
  size_t space = text.find(' ');
  if (space == std::string_view::npos)
    return Error{Code::kInvalid, "must be an amount and its currency, like 100 USD, not \"" + std::string(text) + "\""};
  TRY(Currency currency, Currency::parse(text.substr(space + 1)));
  TRY(Money amount, Money::parse(text.substr(0, space), currency));
  if (amount.negative()) return Error{Code::kInvalid, "an amount must not be negative"};
  return amount;
}

Result<Budget> parse_budget(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos)
    return Error{Code::kInvalid, "must be an amount, its currency and a window, like \"100 USD/month\", not \"" +
                                     std::string(text) + "\""};
  Budget out;
  TRY(out.amount, parse_budget_amount(text.substr(0, slash)));
  TRY(out.window, BudgetWindow::parse(text.substr(slash + 1)));
  return out;
}

std::string to_string(const Budget& budget) { return budget.amount.to_string() + "/" + budget.window.to_string(); }

}  // namespace perdure
