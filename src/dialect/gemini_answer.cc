#include "dialect/gemini_answer.h"

#include <algorithm>

#include "dialect/say.h"

namespace perdure {
namespace {

constexpr int kCallsMax = 1024;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt, .message = say("The supplier's answer is not of the Gemini dialect: {}.", what)};
}

int64_t count_of(json::Value value) { return std::clamp<int64_t>(value.integer().value_or(0), 0, int64_t{1} << 53); }

Usage usage_of(json::Value value) {
  Usage usage{.known = true};
  const int64_t prompt = count_of(value["promptTokenCount"]) + count_of(value["toolUsePromptTokenCount"]);
  const int64_t said = count_of(value["candidatesTokenCount"]), total = count_of(value["totalTokenCount"]);
  usage.input_tokens = prompt;
  usage.cached_tokens = count_of(value["cachedContentTokenCount"]);
  usage.reasoning_tokens = count_of(value["thoughtsTokenCount"]);
  // Thoughts are counted beside what was said; where they are counted in it, the total tells.
  const bool inside = usage.reasoning_tokens > 0 && said >= usage.reasoning_tokens && total == prompt + said;
  usage.output_tokens = inside ? said : said + usage.reasoning_tokens;
  return usage;
}

Finish finish_of(std::string_view word, bool calls) {
  if (word == "STOP") return calls ? Finish::kToolCalls : Finish::kStop;
  if (word == "MAX_TOKENS") return Finish::kLength;
  constexpr std::string_view kFiltered[] = {
      "SAFETY", "RECITATION",  "LANGUAGE",     "BLOCKLIST",        "PROHIBITED_CONTENT",
      "SPII",   "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT"};
  return std::ranges::find(kFiltered, word) != std::end(kFiltered) ? Finish::kContentFilter : Finish::kOther;
}

// JSON without white space between its tokens; every token keeps its bytes.
std::string compact(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < json.size())
        out += json[++i];
      else if (c == '"')
        in_string = false;
    } else if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
      out += c;
      in_string = c == '"';
    }
  }
  return out;
}

// `index` 1: it belongs to what stands before or behind it, not to the thoughts that are open.
Piece opaque(std::string_view signature, int index) {
  return {
      .kind = Piece::Kind::kOpaque, .text = std::string(signature), .index = index, .opaque = OpaqueKind::kSignature};
}

}  // namespace

Result<void> GeminiAnswerReader::read(json::Value root, std::vector<Piece>& out) {
  if (!root.is_object()) return malformed("not an object");
  if (json::Value error = root["error"]; !error.absent()) return gemini_error_of(error, 0);
  const json::Value candidates = root["candidates"], feedback = root["promptFeedback"], counts = root["usageMetadata"];
  const std::string_view id = root["responseId"].text(), model = root["modelVersion"].text();
  if (!candidates.absent() && !candidates.is_array()) return malformed("candidates is not an array");
  if (candidates.absent() && !feedback.is_object() && !counts.is_object() && id.empty() && model.empty())
    return malformed("there are no candidates");

  if (!started_ && !(id.empty() && model.empty())) {
    started_ = true;
    out.push_back({.kind = Piece::Kind::kStarted, .id = std::string(id), .model = std::string(model)});
  }
  json::Value chosen;
  for (const json::Value one : candidates.elements()) {
    if (!one.is_object()) return malformed("a candidate is not an object");
    if (chosen.missing() && one["index"].integer().value_or(0) == 0) chosen = one;  // one answer was asked for
  }
  if (chosen.is_object()) TRY_VOID(candidate(chosen, out));
  if (counts.is_object()) usage(counts, out);
  if (const json::Value reason = chosen["finishReason"]; !reason.absent()) {
    if (!reason.is_string()) return malformed("a finish reason is not a string");
    if (!reason.text().empty() && reason.text() != "FINISH_REASON_UNSPECIFIED") {
      TRY_VOID(end_open(out));
      finish(finish_of(reason.text(), calls_ > 0), reason.text(), out);
    }
  }
  // The prompt itself was blocked: there is nobody to finish.
  if (const std::string_view block = feedback["blockReason"].text(); !block.empty() && candidates.size() == 0)
    finish(Finish::kContentFilter, block, out);
  return {};
}

void GeminiAnswerReader::finish(Finish finish, std::string_view word, std::vector<Piece>& out) {
  if (std::exchange(finished_, true)) return;
  out.push_back({.kind = Piece::Kind::kFinish, .text = std::string(word), .finish = finish});
}

