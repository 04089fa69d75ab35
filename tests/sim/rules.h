#pragma once
// Rules: the judge of I4 and I5. It knows what the owner has configured, what the operator has said and heard, and what
// suppliers have issued, by itself: nothing here asks the Router. What it cannot be sure of (a withdrawal whose reply
// was lost in a crash, a key file that was changed a moment ago) it lets pass.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/sim_loop.h"
#include "meters.h"
#include "purses.h"
#include "report.h"
#include "routing/withdrawal.h"
#include "setup.h"

namespace perdure::sim {

// One answer that a client waits for, as the judge follows it.
struct Errand {
  uint64_t number = 0;
  Identity who;
  Instant begun{};
  Phase phase = Phase::kIdle;
  std::string author;          // logical model of the attempt that may have written what is held
  std::string summary_author;  // the same, of a compaction that comes before the answer
  int64_t attempts = 0;
  bool stored = false;  // its answer
  // What attempts have said, in bytes, by supplier and model; and how many went out. Only the attempts of one answer in
  // one life can be counted.
  std::map<std::pair<std::string, std::string>, size_t> heard;
  bool countable = true;
};

class Rules {
 public:
  Rules(const Setup& setup, SimLoop& loop, Report& report);

  // --- answers. The words that name one go with its request, as its instructions.
  Errand& begin(uint64_t number, Identity who);
  void end(uint64_t number) { errands_.erase(number); }
  Errand* find(uint64_t number);
  std::map<uint64_t, Errand>& errands() { return errands_; }
  void new_life();  // of the process
  static std::string tag(uint64_t number) { return "This is errand " + std::to_string(number) + "."; }
  static std::optional<uint64_t> number_in(std::string_view text);

  // Whose it was, also after its end.
  std::optional<Identity> whose(std::optional<uint64_t> number) const;
  Purses& purses() { return purses_; }
  Meters& meters() { return meters_; }

  // --- I4
  // An attempt goes out now: `held`, whether it goes on with something; `summary`: of a compaction. Reports what is
  // certainly forbidden.
  void dispatched(std::optional<uint64_t> errand, size_t supplier, const std::string& upstream_model, bool held,
                  bool summary = false);
  // Pieces have come of an attempt that is running.
  void heard_from(size_t deployment, std::optional<uint64_t> errand, size_t bytes, bool by_the_dead);
  // Whether at some moment since then, each deployment that fits may have been unable to serve: withdrawn, refusing the
  // credential, not the key's, or beyond a budget. Then an answer may have ended early, honestly.
  bool may_have_been_stranded(const Errand& errand) const;
  bool may_be_denied(const Identity& who, Instant since) const;  // by its key alone
  size_t deployment_of(size_t supplier, const std::string& upstream_model) const;
  bool known(size_t deployment) const { return deployment < setup_.deployments.size(); }

  // --- what the operator does. A target has one word at a time.
  struct Word {
    WithdrawalKind kind = WithdrawalKind::kProvider;
    std::string name;
    WithdrawalMode mode = WithdrawalMode::kDrain;
    std::string id;
    bool sure = false;  // the operator was told that it is in force, and has not asked for its end
    Instant since{};
  };
  std::vector<Word>& words() { return words_; }
  void lift(const Word& word);  // restored: takes it out of words()
  bool covers(const Word& word, const DeploymentSetup& deployment) const;
  // What a new life says is withdrawn: every word that is sure must be there; the others are settled.
  void settle(const std::vector<Withdrawal>& listed);
  void auth_failed(size_t supplier);
  void key_changed(const KeyId& key, Permits permits);

  // --- I5
  void issued(size_t supplier, std::string_view block);
  void received(size_t supplier, std::string_view body);

  void violate(std::string what);

 private:
  struct Version {
    Instant from;
    Permits permits;
  };
  // Whether every version of the key's permits that may be in force between those moments forbids it (or any of them).
  bool key_forbids(const KeyId& key, const DeploymentSetup& deployment, Instant from, Instant to, bool any) const;
  bool permits(const Permits& permits, const DeploymentSetup& deployment) const;

  const Setup& setup_;
  SimLoop& loop_;
  Report& report_;
  Purses purses_;
  Meters meters_;
  std::map<uint64_t, Errand> errands_;
  std::map<uint64_t, Identity> whose_;
  std::vector<Word> words_;
  std::vector<Instant> lifted_;                           // by deployment: when it was last given back
  std::vector<Instant> auth_until_;                       // by supplier
  std::map<std::string, std::vector<Version>> versions_;  // by key
  std::unordered_map<std::string, size_t> issuers_;       // of opaque blocks
};

}  // namespace perdure::sim
