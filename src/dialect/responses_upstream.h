#pragma once
// The OpenAI Responses dialect towards suppliers (OpenAI, Azure, xAI, servers of Open Responses): canonical request ->
// POST /responses, answer bytes -> pieces. Pure.
//
// The supplier is never left with the owner's state: always store:false, never previous_response_id, and no id of a
// supplier's is ever sent back to it (item ids are ours). Reasoning goes back only as the encrypted block that its
// issuer gave, byte for byte, and only where the item that it led to follows (OpenAI refuses one without the other).
// Items that a supplier's hosted tools leave in an answer have no place in the canonical model: such an answer is
// refused by the item's name, never thinned out.

#include <memory>

#include "dialect/upstream.h"

namespace perdure {

// What a supplier's variant of the dialect wants.
struct ResponsesVariant {
  bool encrypted_reasoning = true;   // ask for reasoning.encrypted_content; models that do not reason ignore it
  bool penalties = false;            // presence_penalty and frequency_penalty (Open Responses)
  int64_t output_tokens_least = 16;  // a smaller limit is refused by the supplier
  bool counts = false;               // there is POST /responses/input_tokens (OpenAI)
};

std::unique_ptr<UpstreamDialect> responses_upstream(ResponsesVariant variant = {});

// The body and what a lenient request lost.
Result<UpstreamMessage> write_responses_upstream(const UpstreamAsk& ask, const ResponsesVariant& variant);
// POST /responses/input_tokens: how many tokens the input of this very request has.
Result<UpstreamMessage> write_responses_count(const UpstreamAsk& ask, const ResponsesVariant& variant);
Result<int64_t> parse_responses_count(std::string body);
std::unique_ptr<AnswerParser> responses_stream_parser();
Result<std::vector<Piece>> parse_responses_answer(std::string body);
Error parse_responses_error(int status, std::string_view retry_after, std::string_view body);

}  // namespace perdure
