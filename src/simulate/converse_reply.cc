#include "simulate/converse_reply.h"

#include <array>

#include "base/check.h"
#include "base/ids.h"
#include "simulate/converse_request.h"
#include "wire/aws_event_stream.h"
#include "wire/json.h"

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
      return "content_filtered";
    case Finish::kFilter:
      return "guardrail_intervened";
  }
  return "end_turn";
}

// The model's own ids with Bedrock's prefix.
std::string tool_id(const ToolCall& call) { return "tooluse_" + call.id.substr(call.id.find('_') + 1); }

std::string framed(std::string_view kind, std::string_view name, std::string_view payload) {
  const std::array headers = {
      AwsHeader{.name = kind == "event" ? ":event-type" : ":exception-type", .bytes = name},
      AwsHeader{.name = ":content-type", .bytes = "application/json"},
      AwsHeader{.name = ":message-type", .bytes = kind},
  };
  std::string out;
  CHECK(append_aws_message(out, headers, payload).ok(), "an event of the supplier's own fits its frame");
  return out;
}

class ConverseCall final : public Call {
 public:
  ConverseCall(Prompt prompt, bool stream, const Signer& signer, const Origin& origin)
      : prompt_(std::move(prompt)), stream_(stream), signer_(signer), random_(origin.number) {
    id_ = make_id(random_, "", 16);
  }

  std::string_view id() const override { return id_; }
  const Prompt& prompt() const override { return prompt_; }
  bool streams() const override { return stream_; }
  std::string_view stream_type() const override { return "application/vnd.amazon.eventstream"; }

  std::string whole(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    json.begin_object().key("output").begin_object().key("message").begin_object();
    json.field("role", "assistant").key("content").begin_array();
    if (!answer.reasoning.empty()) {
      json.begin_object().key("reasoningContent").begin_object();
      if (answer.reasoning_redacted)
        json.field("redactedContent", redacted(answer));
      else
        json.key("reasoningText")
            .begin_object()
            .field("text", answer.reasoning)
            .field("signature", signature(answer))
            .end_object();
      json.end_object().end_object();
    }
    if (!answer.text.empty()) json.begin_object().field("text", answer.text).end_object();
    for (const ToolCall& call : answer.calls) {
      const bool sound = json::Document::parse(call.arguments).ok();  // broken off by maxTokens: what was read of it
      json.begin_object().key("toolUse").begin_object().field("toolUseId", tool_id(call)).field("name", call.name);
      json.key("input").raw(sound ? std::string_view(call.arguments) : "{}").end_object().end_object();
    }
    json.end_array().end_object().end_object().field("stopReason", stop_reason(answer));
    append_usage(json, usage);
    json.end_object();
    return json.take();
  }

  Frames opening(const Answer&, const Usage&) override {
    return {event("messageStart", [](json::Writer& json) { json.field("role", "assistant"); })};
  }

  Frames piece(const Answer& answer, const Piece& piece) override {
    Frames out;
    const bool is_redacted = piece.of == Piece::Of::kReasoning && answer.reasoning_redacted;
    if (piece.first && piece.of == Piece::Of::kCall)  // text and reasoning begin with their first delta
      out.push_back(event("contentBlockStart", [&](json::Writer& json) {
        const ToolCall& call = answer.calls[piece.call];
        json.field("contentBlockIndex", index_).key("start").begin_object().key("toolUse").begin_object();
        json.field("toolUseId", tool_id(call)).field("name", call.name).end_object().end_object();
      }));
    if (is_redacted) {
      if (piece.first)
        out.push_back(delta([&](json::Writer& json) {
          json.key("reasoningContent").begin_object().field("redactedContent", redacted(answer)).end_object();
        }));
    } else if (!piece.text.empty()) {
      out.push_back(delta([&](json::Writer& json) {
        if (piece.of == Piece::Of::kText) json.field("text", piece.text);
        if (piece.of == Piece::Of::kReasoning)
          json.key("reasoningContent").begin_object().field("text", piece.text).end_object();
        if (piece.of == Piece::Of::kCall) json.key("toolUse").begin_object().field("input", piece.text).end_object();
      }));
    }
    if (piece.last) {
      if (piece.of == Piece::Of::kReasoning && !is_redacted)
        out.push_back(delta([&](json::Writer& json) {
          json.key("reasoningContent").begin_object().field("signature", signature(answer)).end_object();
        }));
      out.push_back(event("contentBlockStop", [&](json::Writer& json) { json.field("contentBlockIndex", index_); }));
      ++index_;
    }
    return out;
  }

  Frames ending(const Answer& answer, const Usage& usage) override {
    return {event("messageStop", [&](json::Writer& json) { json.field("stopReason", stop_reason(answer)); }),
            event("metadata", [&](json::Writer& json) { append_usage(json, usage); })};
  }

  std::string broken_frame() override {  // a sound frame around broken JSON
    return framed("event", "contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"brok)");
  }

  Frames error_frames() override {
    return {framed("exception", "modelStreamErrorException", R"({"message":"The model failed (simulated)."})")};
  }

 private:
  std::string signature(const Answer& answer) const { return signer_.seal(kReasoningContentPurpose, answer.reasoning); }
  std::string redacted(const Answer& answer) const { return signer_.seal(kRedactedContentPurpose, answer.reasoning); }

  // Events carry a padding of random length, as AWS's do.
  template <class Fill>
  std::string event(std::string_view name, Fill fill) {
    static constexpr std::string_view kPadding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    json::Writer json;
    json.begin_object();
    fill(json);
    json.field("p", kPadding.substr(0, 1 + random_.below(kPadding.size()))).end_object();
    return framed("event", name, json.text());
  }
  template <class Fill>
  std::string delta(Fill fill) {
    return event("contentBlockDelta", [&](json::Writer& json) {
      json.field("contentBlockIndex", index_).key("delta").begin_object();
      fill(json);
      json.end_object();
    });
  }

  static void append_usage(json::Writer& json, const Usage& usage) {
    const int64_t written = usage.cache_write_5m + usage.cache_write_1h;
    json.key("usage").begin_object().field("inputTokens", usage.prompt - usage.cache_read - written);
    json.field("outputTokens", usage.completion).field("totalTokens", usage.prompt + usage.completion);
    json.field("cacheReadInputTokens", usage.cache_read).field("cacheWriteInputTokens", written);
    if (written > 0) {
      json.key("cacheDetails").begin_array();
      for (const auto& [ttl, tokens] : {std::pair{"5m", usage.cache_write_5m}, std::pair{"1h", usage.cache_write_1h}})
        if (tokens > 0) json.begin_object().field("ttl", ttl).field("inputTokens", tokens).end_object();
      json.end_array();
    }
    json.end_object().key("metrics").begin_object().field("latencyMs", 1).end_object();
  }

  Prompt prompt_;
  bool stream_;
  const Signer& signer_;
  SeededRandom random_;
  std::string id_;
  int64_t index_ = 0;  // of the block that is open, or will be next
};

}  // namespace

std::unique_ptr<Call> make_converse_call(Prompt prompt, bool stream, const Signer& signer, const Origin& origin) {
  return std::make_unique<ConverseCall>(std::move(prompt), stream, signer, origin);
}

}  // namespace perdure::simulate
