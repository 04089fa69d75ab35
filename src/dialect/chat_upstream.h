#pragma once
// The OpenAI Chat Completions dialect towards suppliers: canonical request -> body, answer bytes -> pieces. Pure.

#include <string>
#include <vector>

#include "dialect/chat_answer.h"
#include "dialect/upstream.h"
#include "model/piece.h"
#include "model/request.h"
#include "wire/sse.h"

namespace perdure {

// Whether an assistant's message at the end is gone on with, and what the server wants to hear for it. Most start over.
enum class ChatPrefill : uint8_t {
  kNone,
  kPlain,            // nothing (llama.cpp)
  kContinueFinal,    // continue_final_message (vLLM, SGLang)
  kPrefixOfMessage,  // "prefix": true in the message (Mistral, DeepSeek)
};

// What a supplier's variant of the dialect wants.
struct ChatVariant {
  bool max_completion_tokens = true;  // else max_tokens
  bool developer_role = true;         // else developer becomes system
  bool system_in_place = true;        // system messages amid the conversation stay there, else all stand in front
  bool stream_usage = true;           // send stream_options.include_usage
  ChatPrefill prefill = ChatPrefill::kNone;
  bool top_k = false;                // knows top_k (vLLM, llama.cpp, OpenRouter, ...)
  bool cache_marks = false;          // wants marks (cache_control); else it caches prefixes by itself
  std::string reasoning_field = {};  // where visible reasoning is given back: "reasoning_content"; empty: it is not
  bool reasoning_details = false;    // gives and takes back reasoning_details (OpenRouter)
  size_t call_id_max = 40;           // longer ids of calls are replaced by their hash, equal in every turn
  bool call_ids_of_nine = false;     // nine letters and digits (Mistral)
  bool google_signatures = false;    // gives and takes back extra_content.google.thought_signature
};

// The body for ask.context: request.input is ignored. kInvalid (param) for what the dialect cannot express: files by
// id, images in tool outputs, a budget of reasoning tokens, ...
Result<UpstreamMessage> write_chat_request(const UpstreamAsk& ask, const ChatVariant& variant);

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
