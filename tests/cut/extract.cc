#include "extract.h"

#include <utility>

#include "base/check.h"
#include "wire/json.h"

namespace perdure::cut {
namespace {

void from_responses(json::Value event, Shown& out) {
  std::string_view type = event["type"].text();
  if (type == "response.output_text.delta" || type == "response.refusal.delta") out.text += event["delta"].text();
  if (type == "response.reasoning_text.delta" || type == "response.reasoning_summary_text.delta")
    out.reasoning += event["delta"].text();
  if (type == "response.output_item.added" && event["item"]["type"].text() == "function_call")
    out.calls.append(out.calls.empty() ? "" : " ").append(event["item"]["name"].text()).append("(");
  if (type == "response.function_call_arguments.delta") out.calls += event["delta"].text();
  if (type == "response.function_call_arguments.done") out.calls += ")";
  if (type == "response.completed" || type == "response.incomplete" || type == "response.failed")
    out.finish = event["response"]["status"].text();
}

void from_chat(json::Value frame, Shown& out, bool& open) {
  json::Value choice = frame["choices"].at(0);
  json::Value delta = choice["delta"];
  out.text += delta["content"].text();
  out.text += delta["refusal"].text();
  out.reasoning += delta["reasoning_content"].text();
  for (json::Value call : delta["tool_calls"].elements()) {
    if (call["function"]["name"].is_string()) {
      if (open) out.calls += ")";
      open = true;
      out.calls.append(out.calls.empty() ? "" : " ").append(call["function"]["name"].text()).append("(");
    }
    out.calls += call["function"]["arguments"].text();
  }
  if (choice["finish_reason"].is_string()) {
    if (open) out.calls += ")";
    open = false;
    out.finish = choice["finish_reason"].text();
  }
}

void from_messages(json::Value event, Shown& out, bool& open) {
  std::string_view type = event["type"].text();
  json::Value block = event["content_block"], delta = event["delta"];
  if (type == "content_block_start" && block["type"].text() == "tool_use") {
    open = true;
    out.calls.append(out.calls.empty() ? "" : " ").append(block["name"].text()).append("(");
  }
  if (type == "content_block_stop" && std::exchange(open, false)) out.calls += ")";
  if (type == "content_block_delta") {
    out.text += delta["text"].text();
    out.reasoning += delta["thinking"].text();
    out.calls += delta["partial_json"].text();
  }
  if (type == "message_delta") out.finish = delta["stop_reason"].text();
}

}  // namespace

Shown extract(const std::string& dialect, const std::vector<std::string>& frames) {
  Shown out;
  bool open = false;
  for (const std::string& frame : frames) {
    Result<json::Document> document = json::Document::parse(frame);
    CHECK(document.ok(), "a frame that is not JSON");
    if (dialect == "responses") from_responses(document->root(), out);
    if (dialect == "chat") from_chat(document->root(), out, open);
    if (dialect == "messages") from_messages(document->root(), out, open);
  }
  return out;
}

}  // namespace perdure::cut