void GeminiAnswerReader::usage(json::Value value, std::vector<Piece>& out) {
  // Some events say how they were paid for and nothing else.
  if (value["promptTokenCount"].absent() && value["totalTokenCount"].absent()) return;
  const Usage now = usage_of(value);
  if (now == usage_) return;
  usage_ = now;
  out.push_back({.kind = Piece::Kind::kUsage, .usage = now});
}

Result<void> GeminiAnswerReader::candidate(json::Value candidate, std::vector<Piece>& out) {
  const json::Value content = candidate["content"], parts = content["parts"];
  if (!content.absent() && !content.is_object()) return malformed("a candidate's content is not an object");
  if (!parts.absent() && !parts.is_array()) return malformed("parts is not an array");
  for (const json::Value one : parts.elements()) TRY_VOID(part(one, out));
  citations_.read(candidate, out);
  return {};
}

Result<void> GeminiAnswerReader::part(json::Value part, std::vector<Piece>& out) {
  if (!part.is_object()) return malformed("a part is not an object");
  const std::string_view signature = part["thoughtSignature"].text();
  if (const json::Value call = part["functionCall"]; !call.absent()) return function_call(call, signature, out);
  for (const std::string_view foreign : {"inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall",
                                         "toolResponse", "functionResponse"}) {
    if (!part[foreign].absent()) return malformed(say("a part holds '{}', which was not asked for", foreign));
  }
  const json::Value text = part["text"];
  if (!text.absent() && !text.is_string()) return malformed("a part's text is not a string");
  const bool thought = part["thought"].boolean().value_or(false);
  if (!text.text().empty()) {
    TRY_VOID(end_open(out));
    out.push_back({.kind = thought ? Piece::Kind::kSummary : Piece::Kind::kText, .text = std::string(text.text())});
    if (!thought) citations_.text(text.text());
  }
  if (signature.empty()) return {};
  TRY_VOID(end_open(out));
  out.push_back(opaque(signature, thought ? 0 : 1));
  return {};
}

Result<void> GeminiAnswerReader::function_call(json::Value call, std::string_view signature, std::vector<Piece>& out) {
  if (!call.is_object()) return malformed("a function call is not an object");
  const std::string_view name = call["name"].text(), id = call["id"].text();
  const json::Value args = call["args"], pieces = call["partialArgs"];
  const bool goes_on = call["willContinue"].boolean().value_or(false);
  if (!args.absent() && !args.is_object()) return malformed("a function call's args are not an object");
  if (!pieces.absent() && !pieces.is_array()) return malformed("partialArgs is not an array");

  if (!name.empty()) TRY_VOID(end_open(out));
  if (!open_ && name.empty()) {
    // What ends a call may come again.
    if (args.absent() && pieces.size() == 0 && !goes_on) return {};
    return malformed("a function call has no name");
  }
  if (!open_ && !goes_on && pieces.size() == 0)
    return begin_call(id, name, signature, args.absent() ? "{}" : compact(args.raw()), out);
  if (!open_) open_.emplace(Open{.id = std::string(id), .name = std::string(name), .signature = {}, .arguments = {}});
  if (open_->id.empty()) open_->id = id;
  if (open_->signature.empty()) open_->signature = signature;
  if (args.is_object()) TRY_VOID(open_->arguments.add_whole(args));
  for (const json::Value piece : pieces.elements()) TRY_VOID(open_->arguments.add(piece));
  return goes_on ? Result<void>() : end_open(out);
}

Result<void> GeminiAnswerReader::end_open(std::vector<Piece>& out) {
  if (!open_) return {};
  Open call = std::move(*open_);
  open_.reset();
  return begin_call(call.id, call.name, call.signature, call.arguments.take(), out);
}

Result<void> GeminiAnswerReader::begin_call(std::string_view id, std::string_view name, std::string_view signature,
                                            std::string arguments, std::vector<Piece>& out) {
  if (calls_ == kCallsMax) return malformed("too many function calls");
  if (!signature.empty()) out.push_back(opaque(signature, 1));
  const int index = calls_++;
  out.push_back(
      {.kind = Piece::Kind::kToolCall, .index = index, .call_id = std::string(id), .name = std::string(name)});
  out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::move(arguments), .index = index});
  return {};
}

}  // namespace perdure
