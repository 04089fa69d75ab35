#include "simulate/gemini_reply.h"

#include "base/ids.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

std::string_view finish_reason(Finish finish) {
  switch (finish) {
    case Finish::kLength:
      return "MAX_TOKENS";
    case Finish::kFilter:
      return "SAFETY";
    default:
      return "STOP";  // with function calls as well
  }
}

std::string_view status_word(int status) {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 409:
      return "ABORTED";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 499:
      return "CANCELLED";
    case 500:
      return "INTERNAL";
    case 501:
      return "UNIMPLEMENTED";
    case 503:
      return "UNAVAILABLE";
    case 504:
      return "DEADLINE_EXCEEDED";
    default:
      return status >= 500 ? "UNKNOWN" : "INVALID_ARGUMENT";
  }
}

bool is_sound(const ToolCall& call) { return json::Document::parse(call.arguments).ok(); }

class GeminiCall final : public Call {
 public:
  GeminiCall(GeminiRequest request, GeminiStream stream, const Signer& signer, const Origin& origin)
      : request_(std::move(request)), stream_(stream), signer_(signer) {
    SeededRandom random(origin.number);
    id_ = make_id(random, "", 11);
  }

  std::string_view id() const override { return id_; }
  const Prompt& prompt() const override { return request_; }
  bool streams() const override { return stream_ != GeminiStream::kNone; }
  bool shows_reasoning() const override { return request_.include_thoughts; }
  std::string_view stream_type() const override {
    return stream_ == GeminiStream::kArray ? "application/json; charset=UTF-8" : "text/event-stream";
  }

  std::string whole(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    json.begin_object();
    if (is_blocked(answer)) {
      append_block(json);
    } else {
      begin_candidate(json);
      json.key("parts").begin_array();
      if (shows(answer)) json.begin_object().field("text", answer.reasoning).field("thought", true).end_object();
      const bool says_nothing = answer.text.empty() && answer.calls.empty();
      if (!answer.text.empty() || says_nothing) {
        json.begin_object().field("text", answer.text);
        if (signs_text(answer)) append_signature(json, "");
        json.end_object();
      }
      for (size_t i = 0; i < answer.calls.size(); ++i)
        if (is_sound(answer.calls[i])) append_call(json, answer.calls[i], i == 0);
      json.end_array().field("role", "model").end_object();
      append_finish(json, answer);
      json.end_object().end_array();
    }
    append_tail(json, usage, usage.completion);
    json.end_object();
    return json.take();
  }

  Frames opening(const Answer&, const Usage& usage) override {
    usage_ = usage;
    return {};
  }

  Frames piece(const Answer& answer, const Piece& piece) override {
    ++sent_;
    switch (piece.of) {
      case Piece::Of::kReasoning:
        if (!shows(answer)) return {};
        return {chunk([&](json::Writer& json) {
          json.begin_object().field("text", piece.text).field("thought", true).end_object();
        })};
      case Piece::Of::kText:
        return {chunk([&](json::Writer& json) { json.begin_object().field("text", piece.text).end_object(); })};
      case Piece::Of::kCall:  // all at once, when the last of it is known
        if (!piece.last || !is_sound(answer.calls[piece.call])) return {};
        return {chunk([&](json::Writer& json) { append_call(json, answer.calls[piece.call], piece.call == 0); })};
    }
    return {};
  }

  Frames ending(const Answer& answer, const Usage& usage) override {
    json::Writer json;
    json.begin_object();
    if (is_blocked(answer)) {
      append_block(json);
    } else {
      begin_candidate(json);
      json.key("parts").begin_array().begin_object().field("text", "");
      if (signs_text(answer)) append_signature(json, "");
      json.end_object().end_array().field("role", "model").end_object();
      append_finish(json, answer);
      json.end_object().end_array();
    }
    append_tail(json, usage, usage.completion);
    json.end_object();
    Frames out = {frame(json.text())};
    if (stream_ == GeminiStream::kArray) out.emplace_back("\r\n]");
    return out;
  }

