// Errors of Google's APIs: {"error": {"code", "message", "status", "details"}}, sometimes the first of an array.

#include <algorithm>
#include <charconv>
#include <utility>

#include "dialect/gemini_answer.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

int status_of(std::string_view word) {
  constexpr std::pair<std::string_view, int> kWords[] = {
      {"INVALID_ARGUMENT", 400},   {"FAILED_PRECONDITION", 400}, {"OUT_OF_RANGE", 400}, {"UNAUTHENTICATED", 401},
      {"PERMISSION_DENIED", 403},  {"NOT_FOUND", 404},           {"ABORTED", 409},      {"ALREADY_EXISTS", 409},
      {"RESOURCE_EXHAUSTED", 429}, {"CANCELLED", 503},           {"INTERNAL", 500},     {"UNKNOWN", 500},
      {"DATA_LOSS", 500},          {"UNIMPLEMENTED", 501},       {"UNAVAILABLE", 503},  {"DEADLINE_EXCEEDED", 504}};
  for (const auto& [theirs, status] : kWords) {
    if (word == theirs) return status;
  }
  return 0;
}

// "34.4s" in milliseconds; -1: it is none.
long delay_ms(std::string_view text) {
  return text.ends_with('s') ? retry_after_ms(text.substr(0, text.size() - 1)) : -1;
}

struct Details {
  std::string reason;  // ErrorInfo's
  long retry_after_ms = -1;
};

Details details_of(json::Value error) {
  Details out;
  for (const json::Value detail : error["details"].elements()) {
    const std::string_view type = detail["@type"].text();
    if (type.ends_with("google.rpc.ErrorInfo") && out.reason.empty()) out.reason = detail["reason"].text();
    if (type.ends_with("google.rpc.RetryInfo")) out.retry_after_ms = delay_ms(detail["retryDelay"].text());
  }
  return out;
}

}  // namespace

Error gemini_error_of(json::Value error, int status) {
  const std::string_view word = error["status"].text();
  const std::string_view message = error.is_string() ? error.text() : error["message"].text();
  const Details details = details_of(error);
  int class_of = status;
  if (class_of == 0) class_of = static_cast<int>(std::clamp<int64_t>(error["code"].integer().value_or(0), 0, 599));
  if (class_of == 0 || class_of == 499) class_of = status_of(word);
  std::string reason = details.reason.empty() ? std::string(word) : details.reason;
  // Said of the key or the account, and not of the request, with the status of a bad request.
  if (class_of == 400 && (details.reason.starts_with("API_KEY_") || has(message, "API key not valid") ||
                          has(message, "API key expired") || has(message, "location is not supported")))
    class_of = 403;
  if (class_of == 400 && has(message, "exceeds the maximum number of tokens")) reason = "context_length_exceeded";
  for (char& c : reason) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  Error out = upstream_error(class_of, word, reason, message);
  out.retry_after_ms = details.retry_after_ms;
  return out;
}

Error parse_gemini_error(int status, std::string_view retry_after, std::string_view body) {
  Error out;
  auto document = json::Document::parse(std::string(body));
  if (document.ok()) {
    const json::Value root = document->root().is_array() ? document->root().at(0) : document->root();
    // Token endpoints and proxies put everything at the top.
    out = gemini_error_of(root["error"].absent() ? root : root["error"], status);
  } else {
    out = gemini_error_of({}, status);
  }
  out.upstream_status = status;
  if (const long asked = retry_after_ms(retry_after); asked >= 0) out.retry_after_ms = asked;
  return out;
}

}  // namespace perdure
