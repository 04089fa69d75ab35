#include "provider/http_provider.h"

#include <array>

#include "base/planted.h"

namespace perdure {
namespace {

constexpr size_t kErrorBodyMax = 64 << 10;
constexpr size_t kWholeAnswerMax = 64 << 20;

// Says whose the opaque blocks are.
class SealedParser final : public AnswerParser {
 public:
  SealedParser(std::unique_ptr<AnswerParser> parser, std::string issuer)
      : parser_(std::move(parser)), issuer_(std::move(issuer)) {}
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override {
    const size_t from = out.size();
    Result<void> fed = parser_->feed(bytes, out);
    for (size_t i = from; i < out.size(); ++i)
      if (out[i].kind == Piece::Kind::kOpaque) out[i].issuer = issuer_;
    return fed;
  }
  Result<void> end() override { return parser_->end(); }
  bool done() const override { return parser_->done(); }

 private:
  std::unique_ptr<AnswerParser> parser_;
  std::string issuer_;
};

class StreamedAnswer final : public UpstreamAnswer {
 public:
  StreamedAnswer(std::unique_ptr<HttpAnswer> http, std::unique_ptr<AnswerParser> parser)
      : http_(std::move(http)), parser_(std::move(parser)) {}

  Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
    while (!parser_->done()) {
      bytes_.clear();
      Result<bool> more = co_await http_->read(bytes_, deadline);
      if (!more.ok()) co_return std::move(more).error();
      if (!bytes_.empty()) {
        size_t before = out.size();
        Result<void> fed = parser_->feed(bytes_, out);
        if (!fed.ok()) co_return std::move(fed).error();
        if (out.size() > before) co_return true;
      }
      if (!*more) {
        CO_TRY_VOID(parser_->end());
        co_return false;
      }
    }
    // Only the end of the body is left; reading it lets the connection be used again.
    bytes_.clear();
    (void)co_await http_->read(bytes_, deadline);
    co_return false;
  }

 private:
  std::unique_ptr<HttpAnswer> http_;
  std::unique_ptr<AnswerParser> parser_;
  std::string bytes_;
};

// Suppliers that ignore the wish for a stream answer with one document.
class WholeAnswer final : public UpstreamAnswer {
 public:
  explicit WholeAnswer(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<bool>> next(std::vector<Piece>& out, Deadline) override {
    if (pieces_.empty()) co_return false;
    out.insert(out.end(), std::make_move_iterator(pieces_.begin()), std::make_move_iterator(pieces_.end()));
    pieces_.clear();
    co_return true;
  }

 private:
  std::vector<Piece> pieces_;
};

class HttpProvider final : public Provider {
 public:
  HttpProvider(HttpProviderOptions options, std::unique_ptr<UpstreamDialect> dialect, Credential& credential,
               HttpClient& client)
      : options_(std::move(options)), dialect_(std::move(dialect)), credential_(credential), client_(client) {
    if (options_.issuer.empty()) options_.issuer = options_.name;
    if (planted(PlantedBug::kForeignOpaque)) options_.issuer = "anybody";
    while (options_.base_url.path.ends_with('/')) options_.base_url.path.pop_back();
    relays_ = dialect_->relay("m", true).has_value();
  }
  const std::string& name() const override { return options_.name; }

  Result<std::vector<std::string>> dropped(const UpstreamCall& call) const override {
    TRY(UpstreamMessage message, dialect_->write(ask_of(call)));
    return std::move(message.dropped);
  }

  bool counts() const override { return dialect_->counts(); }

  Task<Result<int64_t>> count(UpstreamCall call, Deadline deadline, Cancellation& cancel) override {
    CO_TRY(UpstreamMessage message, dialect_->write_count(ask_of(call)));
    CO_TRY(std::unique_ptr<HttpAnswer> answer,
           co_await send(std::move(message), call.model, call.traceparent, deadline, cancel));
    std::string retry_after(answer->headers.get("retry-after"));
    const int status = answer->status;
    CO_TRY(std::string body, co_await read_all(*answer, kErrorBodyMax, deadline));
    if (status != 200) co_return dialect_->parse_error(status, retry_after, body);
    co_return dialect_->parse_count(std::move(body));
  }

