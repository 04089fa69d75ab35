#include "bench/canned.h"

#include "wire/aws_event_stream.h"

namespace perdure {
namespace {

constexpr size_t kDocumentText = 700;
constexpr std::string_view kWord = " word";

std::string document_text() {
  std::string text;
  while (text.size() < kDocumentText) text += "Seven ships sail past the old lighthouse. ";
  return text;
}

std::string event(std::string_view name, std::string_view data) {
  std::string out;
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  return out.append("data: ").append(data).append("\n\n");
}

std::string aws(std::string_view name, std::string_view payload) {
  std::string out;
  const AwsHeader headers[] = {{.name = ":event-type", .bytes = name},
                               {.name = ":content-type", .bytes = "application/json"},
                               {.name = ":message-type", .bytes = "event"}};
  (void)append_aws_message(out, headers, payload);
  return out;
}

// A Responses response with `text` as its only message.
std::string response_object(std::string_view status, std::string_view text) {
  std::string out = R"({"id":"resp_fixed","object":"response","created_at":1700000000,"status":")";
  out.append(status).append(
      R"(","error":null,"incomplete_details":null,"instructions":null,"model":"fixed","output":[)");
  if (!text.empty())
    out.append(R"({"type":"message","id":"msg_fixed","status":"completed","role":"assistant","content":)"
               R"([{"type":"output_text","text":")")
        .append(text)
        .append(R"(","annotations":[]}]})");
  out += R"(],"parallel_tool_calls":true,"store":false,"temperature":1.0,"tool_choice":"auto","tools":[],"top_p":1.0,)";
  if (status == "completed")
    out += R"("usage":{"input_tokens":190,"input_tokens_details":{"cached_tokens":0},"output_tokens":160,)"
           R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":350},)";
  else
    out += R"("usage":null,)";
  return out + R"("metadata":{}})";
}

CannedStream responses_stream(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) text += kWord;
  CannedStream out{.content_type = "text/event-stream"};
  out.head =
      event("response.created", R"({"type":"response.created","sequence_number":0,"response":)" +
                                    response_object("in_progress", "") + "}") +
      event("response.output_item.added",
            R"({"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message",)"
            R"("id":"msg_fixed","status":"in_progress","role":"assistant","content":[]}})") +
      event("response.content_part.added",
            R"({"type":"response.content_part.added","sequence_number":2,"item_id":"msg_fixed","output_index":0,)"
            R"("content_index":0,"part":{"type":"output_text","text":"","annotations":[]}})");
  out.chunk_head = event("response.output_text.delta",
                         R"({"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_fixed",)"
                         R"("output_index":0,"content_index":0,"delta":" word"})");
  const std::string part = R"({"type":"output_text","text":")" + text + R"(","annotations":[]})";
  out.tail = event("response.output_text.done",
                   R"({"type":"response.output_text.done","sequence_number":4,"item_id":"msg_fixed","output_index":0,)"
                   R"("content_index":0,"text":")" +
                       text + R"("})") +
             event("response.content_part.done",
                   R"({"type":"response.content_part.done","sequence_number":5,"item_id":"msg_fixed",)"
                   R"("output_index":0,"content_index":0,"part":)" +
                       part + "}") +
             event("response.output_item.done",
                   R"({"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":)"
                   R"({"type":"message","id":"msg_fixed","status":"completed","role":"assistant","content":[)" +
                       part + "]}}") +
             event("response.completed", R"({"type":"response.completed","sequence_number":7,"response":)" +
                                             response_object("completed", text) + "}");
  return out;
}

}  // namespace

CannedDialect canned_dialect(std::string_view path) {
  if (path.ends_with("/responses")) return CannedDialect::kResponses;
  if (path.ends_with("/messages")) return CannedDialect::kMessages;
  if (path.find("/converse") != std::string_view::npos) return CannedDialect::kConverse;
  if (path.find("enerateContent") != std::string_view::npos) return CannedDialect::kGemini;
  return CannedDialect::kChat;
}

