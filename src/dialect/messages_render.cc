#include "dialect/messages_render.h"

#include <algorithm>

#include "dialect/call_arguments.h"
#include "dialect/messages_blocks.h"
#include "model/piece.h"

namespace perdure {
namespace {

void write_blocks(json::Writer& out, const Item& item) {
  switch (item.kind) {
    case ItemKind::kMessage:
      for (const Part& part : item.content) out.raw(text_block(part.text, citations_of(part)));
      return;
    case ItemKind::kReasoning:
      if (!item.content.empty() || !item.summary.empty()) {
        out.raw(thinking_block(thinking_text(item), signature_of(item)));
      } else if (!item.encrypted.empty()) {
        out.raw(hidden_block(item));
      }
      return;
    case ItemKind::kFunctionCall:
      out.raw(call_block(item, arguments_object(item.arguments)));
      return;
    default:
      return;  // what no model writes
  }
}

std::string moved(std::string_view id, std::string_view from, std::string_view to) {
  if (id.starts_with(from)) id.remove_prefix(from.size());
  return std::string(to).append(id);
}

}  // namespace

std::string messages_id_of(const ResponseId& id) { return moved(id.value, "resp_", "msg_"); }
ResponseId response_id_of_message(std::string_view id) { return ResponseId(moved(id, "msg_", "resp_")); }

std::optional<std::string_view> messages_stop_reason(const Response& response) {
  if (!response.ended) return std::nullopt;
  const Finish finish = finish_named(response.ended->finish);
  const std::string& incomplete = response.ended->incomplete_reason;
  const bool calls =
      std::ranges::any_of(response.output(), [](const Item& item) { return item.kind == ItemKind::kFunctionCall; });
  switch (response.status) {
    case ResponseStatus::kIncomplete:
      if (finish == Finish::kContextWindow) return "model_context_window_exceeded";
      if (incomplete == "max_output_tokens") return "max_tokens";
      if (incomplete == "content_filter") return "refusal";
      return std::nullopt;
    case ResponseStatus::kCompleted:
      break;
    default:
      return std::nullopt;
  }
  switch (finish) {
    case Finish::kLength:
      return "max_tokens";
    case Finish::kContextWindow:
      return "model_context_window_exceeded";
    case Finish::kContentFilter:
    case Finish::kRefusal:
      return "refusal";
    case Finish::kStopSequence:
      return "stop_sequence";
    case Finish::kPause:
      return "pause_turn";
    default:
      return calls ? "tool_use" : "end_turn";
  }
}

void write_messages_response(json::Writer& out, const Response& response) {
  out.begin_object().field("id", messages_id_of(response.id)).field("type", "message").field("role", "assistant");
  out.field("model", response.request->model).key("content").begin_array();
  for (const Item& item : response.output()) write_blocks(out, item);
  out.end_array().key("stop_reason");
  const auto reason = messages_stop_reason(response);
  reason ? out.string(*reason) : out.null();
  out.key("stop_sequence");
  reason == "stop_sequence" ? out.string(response.ended->stop_sequence) : out.null();
  out.key("stop_details").null().key("container").null();
  write_messages_usage(out.key("usage"), response.ended ? response.ended->usage : Usage(), true);
  out.end_object();
}

}  // namespace perdure