  bool embeds() const override { return dialect_->embeddings().has_value(); }
  std::string_view relays() const override { return relays_ ? dialect_->name() : std::string_view(); }

  Task<Result<std::unique_ptr<HttpAnswer>>> relay(RelayCall call, Deadline deadline, Cancellation& cancel) override {
    // Calls that differ in nothing but their bodies have one head, rendered once.
    const bool plain = !call.embeddings && call.headers.empty() && call.traceparent.empty() && credential_.fixed();
    std::shared_ptr<const PreparedCall> prepared = plain ? known_call(call) : nullptr;
    if (!prepared) {
      std::optional<UpstreamMessage> message =
          call.embeddings ? dialect_->embeddings() : dialect_->relay(call.model, call.stream);
      if (!message) co_return Error{Code::kInvalid, "this provider relays nothing"};
      for (auto& [header, value] : call.headers) {
        std::erase_if(message->headers, [&](const auto& ours) { return equal_ignoring_case(ours.first, header); });
        message->headers.emplace_back(header, std::move(value));
      }
      HttpCall http = call_of(*message, call.model, call.traceparent);
      if (!plain) http.body = call.body;  // a signature may be of it
      CO_TRY_VOID(co_await credential_.sign(http, deadline));
      CO_TRY(prepared, client_.prepare(http));
      if (plain) calls_[next_call_++ % kCallsKept] = {std::string(call.model), call.stream, prepared};
    }
    CO_TRY(std::unique_ptr<HttpAnswer> answer,
           co_await client_.send(std::move(prepared), call.body, deadline, &cancel));
    note_refusal(*answer);
    co_return std::move(answer);
  }
  std::unique_ptr<AnswerParser> stream_parser() const override {
    return std::make_unique<SealedParser>(dialect_->stream_parser(), options_.issuer);
  }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return dialect_->parse_answer(std::move(body));
  }
  Error error_of(int status, std::string_view retry_after, std::string_view body) const override {
    return dialect_->parse_error(status, retry_after, body);
  }

  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override {
    CO_TRY(UpstreamMessage message, dialect_->write(ask_of(call)));
    CO_TRY(std::unique_ptr<HttpAnswer> answer,
           co_await send(std::move(message), call.model, call.traceparent, deadline, cancel));
    if (answer->status == 200) {
      std::string_view type = answer->headers.get("content-type");
      if (type.starts_with("application/json") && dialect_->stream_type() != "application/json") {
        CO_TRY(std::string whole, co_await read_all(*answer, kWholeAnswerMax, deadline));
        CO_TRY(std::vector<Piece> pieces, dialect_->parse_answer(std::move(whole)));
        for (Piece& piece : pieces)
          if (piece.kind == Piece::Kind::kOpaque) piece.issuer = options_.issuer;
        co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<WholeAnswer>(std::move(pieces)));
      }
      co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<StreamedAnswer>(std::move(answer), stream_parser()));
    }
    std::string retry_after(answer->headers.get("retry-after"));
    int status = answer->status;
    Result<std::string> text = co_await read_all(*answer, kErrorBodyMax, deadline);
    co_return dialect_->parse_error(status, retry_after, text.ok() ? std::string_view(*text) : std::string_view());
  }

 private:
  Task<Result<std::unique_ptr<HttpAnswer>>> send(UpstreamMessage message, std::string model, std::string traceparent,
                                                 Deadline deadline, Cancellation& cancel) {
    std::string body = std::move(message.body);
    // As for what is relayed.
    const bool plain = traceparent.empty() && credential_.fixed();
    std::shared_ptr<const PreparedCall> prepared = plain ? known_head(message, model) : nullptr;
    if (!prepared) {
      HttpCall http = call_of(message, model, traceparent);
      if (!plain) http.body = std::move(body);  // a signature may be of it
      CO_TRY_VOID(co_await credential_.sign(http, deadline));
      CO_TRY(prepared, client_.prepare(http));
      if (plain)
        heads_[next_head_++ % kCallsKept] = {std::move(model), std::move(message), prepared};
      else
        body = std::move(http.body);
    }
    CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await client_.send(std::move(prepared), body, deadline, &cancel));
    note_refusal(*answer);
    co_return std::move(answer);
  }

  // Without a body.
  HttpCall call_of(const UpstreamMessage& message, const std::string& model, const std::string& traceparent) const {
    HttpCall http;
    http.url = options_.base_url;
    http.url.path += options_.path ? options_.path(message.path, model) : message.path;
    for (const auto& [header, value] : message.headers) http.headers.add(header, value);
    for (const auto& [header, value] : options_.headers) http.headers.add(header, value);
    if (!traceparent.empty()) http.headers.add("traceparent", traceparent);
    http.ca_file = options_.ca_file;
    return http;
  }

  void note_refusal(const HttpAnswer& answer) {
    if (answer.status == 401 || answer.status == 403) credential_.refused();
  }

  std::shared_ptr<const PreparedCall> known_call(const RelayCall& call) const {
    for (const KnownCall& known : calls_)
      if (known.call && known.stream == call.stream && known.model == call.model) return known.call;
    return nullptr;
  }

  std::shared_ptr<const PreparedCall> known_head(const UpstreamMessage& message, const std::string& model) const {
    for (const KnownHead& known : heads_)
      if (known.call && known.model == model && known.message.path == message.path &&
          known.message.headers == message.headers)
        return known.call;
    return nullptr;
  }

  UpstreamAsk ask_of(const UpstreamCall& call) const {
    UpstreamAsk ask{.request = call.request, .context = call.context, .model = call.model, .issuer = options_.issuer};
    ask.held = call.held;
    ask.ask = call.ask;
    ask.max_output_tokens = call.max_output_tokens;
    if (call.max_output_tokens_else > 0) ask.max_output_tokens_else = call.max_output_tokens_else;
    return ask;
  }

  static Task<Result<std::string>> read_all(HttpAnswer& answer, size_t bytes_max, Deadline deadline) {
    std::string out;
    for (;;) {
      CO_TRY(bool more, co_await answer.read(out, deadline));
      if (!more) co_return out;
      if (out.size() > bytes_max) co_return Error{Code::kCorrupt, "the supplier's answer is too long"};
    }
  }
  struct KnownCall {
    std::string model;
    bool stream = false;
    std::shared_ptr<const PreparedCall> call;
  };
  struct KnownHead {
    std::string model;
    UpstreamMessage message;  // without its body
    std::shared_ptr<const PreparedCall> call;
  };
  static constexpr size_t kCallsKept = 8;

  HttpProviderOptions options_;
  bool relays_ = false;
  std::array<KnownCall, kCallsKept> calls_;
  std::array<KnownHead, kCallsKept> heads_;
  size_t next_call_ = 0, next_head_ = 0;
  std::unique_ptr<UpstreamDialect> dialect_;
  Credential& credential_;
  HttpClient& client_;
};

class HeaderCredential final : public Credential {
 public:
  HeaderCredential(std::string header, std::string value) : header_(std::move(header)), value_(std::move(value)) {}
  Task<Result<void>> sign(HttpCall& call, Deadline) override {
    if (!value_.empty()) call.headers.add(header_, value_);
    co_return Result<void>();
  }
  bool fixed() const override { return true; }

 private:
  std::string header_, value_;
};

}  // namespace

std::unique_ptr<Credential> header_credential(std::string header, std::string prefix, std::string secret) {
  std::string value = secret.empty() ? std::string() : prefix + secret;
  return std::make_unique<HeaderCredential>(std::move(header), std::move(value));
}

std::unique_ptr<Provider> http_provider(HttpProviderOptions options, std::unique_ptr<UpstreamDialect> dialect,
                                        Credential& credential, HttpClient& client) {
  return std::make_unique<HttpProvider>(std::move(options), std::move(dialect), credential, client);
}

}  // namespace perdure
