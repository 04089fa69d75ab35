#pragma once
// Purses: the judge of budgets. For each budget and its tenant or key it keeps two sums of what attempts have cost by
// the owner's prices: `certain`, which the process must know of, and `most`, which cannot be exceeded. An attempt that
// goes out although the certain sum with it is above the budget, and a refusal although the largest sum leaves room,
// are violations. Nothing of it asks the process's own book.
//
// Certain are the attempts that run (at what is expected of their output), what came to a whole and counted end in this
// life of the process, and of earlier lives what a client has seen the end of: that was durable first.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/sim_loop.h"
#include "model/usage.h"
#include "setup.h"

namespace perdure::sim {

// In millionths of the currency.
using Micros = int64_t;

class Purses {
 public:
  Purses(const Setup& setup, SimLoop& loop, std::function<void(std::string)> violate);

  struct Attempt {
    std::optional<uint64_t> errand;  // nothing: nobody knows whose it is
    size_t deployment = 0;
    int64_t input_most = 0;               // tokens of input, at the most
    std::optional<int64_t> output_limit;  // that its request asks for
    bool relayed = false;                 // how it ends is not heard of
  };
  // An attempt goes out; what it is called from now on.
  uint64_t dispatched(const std::optional<Identity>& who, const Attempt& attempt);
  // How it has ended: `usage` of a whole answer that was counted; else how much came.
  struct End {
    std::optional<Usage> usage;
    int64_t heard_tokens = 0;  // at the most
    bool dead = false;         // its process had crashed: nobody has settled it
  };
  void ended(uint64_t attempt, const End& end);
  // It is wanted no more, and may be settled before it is over.
  void cancelled(uint64_t attempt);
  void new_life();
  // A client has seen the whole of a stored answer.
  void seen(uint64_t errand);

  // Whether at some moment since then a budget of theirs may have had no room.
  bool may_be_short(const Identity& who, Instant since) const;
  // They were told that it has none.
  void refused(const Identity& who, Instant asked);

  // --- the owner
  // Whoever was refused since the last time gets more.
  bool wanted() const { return wanted_; }
  void raise(bool no_end);
  std::vector<Budget> configured() const;
  std::vector<Budget> own(const KeyId& key) const;

 private:
  struct Purse {
    Micros durable = 0, in_life = 0, running = 0, most = 0;
    Instant last_short = Instant::min();
  };
  struct Running {
    std::vector<std::pair<size_t, std::string>> purses;  // budget, subject
    std::optional<uint64_t> errand;
    size_t deployment = 0;
    Micros least = 0, most = 0;
    int64_t input_most = 0;
    uint64_t life = 0;
    bool relayed = false;
  };
  // What is certain of an errand's last whole attempt.
  struct Bill {
    std::vector<std::pair<size_t, std::string>> purses;
    Micros amount = 0;
    uint64_t life = 0;
  };
  // What an attempt that has just ended is taken to have cost beyond that, where a crash swallows its end.
  struct Doubt {
    std::vector<std::pair<size_t, std::string>> purses;
    std::optional<uint64_t> errand;
    Micros amount = 0;
    Instant at{};
  };
  bool concerns(const BudgetSetup& budget, const Identity& who) const;
  static std::string subject(const BudgetSetup& budget, const Identity& who);
  // Whether it may have no room at `when`, or later.
  bool is_short(size_t budget, const Purse& purse, Instant when) const;
  Purse& at(const std::pair<size_t, std::string>& name) { return purses_[name]; }

  const Setup& setup_;
  SimLoop& loop_;
  std::function<void(std::string)> violate_;
  std::vector<Micros> limits_;     // by budget, as the owner has them now
  std::vector<Micros> before_;     // what a key's budget was before it was raised,
  std::vector<Instant> known_by_;  // and when everybody knows that it was
  std::map<std::pair<size_t, std::string>, Purse> purses_;
  std::map<uint64_t, Running> running_;
  std::map<uint64_t, Bill> bills_;  // by errand
  std::vector<Doubt> doubts_;
  Micros dearest_ = 0;  // what one attempt may be expected to cost
  Micros nobodys_ = 0;  // at the most, of attempts that nobody knows the owner of
  uint64_t next_ = 1, life_ = 0;
  bool wanted_ = false;
};

}  // namespace perdure::sim
