#pragma once
// A request to POST /v1/responses, read strictly: what OpenAI would refuse is refused, with its words and codes. On top
// of that a simulated supplier keeps nothing: `store` that is not false and previous_response_id are refused, unless it
// is told to keep responses (response_shelf.h).

#include <string>

#include "base/result.h"
#include "simulate/prompt.h"
#include "simulate/response_shelf.h"
#include "simulate/signer.h"

namespace perdure::simulate {

inline constexpr std::string_view kReasoningPurpose = "openai reasoning";

struct ResponsesRequest : Prompt {
  bool stream = false;
  bool store = true;
  bool summary = false;            // reasoning is shown
  bool encrypted = false;          // reasoning.encrypted_content is included
  bool obfuscation = true;         // deltas are padded with noise
  std::string previous;            // previous_response_id
  std::vector<std::string> items;  // all input as raw items, what was kept included: for the shelf
  // Said back in the response, as they came (JSON); empty: the default.
  std::string instructions, tools_json, tool_choice_json, text_json, reasoning_json, metadata_json, temperature, top_p,
      max_output_tokens, truncation, user, prompt_cache_key, safety_identifier, service_tier;
};

// kInvalid with OpenAI's message, param and code; kNotFound (404) for items and responses that are not kept here.
// `shelf` is null where nothing is kept.
Result<ResponsesRequest> parse_responses_request(std::string body, const Signer& signer, const ResponseShelf* shelf);
// One to POST /v1/responses/input_tokens, which has fewer fields and no state.
Result<ResponsesRequest> parse_input_tokens_request(std::string body, const Signer& signer);

}  // namespace perdure::simulate
