#pragma once
// Setup: what a seed's owner has configured: suppliers in every dialect, in several regions, of several parties; models
// with several deployments; workloads with rules; API keys. A value, drawn from the seed.

#include <string>
#include <vector>

#include "access/api_key.h"
#include "base/random.h"
#include "routing/workload.h"
#include "simulate/simulate_options.h"

namespace perdure::sim {

struct SupplierSetup {
  std::string name, dialect, region, party;
  int port = 0;
  bool prefill = false;                 // takes one, and is known to
  std::vector<simulate::Fault> faults;  // until faults stop
  simulate::SupplierOptions options;
};

struct DeploymentSetup {
  std::string name;  // "small@chat-eu"
  std::string model, upstream_model;
  size_t supplier = 0;
  int priority = 0;
  uint32_t weight = 1, concurrency_max = 0, queue_max = 0;
  int64_t input_price = 1, output_price = 100;  // millionths of a dollar a token
};

struct BudgetSetup {
  Budget budget;       // without its amount
  std::string of_key;  // its own; empty: one of the configuration
  int64_t amount = 0;  // millionths of a dollar, in the beginning; and what the owner puts to it at a time
};

// Who a client is.
struct Identity {
  TenantId tenant;
  KeyId key;
  std::string model;
};

struct Setup {
  uint64_t model_seed = 0;  // of the scripted model behind every supplier
  uint64_t words_max = 8;   // of an answer that is asked for; longer ones in every fourth seed
  std::vector<SupplierSetup> suppliers;
  std::vector<DeploymentSetup> deployments;
  std::vector<Workload> workloads;  // in order; the last one is "default"
  std::vector<ApiKey> keys;
  size_t limited = 0;  // the last so many of them have limits a minute, and come in through the front door alone
  std::vector<BudgetSetup> budgets;

  const ApiKey& key_of(const KeyId& id) const;
  // The first one whose conditions are met: the owner's reading, written anew here.
  const Workload& workload_of(const Identity& who) const;
  // Whether the workload's fixed rules let the deployment serve them: model or stand-in, regions, parties.
  bool fits(const Workload& workload, const Identity& who, const DeploymentSetup& deployment) const;
};

Setup draw_setup(uint64_t seed);
Identity draw_identity(const Setup& setup, Random& random);
// A visitor's, in place of the one that was drawn: where the seed has keys with limits, every other one has such a key.
Identity with_limits(const Setup& setup, Identity who, uint64_t seed, int number);
// Of an answer whose request has no limit, as docs/reference/configuration.md has it.
inline constexpr int64_t kTokensAssumed = 1024;
std::string secret_of(const KeyId& id);  // what clients of that key send

}  // namespace perdure::sim
