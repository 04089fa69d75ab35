// Errors, counts and models as the Messages API says them.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "dialect/messages_render.h"
#include "dialect/responses_render.h"

namespace perdure {
namespace {

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 408:
    case 504:
      return "timeout_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

// Fields of the canonical request by the names that this API has for them.
constexpr std::pair<std::string_view, std::string_view> kFields[] = {
    {"text.format", "output_config.format"},
    {"reasoning.effort", "output_config.effort"},
    {"max_output_tokens", "max_tokens"},
    {"stop", "stop_sequences"},
    {"instructions", "system"},
    {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"},
    {"previous_response_id", "thread.previous_message_id"},
};

// "messages[2].content[0]" -> "messages.2.content.0".
std::string field_of(std::string_view param) {
  if (const auto* at = std::ranges::find(kFields, param, &std::pair<std::string_view, std::string_view>::first);
      at != std::ranges::end(kFields))
    return std::string(at->second);
  if (param == "input" || param.starts_with("input[")) return "messages";  // items are not counted as messages are
  std::string out;
  for (char c : param) {
    if (c == '[') out += '.';
    if (c != '[' && c != ']') out += c;
  }
  if (out.starts_with("tools.") && out.ends_with(".parameters")) out.replace(out.size() - 10, 10, "input_schema");
  return out;
}

// By these clients know that a thread is not there to be continued, and send the whole conversation again.
std::string_view thread_code(std::string_view reason) {
  if (reason == "previous_response_not_found") return "thread_not_found";
  if (reason == "previous_response_in_progress") return "thread_continue_in_flight";
  return {};
}

void write_model(json::Writer& out, const MessagesModel& model) {
  using namespace std::chrono;
  const auto time = sys_seconds(seconds(unix_seconds(model.created)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char stamp[40];
  std::snprintf(stamp, sizeof stamp, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  out.begin_object().field("type", "model").field("id", model.id).field("display_name", model.display_name);
  out.field("created_at", static_cast<const char*>(stamp)).key("max_input_tokens");
  model.max_input_tokens ? out.integer(*model.max_input_tokens) : out.null();
  out.key("max_tokens");
  model.max_tokens ? out.integer(*model.max_tokens) : out.null();
  out.key("capabilities").null().end_object();
}

}  // namespace

int messages_status(const Error& error) {
  const int status = http_status(error);
  return error.code == Code::kOverloaded && (status == 503 || error.upstream_status == 529) ? 529 : status;
}

std::string render_messages_error(const Error& error, int status, std::string_view request_id) {
  const std::string field = field_of(error.param);
  json::Writer out;
  out.begin_object().field("type", "error").key("error").begin_object().field("type", type_of(status));
  out.field("message", field.empty() ? error.message : field + ": " + error.message);
  if (const std::string_view code = thread_code(error.reason); !code.empty())
    out.key("details").begin_object().field("error_code", code).end_object();
  out.end_object().key("request_id");
  request_id.empty() ? out.null() : out.string(request_id);
  return out.end_object().take();
}

std::string render_messages_error(const Error& error, std::string_view request_id) {
  return render_messages_error(error, messages_status(error), request_id);
}

std::string render_messages_count(int64_t input_tokens) {
  return json::Writer().begin_object().field("input_tokens", input_tokens).end_object().take();
}

std::string render_messages_model(const MessagesModel& model) {
  json::Writer out;
  write_model(out, model);
  return out.take();
}

std::string render_messages_models(std::span<const MessagesModel> models, bool has_more) {
  json::Writer out;
  out.begin_object().key("data").begin_array();
  for (const MessagesModel& model : models) write_model(out, model);
  out.end_array().field("has_more", has_more).key("first_id");
  models.empty() ? out.null() : out.string(models.front().id);
  out.key("last_id");
  models.empty() ? out.null() : out.string(models.back().id);
  return out.end_object().take();
}

}  // namespace perdure
