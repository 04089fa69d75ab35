#pragma once
// The Anthropic Messages dialect towards suppliers: canonical request -> POST /messages, answer bytes -> pieces. Pure.
// The base URL ends in /v1.
//
// - Turns alternate. The results of a turn's calls are in one user message, first in it; ids that the alphabet forbids
//   are mapped (tool_ids.h). Text of white space only is refused there, so it is not sent.
// - Thinking goes back to its issuer only, byte for byte and in place. Manual thinking must begin the turn whose tools
//   are being answered: where another supplier wrote that turn, this request does not think.
// - An effort is a step of a scale. A model without efforts thinks within a budget instead: 1024 tokens for "minimal",
//   2048, 8192, 16384, and 32768 for what lies above "high", less where the limit on the output is smaller. A model
//   with fewer steps takes the nearest one below.
// - `user`, `metadata` and `prompt_cache_key` are not sent: whose request it is stays here. A service tier is sent
//   where the client asked in this API.
// - At most four marks of prompt caches are sent, the last ones.

#include <memory>

#include "dialect/messages_answer.h"
#include "dialect/upstream.h"
#include "wire/sse.h"

namespace perdure {

// What a model takes.
struct MessagesVariant {
  bool thinking_budget = true;                             // thinking of the type "enabled", with budget_tokens
  bool thinking_adaptive = false;                          // thinking of the type "adaptive"
  bool effort = false, xhigh = false, max_effort = false;  // output_config.effort, and its steps above "high"
  bool structured_output = false;                          // output_config.format
  bool strict_tools = false;                               // tools[].strict
  bool prefill = true;                                     // a conversation may end with the assistant's words
  bool sampling = true;                // temperature, top_p and top_k other than what they are when not given
  bool temperature_with_top_p = true;  // both at once
  bool operator==(const MessagesVariant&) const = default;
};
// By its name: what Anthropic says of its models; for others, what most servers of this API take.
MessagesVariant messages_variant_of(std::string_view model);

// No variant: by the name of the model that is asked.
std::unique_ptr<UpstreamDialect> messages_upstream(std::optional<MessagesVariant> variant = {});

Result<UpstreamMessage> write_messages_request(const UpstreamAsk& ask, const MessagesVariant& variant);
// POST /messages/count_tokens: how many tokens the input of this very request has. The supplier counts; nobody guesses.
Result<UpstreamMessage> write_messages_count(const UpstreamAsk& ask, const MessagesVariant& variant);
Result<int64_t> parse_messages_count(std::string body);

class MessagesStreamParser final : public AnswerParser {
 public:
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override;
  // Whole after message_stop, or where a stop reason came and nothing is open.
  Result<void> end() override;
  bool done() const override { return answer_.stopped(); }

 private:
  Result<void> event(const SseEvent& event, std::vector<Piece>& out);
  SseParser sse_;
  MessagesAnswerReader answer_;
};

Result<std::vector<Piece>> parse_messages_answer(std::string body);
Error parse_messages_error(int status, std::string_view retry_after, std::string_view body);

}  // namespace perdure
