#pragma once
// Workload: a named class of traffic and the owner's rules for it: how its deployments are ranked, which models may
// stand in for which, what happens to an answer that breaks off, where its data may go. The first workload whose
// conditions a request meets is its workload; what meets none is "default".

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace perdure {

enum class RoutingPolicy : uint8_t { kPriority, kWeighted, kLeastCost, kLeastLatency, kLeastLoaded };
std::string_view name_of(RoutingPolicy policy);  // "least_cost"
Result<RoutingPolicy> parse_routing_policy(std::string_view word);

// An answer that broke off: kContinue goes on with it where the model itself or an allowed stand-in is to be had;
// kRestart starts it over if nothing was visible; either ends it otherwise. kEnd ends it at once.
enum class ContinuationRule : uint8_t { kContinue, kRestart, kEnd };
std::string_view name_of(ContinuationRule rule);
Result<ContinuationRule> parse_continuation_rule(std::string_view word);

struct RetryBudget {
  double ratio = 0.2;      // repeats at a deployment that has failed the same answer before, per answer begun
  double per_second = 10;  // and this many besides
};

struct Workload {
  std::string name = "default";
  // Conditions: empty means any.
  std::vector<std::string> tenants, keys, models;

  RoutingPolicy policy = RoutingPolicy::kPriority;
  struct StandIns {
    std::string model;
    std::vector<std::string> others;  // in order of preference
  };
  std::vector<StandIns> stand_ins;
  ContinuationRule continuation = ContinuationRule::kContinue;
  bool one_author = false;           // what one deployment's model began, no other model goes on with
  std::vector<std::string> regions;  // residency: only these; empty: anywhere
  std::vector<std::string> parties;  // only these; empty: any
  std::vector<std::string> parties_denied;
  // A second attempt beside the first when that one has shown nothing for so long: a time, or a percentile of the times
  // that its deployment has taken of late (50 to 99; 0: the time counts).
  std::optional<Duration> hedge_after;
  int hedge_percentile = 0;
  std::optional<Duration> deadline;  // for a whole answer
  std::string continuation_words;    // that ask to go on; empty: in the conversation's language
  RetryBudget retry;
};

}  // namespace perdure
