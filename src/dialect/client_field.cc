#include "dialect/client_field.h"

namespace perdure {
namespace {

struct Field {
  std::string_view ours, chat, messages;
};

constexpr Field kFields[] = {
    {"max_output_tokens", "max_completion_tokens", "max_tokens"},
    {"instructions", "messages", "system"},
    {"reasoning.effort", "reasoning_effort", "output_config.effort"},
    {"reasoning.summary", "reasoning_effort", "thinking.display"},
    {"reasoning_tokens_max", "reasoning_effort", "thinking.budget_tokens"},
    {"text.format", "response_format", "output_config.format"},
    {"text.verbosity", "verbosity", "verbosity"},
    {"stop", "stop", "stop_sequences"},
    {"include", "logprobs", "include"},
    {"parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use"},
};

bool is_within(std::string_view field, std::string_view of) {
  return field.starts_with(of) && (field.size() == of.size() || field[of.size()] == '.' || field[of.size()] == '[');
}

}  // namespace

std::string client_field(ClientDialect dialect, std::string_view field) {
  if (dialect == ClientDialect::kResponses) return std::string(field);
  if (is_within(field, "input")) return "messages";
  if (dialect == ClientDialect::kChat && field.starts_with("tools[")) {
    // A tool's fields are those of its function.
    const size_t dot = field.find("].");
    if (dot != field.npos && !field.substr(dot + 2).starts_with("function") && field.substr(dot + 2) != "type")
      return std::string(field.substr(0, dot + 2)) + "function." + std::string(field.substr(dot + 2));
  }
  for (const Field& one : kFields) {
    if (!is_within(field, one.ours)) continue;
    return std::string(dialect == ClientDialect::kChat ? one.chat : one.messages);
  }
  return std::string(field);
}

}  // namespace perdure
