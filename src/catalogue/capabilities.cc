#include "catalogue/capabilities.h"

namespace perdure {
namespace {

template <class IsKnown>
Evidence best(const CapabilityEvidence& evidence, IsKnown is_known) {
  if (is_known(evidence.measured)) return Evidence::kMeasured;
  if (is_known(evidence.owner)) return Evidence::kOwner;
  return is_known(evidence.catalogue) ? Evidence::kCatalogue : Evidence::kNone;
}

}  // namespace

const std::array<Name<Capability>, kCapabilities> kCapabilityNames = {{
    {Capability::kTools, "tools"},
    {Capability::kParallelTools, "parallel_tools"},
    {Capability::kImages, "images"},
    {Capability::kFiles, "files"},
    {Capability::kReasoning, "reasoning"},
    {Capability::kPrefill, "prefill"},
    {Capability::kStructuredOutput, "structured_output"},
    {Capability::kCaching, "caching"},
    {Capability::kStreaming, "streaming"},
}};

std::string_view to_string(Known known) {
  return known == Known::kYes ? "yes" : known == Known::kNo ? "no" : "unknown";
}

std::string_view to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::kNone:
      return "none";
    case Evidence::kCatalogue:
      return "catalogue";
    case Evidence::kOwner:
      return "owner";
    case Evidence::kMeasured:
      return "measured";
  }
  return "none";
}

Capabilities over(const Capabilities& upper, const Capabilities& lower) {
  Capabilities out = upper;
  for (const auto& name : kCapabilityNames)
    if (out[name.value] == Known::kUnknown) out[name.value] = lower[name.value];
  if (!out.context_tokens) out.context_tokens = lower.context_tokens;
  if (!out.output_tokens_max) out.output_tokens_max = lower.output_tokens_max;
  return out;
}

Capabilities CapabilityEvidence::merged() const {
  Capabilities out = over(measured, over(owner, catalogue));
  if (out[Capability::kTools] == Known::kNo) out[Capability::kParallelTools] = Known::kNo;
  return out;
}

Evidence CapabilityEvidence::of(Capability what) const {
  // Without tools the answer about parallel tools follows from theirs.
  if (what == Capability::kParallelTools && merged()[Capability::kTools] == Known::kNo) what = Capability::kTools;
  return best(*this, [&](const Capabilities& source) { return source[what] != Known::kUnknown; });
}

Evidence CapabilityEvidence::of_context_tokens() const {
  return best(*this, [](const Capabilities& source) { return source.context_tokens.has_value(); });
}

Evidence CapabilityEvidence::of_output_tokens_max() const {
  return best(*this, [](const Capabilities& source) { return source.output_tokens_max.has_value(); });
}

}  // namespace perdure
