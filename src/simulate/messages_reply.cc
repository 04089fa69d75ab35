#include "simulate/messages_reply.h"

#include "base/ids.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

std::string_view stop_reason(const Answer& answer) {
  switch (answer.finish) {
    case Finish::kStop:
      return answer.stop_sequence.empty() ? "end_turn" : "stop_sequence";
    case Finish::kLength:
      return "max_tokens";
    case Finish::kToolCalls:
      return "tool_use";
    case Finish::kRefusal:
    case Finish::kFilter:
      return "refusal";
  }
  return "end_turn";
}

// The model's own ids with Anthropic's prefix.
std::string tool_id(const ToolCall& call) { return "toolu_" + call.id.substr(call.id.find('_') + 1); }

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string event(std::string_view name, std::string_view json) {
  std::string out;
  append_sse(out, name, json);
  return out;
}

class MessagesCall final : public Call {
 public:
  MessagesCall(MessagesRequest request, const Signer& signer, const Origin& origin)
      : request_(std::move(request)), signer_(signer) {
    SeededRandom random(origin.number);
    id_ = make_id(random, "msg_", 12);
  }

  std::string_view id() const override { return id_; }
  const Prompt& prompt() const override { return request_; }
  bool streams() const override { return request_.stream; }
  bool shows_reasoning() const override { return !request_.thinking_omitted; }

  std::string whole(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    begin_message(json);
    json.key("content").begin_array();
    if (!answer.reasoning.empty()) {
      if (answer.reasoning_redacted)
        append_redacted(json, answer);
      else
        append_thinking(json, request_.thinking_omitted ? std::string_view() : answer.reasoning, signature(answer));
    }
    if (!answer.text.empty()) append_text(json, answer.text);
    for (const ToolCall& call : answer.calls) {
      const bool sound = json::Document::parse(call.arguments).ok();  // broken off by max_tokens: what was read of it
      append_tool_use(json, call, sound ? std::string_view(call.arguments) : "{}");
    }
    json.end_array();
    append_stop(json, answer);
    append_usage(json, usage, usage.completion);
    json.end_object();
    return json.take();
  }

  Frames opening(const Answer&, const Usage& usage) override {
    json::Writer json;
    json.begin_object().field("type", "message_start").key("message");
    begin_message(json);
    json.key("content").begin_array().end_array();
    json.key("stop_reason").null().key("stop_sequence").null().key("stop_details").null().key("container").null();
    append_usage(json, usage, 1);
    json.end_object().end_object();
    return {event("message_start", json.take())};
  }

  Frames piece(const Answer& answer, const Piece& piece) override {
    Frames out;
    const bool redacted = piece.of == Piece::Of::kReasoning && answer.reasoning_redacted;
    if (piece.first) start_block(out, answer, piece);
    if (!piece.text.empty() && !redacted)
      delta(out, [&](json::Writer& json) {
        if (piece.of == Piece::Of::kReasoning) json.field("type", "thinking_delta").field("thinking", piece.text);
        if (piece.of == Piece::Of::kText) json.field("type", "text_delta").field("text", piece.text);
        if (piece.of == Piece::Of::kCall) json.field("type", "input_json_delta").field("partial_json", piece.text);
      });
    if (piece.last) {
      if (piece.of == Piece::Of::kReasoning && !redacted)
        delta(out,
              [&](json::Writer& json) { json.field("type", "signature_delta").field("signature", signature(answer)); });
      json::Writer json;
      json.begin_object().field("type", "content_block_stop").field("index", index_++).end_object();
      out.push_back(event("content_block_stop", json.take()));
    }
    return out;
  }

  Frames ending(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    json.begin_object().field("type", "message_delta").key("delta").begin_object();
    append_stop(json, answer);
    json.end_object().key("usage").begin_object().field("input_tokens", fresh_input(usage));
    json.field("cache_creation_input_tokens", usage.cache_write_5m + usage.cache_write_1h);
    json.field("cache_read_input_tokens", usage.cache_read).field("output_tokens", usage.completion);
    json.key("server_tool_use").null().end_object().end_object();
    return {event("message_delta", json.take()), event("message_stop", R"({"type":"message_stop"})")};
  }

  std::string broken_frame() override {
    return event("content_block_delta", R"({"type":"content_block_delta","index":0,"delta":{"type":"text_del)");
  }

