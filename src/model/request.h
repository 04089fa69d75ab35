#pragma once
// Request: what is asked of a model, free of any dialect. Optional fields that were not given stay empty and are
// neither stored nor sent upstream.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/item.h"

namespace perdure {

struct Tool {  // a function tool; others are refused where requests are read
  std::string name;
  std::optional<std::string> description;
  std::string parameters;  // raw JSON object, byte for byte as given; empty: null
  std::optional<bool> strict;
  std::string cache;  // as Part::cache
  bool operator==(const Tool&) const = default;
};

struct ToolChoice {
  enum class Mode : uint8_t { kAuto = 1, kNone, kRequired, kFunction, kAllowed };
  Mode mode = Mode::kAuto;
  std::string function;              // kFunction
  bool allowed_required = false;     // kAllowed: mode "required" rather than "auto"
  std::vector<std::string> allowed;  // kAllowed: function names
  bool operator==(const ToolChoice&) const = default;
};

struct TextFormat {
  enum class Kind : uint8_t { kText = 1, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  std::string name;
  std::optional<std::string> description;
  std::string schema;  // raw JSON object
  std::optional<bool> strict;
  bool operator==(const TextFormat&) const = default;
};

// The API that a request came in by. A stored answer can be read back in it.
enum class ClientDialect : uint8_t { kResponses = 1, kChat, kMessages };
std::string_view name_of(ClientDialect);

struct Request {
  std::string model;  // the logical name that the client asked for
  ClientDialect dialect = ClientDialect::kResponses;
  std::optional<std::string> instructions;
  std::vector<Item> input;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  TextFormat format;
  std::string verbosity;  // text.verbosity
  std::optional<double> temperature, top_p, presence_penalty, frequency_penalty;
  std::optional<int64_t> max_output_tokens, max_tool_calls, top_logprobs;
  std::optional<bool> parallel_tool_calls;
  std::string reasoning_effort, reasoning_summary;
  std::optional<int64_t> reasoning_tokens_max;  // thinking.budget_tokens of Anthropic, thinkingBudget of Gemini
  std::optional<int64_t> top_k, seed;
  std::vector<std::string> stop;  // stop sequences
  std::string truncation = "disabled";
  std::string service_tier;
  std::string user, safety_identifier, prompt_cache_key;
  std::vector<std::string> include;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string previous_response_id;
  std::string conversation;                  // conv_...; empty: none
  std::optional<int64_t> compact_threshold;  // context_management: compact when the context has more tokens
  bool include_usage = false;                // chat streams: a last frame with the usage
  bool lenient = false;  // what the supplier's dialect cannot express is left out and named, instead of refused
  bool store = true;
  bool background = false;
  bool stream = false;
  bool operator==(const Request&) const = default;
};

// Canonical JSON, for the journal. Reading accepts every version ever written.
void write_request(json::Writer& out, const Request& request);
Result<Request> read_request(json::Value value);

}  // namespace perdure
