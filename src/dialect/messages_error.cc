#include <algorithm>
#include <utility>

#include "dialect/messages_upstream.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

// The status that goes with an error's type, for errors that come without one.
constexpr std::pair<std::string_view, int> kStatuses[] = {
    {"invalid_request_error", 400}, {"authentication_error", 401}, {"billing_error", 402},    {"permission_error", 403},
    {"not_found_error", 404},       {"request_too_large", 413},    {"rate_limit_error", 429}, {"api_error", 500},
    {"timeout_error", 504},         {"overloaded_error", 529},
};

}  // namespace

Error messages_error_of(json::Value error, int status) {
  const std::string_view type = error["type"].text();
  int known = status;
  if (const auto* at = std::ranges::find(kStatuses, type, &std::pair<std::string_view, int>::first);
      known == 0 && at != std::ranges::end(kStatuses))
    known = at->second;
  Error out = upstream_error(known, type, "", error.is_string() ? error.text() : error["message"].text());
  out.upstream_status = status;
  return out;
}

Error parse_messages_error(int status, std::string_view retry_after, std::string_view body) {
  Error out;
  if (auto document = json::Document::parse(std::string(body)); document && document->root().is_object()) {
    const json::Value error = document->root()["error"];
    out = messages_error_of(error.absent() ? document->root() : error, status);
  } else {
    out = messages_error_of({}, status);
  }
  out.upstream_status = status;
  out.retry_after_ms = retry_after_ms(retry_after);
  return out;
}

}  // namespace perdure
