// A stream is server-sent events without names, each a GenerateContentResponse. It has no mark at its end: it is whole
// when the candidate has said why it finished.

#include "dialect/gemini_answer.h"
#include "dialect/gemini_request.h"
#include "dialect/upstream_error.h"
#include "wire/sse.h"

namespace perdure {
namespace {

class StreamParser final : public AnswerParser {
 public:
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override {
    return sse_.feed(bytes, [&](const SseEvent& event) { return chunk(event.data, out); });
  }
  Result<void> end() override { return done_ || answer_.finished() ? Result<void>() : answer_cut(); }
  bool done() const override { return done_; }

 private:
  Result<void> chunk(std::string_view data, std::vector<Piece>& out) {
    const size_t from = data.find_first_not_of(" \n");
    if (done_ || from == std::string_view::npos) return {};
    data.remove_prefix(from);
    // Google does not say it; gateways in front of it do.
    if (data.starts_with("[DONE]")) {
      done_ = answer_.finished();
      return {};
    }
    auto document = json::Document::parse(std::string(data));
    if (!document.ok()) {
      return Error{.code = Code::kCorrupt,
                   .message = "An event of the supplier's stream is not JSON: " + document.error().message};
    }
    return answer_.read(document->root(), out);
  }

  SseParser sse_;
  GeminiAnswerReader answer_;
  bool done_ = false;
};

class GeminiUpstream final : public UpstreamDialect {
 public:
  explicit GeminiUpstream(GeminiOptions options) : options_(options) {}
  std::string_view name() const override { return "gemini"; }
  Result<UpstreamMessage> write(const UpstreamAsk& ask) const override {
    return write_gemini_request(ask, options_.variant ? *options_.variant : gemini_variant(ask.model, options_.vertex));
  }
  std::unique_ptr<AnswerParser> stream_parser() const override { return std::make_unique<StreamParser>(); }

  // One response, or, from servers that pass by alt=sse, a stream's responses as an array.
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    auto document = json::Document::parse(std::move(body));
    if (!document.ok()) {
      return Error{.code = Code::kCorrupt, .message = "The supplier's answer is not JSON: " + document.error().message};
    }
    std::vector<Piece> pieces;
    pieces.reserve(4);  // as many as most have
    GeminiAnswerReader reader;
    const json::Value root = document->root();
    if (root.is_array()) {
      for (const json::Value one : root.elements()) TRY_VOID(reader.read(one, pieces));
    } else {
      TRY_VOID(reader.read(root, pieces));
    }
    if (!reader.finished())
      return Error{.code = Code::kCorrupt, .message = "The supplier's answer has no finish reason."};
    return pieces;
  }
  Error parse_error(int status, std::string_view retry_after, std::string_view body) const override {
    return parse_gemini_error(status, retry_after, body);
  }

 private:
  GeminiOptions options_;
};

}  // namespace

std::unique_ptr<UpstreamDialect> gemini_upstream(GeminiOptions options) {
  return std::make_unique<GeminiUpstream>(options);
}

}  // namespace perdure
