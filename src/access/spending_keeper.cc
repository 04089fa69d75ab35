#include "access/spending_keeper.h"

#include "base/planted.h"
#include "model/attempt_cost.h"

namespace perdure {
namespace {

constexpr size_t kPage = 1000;
constexpr const char* kThrough = "spending.through";
std::string name_of_day(DayNumber day) { return "spending." + day_text(day); }

Error damaged() { return {Code::kCorrupt, "a sum of what was spent is damaged"}; }

}  // namespace

std::optional<LedgerCost> ledger_cost(const LedgerEntry& entry) {
  Result<json::Document> line = json::Document::parse(entry.line);
  if (!line.ok()) return std::nullopt;
  json::Value root = line->root();
  Result<AttemptCost> cost = read_cost(root["cost"]);
  if (!cost.ok() || cost->empty() || cost->unknown == "not_served") return std::nullopt;
  LedgerCost out{
      .spender = {entry.tenant, KeyId(std::string(root["key"].text())), std::string(root["workload"].text())}};
  out.exact = !cost->amount.empty();
  out.abandoned = root["outcome"].text() == "abandoned";
  out.day = day_of(entry.time);
  if (Result<Currency> currency = Currency::parse(cost->currency); currency.ok())
    if (Result<Money> money = Money::parse(out.exact ? cost->amount : cost->estimate, *currency); money.ok())
      out.amount = *money;
  return out;
}

SpendingKeeper::SpendingKeeper(Store& store, SpendingBook& book, Loop& loop, Log log, Duration interval)
    : store_(store), book_(book), loop_(loop), log_(std::move(log)), interval_(interval), stopping_(loop) {}

std::string SpendingKeeper::encode(const Day& day) {
  json::Writer out;
  out.begin_object().field("through", static_cast<int64_t>(day.through)).key("rows").begin_array();
  for (const auto& [key, spent] : day.rows)
    out.begin_object()
        .field("tenant", key.tenant)
        .field("key", key.key)
        .field("workload", key.workload)
        .field("currency", key.currency)
        .field("exact", spent.exact.amount())
        .field("estimated", spent.estimated.amount())
        .field("attempts", spent.attempts)
        .field("estimates", spent.estimates)
        .field("unpriced", spent.unpriced)
        .end_object();
  out.end_array().end_object();
  return out.take();
}

Result<SpendingKeeper::Day> SpendingKeeper::decode(std::string text) {
  Result<json::Document> document = json::Document::parse(std::move(text));
  if (!document.ok() || !document->root()["rows"].is_array()) return damaged();
  Day day;
  std::optional<int64_t> through = document->root()["through"].integer();
  if (!through || *through < 0) return damaged();
  day.through = static_cast<uint64_t>(*through);
  for (json::Value row : document->root()["rows"].elements()) {
    auto text_of = [&](std::string_view name) { return std::string(row[name].text()); };
    RowKey key{text_of("tenant"), text_of("key"), text_of("workload"), text_of("currency")};
    Result<Currency> currency = key.currency.empty() ? Result<Currency>(Currency()) : Currency::parse(key.currency);
    if (!currency.ok()) return damaged();
    Result<Money> exact = Money::parse(row["exact"].text(), *currency);
    Result<Money> estimated = Money::parse(row["estimated"].text(), *currency);
    if (!exact.ok() || !estimated.ok()) return damaged();
    day.rows[key] = {*exact, *estimated, row["attempts"].integer().value_or(0), row["estimates"].integer().value_or(0),
                     row["unpriced"].integer().value_or(0)};
  }
  return day;
}

Task<Result<void>> SpendingKeeper::load() {
  CO_TRY(std::optional<std::string> through, co_await store_.setting(kThrough));
  if (through) {
    Result<json::Document> number = json::Document::parse(*std::move(through));
    std::optional<int64_t> value = number.ok() ? number->root().integer() : std::nullopt;
    if (!value || *value < 0) co_return damaged();
    through_ = saved_ = static_cast<uint64_t>(*value);
  }
  if (planted(PlantedBug::kForgetSpending)) co_return co_await fold(false);
  DayNumber today = day_of(loop_.wall());
  // A clock that went back must not lose a day.
  for (DayNumber day = today - kSpendingDaysKept + 1; day <= today + 1; ++day) {
    CO_TRY(std::optional<std::string> text, co_await store_.setting(name_of_day(day)));
    if (!text) continue;
    CO_TRY(Day sums, decode(*std::move(text)));
    for (const auto& [key, spent] : sums.rows) {
      std::optional<Currency> currency;
      if (!key.currency.empty()) currency = *Currency::parse(key.currency);
      book_.add({TenantId(key.tenant), KeyId(key.key), key.workload}, currency, day, spent);
    }
    days_[day] = std::move(sums);
  }
  CO_TRY_VOID(co_await fold(true));
  co_return co_await save();
}

void SpendingKeeper::take(const LedgerEntry& entry, bool tell_all) {
  std::optional<LedgerCost> cost = ledger_cost(entry);
  if (!cost) return;
  Day& day = days_[cost->day];
  if (entry.ordinal <= day.through) return;  // saved with this day, before the word of it was
  std::optional<Currency> currency;
  Spent spent{.attempts = 1};
  if (cost->amount) {
    currency = cost->amount->currency();
    spent.exact = spent.estimated = Money(*currency);
    (cost->exact ? spent.exact : spent.estimated) = *cost->amount;
    spent.estimates = cost->exact ? 0 : 1;
  } else {
    spent.unpriced = 1;
  }
  day.rows[{cost->spender.tenant.value, cost->spender.key.value, cost->spender.workload,
            currency ? std::string(currency->code()) : std::string()}] += spent;
  day.through = entry.ordinal;
  day.changed = true;
  // Whoever made an attempt has told the book itself, unless its process is gone.
  if (tell_all || cost->abandoned) book_.add(cost->spender, currency, cost->day, spent);
}

Task<Result<void>> SpendingKeeper::fold(bool tell_all) {
  for (;;) {
    CO_TRY(std::vector<LedgerEntry> page, co_await store_.ledger(through_, kPage));
    for (const LedgerEntry& entry : page) {
      take(entry, tell_all);
      through_ = entry.ordinal;
    }
    if (page.size() < kPage) co_return Result<void>();
  }
}

Task<Result<void>> SpendingKeeper::save() {
  if (through_ == saved_) co_return Result<void>();
  // The days first: a word of them that came without them would lose what they hold.
  for (auto& [number, day] : days_) {
    if (!day.changed) continue;
    CO_TRY_VOID(co_await store_.put_setting(name_of_day(number), encode(day), false));
    day.changed = false;
  }
  CO_TRY_VOID(co_await store_.put_setting(kThrough, std::to_string(through_), false));
  saved_ = through_;
  DayNumber oldest = day_of(loop_.wall()) - kSpendingDaysKept;
  while (!days_.empty() && days_.begin()->first <= oldest) {
    CO_TRY_VOID(co_await store_.put_setting(name_of_day(days_.begin()->first), "", false));
    days_.erase(days_.begin());
  }
  co_return Result<void>();
}

Task<Result<void>> SpendingKeeper::catch_up() {
  CO_TRY_VOID(co_await fold(false));
  co_return co_await save();
}

Task<void> SpendingKeeper::run() {
  while (!stopping_.requested()) {
    (void)co_await stopping_.wait(deadline_in(loop_, interval_));
    Result<void> done = co_await catch_up();
    if (!done.ok()) log_.warn("spending.not_saved", {{"class", to_string(done.error().code)}});
  }
}

}  // namespace perdure
