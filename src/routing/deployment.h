#pragma once
// Deployment: a model at one provider under its own name there, with what routing must know of it. A value, read from
// the configuration and the catalogue.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "catalogue/capabilities.h"
#include "catalogue/price.h"
#include "provider/provider.h"

namespace perdure {

// A set of what a request can ask of a deployment, so that a decision compares one word.
struct CapabilitySet {
  uint16_t bits = 0;
  static constexpr uint16_t bit(Capability c) { return static_cast<uint16_t>(1u << static_cast<unsigned>(c)); }
  bool has(Capability c) const { return (bits & bit(c)) != 0; }
  void add(Capability c) { bits |= bit(c); }
  bool operator==(const CapabilitySet&) const = default;
};
static_assert(kCapabilities <= 16);

struct Deployment {
  std::string name;           // unique: "small@openai"
  std::string model;          // logical name that clients ask for; "*": any name
  std::string provider_name;  // configured
  Provider* provider = nullptr;
  std::string upstream_model;          // empty: the name that the client asked for
  std::string party, region, account;  // empty: not known
  int priority = 0;                    // lower goes first
  uint32_t weight = 1;                 // share among equals; 0: only when nothing else is left
  Capabilities capabilities;           // and sizes; what is not known is not held against it
  std::optional<Price> price;
  uint32_t concurrency_max = 0;  // attempts at once, over all loops; 0: any number
  uint32_t queue_max = 0;        // who may wait for one of those; 0: nobody
  // What has to live as long as an attempt at it does: the provider and all that it uses. Null: they outlive the
  // Router.
  std::shared_ptr<const void> keeps = {};

  // For tests and the plainest configurations: one model at one provider, named after both.
  static Deployment simple(std::string model, Provider& provider, std::string upstream_model = {});
};

}  // namespace perdure
