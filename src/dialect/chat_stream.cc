#include "dialect/chat_upstream.h"
#include "dialect/upstream_error.h"

namespace perdure {

Result<void> ChatStreamParser::feed(std::string_view bytes, std::vector<Piece>& out) {
  return sse_.feed(bytes, [&](const SseEvent& event) { return chunk(event, out); });
}

Result<void> ChatStreamParser::chunk(const SseEvent& event, std::vector<Piece>& out) {
  std::string_view data = event.data;
  const size_t from = data.find_first_not_of(" \n");
  if (done_ || from == std::string_view::npos) return {};
  data.remove_prefix(from);
  if (data.starts_with("[DONE]")) {
    done_ = true;
    return {};
  }
  auto document = json::Document::parse(std::string(data));
  if (!document)
    return Error{.code = Code::kCorrupt,
                 .message = "A chunk of the supplier's stream is not JSON: " + document.error().message};
  // Chunks come without a name; a named error may lack the `error` around it.
  if (event.event == "error" && document->root()["error"].absent()) return chat_error_of(document->root(), 0);
  return answer_.read(document->root(), out);
}

Result<void> ChatStreamParser::end() {
  if (done_ || answer_.finished()) return {};
  return answer_cut();
}

Result<std::vector<Piece>> parse_chat_answer(std::string body) {
  auto document = json::Document::parse(std::move(body));
  if (!document)
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer is not JSON: " + document.error().message};
  std::vector<Piece> pieces;
  pieces.reserve(4);
  ChatAnswerReader reader;
  TRY_VOID(reader.read(document->root(), pieces));
  if (!reader.finished())
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer has no finish reason."};
  return pieces;
}

namespace {

class ChatUpstream final : public UpstreamDialect {
 public:
  explicit ChatUpstream(ChatVariant variant) : variant_(std::move(variant)) {}
  std::string_view name() const override { return "chat"; }
  Result<UpstreamMessage> write(const UpstreamAsk& ask) const override { return write_chat_request(ask, variant_); }
  std::optional<UpstreamMessage> relay(std::string_view, bool stream) const override {
    return UpstreamMessage{.path = "/chat/completions", .headers = relay_headers(stream)};
  }
  std::optional<UpstreamMessage> embeddings() const override {
    return UpstreamMessage{.path = "/embeddings", .headers = relay_headers(false)};
  }
  std::unique_ptr<AnswerParser> stream_parser() const override { return std::make_unique<ChatStreamParser>(); }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return parse_chat_answer(std::move(body));
  }
  Error parse_error(int status, std::string_view retry_after, std::string_view body) const override {
    return parse_chat_error(status, retry_after, body);
  }

 private:
  ChatVariant variant_;
};

}  // namespace

std::unique_ptr<UpstreamDialect> chat_upstream(ChatVariant variant) {
  return std::make_unique<ChatUpstream>(std::move(variant));
}

}  // namespace perdure
