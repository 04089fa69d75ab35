#include "dialect/responses_render.h"

namespace perdure {
namespace {

std::string_view type_of(const Error& error) {
  switch (http_status(error)) {
    case 400:
    case 404:
    case 409:
      return "invalid_request_error";
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "too_many_requests";
    default:
      return "server_error";
  }
}

void write_error(json::Writer& out, const Error& error) {
  out.begin_object().field("message", error.message).field("type", type_of(error)).key("param");
  error.param.empty() ? out.null() : out.string(error.param);
  out.key("code");
  error.reason.empty() ? out.null() : out.string(error.reason);
  out.end_object();
}

}  // namespace

int http_status(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return 400;
    case Code::kDenied:
      return error.reason == "unauthenticated" ? 401 : 403;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
      return 409;
    // "server_...": the limit is the server's, not the caller's.
    case Code::kOverloaded:
      return error.reason.starts_with("server_") ? 503 : 429;
    case Code::kUnavailable:
    case Code::kUnknown:
    case Code::kCancelled:
      return 503;
    case Code::kDeadline:
      return 504;
    case Code::kCorrupt:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

std::string render_openai_error(const Error& error) {
  json::Writer out;
  out.begin_object();
  write_error(out.key("error"), error);
  return out.end_object().take();
}

std::string render_websocket_error(const Error& error) {
  Error shown = error;
  if (shown.reason.empty()) shown.reason = to_string(error.code);
  json::Writer out;
  out.begin_object().field("type", "error").field("status", http_status(error));
  write_error(out.key("error"), shown);
  return out.end_object().take();
}

std::string render_error_event(const Error& error, uint64_t sequence_number) {
  json::Writer out;
  out.begin_object().field("type", "error").field("sequence_number", static_cast<int64_t>(sequence_number));
  write_error(out.key("error"), error);
  return out.end_object().take();
}

}  // namespace perdure
