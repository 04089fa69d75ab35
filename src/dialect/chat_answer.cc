#include "dialect/chat_answer.h"

#include <algorithm>

#include "dialect/pick.h"
#include "dialect/say.h"

namespace perdure {
namespace {

constexpr size_t kCallsMax = 1024;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt,
          .message = say("The supplier's answer is not of the Chat Completions dialect: {}.", what)};
}

Error foreign(std::string_view what, std::string_view type = {}) {
  const bool shown = type.size() <= 64 && std::ranges::all_of(type, [](char c) { return c > ' ' && c <= '~'; });
  return {.code = Code::kCorrupt,
          .message = say("The supplier's answer holds {}{}, which was not asked for and has no place here.", what,
                         shown ? type : std::string_view("(no word)")),
          .reason = "unsupported_item"};
}

int64_t count_of(json::Value value) { return std::clamp<int64_t>(value.integer().value_or(0), 0, int64_t{1} << 53); }

Usage usage_of(json::Value value) {
  json::Value prompt, completion, total, details, prompt_details, own_reasoning, cache_hit, own_cached;
  const Pick wanted[] = {{"prompt_tokens", &prompt},
                         {"completion_tokens", &completion},
                         {"total_tokens", &total},
                         {"completion_tokens_details", &details},
                         {"prompt_tokens_details", &prompt_details},
                         {"reasoning_tokens", &own_reasoning},
                         {"prompt_cache_hit_tokens", &cache_hit},
                         {"cached_tokens", &own_cached}};
  pick(value, wanted);
  Usage usage{.known = true};
  usage.input_tokens = count_of(prompt);
  usage.output_tokens = count_of(completion);
  json::Value reasoning = details["reasoning_tokens"];
  usage.reasoning_tokens = count_of(reasoning.absent() ? own_reasoning : reasoning);
  // The second is DeepSeek's name, the third Moonshot's.
  for (json::Value cached : {prompt_details["cached_tokens"], cache_hit, own_cached}) {
    if (cached.integer()) {
      usage.cached_tokens = count_of(cached);
      break;
    }
  }
  // The second is Alibaba's.
  json::Value written = prompt_details["cache_write_tokens"];
  usage.cache_write_tokens = count_of(written.absent() ? prompt_details["cache_creation_input_tokens"] : written);
  // xAI counts what was reasoned beside the output, not in it; the total tells.
  if (usage.reasoning_tokens > 0 &&
      count_of(total) == usage.input_tokens + usage.output_tokens + usage.reasoning_tokens) {
    usage.output_tokens += usage.reasoning_tokens;
  }
  return usage;
}

Finish finish_of(std::string_view word) {
  if (word == "stop") return Finish::kStop;
  if (word == "length" || word == "max_tokens" || word == "model_length") return Finish::kLength;
  if (word == "tool_calls" || word == "function_call") return Finish::kToolCalls;
  if (word == "content_filter") return Finish::kContentFilter;
  return Finish::kOther;
}

void add_text(Piece::Kind kind, std::string_view text, std::vector<Piece>& out) {
  if (text.empty()) return;
  Piece& piece = out.emplace_back();
  piece.kind = kind;
  piece.text = text;
}

}  // namespace