std::string canned_document(CannedDialect dialect) {
  const std::string text = document_text();
  switch (dialect) {
    case CannedDialect::kChat:
      return R"({"id":"chatcmpl-fixed","object":"chat.completion","created":1700000000,"model":"fixed","choices":)"
             R"([{"index":0,"message":{"role":"assistant","content":")" +
             text +
             R"("},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":190,"completion_tokens":160,)"
             R"("total_tokens":350}})";
    case CannedDialect::kResponses:
      return response_object("completed", text);
    case CannedDialect::kMessages:
      return R"({"id":"msg_fixed","type":"message","role":"assistant","model":"fixed","content":[{"type":"text",)"
             R"("text":")" +
             text +
             R"("}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":190,)"
             R"("output_tokens":160}})";
    case CannedDialect::kConverse:
      return R"({"output":{"message":{"role":"assistant","content":[{"text":")" + text +
             R"("}]}},"stopReason":"end_turn","usage":{"inputTokens":190,"outputTokens":160,"totalTokens":350},)"
             R"("metrics":{"latencyMs":1}})";
    case CannedDialect::kGemini:
      return R"({"candidates":[{"content":{"parts":[{"text":")" + text +
             R"("}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":190,)"
             R"("candidatesTokenCount":160,"totalTokenCount":350},"modelVersion":"fixed","responseId":"fixed"})";
  }
  return {};
}

CannedStream canned_stream(CannedDialect dialect, int64_t count) {
  CannedStream out{.content_type = "text/event-stream"};
  switch (dialect) {
    case CannedDialect::kChat: {
      const std::string_view kHead =
          R"(data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1700000000,"model":"fixed",)"
          R"("choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"at":)";
      out.chunk_head = kHead;
      out.chunk_tail = "}\n\n";
      out.tail = event("", R"({"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1700000000,"model":)"
                           R"("fixed","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") +
                 event("", "[DONE]");
      break;
    }
    case CannedDialect::kResponses:
      return responses_stream(count);
    case CannedDialect::kMessages:
      out.head = event("message_start", R"({"type":"message_start","message":{"id":"msg_fixed","type":"message",)"
                                        R"("role":"assistant","model":"fixed","content":[],"stop_reason":null,)"
                                        R"("stop_sequence":null,"usage":{"input_tokens":190,"output_tokens":1}}})") +
                 event("content_block_start", R"({"type":"content_block_start","index":0,"content_block":)"
                                              R"({"type":"text","text":""}})");
      out.chunk_head = event("content_block_delta", R"({"type":"content_block_delta","index":0,"delta":)"
                                                    R"({"type":"text_delta","text":" word"}})");
      out.tail = event("content_block_stop", R"({"type":"content_block_stop","index":0})") +
                 event("message_delta", R"({"type":"message_delta","delta":{"stop_reason":"end_turn",)"
                                        R"("stop_sequence":null},"usage":{"output_tokens":160}})") +
                 event("message_stop", R"({"type":"message_stop"})");
      break;
    case CannedDialect::kConverse:
      out.content_type = "application/vnd.amazon.eventstream";
      out.head = aws("messageStart", R"({"role":"assistant"})");
      out.chunk_head = aws("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":" word"}})");
      out.tail = aws("contentBlockStop", R"({"contentBlockIndex":0})") +
                 aws("messageStop", R"({"stopReason":"end_turn"})") +
                 aws("metadata", R"({"usage":{"inputTokens":190,"outputTokens":160,"totalTokens":350},)"
                                 R"("metrics":{"latencyMs":1}})");
      break;
    case CannedDialect::kGemini:
      out.chunk_head = event("", R"({"candidates":[{"content":{"parts":[{"text":" word"}],"role":"model"},"index":0}],)"
                                 R"("modelVersion":"fixed","responseId":"fixed"})");
      out.tail = event("", R"({"candidates":[{"content":{"parts":[{"text":"."}],"role":"model"},"finishReason":"STOP",)"
                           R"("index":0}],"usageMetadata":{"promptTokenCount":190,"candidatesTokenCount":160,)"
                           R"("totalTokenCount":350},"modelVersion":"fixed","responseId":"fixed"})");
      break;
  }
  return out;
}

}  // namespace perdure
