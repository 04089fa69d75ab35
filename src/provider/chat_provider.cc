#include "provider/chat_provider.h"

namespace perdure {
namespace {

constexpr size_t kErrorBodyMax = 64 << 10;

class ChatAnswer final : public UpstreamAnswer {
 public:
  explicit ChatAnswer(std::unique_ptr<HttpAnswer> http) : http_(std::move(http)) {}

  Task<Result<bool>> next(std::vector<Piece>& out, Deadline deadline) override {
    while (!parser_.done()) {
      bytes_.clear();
      Result<bool> more = co_await http_->read(bytes_, deadline);
      if (!more.ok()) co_return std::move(more).error();
      if (!bytes_.empty()) {
        size_t before = out.size();
        CO_TRY_VOID(parser_.feed(bytes_, out));
        if (out.size() > before) co_return true;
      }
      if (!*more) {
        CO_TRY_VOID(parser_.end());
        co_return false;
      }
    }
    // After [DONE] only the end of the body is left; reading it lets the connection be used again.
    bytes_.clear();
    (void)co_await http_->read(bytes_, deadline);
    co_return false;
  }

 private:
  std::unique_ptr<HttpAnswer> http_;
  ChatStreamParser parser_;
  std::string bytes_;
};

// Suppliers that ignore `stream: true` answer with one JSON document.
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

class ChatProvider final : public Provider {
 public:
  ChatProvider(ChatProviderOptions options, HttpClient& client) : options_(std::move(options)), client_(client) {}
  const std::string& name() const override { return options_.name; }

  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override {
    Request limited = call.request;
    limited.input.clear();
    limited.max_output_tokens = call.max_output_tokens;
    CO_TRY(std::string body,
           write_chat_request(limited, call.context, call.model, options_.variant, call.held, call.ask));
    HttpCall http;
    http.url = options_.base_url;
    while (http.url.path.ends_with('/')) http.url.path.pop_back();
    http.url.path += "/chat/completions";
    http.headers.add("Content-Type", "application/json");
    http.headers.add("Accept", "text/event-stream");
    if (!options_.api_key.empty()) http.headers.add("Authorization", "Bearer " + options_.api_key);
    if (!call.traceparent.empty()) http.headers.add("traceparent", call.traceparent);
    http.body = std::move(body);
    http.ca_file = options_.ca_file;
    CO_TRY(std::unique_ptr<HttpAnswer> answer, co_await client_.send(std::move(http), deadline, &cancel));
    if (answer->status == 200) {
      std::string_view type = answer->headers.get("content-type");
      if (type.starts_with("application/json")) {
        CO_TRY(std::string whole, co_await read_all(*answer, size_t{64} << 20, deadline));
        CO_TRY(std::vector<Piece> pieces, parse_chat_answer(std::move(whole)));
        co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<WholeAnswer>(std::move(pieces)));
      }
      co_return std::unique_ptr<UpstreamAnswer>(std::make_unique<ChatAnswer>(std::move(answer)));
    }
    std::string retry_after(answer->headers.get("retry-after"));
    int status = answer->status;
    Result<std::string> text = co_await read_all(*answer, kErrorBodyMax, deadline);
    co_return parse_chat_error(status, retry_after, text.ok() ? std::string_view(*text) : std::string_view());
  }

 private:
  static Task<Result<std::string>> read_all(HttpAnswer& answer, size_t bytes_max, Deadline deadline) {
    std::string out;
    for (;;) {
      CO_TRY(bool more, co_await answer.read(out, deadline));
      if (!more) co_return out;
      if (out.size() > bytes_max) co_return Error{Code::kCorrupt, "the supplier's answer is too long"};
    }
  }
  ChatProviderOptions options_;
  HttpClient& client_;
};

}  // namespace

std::unique_ptr<Provider> chat_provider(ChatProviderOptions options, HttpClient& client) {
  return std::make_unique<ChatProvider>(std::move(options), client);
}

}  // namespace perdure
