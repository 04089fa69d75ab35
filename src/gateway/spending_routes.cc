// What was spent, for whoever pays: budgets and how much of them is left, and the sums of tenants, keys and workloads.

#include "access/spending.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"

namespace perdure {
namespace {

std::string utc(WallTime time) {
  int64_t seconds = unix_seconds(time) % (24 * 3600);
  char clock[16];
  std::snprintf(clock, sizeof clock, "T%02d:%02d:%02dZ", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return day_text(day_of(time)) + clock;
}

void write_names(json::Writer& out, std::string_view name, const std::vector<std::string>& list) {
  if (list.empty()) return;
  out.key(name).begin_array();
  for (const std::string& each : list) out.string(each);
  out.end_array();
}

void write_budget(json::Writer& out, const SpendingBook::BudgetState& state) {
  const Budget& budget = state.budget;
  out.begin_object()
      .field("name", budget.name)
      .field("currency", budget.amount.currency().code())
      .field("amount", budget.amount.amount())
      .field("window", budget.window.to_string());
  if (!state.subject.empty()) out.field(budget.per == Budget::Per::kTenant ? "tenant" : "key", state.subject);
  write_names(out, "tenants", budget.tenants);
  write_names(out, "keys", budget.keys);
  write_names(out, "workloads", budget.workloads);
  Result<Money> left = budget.amount.minus(state.spent);
  if (left.ok()) left = left->minus(state.held);
  out.field("spent", state.spent.amount()).field("held", state.held.amount());
  out.field("left", left.ok() && !left->negative() ? left->amount() : "0");
  out.field("resets_at", utc(state.resets_at)).end_object();
}

void write_spent(json::Writer& out, std::string_view name, const Spent& spent) {
  out.key(name)
      .begin_object()
      .field("exact", spent.exact.amount())
      .field("estimated", spent.estimated.amount())
      .field("attempts", spent.attempts)
      .field("attempts_estimated", spent.estimates)
      .field("attempts_unpriced", spent.unpriced)
      .end_object();
}

}  // namespace

Task<void> Gateway::show_spending(Exchange& x) {
  json::Writer out;
  WallTime now = loop_.wall();
  out.begin_object().field("object", "x_spending").field("at", utc(now));
  out.key("budgets").begin_array();
  if (options_.spending != nullptr) {
    std::vector<SpendingBook::OwnBudgets> own;
    for (const ApiKey& key : keys_.keys())
      if (!key.revoked && !key.budgets.empty()) own.push_back({{key.tenant, key.id, ""}, key.budgets});
    for (const SpendingBook::BudgetState& state : options_.spending->budgets(own, now)) write_budget(out, state);
  }
  out.end_array().key("data").begin_array();
  if (options_.spending != nullptr) {
    for (const SpendingBook::Row& row : options_.spending->rows(now)) {
      out.begin_object().field("tenant", row.spender.tenant.value).field("key", row.spender.key.value);
      out.field("workload", row.spender.workload).key("currency");
      if (row.currency)
        out.string(row.currency->code());
      else
        out.null();
      write_spent(out, "today", row.today);
      write_spent(out, "month", row.month);
      out.end_object();
    }
  }
  out.end_array().end_object();
  co_await x.json(out.text());
}

}  // namespace perdure