  std::string broken_frame() override { return frame(R"({"candidates": [{"content": {"parts": [{"text": "brok)"); }

  Frames error_frames() override { return {frame(gemini_error(503, "The model is overloaded (simulated)."))}; }

 private:
  static bool is_blocked(const Answer& answer) { return answer.finish == Finish::kFilter && answer.text.empty(); }
  bool shows(const Answer& answer) const {
    return request_.include_thoughts && !answer.reasoning.empty() && !answer.reasoning_redacted;
  }
  static bool signs_text(const Answer& answer) { return !answer.reasoning.empty() && answer.calls.empty(); }

  static void begin_candidate(json::Writer& json) {
    json.key("candidates").begin_array().begin_object().key("content").begin_object();
  }
  static void append_finish(json::Writer& json, const Answer& answer) {
    json.field("finishReason", finish_reason(answer.finish)).field("index", 0);
    if (answer.finish == Finish::kToolCalls) json.field("finishMessage", "Model generated function call(s).");
    if (answer.finish == Finish::kFilter) append_ratings(json);
  }
  static void append_ratings(json::Writer& json) {
    json.key("safetyRatings").begin_array().begin_object().field("category", "HARM_CATEGORY_DANGEROUS_CONTENT");
    json.field("probability", "HIGH").field("blocked", true).end_object().end_array();
  }
  static void append_block(json::Writer& json) {
    json.key("promptFeedback").begin_object().field("blockReason", "SAFETY");
    append_ratings(json);
    json.end_object();
  }

  // `made_for` is the function whose call is signed; empty for text.
  void append_signature(json::Writer& json, std::string_view made_for) const {
    json.field("thoughtSignature", signer_.seal(kThoughtPurpose, made_for));
  }
  void append_call(json::Writer& json, const ToolCall& call, bool first) const {
    json.begin_object().key("functionCall").begin_object().field("name", call.name);
    json.key("args").raw(call.arguments).end_object();
    if (first) append_signature(json, call.name);  // only the first of several has one
    json.end_object();
  }

  void append_tail(json::Writer& json, const Usage& usage, int64_t completion) const {
    const int64_t thoughts = std::min(usage.reasoning, completion), candidates = completion - thoughts;
    json.key("usageMetadata").begin_object().field("promptTokenCount", usage.prompt);
    if (candidates > 0) json.field("candidatesTokenCount", candidates);
    json.field("totalTokenCount", usage.prompt + completion).key("promptTokensDetails").begin_array().begin_object();
    json.field("modality", "TEXT").field("tokenCount", usage.prompt).end_object().end_array();
    if (thoughts > 0) json.field("thoughtsTokenCount", thoughts);
    if (usage.cache_read > 0) json.field("cachedContentTokenCount", usage.cache_read);
    json.end_object().field("modelVersion", request_.model).field("responseId", id_);
  }

  std::string frame(std::string_view json) {
    std::string out;
    if (stream_ == GeminiStream::kArray) {
      out = begun_ ? ",\r\n" : "[";
      out += json;
    } else {
      append_sse(out, "", json);
    }
    begun_ = true;
    return out;
  }

  template <class Parts>
  std::string chunk(Parts parts) {
    json::Writer json;
    json.begin_object();
    begin_candidate(json);
    json.key("parts").begin_array();
    parts(json);
    json.end_array().field("role", "model").end_object().field("index", 0).end_object().end_array();
    append_tail(json, usage_, sent_);
    json.end_object();
    return frame(json.text());
  }

  GeminiRequest request_;
  GeminiStream stream_;
  const Signer& signer_;
  std::string id_;
  Usage usage_;
  int64_t sent_ = 0;  // tokens
  bool begun_ = false;
};

}  // namespace

std::string gemini_error(int status, std::string_view message, int64_t retry_after_s) {
  json::Writer json;
  json.begin_object().key("error").begin_object().field("code", status).field("message", message);
  json.field("status", status_word(status));
  if (retry_after_s >= 0) {
    json.key("details").begin_array().begin_object().field("@type", "type.googleapis.com/google.rpc.RetryInfo");
    json.field("retryDelay", std::to_string(retry_after_s) + "s").end_object().end_array();
  }
  json.end_object().end_object();
  return json.take();
}

std::unique_ptr<Call> make_gemini_call(GeminiRequest request, GeminiStream stream, const Signer& signer,
                                       const Origin& origin) {
  return std::make_unique<GeminiCall>(std::move(request), stream, signer, origin);
}

}  // namespace perdure::simulate
