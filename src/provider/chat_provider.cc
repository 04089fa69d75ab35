#include "provider/chat_provider.h"

namespace perdure {
namespace {

// Holds the credential that its provider refers to.
class ChatProvider final : public Provider {
 public:
  ChatProvider(ChatProviderOptions options, HttpClient& client)
      : credential_(header_credential("Authorization", "Bearer ", std::move(options.api_key))),
        provider_(http_provider({.name = std::move(options.name),
                                 .issuer = "",
                                 .base_url = std::move(options.base_url),
                                 .ca_file = std::move(options.ca_file),
                                 .headers = {}},
                                chat_upstream(options.variant), *credential_, client)) {}
  const std::string& name() const override { return provider_->name(); }
  Result<std::vector<std::string>> dropped(const UpstreamCall& call) const override { return provider_->dropped(call); }
  std::string_view relays() const override { return provider_->relays(); }
  Task<Result<std::unique_ptr<HttpAnswer>>> relay(RelayCall call, Deadline deadline, Cancellation& cancel) override {
    return provider_->relay(std::move(call), deadline, cancel);
  }
  std::unique_ptr<AnswerParser> stream_parser() const override { return provider_->stream_parser(); }
  Result<std::vector<Piece>> parse_answer(std::string body) const override {
    return provider_->parse_answer(std::move(body));
  }
  Error error_of(int status, std::string_view retry_after, std::string_view body) const override {
    return provider_->error_of(status, retry_after, body);
  }
  Task<Result<std::unique_ptr<UpstreamAnswer>>> open(UpstreamCall call, Deadline deadline,
                                                     Cancellation& cancel) override {
    return provider_->open(std::move(call), deadline, cancel);
  }

 private:
  std::unique_ptr<Credential> credential_;
  std::unique_ptr<Provider> provider_;
};

}  // namespace

std::unique_ptr<Provider> chat_provider(ChatProviderOptions options, HttpClient& client) {
  return std::make_unique<ChatProvider>(std::move(options), client);
}

}  // namespace perdure
