#include <algorithm>
#include <iterator>

#include "dialect/chat_upstream.h"
#include "dialect/responses_answer.h"
#include "dialect/responses_upstream.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

constexpr size_t kItemsMax = 4096;
constexpr int kSummaryPartsMax = 1024;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt,
          .message = perdure::say("The supplier's answer is not of the Responses dialect: {}.", what)};
}

Error foreign(std::string_view what, std::string_view type) {
  const bool shown = type.size() <= 64 && std::ranges::all_of(type, [](char c) { return c > ' ' && c <= '~'; });
  return {.code = Code::kCorrupt,
          .message =
              perdure::say("The supplier's answer holds {} of type {}, which was not asked for and has no place here.",
                           what, shown ? type : std::string_view("(no word)")),
          .reason = "unsupported_item"};
}

int64_t count_of(json::Value value) { return std::clamp<int64_t>(value.integer().value_or(0), 0, int64_t{1} << 53); }

Usage usage_of(json::Value value) {
  Usage usage{.known = true};
  usage.input_tokens = count_of(value["input_tokens"]);
  usage.cached_tokens = count_of(value["input_tokens_details"]["cached_tokens"]);
  usage.cache_write_tokens = count_of(value["input_tokens_details"]["cache_write_tokens"]);
  usage.output_tokens = count_of(value["output_tokens"]);
  usage.reasoning_tokens = count_of(value["output_tokens_details"]["reasoning_tokens"]);
  return usage;
}

Error error_of(json::Value error, std::optional<int64_t> given = {}) {
  const auto status = given.value_or(error["status"].integer().value_or(error["code"].integer().value_or(0)));
  return upstream_error(static_cast<int>(std::clamp<int64_t>(status, 0, 599)), error["type"].text(),
                        error["code"].text(), error.is_string() ? error.text() : error["message"].text());
}

}  // namespace

void ResponsesAnswerReader::start(json::Value response, std::vector<Piece>& out) {
  if (started_ || !response.is_object()) return;
  started_ = true;
  out.push_back({.kind = Piece::Kind::kStarted,
                 .id = std::string(response["id"].text()),
                 .model = std::string(response["model"].text())});
}

Result<ResponsesAnswerReader::Place*> ResponsesAnswerReader::place(int64_t index, std::string_view type,
                                                                   std::string_view id) {
  if (places_.size() >= kItemsMax && !places_.contains(index)) return malformed("too many items");
  Place& found = places_[index];
  if (found.type.empty()) found.type = type, found.id = id;
  if (found.type != type) return malformed("two items of different types have the same place");
  return &found;
}

// The place that an event of a part is about; items are not always announced.
Result<ResponsesAnswerReader::Place*> ResponsesAnswerReader::place(json::Value event, std::string_view type) {
  const int64_t last = places_.empty() ? 0 : places_.rbegin()->first;
  return place(event["output_index"].integer().value_or(last), type, event["item_id"].text());
}

Result<void> ResponsesAnswerReader::begin(Place& place, json::Value item, std::vector<Piece>& out) {
  if (place.begun) return {};
  if (place.type == "message") {
    const std::string_view phase = item["phase"].text();
    if (messages_++ > 0 || !phase.empty()) out.push_back({.kind = Piece::Kind::kMessage, .text = std::string(phase)});
  } else if (place.type == "function_call") {
    if (std::string_view caller = item["caller"]["type"].text(); !caller.empty() && caller != "direct")
      return foreign("a call that the supplier's own tool made,", caller);
    if (item["name"].text().empty()) return {};  // it comes when the item is done
    place.number = calls_++;
    out.push_back({.kind = Piece::Kind::kToolCall,
                   .index = place.number,
                   .call_id = std::string(item["call_id"].text()),
                   .name = std::string(item["name"].text())});
  } else if (place.type == "reasoning") {
    place.number = reasonings_++;
  } else {
    return foreign("an item", place.type);
  }
  place.begun = true;
  return {};
}

void ResponsesAnswerReader::say(Place& place, Piece::Kind kind, int64_t index, std::string_view text,
                                std::vector<Piece>& out) {
  if (text.empty()) return;
  Piece piece{.kind = kind, .text = std::string(text)};
  if (kind == Piece::Kind::kToolArguments) {
    place.arguments += text.size();
    piece.index = place.number;
  } else if (kind == Piece::Kind::kSummary) {
    place.summary[index] += text.size();
    piece.index = place.number * kSummaryPartsMax + static_cast<int>(index % kSummaryPartsMax);
  } else {
    place.text[index] += text.size();
  }
  if (kind == Piece::Kind::kRefusal) refused_ = true;
  out.push_back(std::move(piece));
}

// What of `whole` has not come as deltas.
void ResponsesAnswerReader::rest(Place& place, Piece::Kind kind, int64_t index, std::string_view whole,
                                 std::vector<Piece>& out) {
  const size_t said = kind == Piece::Kind::kToolArguments ? place.arguments
                      : kind == Piece::Kind::kSummary     ? place.summary[index]
                                                          : place.text[index];
  if (whole.size() > said) say(place, kind, index, whole.substr(said), out);
}

