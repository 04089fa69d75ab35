#pragma once
// ClientDialectFace: one API that clients speak, as the routes need it: how its requests are read, and how answers,
// streams and errors look in it. Stateless; the faces live for ever. Inside the gateway only.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/chat_client_request.h"
#include "dialect/client_stream.h"
#include "dialect/ended_error.h"
#include "dialect/responses_render.h"
#include "wire/json.h"

namespace perdure {

class ClientDialectFace {
 public:
  virtual ~ClientDialectFace() = default;
  virtual ClientDialect dialect() const = 0;
  // `lenient`: what is not to be had here is left out and named, as far as an answer of the right form can be given.
  virtual Result<ParsedRequest> parse(json::Value body, bool lenient) const = 0;
  virtual std::unique_ptr<ClientStream> stream() const = 0;
  virtual std::string whole(const Response& response) const = 0;
  // Whether an answer that ended badly is an error to this API rather than a resource that says so, and which. A stream
  // then begins with its answer's first word, so that what fails before it has a status.
  virtual bool fails_by_status() const { return true; }
  virtual std::optional<Error> failure(const Response& response) const { return ended_error(response); }
  // The status and the body of an error reply.
  virtual int status(const Error& error) const { return http_status(error); }
  virtual std::string error(const Error& error, int status, std::string_view request_id) const = 0;
  virtual std::string_view id_header() const { return "x-request-id"; }  // where the request's id is told
};

const ClientDialectFace& face_of(ClientDialect dialect, ReasoningEvents reasoning = ReasoningEvents::kOpenAi);
// By the request's path: also for what goes wrong before any route is found.
const ClientDialectFace& face_of_path(std::string_view path, ReasoningEvents reasoning = ReasoningEvents::kOpenAi);

}  // namespace perdure