  Frames error_frames() override { return {event("error", messages_error(529, "Overloaded (simulated)", {}))}; }

 private:
  static int64_t fresh_input(const Usage& usage) {
    return usage.prompt - usage.cache_read - usage.cache_write_5m - usage.cache_write_1h;
  }

  void begin_message(json::Writer& json) const {
    json.begin_object().field("id", id_).field("type", "message").field("role", "assistant");
    json.field("model", request_.model);
  }

  std::string signature(const Answer& answer) const { return signer_.seal(kThinkingPurpose, answer.reasoning); }

  static void append_thinking(json::Writer& json, std::string_view text, std::string_view signature) {
    json.begin_object().field("type", "thinking").field("thinking", text).field("signature", signature).end_object();
  }
  void append_redacted(json::Writer& json, const Answer& answer) const {
    json.begin_object().field("type", "redacted_thinking");
    json.field("data", signer_.seal(kRedactedPurpose, answer.reasoning)).end_object();
  }
  static void append_text(json::Writer& json, std::string_view text) {
    json.begin_object().field("type", "text").field("text", text).key("citations").null().end_object();
  }
  static void append_tool_use(json::Writer& json, const ToolCall& call, std::string_view input) {
    json.begin_object().field("type", "tool_use").field("id", tool_id(call)).field("name", call.name);
    json.key("input").raw(input).key("caller").begin_object().field("type", "direct").end_object().end_object();
  }

  static void append_stop(json::Writer& json, const Answer& answer) {
    json.field("stop_reason", stop_reason(answer)).key("stop_sequence");
    answer.stop_sequence.empty() ? json.null() : json.string(answer.stop_sequence);
    json.key("stop_details");
    if (answer.finish == Finish::kRefusal || answer.finish == Finish::kFilter) {
      json.begin_object().field("type", "refusal").key("category").null().key("explanation").null().end_object();
    } else {
      json.null();
    }
    json.key("container").null();
  }

  static void append_usage(json::Writer& json, const Usage& usage, int64_t output) {
    json.key("usage").begin_object().field("input_tokens", fresh_input(usage));
    json.field("cache_creation_input_tokens", usage.cache_write_5m + usage.cache_write_1h);
    json.field("cache_read_input_tokens", usage.cache_read).key("cache_creation").begin_object();
    json.field("ephemeral_5m_input_tokens", usage.cache_write_5m);
    json.field("ephemeral_1h_input_tokens", usage.cache_write_1h).end_object();
    json.field("output_tokens", output).key("server_tool_use").null();
    json.field("service_tier", "standard").field("inference_geo", "not_available").end_object();
  }

  void start_block(Frames& out, const Answer& answer, const Piece& piece) const {
    json::Writer json;
    json.begin_object().field("type", "content_block_start").field("index", index_).key("content_block");
    if (piece.of == Piece::Of::kText) append_text(json, "");
    if (piece.of == Piece::Of::kCall) append_tool_use(json, answer.calls[piece.call], "{}");
    if (piece.of == Piece::Of::kReasoning)
      answer.reasoning_redacted ? append_redacted(json, answer) : append_thinking(json, "", "");
    json.end_object();
    out.push_back(event("content_block_start", json.take()));
    if (index_ == 0) out.push_back(event("ping", R"({"type": "ping"})"));
  }

  template <class Fill>
  void delta(Frames& out, Fill fill) const {
    json::Writer json;
    json.begin_object().field("type", "content_block_delta").field("index", index_).key("delta").begin_object();
    fill(json);
    json.end_object().end_object();
    out.push_back(event("content_block_delta", json.take()));
  }

  MessagesRequest request_;
  const Signer& signer_;
  std::string id_;
  int64_t index_ = 0;  // of the block that is open, or will be next
};

}  // namespace

std::string messages_error(int status, std::string_view message, std::string_view request_id) {
  json::Writer json;
  json.begin_object().field("type", "error").key("error").begin_object();
  json.field("type", error_type(status)).field("message", message).end_object().key("request_id");
  request_id.empty() ? json.null() : json.string(request_id);
  json.end_object();
  return json.take();
}

std::unique_ptr<Call> make_messages_call(MessagesRequest request, const Signer& signer, const Origin& origin) {
  return std::make_unique<MessagesCall>(std::move(request), signer, origin);
}

}  // namespace perdure::simulate
