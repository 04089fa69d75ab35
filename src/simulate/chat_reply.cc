#include "simulate/chat_reply.h"

#include "base/ids.h"
#include "simulate/openai_error.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

std::string_view finish_reason(Finish finish) {
  switch (finish) {
    case Finish::kLength:
      return "length";
    case Finish::kToolCalls:
      return "tool_calls";
    case Finish::kFilter:
      return "content_filter";
    default:
      return "stop";
  }
}

// What Azure's filter found: nothing, or in an answer that it broke off, something.
void append_findings(json::Writer& json, bool filtered) {
  json.begin_object();
  for (const char* kind : {"hate", "self_harm", "sexual", "violence"}) {
    const bool its = filtered && std::string_view(kind) == "violence";
    json.key(kind).begin_object().field("filtered", its).field("severity", its ? "high" : "safe").end_object();
  }
  json.end_object();
}

class ChatCall final : public Call {
 public:
  ChatCall(ChatRequest request, const Origin& origin, bool azure) : request_(std::move(request)), azure_(azure) {
    SeededRandom random(origin.number);
    id_ = make_id(random, "chatcmpl-", 12);
    created_ = unix_seconds(origin.wall);
  }

  std::string_view id() const override { return id_; }
  const Prompt& prompt() const override { return request_; }
  bool streams() const override { return request_.stream; }

  std::string whole(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    append_head(json, "chat.completion");
    if (azure_) append_prompt_findings(json);
    const bool refused = answer.finish == Finish::kRefusal;
    json.key("choices").begin_array().begin_object().field("index", 0);
    json.key("message").begin_object().field("role", "assistant");
    if (refused || (answer.text.empty() && !answer.calls.empty()))
      json.key("content").null();
    else
      json.field("content", answer.text);
    json.key("refusal");
    refused ? json.string(answer.text) : json.null();
    if (!answer.reasoning.empty() && !answer.reasoning_redacted) json.field("reasoning_content", answer.reasoning);
    if (!answer.calls.empty()) {
      json.key("tool_calls").begin_array();
      for (const ToolCall& call : answer.calls) {
        json.begin_object().field("id", call.id).field("type", "function").key("function");
        json.begin_object().field("name", call.name).field("arguments", call.arguments).end_object().end_object();
      }
      json.end_array();
    }
    json.end_object().key("logprobs").null();
    json.field("finish_reason", finish_reason(answer.finish));
    if (azure_) append_findings(json.key("content_filter_results"), answer.finish == Finish::kFilter);
    json.end_object().end_array();
    append_usage(json, usage);
    json.end_object();
    return json.take();
  }

  Frames opening(const Answer&, const Usage&) override {
    Frames out;
    if (azure_) {  // says first what its filter found in the prompt
      json::Writer json;
      append_head(json, "chat.completion.chunk");
      append_prompt_findings(json);
      json.key("choices").begin_array().end_array().end_object();
      out.push_back(event(json.take()));
    }
    out.push_back(chunk("", [](json::Writer& json) { json.field("role", "assistant").field("content", ""); }));
    return out;
  }

  Frames piece(const Answer& answer, const Piece& piece) override {
    switch (piece.of) {
      case Piece::Of::kReasoning:
        if (answer.reasoning_redacted) return {};
        return {chunk("", [&](json::Writer& json) { json.field("reasoning_content", piece.text); })};
      case Piece::Of::kText: {
        const char* name = answer.finish == Finish::kRefusal ? "refusal" : "content";
        return {chunk("", [&](json::Writer& json) { json.field(name, piece.text); })};
      }
      case Piece::Of::kCall:
        break;
    }
    Frames out;
    const ToolCall& call = answer.calls[piece.call];
    const auto index = static_cast<int64_t>(piece.call);
    if (piece.first)  // id and name, no arguments yet
      out.push_back(chunk("", [&](json::Writer& json) {
        json.key("tool_calls").begin_array().begin_object().field("index", index).field("id", call.id);
        json.field("type", "function").key("function");
        json.begin_object().field("name", call.name).field("arguments", "").end_object().end_object().end_array();
      }));
    out.push_back(chunk("", [&](json::Writer& json) {
      json.key("tool_calls").begin_array().begin_object().field("index", index).key("function");
      json.begin_object().field("arguments", piece.text).end_object().end_object().end_array();
    }));
    return out;
  }

  Frames ending(const Answer& answer, const Usage& usage) override {
    Frames out = {chunk(finish_reason(answer.finish), [](json::Writer&) {})};
    if (request_.include_usage) {
      json::Writer json;
      append_head(json, "chat.completion.chunk");
      json.key("choices").begin_array().end_array();
      append_usage(json, usage);
      json.end_object();
      out.push_back(event(json.take()));
    }
    out.push_back(event("[DONE]"));
    return out;
  }

  std::string broken_frame() override {
    const std::string sound = chunk_json("", [](json::Writer& json) { json.field("content", "broken"); });
    return event(sound.substr(0, sound.size() * 2 / 3));
  }

  Frames error_frames() override { return {event(openai_error(500, "The server had an error (simulated)."))}; }

 private:
  static std::string event(std::string_view json) {
    std::string out;
    append_sse(out, "", json);
    return out;
  }

  void append_head(json::Writer& json, std::string_view object) const {
    json.begin_object().field("id", id_).field("object", object).field("created", created_);
    json.field("model", request_.model);
  }

  static void append_prompt_findings(json::Writer& json) {
    json.key("prompt_filter_results").begin_array().begin_object().field("prompt_index", 0);
    append_findings(json.key("content_filter_results"), false);
    json.end_object().end_array();
  }

  static void append_usage(json::Writer& json, const Usage& usage) {
    json.key("usage").begin_object();
    json.field("prompt_tokens", usage.prompt).field("completion_tokens", usage.completion);
    json.field("total_tokens", usage.prompt + usage.completion);
    json.key("prompt_tokens_details").begin_object().field("cached_tokens", usage.cache_read).end_object();
    json.key("completion_tokens_details").begin_object().field("reasoning_tokens", usage.reasoning).end_object();
    json.end_object();
  }

  // `fill` writes the fields of the delta; `finish` is empty for null.
  template <class Fill>
  std::string chunk_json(std::string_view finish, Fill fill) const {
    json::Writer json;
    append_head(json, "chat.completion.chunk");
    json.key("choices").begin_array().begin_object().field("index", 0);
    json.key("delta").begin_object();
    fill(json);
    json.end_object().key("logprobs").null().key("finish_reason");
    finish.empty() ? json.null() : json.string(finish);
    if (azure_ && !finish.empty()) append_findings(json.key("content_filter_results"), finish == "content_filter");
    json.end_object().end_array();
    if (request_.include_usage) json.key("usage").null();
    json.end_object();
    return json.take();
  }

  template <class Fill>
  std::string chunk(std::string_view finish, Fill fill) const {
    return event(chunk_json(finish, fill));
  }

  ChatRequest request_;
  bool azure_;
  std::string id_;
  int64_t created_ = 0;  // seconds since 1970
};

}  // namespace

std::unique_ptr<Call> make_chat_call(ChatRequest request, const Origin& origin, bool azure) {
  return std::make_unique<ChatCall>(std::move(request), origin, azure);
}

}  // namespace perdure::simulate
