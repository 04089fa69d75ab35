#include "dialect/responses_side_requests.h"

#include <algorithm>
#include <initializer_list>

#include "dialect/request_reader.h"
#include "dialect/responses_request.h"
#include "dialect/say.h"

namespace perdure {
namespace {

using Names = std::initializer_list<std::string_view>;

// `body` may have no fields but these; of the others, those that the API knows are not to be had here.
Result<void> only(json::Value body, Names taken, Names refused) {
  for (const auto& [key, value] : body.members()) {
    if (value.null() || std::ranges::find(taken, key) != taken.end()) continue;
    if (std::ranges::find(refused, key) != refused.end()) return not_supported(std::string(key), quoted(key));
    const std::string shown = quoted(key);
    return invalid(shown.front() == '\'' ? std::string(key) : std::string(), "unknown_parameter",
                   say("Unknown parameter: {}.", shown));
  }
  return {};
}

Result<ParsedRequest> whole(json::Value body) {
  ParsedRequest out;
  TRY(out.request, parse_responses_request(body, {.references = &out.references}));
  return out;
}

}  // namespace

Result<ParsedRequest> parse_input_tokens_request(json::Value body) {
  TRY_VOID(only(body,
                {"model", "input", "previous_response_id", "conversation", "instructions", "tools", "tool_choice",
                 "parallel_tool_calls", "text", "reasoning", "truncation"},
                {"personality"}));
  return whole(body);
}

std::string render_input_tokens(int64_t count) {
  json::Writer out;
  return out.begin_object().field("object", "response.input_tokens").field("input_tokens", count).end_object().take();
}

Result<ParsedRequest> parse_compact_request(json::Value body) {
  TRY_VOID(only(body, {"model", "input", "previous_response_id", "instructions", "prompt_cache_key", "service_tier"},
                {"prompt_cache_retention", "prompt_cache_options"}));
  return whole(body);
}

}  // namespace perdure
