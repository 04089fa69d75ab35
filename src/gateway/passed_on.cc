#include "gateway/passed_on.h"

#include <algorithm>
#include <utility>

#include "dialect/messages_blocks.h"
#include "wire/sse.h"

namespace perdure {
namespace {

constexpr std::string_view kText = "text", kThinking = "thinking", kToolUse = "tool_use";

// What a delta is of; empty: of nothing known.
std::string_view block_of(std::string_view delta) {
  if (delta == "text_delta" || delta == "citations_delta") return kText;
  if (delta == "thinking_delta" || delta == "signature_delta") return kThinking;
  return delta == "input_json_delta" ? kToolUse : std::string_view();
}

// `data` with the number of its field `name` replaced. Only of frames that were rendered here.
std::string with_number(const std::string& data, std::string_view name, int64_t number) {
  const size_t at = data.find(name);
  if (at == std::string::npos) return data;
  const size_t from = at + name.size(), to = data.find_first_not_of("0123456789", from);
  return data.substr(0, from) + std::to_string(number) + data.substr(to);
}

}  // namespace

// Items and parts that begin or end: few of the frames.
void PassedOn::note_items(std::string_view events) {
  while (!events.empty()) {
    const size_t end = events.find('\n');
    const std::string_view line = events.substr(0, end);
    events.remove_prefix(end == std::string_view::npos ? events.size() : end + 1);
    if (!line.starts_with("data:") || (!line.contains("output_item.") && !line.contains("_part."))) continue;
    Result<json::Document> frame = json::Document::parse(std::string(line.substr(5)));
    if (frame.ok()) note_item(frame->root());
  }
}

void PassedOn::note_item(json::Value frame) {
  const std::string_view type = frame["type"].text();
  if (type == "response.output_item.added" || type == "response.output_item.done") {
    json::Value item = frame["item"];
    const std::string_view id = item["id"].text();
    const bool known = !items_.empty() && !items_.back().ended && items_.back().id == id;
    if (!known) {
      if (!items_.empty()) items_.back().ended = true;
      const bool reasoning = item["type"].text() == "reasoning";
      items_.push_back({.kind = reasoning ? ItemKind::kReasoning : ItemKind::kMessage,
                        .id = std::string(id),
                        .phase = std::string(item["phase"].text())});
    }
    if (!type.ends_with("done")) return;
    SeenItem& seen = items_.back();
    seen.ended = true;
    seen.sealed = !item["encrypted_content"].text().empty();
    for (const char* list : {"content", "summary"})
      for (json::Value part : item[list].elements())
        seen.text_bytes += part["text"].text().size() + part["refusal"].text().size();
    return;
  }
  if (items_.empty() || items_.back().ended) return;
  SeenItem& seen = items_.back();
  if (type == "response.content_part.added" || type == "response.reasoning_summary_part.added") {
    const std::string_view part = frame["part"]["type"].text();
    ++seen.parts;
    seen.part_open = true;
    seen.part = part == "refusal"                   ? PartKind::kRefusal
                : part == "summary_text"            ? PartKind::kSummaryText
                : seen.kind == ItemKind::kReasoning ? PartKind::kReasoningText
                                                    : PartKind::kOutputText;
  } else if (type == "response.content_part.done" || type == "response.reasoning_summary_part.done") {
    seen.part_open = false;
  }
}

void PassedOn::note(std::string_view events) {
  if (dialect_ == ClientDialect::kResponses) note_items(events);
  if (dialect_ == ClientDialect::kChat && !role_) role_ = events.contains(R"("role":)");
  // From behind, line by line; a frame's data is one line with every supplier that is known.
  for (size_t end = events.size(); end > 0;) {
    const size_t before = events.substr(0, end).find_last_of("\r\n");
    const size_t begin = before == std::string_view::npos ? 0 : before + 1;
    const std::string_view line = events.substr(begin, end - begin);
    end = begin == 0 ? 0 : begin - 1;
    if (!line.starts_with("data:")) continue;
    if (dialect_ == ClientDialect::kChat) {
      begun_ = true;
      return;
    }
    Result<json::Document> frame = json::Document::parse(std::string(line.substr(5)));
    if (frame.ok() && note_frame(frame->root())) return;
  }
}

bool PassedOn::note_frame(json::Value frame) {
  if (dialect_ == ClientDialect::kResponses) {
    begun_ = true;
    const auto next = static_cast<uint64_t>(std::max<int64_t>(frame["sequence_number"].integer().value_or(-1), -1) + 1);
    next_sequence_ = std::max(next_sequence_, next);
    return next > 0;
  }
  const std::string_view type = frame["type"].text();
  if (!type.starts_with("content_block_")) {
    begun_ = begun_ || type.starts_with("message_");
    return type == "message_start";
  }
  begun_ = true;
  blocks_ = frame["index"].integer().value_or(blocks_) + 1;
  open_.clear();
  if (type == "content_block_start") open_ = frame["content_block"]["type"].text();
  if (type == "content_block_delta") open_ = block_of(frame["delta"]["type"].text());
  return true;
}

std::string PassedOn::go_on(const RenderedEvent& event) {
  std::string out;
  switch (dialect_) {
    case ClientDialect::kChat:
      // Who speaks is said once, in a frame that says nothing else.
      if (std::exchange(role_, true) && event.data.contains(R"("delta":{"role":)")) break;
      append_sse(out, event.type, event.data);
      break;
    case ClientDialect::kMessages:
      return go_on_block(event);
    case ClientDialect::kResponses:
      // How many frames an author needs for the same text is its own affair.
      if (!shift_) shift_ = next_sequence_ - event.sequence_number;
      next_sequence_ = event.sequence_number + *shift_ + 1;
      append_sse(out, event.type,
                 with_number(event.data, R"("sequence_number":)", static_cast<int64_t>(next_sequence_ - 1)));
      break;
  }
  return out;
}

void PassedOn::start_block(std::string& out, std::string_view type, std::string_view block) {
  json::Writer data;
  data.begin_object().field("type", "content_block_start").field("index", blocks_++);
  append_sse(out, "content_block_start", data.key("content_block").raw(block).end_object().text());
  open_ = type;
}

void PassedOn::stop_block(std::string& out) {
  if (open_.empty()) return;
  json::Writer data;
  data.begin_object().field("type", "content_block_stop").field("index", blocks_ - 1).end_object();
  append_sse(out, "content_block_stop", data.text());
  open_.clear();
}

// What was heard and what was shown can differ by frames that say nothing: a block that has begun and holds no text
// yet, one that has ended, one that only its issuer can read. So the blocks are counted here, and nowhere else.
std::string PassedOn::go_on_block(const RenderedEvent& event) {
  constexpr std::string_view kIndex = R"("index":)";
  std::string out;
  Result<json::Document> document = json::Document::parse(event.data);
  if (!document.ok()) return out;
  json::Value root = document->root();
  if (event.type == "content_block_start") {
    const std::string_view type = root["content_block"]["type"].text();
    if (open_ == type && (type == kText || type == kThinking)) return out;  // it goes on
    stop_block(out);
    start_block(out, type, root["content_block"].raw());
  } else if (event.type == "content_block_delta") {
    const std::string_view type = block_of(root["delta"]["type"].text());
    if (open_ != type) {
      stop_block(out);
      start_block(out, type, type == kThinking ? thinking_block("", "") : text_block(""));
    }
    append_sse(out, event.type, with_number(event.data, kIndex, blocks_ - 1));
  } else if (event.type == "content_block_stop") {
    stop_block(out);
  } else {
    if (event.type.starts_with("message_") && event.type != "message_start") stop_block(out);
    append_sse(out, event.type, event.data);
  }
  return out;
}

}  // namespace perdure
