#include <algorithm>

#include "dialect/chat_upstream.h"
#include "dialect/upstream_error.h"

namespace perdure {

Error chat_error_of(json::Value error, int status) {
  if (status == 0)
    status = static_cast<int>(
        std::clamp<int64_t>(error["code"].integer().value_or(error["status"].integer().value_or(0)), 0, 599));
  return upstream_error(status, error["type"].text(), error["code"].text(),
                        error.is_string() ? error.text() : error["message"].text());
}

Error parse_chat_error(int status, std::string_view retry_after, std::string_view body) {
  Error out;
  if (auto document = json::Document::parse(std::string(body)); document && document->root().is_object()) {
    json::Value root = document->root();
    json::Value error = root["error"];
    // FastAPI's servers say "detail", Mistral's put everything at the top.
    out = chat_error_of(!error.absent() ? error : root["detail"].is_string() ? root["detail"] : root, status);
  } else {
    out = chat_error_of({}, status);
  }
  out.upstream_status = status;
  out.retry_after_ms = retry_after_ms(retry_after);
  return out;
}

}  // namespace perdure
