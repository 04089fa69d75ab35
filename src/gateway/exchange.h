#pragma once
// Exchange: one request, its reply, and what the access log will say about them. Inside the gateway only.

#include <string>
#include <string_view>
#include <vector>

#include "access/key_book.h"
#include "gateway/client_dialect.h"
#include "http/server.h"

namespace perdure {

struct Exchange {
  HttpRequest& request;
  HttpReply& reply;
  Instant began;
  const ClientDialectFace* face = nullptr;  // the API that is spoken; decides what errors look like
  Caller caller = {};
  std::string id = {}, item = {};  // of the path
  std::string request_id = {};
  std::string_view route = "-";  // pattern, for the log: paths hold ids
  ResponseId response;
  std::vector<std::string> left_out;  // fields of a lenient request that nobody will be told of
  int status = 0;
  size_t bytes = 0;
  bool cut = false;

  void about(const ResponseId& response_id) {
    response = response_id;
    reply.headers.set("x-perdure-response-id", response_id.value);
  }
  // x-perdure-dropped: what was left out here, and by the dialect of the supplier that answers.
  void say_what_was_left_out(const Response& answer);
  Task<void> send(int status_code, std::string_view content_type, std::string_view body);
  Task<void> json(std::string_view body) { return send(200, "application/json", body); }
  Task<void> fail(Error error);  // status by class of error
  Task<void> fail_as(int status_code, Error error);
};

// create.cc: whether the body is said to be JSON, and the API's version one that is spoken.
Result<void> check_headers(const Exchange& x);
// W3C trace context, version 00; empty: there is none that is valid.
std::string traceparent_of(const HttpRequest& request);
// Empty: there is none. kInvalid: not 1 to 255 printable ASCII characters.
Result<std::string> idempotency_key_of(const HttpRequest& request);
// Of a route that cannot answer a repeat with what it answered first: why the key is refused; nothing: there is none.
std::optional<Error> refuse_idempotency_key(const HttpRequest& request);
// "1" or "true", else off. kInvalid for other words.
Result<bool> header_flag(const HttpRequest& request, std::string_view name);

// The API key that came with the request; empty: none. A secret.
std::string_view bearer_token(const HttpRequest& request);

// A whole number in [least, most]; `missing` when the query does not have it. kInvalid names the parameter.
Result<int64_t> query_number(const HttpRequest& request, const std::string& name, int64_t missing, int64_t least,
                             int64_t most);
Result<bool> query_flag(const HttpRequest& request, const std::string& name);

}  // namespace perdure