Result<void> ChatAnswerReader::read(json::Value root, std::vector<Piece>& out) {
  if (!root.is_object()) return malformed("not an object");
  json::Value error, object, groq, type, choices, usage, citations, search_results, id_field, model_field;
  const Pick wanted[] = {{"id", &id_field},         {"object", &object},
                         {"model", &model_field},   {"choices", &choices},
                         {"usage", &usage},         {"error", &error},
                         {"type", &type},           {"x_groq", &groq},
                         {"citations", &citations}, {"search_results", &search_results}};
  pick(root, wanted);
  if (!error.absent()) return chat_error_of(error, 0);
  if (object.text() == "error") return chat_error_of(root, 0);
  if (json::Value inner = groq["error"]; !inner.absent()) return chat_error_of(inner, 0);
  if (type.text() == "ping") return {};
  if (usage.absent()) usage = groq["usage"];
  note_citations(citations, search_results);
  if (!choices.absent() && !choices.is_array()) return malformed("choices is not an array");
  if (choices.absent() && !usage.is_object() && !object.text().starts_with("chat.completion"))
    return malformed("there are no choices");

  const std::string_view id = id_field.text(), model = model_field.text();
  if (!started_ && !(id.empty() && model.empty())) {
    started_ = true;
    out.push_back({.kind = Piece::Kind::kStarted, .id = std::string(id), .model = std::string(model)});
  }
  for (json::Value element : choices.elements()) {
    if (!element.is_object()) return malformed("a choice is not an object");
    Choice one;
    const Pick fields[] = {{"index", &one.index},
                           {"delta", &one.delta},
                           {"message", &one.message},
                           {"finish_reason", &one.finish_reason},
                           {"usage", &one.usage},
                           {"text", &one.text},
                           {"stop_reason", &one.stop_reason},
                           {"matched_stop", &one.matched_stop}};
    pick(element, fields);
    if (one.index.integer().value_or(0) != 0) continue;  // one answer was asked for
    if (usage.absent()) usage = one.usage;               // Moonshot's place for it
    return choice(one, usage, out);
  }
  if (usage.is_object()) out.push_back({.kind = Piece::Kind::kUsage, .usage = usage_of(usage)});
  return {};
}

Result<void> ChatAnswerReader::choice(const Choice& choice, json::Value usage, std::vector<Piece>& out) {
  if (!choice.delta.absent()) {
    TRY_VOID(message(choice.delta, out));
  } else if (!choice.message.absent()) {
    TRY_VOID(message(choice.message, out));
  } else {
    add_text(Piece::Kind::kText, choice.text.text(), out);  // the form from before chat
  }
  if (usage.is_object()) out.push_back({.kind = Piece::Kind::kUsage, .usage = usage_of(usage)});
  json::Value finish = choice.finish_reason;
  if (finish.absent() || finished_) return {};
  if (!finish.is_string()) return malformed("a finish reason is not a string");
  if (finish.text().empty()) return {};
  if (std::ranges::any_of(calls_, [](const Call& call) { return call.index < 0; }))
    return malformed("a tool call has no name");
  const std::string_view word = finish.text();
  // It ended early, and not for a reason that would end it elsewhere too.
  if (word == "error" || word == "insufficient_system_resource")
    return Error{
        .code = Code::kUnavailable, .message = "The supplier ended its answer before it was whole.", .reason = "cut"};
  finished_ = true;
  for (std::string& citation : citations_)
    out.push_back({.kind = Piece::Kind::kAnnotation, .text = std::move(citation)});
  Piece piece{.kind = Piece::Kind::kFinish, .text = std::string(word), .finish = finish_of(word)};
  if (piece.finish == Finish::kStop && refused_) piece.finish = Finish::kRefusal;
  // Which stop sequence was met: vLLM's name for it, SGLang's. A number is that of a token.
  for (json::Value stop : {choice.stop_reason, choice.matched_stop}) {
    if (piece.finish != Finish::kStop || stop.text().empty()) continue;
    piece.finish = Finish::kStopSequence;
    piece.name = stop.text();
  }
  out.push_back(std::move(piece));
  return {};
}