Result<void> ResponsesAnswerReader::part(Place& place, int64_t index, json::Value part, std::vector<Piece>& out) {
  if (!part.is_object()) return malformed("a content part is not an object");
  const std::string_view type = part["type"].text();
  if (type == "output_text") {
    rest(place, Piece::Kind::kText, index, part["text"].text(), out);
    const auto annotations = part["annotations"].elements();
    for (size_t i = place.annotations[index]; i < annotations.size(); ++i) {
      ++place.annotations[index];
      if (annotations[i].is_object())
        out.push_back({.kind = Piece::Kind::kAnnotation, .text = std::string(annotations[i].raw())});
    }
  } else if (type == "refusal") {
    rest(place, Piece::Kind::kRefusal, index, part["refusal"].text(), out);
  } else if (type == "reasoning_text" || (type == "text" && place.type == "reasoning")) {
    rest(place, Piece::Kind::kReasoning, index, part["text"].text(), out);
  } else if (type == "summary_text") {
    rest(place, Piece::Kind::kSummary, index, part["text"].text(), out);
  } else {
    return foreign("a content part", type);
  }
  return {};
}

// A whole item: what is missing of it, and what comes with its end alone.
Result<void> ResponsesAnswerReader::item(Place& place, json::Value item, std::vector<Piece>& out) {
  TRY_VOID(begin(place, item, out));
  if (place.type == "function_call") {
    if (!place.begun) return malformed("a call has no name");
    rest(place, Piece::Kind::kToolArguments, 0, item["arguments"].text(), out);
    return {};
  }
  const auto summary = item["summary"].elements();
  for (size_t i = 0; i < summary.size(); ++i) TRY_VOID(part(place, static_cast<int64_t>(i), summary[i], out));
  const auto content = item["content"].elements();
  for (size_t i = 0; i < content.size(); ++i) TRY_VOID(part(place, static_cast<int64_t>(i), content[i], out));
  if (std::string_view block = item["encrypted_content"].text(); !block.empty() && !place.sealed) {
    place.sealed = true;
    out.push_back({.kind = Piece::Kind::kOpaque, .text = std::string(block), .opaque = OpaqueKind::kEncrypted});
  }
  return {};
}

Result<void> ResponsesAnswerReader::event(std::string_view type, json::Value event, std::vector<Piece>& out) {
  if (!event.is_object()) return malformed("an event is not an object");
  if (type.empty()) type = event["type"].text();
  if (type == "error") return error_of(event["error"].absent() ? event : event["error"], event["status"].integer());
  if (!event["error"].absent() && event["type"].absent()) return error_of(event["error"]);
  constexpr std::string_view kPrefix = "response.";
  if (finished_ || !type.starts_with(kPrefix)) return {};
  const std::string_view name = type.substr(kPrefix.size());

  if (json::Value response = event["response"]; response.is_object()) {
    start(response, out);
    if (name == "created" || name == "in_progress" || name == "queued") return {};
    if (name == "completed" || name == "incomplete" || name == "failed" || name == "cancelled")
      return end(response, out);
    return {};
  }
  if (name == "output_item.added" || name == "output_item.done") {
    json::Value item = event["item"];
    if (!item.is_object() || !item["type"].is_string()) return malformed("an item has no type");
    TRY(Place * at,
        place(event["output_index"].integer().value_or(std::ssize(places_)), item["type"].text(), item["id"].text()));
    // An item that has just begun may hold a beginning of its encrypted block that is not the one to give back.
    return name == "output_item.done" ? this->item(*at, item, out) : begin(*at, item, out);
  }

  struct Kind {
    std::string_view stem, item;  // of the event's name; the type of its item
    Piece::Kind kind;
    std::string_view whole;  // the field of *.done
    std::string_view index;
  };
  static constexpr Kind kKinds[] = {
      {"output_text", "message", Piece::Kind::kText, "text", "content_index"},
      {"refusal", "message", Piece::Kind::kRefusal, "refusal", "content_index"},
      {"reasoning_text", "reasoning", Piece::Kind::kReasoning, "text", "content_index"},
      {"reasoning", "reasoning", Piece::Kind::kReasoning, "text", "content_index"},
      {"reasoning_summary_text", "reasoning", Piece::Kind::kSummary, "text", "summary_index"},
      {"reasoning_summary", "reasoning", Piece::Kind::kSummary, "text", "summary_index"},
      {"function_call_arguments", "function_call", Piece::Kind::kToolArguments, "arguments", ""},
  };
  const size_t dot = name.rfind('.');
  const std::string_view stem = name.substr(0, dot), step = dot == name.npos ? "" : name.substr(dot + 1);
  if (stem == "output_text.annotation" && step == "added") {
    TRY(Place * at, place(event, "message"));
    TRY_VOID(begin(*at, {}, out));
    ++at->annotations[event["content_index"].integer().value_or(0)];
    if (json::Value annotation = event["annotation"]; annotation.is_object())
      out.push_back({.kind = Piece::Kind::kAnnotation, .text = std::string(annotation.raw())});
    return {};
  }
  if (stem == "content_part" || stem == "reasoning_summary_part") {
    json::Value part = event["part"];
    const std::string_view of = part["type"].text();
    const bool reasoning = of == "reasoning_text" || of == "summary_text" || of == "text";
    TRY(Place * at, place(event, reasoning ? "reasoning" : "message"));
    TRY_VOID(begin(*at, {}, out));
    const auto index = event["content_index"].integer().value_or(event["summary_index"].integer().value_or(0));
    return this->part(*at, index, part, out);
  }
  const auto* kind = std::ranges::find(kKinds, stem, &Kind::stem);
  if (kind == std::ranges::end(kKinds) || (step != "delta" && step != "done")) return {};
  TRY(Place * at, place(event, kind->item));
  const int64_t index = kind->index.empty() ? 0 : event[kind->index].integer().value_or(0);
  if (kind->kind != Piece::Kind::kToolArguments) TRY_VOID(begin(*at, {}, out));
  if (!at->begun) return {};  // a call without a name: all of it comes when it is done
  if (step == "done") {
    rest(*at, kind->kind, index, event[kind->whole].text(), out);
  } else {
    if (!event["delta"].is_string()) return malformed("a delta is not a string");
    say(*at, kind->kind, index, event["delta"].text(), out);
  }
  return {};
}

