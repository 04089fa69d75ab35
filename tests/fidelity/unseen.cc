#include "unseen.h"

#include <algorithm>
#include <utility>

namespace perdure::fidelity {
namespace {

constexpr std::string_view kAlways = "always the same";
constexpr std::string_view kSum = "a sum of the others";
constexpr std::string_view kTime = "how long the supplier took; the account has its own times";
constexpr std::string_view kBooks = "the supplier's own books";
constexpr std::string_view kEcho = "our own request, said back";
constexpr std::string_view kPart = "part of a number that is read";
constexpr std::string_view kAgain = "a number that is read under another name";
constexpr std::string_view kNeverAsked = "never asked for, and sent all the same";
constexpr std::string_view kPlace = "the place tells";

// A '*' at the end stands for anything.
const std::pair<std::string_view, std::string_view> kUnseen[] = {
    {"chat .choices[].delta.index", kPlace},
    {"chat .choices[].delta.role", "an answer is always the assistant's"},
    {"chat .choices[].delta.tool_calls[].type", "a call without a function is refused"},
    {"chat .choices[].logprobs", kNeverAsked},
    {"chat .choices[].matched_stop", "null or the number of a token: no stop sequence of ours"},
    {"chat .choices[].message.role", "an answer is always the assistant's"},
    {"chat .choices[].message.tool_calls[].index", kPlace},
    {"chat .choices[].message.tool_calls[].type", "a call without a function is refused"},
    {"chat .created", "the journal has its own"},
    {"chat .obfuscation", "noise"},
    {"chat .object", kAlways},
    {"chat .prompt_filter_results", kBooks},
    {"chat .service_tier", kEcho},
    {"chat .system_fingerprint", kBooks},
    {"chat .usage", "null until the end"},
    {"chat .usage.audio_prompt_tokens", kPart},
    {"chat .usage.completion_time", kTime},
    {"chat .usage.completion_tokens_details.accepted_prediction_tokens", kPart},
    {"chat .usage.completion_tokens_details.audio_tokens", kPart},
    {"chat .usage.completion_tokens_details.rejected_prediction_tokens", kPart},
    {"chat .usage.cost_in_usd_ticks", "what the supplier asks; the ledger counts by the catalogue's prices"},
    {"chat .usage.num_sources_used", kBooks},
    {"chat .usage.prompt_cache_hit_tokens", kAgain},
    {"chat .usage.prompt_cache_miss_tokens", kPart},
    {"chat .usage.prompt_time", kTime},
    {"chat .usage.prompt_tokens_details", "null"},
    {"chat .usage.prompt_tokens_details.audio_tokens", kPart},
    {"chat .usage.prompt_tokens_details.image_tokens", kPart},
    {"chat .usage.prompt_tokens_details.text_tokens", kPart},
    {"chat .usage.queue_time", kTime},
    {"chat .usage.total_time", kTime},
    {"chat .usage_breakdown", "null"},
    {"chat .x_groq.id", kAgain},
    {"chat .x_groq.seed", kBooks},
    {"chat .x_groq.usage.*", kAgain},
    {"converse .messageStart.role", "an answer is always the assistant's"},
    {"converse .metrics.latencyMs", kTime},
    {"converse .output.message.role", "an answer is always the assistant's"},
    {"converse .usage.cacheReadInputTokenCount", kAgain},
    {"converse .usage.cacheWriteInputTokenCount", kAgain},
    {"converse .usage.totalTokens", kSum},
    {"gemini .candidates[].content.role", "an answer is always the model's"},
    {"gemini .candidates[].finishMessage", "finishReason in a sentence"},
    {"gemini .createTime", "the journal has its own"},
    {"gemini .usageMetadata.candidatesTokensDetails[].modality", kPart},
    {"gemini .usageMetadata.candidatesTokensDetails[].tokenCount", kPart},
    {"gemini .usageMetadata.promptTokensDetails[].modality", kPart},
    {"gemini .usageMetadata.promptTokensDetails[].tokenCount", kPart},
    {"gemini .usageMetadata.totalTokenCount", kSum},
    {"gemini .usageMetadata.trafficType", "how it is paid for, known to who configured it"},
    {"messages .role", "an answer is always the assistant's"},
    {"messages .stop_sequence", "null: none was met"},
    {"messages .type", kAlways},
    {"messages .usage.cache_creation.ephemeral_1h_input_tokens", kPart},
    {"messages .usage.cache_creation.ephemeral_5m_input_tokens", kPart},
    {"messages .usage.inference_geo", kBooks},
    {"messages .usage.service_tier", kEcho},
    {"messages message_delta.delta.stop_sequence", "null: none was met"},
    {"messages message_stop.type", "the end of the stream ends the answer as well"},
    {"messages ping.type", "says nothing"},
    {"responses response.background", kEcho},
    {"responses response.billing.payer", kBooks},
    {"responses response.completed_at", "the journal has its own"},
    {"responses response.content_filters*", "what Azure's filter thought of an answer that it let pass"},
    {"responses response.created_at", "the journal has its own"},
    {"responses response.error", "null"},
    {"responses response.frequency_penalty", kEcho},
    {"responses response.incomplete_details", "null"},
    {"responses response.instructions", kEcho},
    {"responses response.max_output_tokens", kEcho},
    {"responses response.max_tool_calls", kEcho},
    {"responses response.object", kAlways},
    {"responses response.parallel_tool_calls", kEcho},
    {"responses response.presence_penalty", kEcho},
    {"responses response.previous_response_id", kEcho},
    {"responses response.prompt_cache_key", kEcho},
    {"responses response.prompt_cache_retention", kEcho},
    {"responses response.reasoning.*", kEcho},
    {"responses response.safety_identifier", kEcho},
    {"responses response.service_tier", kEcho},
    {"responses response.store", kEcho},
    {"responses response.temperature", kEcho},
    {"responses response.text.*", kEcho},
    {"responses response.tool_choice", kEcho},
    {"responses response.tools[]*", kEcho},
    {"responses response.top_logprobs", kEcho},
    {"responses response.top_p", kEcho},
    {"responses response.truncation", kEcho},
    {"responses response.usage", "null until the end"},
    {"responses response.usage.num_server_side_tools_used", kBooks},
    {"responses response.usage.num_sources_used", kBooks},
    {"responses response.usage.total_tokens", kSum},
    {"responses response.user", kEcho},
    {"responses item.id", "ids are ours"},
    {"responses item.role", "an answer is always the assistant's"},
    {"responses item.status", "the end of the answer tells"},
    {"responses event.item_id", kPlace},
    {"responses event.obfuscation", "noise"},
    {"responses event.sequence_number", kPlace},
};

bool fits(std::string_view known, std::string_view place) {
  return known == place || (known.ends_with('*') && place.starts_with(known.substr(0, known.size() - 1)));
}

}  // namespace

std::string place_of(std::string_view dialect, std::string_view event, std::string_view path) {
  std::string out = std::string(dialect) + " ";
  if (dialect == "responses") {
    std::string_view scope = event.empty() ? "response" : "event", rest = path;
    for (const auto& [prefix, name] : {std::pair<std::string_view, std::string_view>{".response.", "response"},
                                       {".output[].", "item"},
                                       {".item.", "item"},
                                       {".part.", "item"},
                                       {".content[].", "item"},
                                       {".summary[].", "item"}}) {
      if (!rest.starts_with(prefix)) continue;
      scope = name;
      rest = rest.substr(prefix.size() - 1);
    }
    return out.append(scope).append(rest);
  }
  if (dialect == "messages" && path.starts_with(".message.")) return out.append(path.substr(8));
  if (dialect == "messages" && event == "message") return out.append(path);
  if (dialect == "converse" && path.starts_with(".metadata.")) return out.append(path.substr(9));
  return out.append(event).append(path);
}

std::string_view why_unseen(std::string_view place) {
  for (const auto& [known, why] : kUnseen)
    if (fits(known, place)) return why;
  // One server sends them unasked, with every text.
  return place.starts_with("responses ") && place.find("logprobs[]") != std::string_view::npos ? kNeverAsked
                                                                                               : std::string_view();
}

std::vector<std::string> stale_reasons(const std::function<bool(std::string_view)>& holds) {
  std::vector<std::string> out;
  for (const auto& [known, why] : kUnseen)
    if (!known.ends_with('*') && !holds(known)) out.emplace_back(known);
  return out;
}

}  // namespace perdure::fidelity
