#include "dialect/responses_answer.h"
#include "dialect/responses_upstream.h"
#include "dialect/upstream_error.h"
#include "wire/sse.h"

namespace perdure {
namespace {

class ResponsesStreamParser final : public AnswerParser {
 public:
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override {
    return sse_.feed(bytes, [&](const SseEvent& event) { return one(event, out); });
  }
  Result<void> end() override {
    if (answer_.finished()) return {};
    return answer_cut();
  }
  bool done() const override { return answer_.finished(); }

 private:
  Result<void> one(const SseEvent& event, std::vector<Piece>& out) {
    const size_t from = event.data.find_first_not_of(" \n");
    if (answer_.finished() || from == std::string_view::npos || event.data.substr(from).starts_with("[DONE]"))
      return {};
    auto document = json::Document::parse(std::string(event.data));
    if (!document)
      return Error{.code = Code::kCorrupt,
                   .message = "An event of the supplier's stream is not JSON: " + document.error().message};
    json::Value root = document->root();
    // The body says its type; a proxy's error may be named by its frame alone.
    return answer_.event(root["type"].is_string() ? root["type"].text() : event.event, root, out);
  }
  SseParser sse_;
  ResponsesAnswerReader answer_;
};

class ResponsesUpstream final : public UpstreamDialect {
 public:
  explicit ResponsesUpstream(ResponsesVariant variant) : variant_(variant) {}
  std::string_view name() const override { return "responses"; }
  Result<UpstreamMessage> write(const UpstreamAsk& ask) const override {
    return write_responses_upstream(ask, variant_);
  }
  std::optional<UpstreamMessage> relay(std::string_view, bool stream) const override {
    return UpstreamMessage{.path = "/responses", .headers = relay_headers(stream)};
  }
  std::optional<UpstreamMessage> embeddings() const override {
    return UpstreamMessage{.path = "/embeddings", .headers = relay_headers(false)};
  }
  std::unique_ptr<AnswerParser> stream_parser() const override { return responses_stream_parser(); }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return parse_responses_answer(std::move(body));
  }
  bool counts() const override { return variant_.counts; }
  Result<UpstreamMessage> write_count(const UpstreamAsk& ask) const override {
    return write_responses_count(ask, variant_);
  }
  Result<int64_t> parse_count(std::string body) const override { return parse_responses_count(std::move(body)); }
  Error parse_error(int status, std::string_view retry_after, std::string_view body) const override {
    return parse_responses_error(status, retry_after, body);
  }

 private:
  ResponsesVariant variant_;
};

}  // namespace

std::unique_ptr<AnswerParser> responses_stream_parser() { return std::make_unique<ResponsesStreamParser>(); }

std::unique_ptr<UpstreamDialect> responses_upstream(ResponsesVariant variant) {
  return std::make_unique<ResponsesUpstream>(variant);
}

}  // namespace perdure