Result<void> ResponsesAnswerReader::output(json::Value list, std::vector<Piece>& out) {
  const bool streamed = !places_.empty();
  const auto items = list.elements();
  for (size_t i = 0; i < items.size(); ++i) {
    json::Value one = items[i];
    if (!one.is_object() || !one["type"].is_string()) return malformed("an item has no type");
    const std::string_view type = one["type"].text(), id = one["id"].text();
    auto known = std::ranges::find_if(places_, [&](const auto& entry) { return !id.empty() && entry.second.id == id; });
    if (known == places_.end()) {
      known = places_.find(static_cast<int64_t>(i));
      if (known != places_.end() && known->second.type != type) known = places_.end();
    }
    Place* at = known == places_.end() ? nullptr : &known->second;
    if (at == nullptr) {
      // An item that was not streamed, unless those that were are only listed otherwise.
      if (streamed && i < places_.size()) {
        if (type != "message" && type != "function_call" && type != "reasoning") return foreign("an item", type);
        continue;
      }
      const int64_t next = places_.empty() ? 0 : places_.rbegin()->first + 1;
      TRY(at, place(next, type, id));
    }
    TRY_VOID(item(*at, one, out));
  }
  return {};
}

Result<void> ResponsesAnswerReader::end(json::Value response, std::vector<Piece>& out) {
  const std::string_view status = response["status"].text();
  if (status == "failed" || status == "cancelled") {
    if (json::Value error = response["error"]; error.is_object()) return error_of(error);
    return upstream_error(0, status, "", "");
  }
  TRY_VOID(output(response["output"], out));
  if (std::ranges::any_of(places_, [](const auto& entry) { return !entry.second.begun; }))
    return malformed("a call has no name");
  const std::string_view reason = response["incomplete_details"]["reason"].text();
  Piece finish{.kind = Piece::Kind::kFinish};
  if (status == "completed") {
    finish.text = status;
    finish.finish = calls_ > 0 ? Finish::kToolCalls : refused_ ? Finish::kRefusal : Finish::kStop;
  } else if (status == "incomplete" && (reason == "max_output_tokens" || reason == "content_filter")) {
    finish.text = reason;
    finish.finish = reason == "content_filter" ? Finish::kContentFilter : Finish::kLength;
  } else {
    // It ended early, and not for a reason that would end it elsewhere too.
    return Error{
        .code = Code::kUnavailable, .message = "The supplier ended its answer before it was whole.", .reason = "cut"};
  }
  if (response["usage"].is_object()) out.push_back({.kind = Piece::Kind::kUsage, .usage = usage_of(response["usage"])});
  finished_ = true;
  out.push_back(std::move(finish));
  return {};
}

Result<void> ResponsesAnswerReader::response(json::Value response, std::vector<Piece>& out) {
  if (!response.is_object()) return malformed("not an object");
  if (!response["error"].absent() && !response["output"].is_array()) return error_of(response["error"]);
  if (!response["output"].is_array() && response["status"].text() != "failed") return malformed("there is no output");
  start(response, out);
  return end(response, out);
}

Result<std::vector<Piece>> parse_responses_answer(std::string body) {
  auto document = json::Document::parse(std::move(body));
  if (!document)
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer is not JSON: " + document.error().message};
  std::vector<Piece> pieces;
  pieces.reserve(4);  // as many as most have
  ResponsesAnswerReader reader;
  TRY_VOID(reader.response(document->root(), pieces));
  return pieces;
}

Result<int64_t> parse_responses_count(std::string body) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok() || document->root()["input_tokens"].integer().value_or(-1) < 0)
    return Error{.code = Code::kCorrupt, .message = "The supplier's answer holds no count of tokens."};
  return *document->root()["input_tokens"].integer();
}

// The same form as in the Chat Completions dialect.
Error parse_responses_error(int status, std::string_view retry_after, std::string_view body) {
  return parse_chat_error(status, retry_after, body);
}

}  // namespace perdure
