#pragma once
// SpendingKeeper: what was spent, over restarts. The ledger is the truth; a sum of it for each day rests in the store's
// settings, with the ordinal of the last entry that is in it, and is brought up to date every few seconds. A start
// therefore reads the sums of the days that budgets can ask for, and of the ledger only what is younger than the last
// sum. (The first start over a ledger from before there were sums reads all of it, once.)
//
// Lives on one Loop; the store and the book outlive it.

#include <map>
#include <optional>

#include "access/spending.h"
#include "async/wait.h"
#include "base/log.h"
#include "store/store.h"

namespace perdure {

// What one entry of the ledger says of money; nothing: an attempt that was not served, or an entry of before costs were
// kept.
struct LedgerCost {
  Spender spender;
  std::optional<Money> amount;  // nothing: no price was known
  bool exact = false;
  bool abandoned = false;  // its server crashed: nobody has settled it
  DayNumber day = 0;
};
std::optional<LedgerCost> ledger_cost(const LedgerEntry& entry);

class SpendingKeeper {
 public:
  SpendingKeeper(Store& store, SpendingBook& book, Loop& loop, Log log, Duration interval = std::chrono::seconds(10));

  // Tells the book what was spent in the days that matter. Before the first attempt. kCorrupt: a sum that makes no
  // sense; better to refuse than to spend it again.
  Task<Result<void>> load();
  // Keeps the sums up to date until stop().
  Task<void> run();
  void stop() { stopping_.request(); }
  // Once: what the ledger has that the sums have not.
  Task<Result<void>> catch_up();
  uint64_t through() const { return through_; }  // ordinal of the last entry of the ledger that was read

 private:
  struct RowKey {
    std::string tenant, key, workload, currency;
    auto operator<=>(const RowKey&) const = default;
  };
  struct Day {
    uint64_t through = 0;  // ordinal of the last entry that is in it
    std::map<RowKey, Spent> rows;
    bool changed = false;
  };
  static std::string encode(const Day& day);
  static Result<Day> decode(std::string text);
  Task<Result<void>> fold(bool tell_all);
  Task<Result<void>> save();
  void take(const LedgerEntry& entry, bool tell_all);

  Store& store_;
  SpendingBook& book_;
  Loop& loop_;
  Log log_;
  Duration interval_;
  uint64_t through_ = 0, saved_ = 0;
  std::map<DayNumber, Day> days_;
  Cancellation stopping_;
};

}  // namespace perdure
