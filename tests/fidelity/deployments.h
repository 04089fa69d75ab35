#pragma once
// What a conversation is written for, and who reads it: a deployment of each dialect, and the simulated supplier behind
// it, which shares no parser with the dialect.

#include <memory>
#include <string>
#include <vector>

#include "dialect/upstream.h"
#include "simulate/prompt.h"
#include "simulate/signer.h"

namespace perdure::fidelity {

enum class Dialect { kChat, kResponses, kMessages, kConverse, kGemini };
inline constexpr Dialect kDialects[] = {Dialect::kChat, Dialect::kResponses, Dialect::kMessages, Dialect::kConverse,
                                        Dialect::kGemini};
std::string_view name_of(Dialect dialect);

// What a model takes differs, so there are several of some dialects.
struct Deployment {
  Dialect dialect = Dialect::kChat;
  std::string model;
  bool prefill = true;
};
Deployment deployment_of(Dialect dialect, uint64_t which);

std::unique_ptr<UpstreamDialect> upstream_of(Dialect dialect);

// kInvalid: what the service would refuse, in its words.
Result<simulate::Prompt> read_by_supplier(const Deployment& at, const std::string& body,
                                          const simulate::Signer& signer);

std::string text_of(const std::vector<Part>& parts);

// Reasoning whose issuer is kOurs, with the block that this supplier would have given.
std::vector<Item> sealed_for(Dialect dialect, std::vector<Item> context, const simulate::Signer& signer);

}  // namespace perdure::fidelity
