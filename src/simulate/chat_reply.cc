#include "simulate/chat_reply.h"

#include "wire/json.h"

namespace perdure::simulate {
namespace {

void append_usage(json::Writer& json, const Usage& usage) {
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt).field("completion_tokens", usage.completion);
  json.field("total_tokens", usage.prompt + usage.completion);
  json.key("prompt_tokens_details").begin_object().field("cached_tokens", 0).end_object();
  json.key("completion_tokens_details").begin_object().field("reasoning_tokens", usage.reasoning).end_object();
  json.end_object();
}

void append_head(json::Writer& json, const ReplyHead& head, std::string_view object) {
  json.begin_object().field("id", head.id).field("object", object).field("created", head.created);
  json.field("model", head.model);
}

// `fill` writes the fields of the delta; `finish` is empty for null.
template <class Fill>
std::string chunk(const ReplyHead& head, std::string_view finish, Fill fill) {
  json::Writer json;
  append_head(json, head, "chat.completion.chunk");
  json.key("choices").begin_array().begin_object().field("index", 0);
  json.key("delta").begin_object();
  fill(json);
  json.end_object().key("logprobs").null().key("finish_reason");
  finish.empty() ? json.null() : json.string(finish);
  json.end_object().end_array();
  if (head.include_usage) json.key("usage").null();
  json.end_object();
  return json.take();
}

void append_optional(json::Writer& json, std::string_view name, std::string_view text) {
  json.key(name);
  text.empty() ? json.null() : json.string(text);
}

}  // namespace

std::string render_completion(const ReplyHead& head, const Answer& answer, const Usage& usage) {
  json::Writer json;
  append_head(json, head, "chat.completion");
  json.key("choices").begin_array().begin_object().field("index", 0);
  json.key("message").begin_object().field("role", "assistant");
  if (answer.text.empty() && !answer.calls.empty())
    json.key("content").null();
  else
    json.field("content", answer.text);
  json.key("refusal").null();
  if (!answer.reasoning.empty()) json.field("reasoning_content", answer.reasoning);
  if (!answer.calls.empty()) {
    json.key("tool_calls").begin_array();
    for (const ToolCall& call : answer.calls) {
      json.begin_object().field("id", call.id).field("type", "function").key("function");
      json.begin_object().field("name", call.name).field("arguments", call.arguments).end_object().end_object();
    }
    json.end_array();
  }
  json.end_object().key("logprobs").null();
  json.field("finish_reason", name_of(answer.finish)).end_object().end_array();
  append_usage(json, usage);
  json.end_object();
  return json.take();
}

std::string render_first_chunk(const ReplyHead& head) {
  return chunk(head, "", [](json::Writer& json) { json.field("role", "assistant").field("content", ""); });
}

std::string render_text_chunk(const ReplyHead& head, std::string_view text) {
  return chunk(head, "", [&](json::Writer& json) { json.field("content", text); });
}

std::string render_reasoning_chunk(const ReplyHead& head, std::string_view text) {
  return chunk(head, "", [&](json::Writer& json) { json.field("reasoning_content", text); });
}

std::string render_call_chunk(const ReplyHead& head, size_t index, const ToolCall& call) {
  return chunk(head, "", [&](json::Writer& json) {
    json.key("tool_calls")
        .begin_array()
        .begin_object()
        .field("index", static_cast<int64_t>(index))
        .field("id", call.id);
    json.field("type", "function").key("function");
    json.begin_object().field("name", call.name).field("arguments", "").end_object().end_object().end_array();
  });
}

std::string render_arguments_chunk(const ReplyHead& head, size_t index, std::string_view text) {
  return chunk(head, "", [&](json::Writer& json) {
    json.key("tool_calls").begin_array().begin_object().field("index", static_cast<int64_t>(index)).key("function");
    json.begin_object().field("arguments", text).end_object().end_object().end_array();
  });
}

std::string render_finish_chunk(const ReplyHead& head, Finish finish) {
  return chunk(head, name_of(finish), [](json::Writer&) {});
}

std::string render_usage_chunk(const ReplyHead& head, const Usage& usage) {
  json::Writer json;
  append_head(json, head, "chat.completion.chunk");
  json.key("choices").begin_array().end_array();
  append_usage(json, usage);
  json.end_object();
  return json.take();
}

std::string render_error(std::string_view message, std::string_view type, std::string_view param,
                         std::string_view code) {
  json::Writer json;
  json.begin_object().key("error").begin_object().field("message", message).field("type", type);
  append_optional(json, "param", param);
  append_optional(json, "code", code);
  json.end_object().end_object();
  return json.take();
}

}  // namespace perdure::simulate