Result<void> ChatAnswerReader::message(json::Value message, std::vector<Piece>& out) {
  if (!message.is_object()) return malformed("a delta is not an object");
  json::Value reasoning_details, reasoning, other_reasoning, content, refused, annotations, audio, images, extra,
      function_call, calls;
  const Pick wanted[] = {{"content", &content},
                         {"tool_calls", &calls},
                         {"refusal", &refused},
                         {"reasoning_content", &reasoning},
                         {"reasoning", &other_reasoning},
                         {"reasoning_details", &reasoning_details},
                         {"annotations", &annotations},
                         {"audio", &audio},
                         {"images", &images},
                         {"extra_content", &extra},
                         {"function_call", &function_call}};
  pick(message, wanted);
  if (reasoning_details.size() > 0) {
    TRY_VOID(details(reasoning_details, out));
  } else {
    // Some say the same under both names.
    add_text(Piece::Kind::kReasoning, reasoning.text().empty() ? other_reasoning.text() : reasoning.text(), out);
  }
  if (content.is_string()) {
    add_text(Piece::Kind::kText, content.text(), out);
  } else if (content.is_array()) {
    TRY_VOID(parts(content, out));
  } else if (!content.absent()) {
    return malformed("content is neither text nor parts");
  }
  if (std::string_view refusal = refused.text(); !refusal.empty()) {
    refused_ = true;
    add_text(Piece::Kind::kRefusal, refusal, out);
  }
  for (json::Value annotation : annotations.elements()) {
    json::Value inner = annotation["url_citation"];
    if (!annotation.is_object()) continue;
    if (!inner.is_object()) {
      out.push_back({.kind = Piece::Kind::kAnnotation, .text = std::string(annotation.raw())});
      continue;
    }
    json::Writer flat;  // as the Responses API has it
    flat.begin_object().field("type", "url_citation");
    for (const auto& [key, value] : inner.members()) flat.key(key).raw(value.raw());
    out.push_back({.kind = Piece::Kind::kAnnotation, .text = flat.end_object().take()});
  }
  if (audio.is_object()) return foreign("audio");
  if (images.size() > 0) return foreign("images");
  signature(extra, out);
  if (!function_call.absent()) return malformed("a call in the form from before tools");
  if (!calls.absent() && !calls.is_array()) return malformed("tool_calls is not an array");
  const auto elements = calls.elements();
  for (size_t i = 0; i < elements.size(); ++i) TRY_VOID(tool_call(elements[i], i, out));
  return {};
}

// Content as parts: Mistral's way of telling thoughts from text.
Result<void> ChatAnswerReader::parts(json::Value parts, std::vector<Piece>& out) {
  for (json::Value part : parts.elements()) {
    if (!part.is_object()) return malformed("a content part is not an object");
    const std::string_view type = part["type"].text();
    if (type == "text") {
      add_text(Piece::Kind::kText, part["text"].text(), out);
    } else if (type == "refusal") {
      refused_ = refused_ || !part["refusal"].text().empty();
      add_text(Piece::Kind::kRefusal, part["refusal"].text(), out);
    } else if (type == "thinking") {
      add_text(Piece::Kind::kReasoning, part["thinking"].text(), out);
      for (json::Value thought : part["thinking"].elements()) {
        if (!thought["type"].absent() && thought["type"].text() != "text" && thought["type"].text() != "reference")
          return foreign("a thought of type ", thought["type"].text());
        add_text(Piece::Kind::kReasoning, thought["text"].text(), out);
      }
    } else if (type == "reference") {
      out.push_back({.kind = Piece::Kind::kAnnotation, .text = std::string(part.raw())});
    } else {
      return foreign("a content part of type ", type);
    }
  }
  return {};
}

// OpenRouter's form. What must come back to it unchanged is kept as it came; of a signed text, all but the text, which
// is shown.
Result<void> ChatAnswerReader::details(json::Value list, std::vector<Piece>& out) {
  for (json::Value detail : list.elements()) {
    const std::string_view type = detail["type"].text();
    if (type == "reasoning.text") {
      add_text(Piece::Kind::kReasoning, detail["text"].text(), out);
      if (detail["signature"].text().empty()) continue;
      json::Writer block;
      block.begin_object();
      for (const auto& [key, value] : detail.members()) {
        if (key != "text") block.key(key).raw(value.raw());
      }
      out.push_back(
          {.kind = Piece::Kind::kOpaque, .text = block.end_object().take(), .opaque = OpaqueKind::kSignature});
    } else if (type == "reasoning.summary") {
      const auto index = std::clamp<int64_t>(detail["index"].integer().value_or(0), 0, 1 << 20);
      if (std::string_view text = detail["summary"].text(); !text.empty())
        out.push_back({.kind = Piece::Kind::kSummary, .text = std::string(text), .index = static_cast<int>(index)});
    } else if (type == "reasoning.encrypted") {
      out.push_back(
          {.kind = Piece::Kind::kOpaque, .text = std::string(detail.raw()), .opaque = OpaqueKind::kEncrypted});
    } else {
      return foreign("reasoning of type ", type);
    }
  }
  return {};
}

