#include "routing/workload.h"

namespace perdure {
namespace {

constexpr std::pair<RoutingPolicy, std::string_view> kPolicies[] = {{RoutingPolicy::kPriority, "priority"},
                                                                    {RoutingPolicy::kWeighted, "weighted"},
                                                                    {RoutingPolicy::kLeastCost, "least_cost"},
                                                                    {RoutingPolicy::kLeastLatency, "least_latency"},
                                                                    {RoutingPolicy::kLeastLoaded, "least_loaded"}};
constexpr std::pair<ContinuationRule, std::string_view> kRules[] = {{ContinuationRule::kContinue, "continue"},
                                                                    {ContinuationRule::kRestart, "restart"},
                                                                    {ContinuationRule::kEnd, "end"}};

template <class Pairs>
auto parse(const Pairs& pairs, std::string_view word) -> Result<decltype(pairs[0].first)> {
  std::string known;
  for (const auto& [value, name] : pairs) {
    if (name == word) return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return Error{Code::kInvalid, "must be one of " + known + ", not \"" + std::string(word) + "\""};
}

template <class Pairs, class T>
std::string_view name_in(const Pairs& pairs, T value) {
  for (const auto& [each, name] : pairs)
    if (each == value) return name;
  return "?";
}

}  // namespace

std::string_view name_of(RoutingPolicy policy) { return name_in(kPolicies, policy); }
std::string_view name_of(ContinuationRule rule) { return name_in(kRules, rule); }

Result<RoutingPolicy> parse_routing_policy(std::string_view word) {
  TRY(RoutingPolicy out, parse(kPolicies, word));
  return out;
}
Result<ContinuationRule> parse_continuation_rule(std::string_view word) {
  TRY(ContinuationRule out, parse(kRules, word));
  return out;
}

}  // namespace perdure
