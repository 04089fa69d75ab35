#pragma once
// Capabilities: what a model at a supplier can do, as far as is known, and how big it is. Three sources speak of it,
// and whoever is nearer to the truth wins, capability by capability: what was measured, before what the owner
// declared, before what the catalogue says.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/names.h"

namespace perdure {

enum class Capability : uint8_t {
  kTools,             // function tools
  kParallelTools,     // several calls in one answer
  kImages,            // as input
  kFiles,             // PDF as input
  kReasoning,         // thinks before it answers
  kPrefill,           // goes on from the beginning of an assistant's message
  kStructuredOutput,  // keeps to a JSON schema
  kCaching,           // of prompts, with its own price or not
  kStreaming,
};
inline constexpr size_t kCapabilities = 9;
extern const std::array<Name<Capability>, kCapabilities> kCapabilityNames;  // "tools", "parallel_tools", ...

enum class Known : uint8_t { kUnknown, kNo, kYes };
std::string_view to_string(Known known);  // "unknown", "no", "yes"

class Capabilities {
 public:
  Known operator[](Capability what) const { return known_[static_cast<size_t>(what)]; }
  Known& operator[](Capability what) { return known_[static_cast<size_t>(what)]; }

  // Tokens of input that fit; where a supplier only names the window of input and output together, that. Absent:
  // unknown.
  std::optional<int64_t> context_tokens;
  std::optional<int64_t> output_tokens_max;

  bool operator==(const Capabilities&) const = default;

 private:
  std::array<Known, kCapabilities> known_{};
};

// What `upper` knows, else what `lower` knows.
Capabilities over(const Capabilities& upper, const Capabilities& lower);

enum class Evidence : uint8_t { kNone, kCatalogue, kOwner, kMeasured };
std::string_view to_string(Evidence evidence);  // "none", "catalogue", "owner", "measured"

// The three sources side by side, and what follows from them.
struct CapabilityEvidence {
  Capabilities catalogue, owner, measured;

  // Measured beats owner beats catalogue. Parallel tools without tools are no parallel tools, whoever says so.
  Capabilities merged() const;
  // Whose word merged() took.
  Evidence of(Capability what) const;
  Evidence of_context_tokens() const;
  Evidence of_output_tokens_max() const;
};

}  // namespace perdure