// Google's compatible endpoint: vouches for the call that follows, or for what was said.
void ChatAnswerReader::signature(json::Value extra_content, std::vector<Piece>& out) {
  if (std::string_view text = extra_content["google"]["thought_signature"].text(); !text.empty())
    out.push_back({.kind = Piece::Kind::kOpaque, .text = std::string(text), .opaque = OpaqueKind::kSignature});
}

// Perplexity's form, xAI's too: addresses beside the answer, in every chunk all that there are so far.
void ChatAnswerReader::note_citations(json::Value citations, json::Value search_results) {
  const auto addresses = citations.elements();
  if (addresses.size() < citations_.size() || finished_) return;
  const auto results = search_results.elements();
  citations_.clear();
  for (size_t i = 0; i < addresses.size() && i < kCallsMax; ++i) {
    std::string_view title = i < results.size() && results[i]["url"].text() == addresses[i].text()
                                 ? results[i]["title"].text()
                                 : std::string_view();
    json::Writer one;
    one.begin_object().field("type", "url_citation").field("url", addresses[i].text()).field("title", title);
    citations_.push_back(one.field("start_index", 0).field("end_index", 0).end_object().take());
  }
}

// A call begins at an index not seen before. Some suppliers send several whole calls under one index: then it is the
// new id that tells.
ChatAnswerReader::Call& ChatAnswerReader::call_for(int64_t theirs, std::string_view id, std::string_view name) {
  for (size_t i = calls_.size(); i-- > 0;) {
    Call& call = calls_[i];
    if (call.theirs != theirs) continue;
    if (!id.empty() && !name.empty() && call.index >= 0 && call.id != id) break;
    return call;
  }
  calls_.push_back({.theirs = theirs, .id = std::string(id)});
  return calls_.back();
}

Result<void> ChatAnswerReader::tool_call(json::Value value, size_t position, std::vector<Piece>& out) {
  if (!value.is_object()) return malformed("a tool call is not an object");
  json::Value function = value["function"];
  if (!function.absent() && !function.is_object()) return malformed("a tool call's function is not an object");
  const std::string_view id = value["id"].text(), name = function["name"].text();
  const int64_t theirs = value["index"].integer().value_or(static_cast<int64_t>(position));
  Call& call = call_for(theirs, id, name);
  if (calls_.size() > kCallsMax) return malformed("too many tool calls");
  if (call.id.empty()) call.id = id;

  json::Value arguments = function["arguments"];
  if (!arguments.absent() && !arguments.is_string() && !arguments.is_object())
    return malformed("a tool call's arguments are neither text nor an object");
  const std::string_view text = arguments.is_object() ? arguments.raw() : arguments.text();
  if (call.index < 0) {
    if (name.empty()) {
      call.early += text;
      return {};
    }
    call.index = named_++;
    signature(value["extra_content"], out);
    out.push_back({.kind = Piece::Kind::kToolCall, .index = call.index, .call_id = call.id, .name = std::string(name)});
    if (!call.early.empty())
      out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::exchange(call.early, {}), .index = call.index});
  }
  if (!text.empty())
    out.push_back({.kind = Piece::Kind::kToolArguments, .text = std::string(text), .index = call.index});
  return {};
}

}  // namespace perdure
