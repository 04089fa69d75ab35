#include "gateway/client_dialect.h"

#include "dialect/chat_render.h"
#include "dialect/client_field.h"
#include "dialect/ended_error.h"
#include "dialect/responses_render.h"
#include "dialect/responses_request.h"

namespace perdure {
namespace {

class ResponsesFace final : public ClientDialectFace {
 public:
  ClientDialect dialect() const override { return ClientDialect::kResponses; }
  Result<ParsedRequest> parse(json::Value body, bool lenient) const override {
    TRY(Request request, parse_responses_request(body));
    request.lenient = lenient;
    return ParsedRequest{std::move(request), {}};
  }
  std::unique_ptr<ClientStream> stream() const override { return std::make_unique<EventRenderer>(); }
  std::string whole(const Response& response) const override {
    json::Writer out;
    write_response(out, response);
    return out.take();
  }
  std::optional<Error> failure(const Response&) const override { return std::nullopt; }  // the resource has a status
  std::string error(const Error& error) const override { return render_openai_error(error); }
};

class ChatFace final : public ClientDialectFace {
 public:
  ClientDialect dialect() const override { return ClientDialect::kChat; }
  Result<ParsedRequest> parse(json::Value body, bool lenient) const override {
    return parse_chat_request(body, lenient);
  }
  std::unique_ptr<ClientStream> stream() const override { return std::make_unique<ChatStream>(); }
  std::string whole(const Response& response) const override {
    json::Writer out;
    write_chat_completion(out, response);
    return out.take();
  }
  std::optional<Error> failure(const Response& response) const override { return ended_error(response); }
  std::string error(const Error& error) const override {
    Error shown = error;
    shown.param = client_field(ClientDialect::kChat, error.param);
    return render_openai_error(shown);
  }
};

}  // namespace

const ClientDialectFace& face_of(ClientDialect dialect) {
  static const ResponsesFace responses;
  static const ChatFace chat;
  switch (dialect) {
    case ClientDialect::kChat:
      return chat;
    default:
      return responses;
  }
}

const ClientDialectFace& face_of_path(std::string_view path) {
  if (path.starts_with("/v1/chat/")) return face_of(ClientDialect::kChat);
  if (path == "/v1/messages" || path.starts_with("/v1/messages/")) return face_of(ClientDialect::kMessages);
  return face_of(ClientDialect::kResponses);
}

}  // namespace perdure
