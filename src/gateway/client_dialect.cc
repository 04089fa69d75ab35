#include "gateway/client_dialect.h"

#include "dialect/chat_field.h"
#include "dialect/chat_render.h"
#include "dialect/messages_client_request.h"
#include "dialect/messages_render.h"
#include "dialect/responses_request.h"

namespace perdure {
namespace {

class ResponsesFace final : public ClientDialectFace {
 public:
  explicit ResponsesFace(ReasoningEvents reasoning) : reasoning_(reasoning) {}
  ClientDialect dialect() const override { return ClientDialect::kResponses; }
  Result<ParsedRequest> parse(json::Value body, bool lenient) const override {
    ParsedRequest out;
    TRY(out.request, parse_responses_request(body, {.references = &out.references}));
    out.request.lenient = lenient;
    return out;
  }
  std::unique_ptr<ClientStream> stream() const override { return std::make_unique<EventRenderer>(reasoning_); }
  std::string whole(const Response& response) const override {
    json::Writer out;
    write_response(out, response);
    return out.take();
  }
  bool fails_by_status() const override { return false; }  // the resource has a status
  std::optional<Error> failure(const Response&) const override { return std::nullopt; }
  std::string error(const Error& error, int, std::string_view) const override { return render_openai_error(error); }

 private:
  ReasoningEvents reasoning_;
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
  std::string error(const Error& error, int, std::string_view) const override {
    Error shown = error;
    shown.param = chat_field(error.param);
    return render_openai_error(shown);
  }
};

class MessagesFace final : public ClientDialectFace {
 public:
  ClientDialect dialect() const override { return ClientDialect::kMessages; }
  Result<ParsedRequest> parse(json::Value body, bool lenient) const override {
    return parse_messages_request(body, lenient);
  }
  std::unique_ptr<ClientStream> stream() const override { return std::make_unique<MessagesStream>(); }
  std::string whole(const Response& response) const override {
    json::Writer out;
    write_messages_response(out, response);
    return out.take();
  }
  int status(const Error& error) const override { return messages_status(error); }
  std::string error(const Error& error, int status, std::string_view request_id) const override {
    return render_messages_error(error, status, request_id);
  }
  std::string_view id_header() const override { return "request-id"; }
};

}  // namespace

const ClientDialectFace& face_of(ClientDialect dialect, ReasoningEvents reasoning) {
  static const ResponsesFace responses(ReasoningEvents::kOpenAi), open(ReasoningEvents::kOpenResponses);
  static const ChatFace chat;
  static const MessagesFace messages;
  switch (dialect) {
    case ClientDialect::kChat:
      return chat;
    case ClientDialect::kMessages:
      return messages;
    case ClientDialect::kResponses:
      break;
  }
  return reasoning == ReasoningEvents::kOpenAi ? responses : open;
}

const ClientDialectFace& face_of_path(std::string_view path, ReasoningEvents reasoning) {
  if (path.starts_with("/v1/chat/")) return face_of(ClientDialect::kChat);
  if (path == "/v1/messages" || path.starts_with("/v1/messages/")) return face_of(ClientDialect::kMessages);
  return face_of(ClientDialect::kResponses, reasoning);
}

}  // namespace perdure
