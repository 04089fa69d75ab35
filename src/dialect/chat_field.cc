#include "dialect/chat_field.h"

#include <utility>

namespace perdure {
namespace {

constexpr std::pair<std::string_view, std::string_view> kFields[] = {
    {"max_output_tokens", "max_completion_tokens"},
    {"instructions", "messages"},
    {"input", "messages"},
    {"previous_response_id", "messages"},
    {"reasoning.effort", "reasoning_effort"},
    {"text.format", "response_format"},
    {"text.verbosity", "verbosity"},
    {"include", "logprobs"},
};

bool is_within(std::string_view field, std::string_view of) {
  return field.starts_with(of) && (field.size() == of.size() || field[of.size()] == '.' || field[of.size()] == '[');
}

}  // namespace

std::string chat_field(std::string_view field) {
  for (const auto& [ours, theirs] : kFields) {
    if (is_within(field, ours)) return std::string(theirs);
  }
  // A tool's fields are those of its function.
  const size_t at = field.find("].");
  if (!field.starts_with("tools[") || at == field.npos) return std::string(field);
  const std::string_view rest = field.substr(at + 2);
  if (rest == "type" || rest.starts_with("function")) return std::string(field);
  return std::string(field.substr(0, at + 2)).append("function.").append(rest);
}

}  // namespace perdure
