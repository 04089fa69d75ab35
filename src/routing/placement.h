#pragma once
// What is asked of the Router, and what it answers: which deployment serves an attempt, and for each candidate that
// does not, why. Eligible = can (capabilities, context) and may (residency, parties, key) and is able (not withdrawn,
// healthy, with capacity and budget); among those the workload's policy ranks.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "access/permits.h"
#include "access/rate.h"
#include "access/spending.h"
#include "base/ids.h"
#include "routing/needs.h"
#include "routing/workload.h"

namespace perdure {

// Whose request it is.
struct Traffic {
  TenantId tenant;
  KeyId key;
  uint64_t session = 0;  // for stickiness; 0: none
};

// An attempt that is about to be placed, for whoever counts money.
struct SpendAsk {
  const Traffic& traffic;
  std::string_view workload;
  const Deployment& deployment;
  const Needs& needs;
};

// What other modules say of a placement from moment to moment. Called on the Router's Loop, for every decision: quick.
class PlacementGuard {
 public:
  virtual ~PlacementGuard() = default;
  // Null: everything. Valid until the Loop gets its turn again.
  virtual const Permits* permits(const Traffic& traffic) = 0;
  // Whether there is budget for an attempt there. kOverloaded or kDenied say why not, in words for the client.
  virtual Result<void> may_spend(const SpendAsk& ask) = 0;
  // The same, and what the attempt is expected to cost is held until it ends. Null: nobody counts.
  virtual Result<std::unique_ptr<SpendingBook::Hold>> hold(const SpendAsk& ask) = 0;
  // Asked once for what a client has just asked for, before its first attempt: what it is expected to use is reserved
  // until that one is placed. kOverloaded, reason "rate_limit_exceeded": its key's limit has no room for it now.
  virtual Result<RateBook::Reserve> admit(const Traffic&, int64_t) { return RateBook::Reserve(); }
  // Tokens that an attempt is expected to use, when it is placed; returns how many are held for it. Then, when it has
  // ended, how many more they were, or fewer (a negative number), and since when they were held. Nothing is refused for
  // them here.
  virtual int64_t hold_tokens(const Traffic&, int64_t) { return 0; }
  virtual void note_tokens(const Traffic&, int64_t, Instant) {}
};

// A deployment that has failed the answer in question before.
struct Tried {
  uint32_t deployment = 0;
  int failures = 0;
  Instant not_before = Instant::min();  // back-off
  bool never = false;                   // trying it again makes no sense
};

struct PlacementAsk {
  std::string_view model;  // what the client asked for
  Traffic traffic;
  Needs needs;
  std::span<const Tried> tried;
  std::string_view author;       // set: only deployments of this logical model (one_author)
  bool goes_on = false;          // with an answer of which something was shown: prefill goes before words
  uint32_t beside = UINT32_MAX;  // a deployment that is at it already: not there
};

// Why a candidate does not serve, in the order in which it is found out.
enum class Why : uint8_t {
  kEligible,  // it could; another ranks before it
  // can
  kLacksTools,
  kLacksImages,
  kLacksFiles,
  kLacksStructuredOutput,
  kLacksReasoning,
  kContextTooLong,
  kOutputTooLong,
  // may
  kRegion,
  kParty,
  kKeyModel,
  kKeyParty,
  kKeyRegion,
  kOtherAuthor,
  // is able
  kFailedHere,
  kAtIt,
  kWithdrawn,
  kCredential,
  kRefusedThere,
  // and from here on waiting may help
  kBroken,
  kResting,
  kFull,
  kBudget,
  kBackingOff,
  kRetryBudget,
};
std::string_view name_of(Why why);  // "lacks_tools", "resting", ...

// Whether a key with these permits may use the deployment for the logical model: kEligible, or why not.
Why permitted(const Permits& permits, const Deployment& deployment, std::string_view model);

struct Considered {
  uint32_t deployment = 0;
  Why why = Why::kEligible;
};

struct Placed {
  static constexpr size_t kShown = 12;
  uint32_t deployment = UINT32_MAX;
  uint8_t tier = 0;  // 0: the model itself; n: its n-th stand-in
  RoutingPolicy policy = RoutingPolicy::kPriority;
  bool must_wait = false;  // all its slots are taken; there is room in its queue
  bool sticky = false;
  uint32_t candidates = 0;
  uint32_t refused = 0;                         // of them
  std::array<Considered, kShown> considered{};  // the first of the refused
};

}  // namespace perdure
