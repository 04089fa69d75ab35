#include "dialect/messages_upstream.h"
#include "dialect/upstream_error.h"

namespace perdure {

Result<void> MessagesStreamParser::feed(std::string_view bytes, std::vector<Piece>& out) {
  return sse_.feed(bytes, [&](const SseEvent& event) { return this->event(event, out); });
}

Result<void> MessagesStreamParser::event(const SseEvent& event, std::vector<Piece>& out) {
  if (answer_.stopped() || event.data.find_first_not_of(" \n") == std::string_view::npos) return {};
  auto document = json::Document::parse(std::string(event.data));
  if (!document) {
    return Error{.code = Code::kCorrupt,
                 .message = "An event of the supplier's stream is not JSON: " + document.error().message};
  }
  const json::Value root = document->root();
  if (!root.is_object())
    return Error{.code = Code::kCorrupt, .message = "An event of the supplier's stream is not an object."};
  const std::string_view type = root["type"].text();
  return answer_.event(type.empty() ? event.event : type, root, out);
}

Result<void> MessagesStreamParser::end() {
  if (answer_.stopped() || answer_.whole_so_far()) return {};
  return answer_cut();
}

Result<std::vector<Piece>> parse_messages_answer(std::string body) {
  auto document = json::Document::parse(std::move(body));
  if (!document)
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer is not JSON: " + document.error().message};
  const json::Value root = document->root();
  if (root["type"].text() == "error") return messages_error_of(root["error"], 0);
  std::vector<Piece> pieces;
  pieces.reserve(4);  // as many as most have
  MessagesAnswerReader reader;
  TRY_VOID(reader.whole(root, pieces));
  return pieces;
}

namespace {

class MessagesUpstream final : public UpstreamDialect {
 public:
  explicit MessagesUpstream(std::optional<MessagesVariant> variant) : variant_(variant) {}
  std::string_view name() const override { return "messages"; }
  Result<UpstreamMessage> write(const UpstreamAsk& ask) const override {
    return write_messages_request(ask, variant_ ? *variant_ : messages_variant_of(ask.model));
  }
  std::optional<UpstreamMessage> relay(std::string_view, bool stream) const override {
    UpstreamMessage message{.path = "/messages", .headers = relay_headers(stream)};
    message.headers.emplace_back("anthropic-version", "2023-06-01");
    return message;
  }
  std::unique_ptr<AnswerParser> stream_parser() const override { return std::make_unique<MessagesStreamParser>(); }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return parse_messages_answer(std::move(body));
  }
  bool counts() const override { return true; }
  Result<UpstreamMessage> write_count(const UpstreamAsk& ask) const override {
    return write_messages_count(ask, variant_ ? *variant_ : messages_variant_of(ask.model));
  }
  Result<int64_t> parse_count(std::string body) const override { return parse_messages_count(std::move(body)); }
  Error parse_error(int status, std::string_view retry_after, std::string_view body) const override {
    return parse_messages_error(status, retry_after, body);
  }

 private:
  std::optional<MessagesVariant> variant_;
};

}  // namespace

std::unique_ptr<UpstreamDialect> messages_upstream(std::optional<MessagesVariant> variant) {
  return std::make_unique<MessagesUpstream>(variant);
}

}  // namespace perdure
