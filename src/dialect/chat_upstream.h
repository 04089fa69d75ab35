#pragma once
// The OpenAI Chat Completions dialect towards suppliers: canonical request -> body, answer bytes -> pieces. Pure.

#include <span>
#include <string>
#include <vector>

#include "dialect/chat_answer.h"
#include "dialect/upstream.h"
#include "model/piece.h"
#include "model/request.h"
#include "wire/sse.h"

namespace perdure {

// What a supplier's variant of the dialect wants.
struct ChatVariant {
  bool max_completion_tokens = true;  // else max_tokens
  bool developer_role = true;         // else developer becomes system
  bool stream_usage = true;           // send stream_options.include_usage
};

// The body for `context` followed by nothing else: request.input is ignored, its place is taken by `context` (history
// and input, in order). Always asks for a stream. kInvalid (param) for what the dialect cannot express: files by id,
// ... `extra_user` and `held` build a continuation: when `held` is not empty, an assistant message with it is added
// after the context, and `ask` (the words that ask to go on) as a user message after that, unless empty (then `held` is
// a prefill).
Result<std::string> write_chat_request(const Request& request, std::span<const Item> context,
                                       const std::string& upstream_model, const ChatVariant& variant,
                                       std::string_view held = {}, std::string_view ask = {});

// Parses a streamed answer from bytes cut anywhere.
class ChatStreamParser final : public AnswerParser {
 public:
  // kCorrupt: not this dialect (malformed chunk). kUnavailable / kOverloaded / kInvalid: the supplier reported an error
  // inside the stream.
  Result<void> feed(std::string_view bytes, std::vector<Piece>& out) override;
  // After the last byte: whole if the supplier said [DONE] or a finish reason; kUnavailable ("cut") otherwise.
  Result<void> end() override;
  bool done() const override { return done_; }

 private:
  Result<void> chunk(const SseEvent& event, std::vector<Piece>& out);
  SseParser sse_;
  ChatAnswerReader answer_;
  bool done_ = false;
};

// A whole (unstreamed) answer as pieces.
Result<std::vector<Piece>> parse_chat_answer(std::string body);
// An error answer: classed by status and body, message passed on, Retry-After read. Never echoes credentials.
Error parse_chat_error(int status, std::string_view retry_after, std::string_view body);

std::unique_ptr<UpstreamDialect> chat_upstream(ChatVariant variant);

}  // namespace perdure
