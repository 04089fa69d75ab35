#include "dialect/converse_answer.h"
#include "dialect/converse_request.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"
#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

class ConverseStreamParser final : public AnswerParser {
 public:
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override {
    return frames_.feed(bytes, [&](const AwsMessage& message) { return read(message, out); });
  }
  // The usage may come before the stop reason or behind it, and without it the answer is whole all the same.
  Result<void> end() override { return answer_.finished() ? Result<void>() : answer_cut(); }
  bool done() const override { return answer_.finished() && answer_.measured(); }

 private:
  Result<void> read(const AwsMessage& message, std::vector<Piece>& out) {
    const std::string_view type = message.text(":message-type");
    if (type == "error") return converse_error(0, message.text(":error-code"), message.text(":error-message"));
    if (type == "event" && message.text(":event-type") == "initial-response") return {};
    auto document = json::Document::parse(std::string(message.payload));
    if (type == "exception") {
      json::Value root = document.ok() ? document->root() : json::Value();
      return converse_error(0, message.text(":exception-type"), root["message"].text());
    }
    if (type != "event") return Error{Code::kCorrupt, "A frame of the supplier's stream is neither event nor error."};
    if (!document)
      return Error{Code::kCorrupt, "An event of the supplier's stream is not JSON: " + document.error().message};
    return answer_.event(message.text(":event-type"), document->root(), out);
  }

  AwsEventStreamParser frames_;
  ConverseAnswerReader answer_;
};

class ConverseUpstream final : public UpstreamDialect {
 public:
  explicit ConverseUpstream(ConverseVariant variant) : variant_(variant) {}
  std::string_view name() const override { return "converse"; }
  std::string_view stream_type() const override { return "application/vnd.amazon.eventstream"; }

  Result<UpstreamMessage> write(const UpstreamAsk& ask) const override {
    const bool by_name = variant_.family == ConverseFamily::kByName;
    return write_converse_request(ask, by_name ? converse_family(ask.model) : variant_.family);
  }

  std::unique_ptr<AnswerParser> stream_parser() const override { return std::make_unique<ConverseStreamParser>(); }

  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    auto document = json::Document::parse(std::move(body));
    if (!document) return Error{Code::kCorrupt, "The supplier's answer is not JSON: " + document.error().message};
    std::vector<Piece> pieces;
    pieces.reserve(4);  // as many as most have
    ConverseAnswerReader reader;
    TRY_VOID(reader.whole(document->root(), pieces));
    return pieces;
  }

  // The exception's name is in a header of AWS's, and only sometimes in the body too; the status says enough.
  Error parse_error(int status, std::string_view retry_after, std::string_view body) const override {
    auto document = json::Document::parse(std::string(body));
    json::Value root = document.ok() ? document->root() : json::Value();
    std::string_view type = root["__type"].text(), message = root["message"].text();
    if (const size_t hash = type.rfind('#'); hash != std::string_view::npos) type.remove_prefix(hash + 1);
    if (message.empty()) message = root["Message"].text();
    Error out = converse_error(status, type, message);
    out.upstream_status = status;
    out.retry_after_ms = retry_after_ms(retry_after);
    return out;
  }

 private:
  ConverseVariant variant_;
};

}  // namespace

// 424 is a model that failed, not a request that is wrong.
Error converse_error(int status, std::string_view type, std::string_view message) {
  Error out = upstream_error(status == 424 ? 0 : status, type, "", message);
  if (status == 424) out.code = Code::kUnavailable;
  const bool too_long = message.find("nput is too long") != std::string_view::npos ||
                        message.find("rompt is too long") != std::string_view::npos;
  if (out.code == Code::kInvalid && too_long) out.reason = "context_length_exceeded";
  return out;
}

std::unique_ptr<UpstreamDialect> converse_upstream(ConverseVariant variant) {
  return std::make_unique<ConverseUpstream>(variant);
}

}  // namespace perdure
