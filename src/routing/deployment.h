#pragma once
// Deployment: a model at one provider under its own name there, with what routing must know of it. A value, read from
// the configuration. Which of its fields somebody else vouches for: nobody; what is not known is not held against it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "provider/provider.h"

namespace perdure {

// What a request can ask of a deployment. Bits, so that a decision compares one word.
enum class Capability : uint8_t {
  kTools = 1,
  kImages = 2,
  kFiles = 4,
  kStructuredOutput = 8,
  kReasoning = 16,
  kPrefill = 32,  // goes on from an assistant's message that it is given; never required, but asked about
};
inline constexpr Capability kAllCapabilities[] = {Capability::kTools,     Capability::kImages,
                                                  Capability::kFiles,     Capability::kStructuredOutput,
                                                  Capability::kReasoning, Capability::kPrefill};
std::string_view name_of(Capability capability);  // "tools", "structured_output", ...

struct CapabilitySet {
  uint8_t bits = 0;
  bool has(Capability c) const { return (bits & static_cast<uint8_t>(c)) != 0; }
  void add(Capability c) { bits |= static_cast<uint8_t>(c); }
  bool operator==(const CapabilitySet&) const = default;
};

// What a million tokens cost, in millionths of the currency's unit: exact, and enough to compare. For money that is
// charged see access.
struct TokenPrice {
  int64_t input = 0, cached = 0, output = 0;
  bool known = false;
  bool operator==(const TokenPrice&) const = default;
};

struct Deployment {
  std::string name;           // unique: "small@openai"
  std::string model;          // logical name that clients ask for; "*": any name
  std::string provider_name;  // configured
  Provider* provider = nullptr;
  std::string upstream_model;          // empty: the name that the client asked for
  std::string party, region, account;  // empty: not known
  int priority = 0;                    // lower goes first
  uint32_t weight = 1;                 // share among equals; 0: only when nothing else is left
  CapabilitySet lacks;                 // what it is known not to be able to do
  CapabilitySet has;                   // what it is known to be able to do
  int64_t context_tokens_max = 0;      // 0: not known
  int64_t output_tokens_max = 0;       // 0: not known
  TokenPrice price;
  uint32_t concurrency_max = 0;  // attempts at once, over all loops; 0: any number
  uint32_t queue_max = 0;        // who may wait for one of those; 0: nobody

  // For tests and the plainest configurations: one model at one provider, named after both.
  static Deployment simple(std::string model, Provider& provider, std::string upstream_model = {});
};

}  // namespace perdure
