#include "routing/needs.h"

namespace perdure {
namespace {

constexpr int64_t kImageTokens = 85;  // the least that any supplier counts for one

int64_t tokens_of(const std::vector<Part>& parts, Needs& needs) {
  int64_t sum = 0;
  for (const Part& part : parts) {
    sum += estimate_tokens(part.text);
    if (part.kind == PartKind::kInputImage) {
      needs.capabilities.add(Capability::kImages);
      sum += kImageTokens;
    }
    if (part.kind == PartKind::kInputFile) needs.capabilities.add(Capability::kFiles);
  }
  return sum;
}

}  // namespace

int64_t estimate_tokens(std::string_view text) {
  size_t other = 0;
  // In stretches whose count fits a byte: sixteen of them are counted at once.
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view stretch = rest.substr(0, UINT8_MAX);
    uint8_t count = 0;
    for (char c : stretch) count = static_cast<uint8_t>(count + (static_cast<unsigned char>(c) >> 7));
    other += count;
    rest.remove_prefix(stretch.size());
  }
  return static_cast<int64_t>((text.size() - other) / 4 + other / 2);
}

Needs needs_of(const Request& request, std::span<const Item> context) {
  Needs needs;
  if (!request.tools.empty()) needs.capabilities.add(Capability::kTools);
  if (request.format.kind != TextFormat::Kind::kText) needs.capabilities.add(Capability::kStructuredOutput);
  if (!request.reasoning_effort.empty() && request.reasoning_effort != "none")
    needs.capabilities.add(Capability::kReasoning);
  int64_t tokens = request.instructions ? estimate_tokens(*request.instructions) : 0;
  for (const Tool& tool : request.tools)
    tokens += estimate_tokens(tool.parameters) + (tool.description ? estimate_tokens(*tool.description) : 0);
  for (const Item& item : context)
    tokens += tokens_of(item.content, needs) + estimate_tokens(item.arguments) + estimate_tokens(item.output);
  needs.context_tokens = tokens;
  needs.output_tokens = request.max_output_tokens.value_or(0);
  return needs;
}

std::string_view param_of(Capability capability) {
  switch (capability) {
    case Capability::kTools:
      return "tools";
    case Capability::kImages:
    case Capability::kFiles:
      return "input";
    case Capability::kStructuredOutput:
      return "text.format";
    case Capability::kReasoning:
      return "reasoning.effort";
    case Capability::kParallelTools:
      return "parallel_tool_calls";
    case Capability::kPrefill:
    case Capability::kCaching:
    case Capability::kStreaming:
      return "";
  }
  return "";
}

}  // namespace perdure
