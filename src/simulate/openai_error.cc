#include "simulate/openai_error.h"

#include "wire/json.h"

namespace perdure::simulate {

std::string openai_error(int status, std::string_view message, std::string_view param, std::string_view code) {
  json::Writer json;
  const auto optional = [&](std::string_view name, std::string_view text) {
    json.key(name);
    text.empty() ? json.null() : json.string(text);
  };
  json.begin_object().key("error").begin_object().field("message", message);
  json.field("type", status >= 500 ? "server_error" : status == 429 ? "requests" : "invalid_request_error");
  optional("param", param);
  optional("code", status == 429 && code.empty() ? "rate_limit_exceeded" : code);
  json.end_object().end_object();
  return json.take();
}

}  // namespace perdure::simulate
