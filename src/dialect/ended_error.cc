#include "dialect/ended_error.h"

#include <string_view>

namespace perdure {
namespace {

// Why no attempt was placed any more, in the router's words (docs/routing.md). How the attempt before it had ended says
// nothing of that.
std::optional<Code> refused_placement(std::string_view reason) {
  for (std::string_view each :
       {"budget_exceeded", "provider_overloaded", "provider_queue_full", "provider_queue_timeout", "retry_budget"})
    if (reason == each) return Code::kOverloaded;
  for (std::string_view each : {"placement_denied", "budget_price_unknown"})
    if (reason == each) return Code::kDenied;
  return std::nullopt;
}

// An attempt's account begins with the class of its error ("overloaded rate_limit_exceeded"). What a supplier's
// credentials or names are missing is not for the caller to mend.
Code code_of(const Response& response) {
  if (std::optional<Code> refused = refused_placement(response.ended->error_code)) return *refused;
  std::string_view text;
  if (!response.placements.empty() && response.placements.back().ended) text = response.placements.back().ended->error;
  const std::string_view word = text.substr(0, text.find(' '));
  for (Code code : {Code::kInvalid, Code::kOverloaded, Code::kDeadline, Code::kInternal})
    if (word == to_string(code)) return code;
  const std::string_view reason = response.ended->error_code;
  if (text.empty() && (reason == "invalid_prompt" || reason == "unsupported_parameter")) return Code::kInvalid;
  if (text.empty() && reason == "rate_limit_exceeded") return Code::kOverloaded;
  return Code::kUnavailable;
}

}  // namespace

std::optional<Error> ended_error(const Response& response) {
  if (!response.ended) return std::nullopt;
  const ResponseEnded& ended = *response.ended;
  switch (response.status) {
    case ResponseStatus::kFailed:
      return Error{.code = code_of(response),
                   .message = ended.error_message.empty() ? "The answer failed." : ended.error_message,
                   .param = ended.error_param,
                   .reason = ended.error_code.empty() ? "server_error" : ended.error_code};
    case ResponseStatus::kCancelled:
      return Error{.code = Code::kCancelled, .message = "The answer was cancelled.", .reason = "cancelled"};
    case ResponseStatus::kIncomplete:
      if (ended.incomplete_reason == "max_output_tokens" || ended.incomplete_reason == "content_filter")
        return std::nullopt;
      return Error{.code = Code::kUnavailable,
                   .message = "The answer broke off and no supplier could go on with it.",
                   .reason = ended.incomplete_reason.empty() ? "interrupted" : ended.incomplete_reason};
    default:
      return std::nullopt;
  }
}

}  // namespace perdure
