#include "simulate/responses_reply.h"

#include "simulate/responses_item_id.h"

#include "base/ids.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::simulate {
namespace {

constexpr std::string_view kNoise = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

class ResponsesCall final : public Call {
 public:
  ResponsesCall(ResponsesRequest request, const Signer& signer, ResponseShelf* shelf, const Origin& origin)
      : request_(std::move(request)),
        signer_(signer),
        shelf_(shelf),
        random_(origin.number),
        created_(unix_seconds(origin.wall)) {
    id_ = make_id(random_, "resp_", 24);
    unique_ = make_id(random_, "", 12);
  }

  std::string_view id() const override { return id_; }
  const Prompt& prompt() const override { return request_; }
  bool streams() const override { return request_.stream; }
  bool shows_reasoning() const override { return request_.summary; }

  std::string whole(const Answer& answer, const Usage& usage) override {
    std::string json = finished(answer, usage);
    keep(answer, json);
    return json;
  }

  Frames opening(const Answer& answer, const Usage&) override {
    Frames out;
    for (const char* name : {"response.created", "response.in_progress"}) {
      begin(name);
      append_response(json_.key("response"), "in_progress", answer, nullptr);
      out.push_back(end());
    }
    return out;
  }

  Frames piece(const Answer& answer, const Piece& piece) override {
    Frames out;
    const ItemKind kind = kind_of(answer, piece);
    if (piece.first) add_item(out, kind, answer, piece.call);
    if (kind == ItemKind::kReasoning) {
      if (shows(answer)) {
        begin("response.reasoning_summary_text.delta");
        place().field("summary_index", 0).field("delta", piece.text);
        noise(piece.text);
        out.push_back(end());
      }
    } else if (kind == ItemKind::kCall) {
      begin("response.function_call_arguments.delta");
      place().field("delta", piece.text);
      noise(piece.text);
      out.push_back(end());
    } else {
      begin(kind == ItemKind::kRefusal ? "response.refusal.delta" : "response.output_text.delta");
      place().field("content_index", 0).field("delta", piece.text);
      if (kind == ItemKind::kMessage) json_.key("logprobs").begin_array().end_array();
      noise(piece.text);
      out.push_back(end());
    }
    if (piece.last) end_item(out, kind, answer, piece.call);
    return out;
  }

  Frames ending(const Answer& answer, const Usage& usage) override {
    Frames out;
    if (answer.text.empty() && has_message(answer)) {  // an item without a token
      add_item(out, message_kind(answer), answer, 0);
      end_item(out, message_kind(answer), answer, 0);
    }
    keep(answer, finished(answer, usage));
    begin(std::string("response.") + std::string(status(answer)));
    append_response(json_.key("response"), status(answer), answer, &usage);
    out.push_back(end());
    return out;
  }

  std::string broken_frame() override {
    begin("response.output_text.delta");
    const std::string sound = json_.take();
    std::string out;
    append_sse(out, "response.output_text.delta", sound);
    return out;
  }

  Frames error_frames() override {
    Frames out;
    static constexpr std::string_view kMessage = "The server had an error (simulated).";
    begin("error");
    json_.field("code", "server_error").field("message", kMessage).key("param").null();
    out.push_back(end());
    begin("response.failed");
    append_response(json_.key("response"), "failed", {}, nullptr, kMessage);
    out.push_back(end());
    return out;
  }

 private:
  enum class ItemKind { kReasoning, kMessage, kRefusal, kCall };

  static bool has_reasoning(const Answer& answer) { return !answer.reasoning.empty(); }
  bool shows(const Answer& answer) const { return request_.summary && !answer.reasoning_redacted; }
  static bool has_message(const Answer& answer) { return !answer.text.empty() || answer.calls.empty(); }
  static ItemKind message_kind(const Answer& answer) {
    return answer.finish == Finish::kRefusal ? ItemKind::kRefusal : ItemKind::kMessage;
  }
  static ItemKind kind_of(const Answer& answer, const Piece& piece) {
    if (piece.of == Piece::Of::kReasoning) return ItemKind::kReasoning;
    return piece.of == Piece::Of::kCall ? ItemKind::kCall : message_kind(answer);
  }
  static std::string_view status(const Answer& answer) {
    return answer.finish == Finish::kLength || answer.finish == Finish::kFilter ? "incomplete" : "completed";
  }

  int64_t output_index(const Answer& answer, ItemKind kind, size_t call) const {
    if (kind == ItemKind::kReasoning) return 0;
    const int64_t before = has_reasoning(answer);
    return kind == ItemKind::kCall ? before + has_message(answer) + static_cast<int64_t>(call) : before;
  }
  std::string item_id(const Answer& answer, ItemKind kind, size_t call) const {
    if (kind == ItemKind::kReasoning) return "rs_" + unique_ + id_.substr(5, 26);
    const int64_t index = output_index(answer, kind, call);
    const bool right_after = has_reasoning(answer) && index == 1;
    std::string unique = unique_;  // one hash for each item: the index goes into its last digits
    const std::string number = std::to_string(index);
    unique.replace(unique.size() - number.size(), number.size(), number);
    return mint_item_id(signer_, kind == ItemKind::kCall ? "fc_" : "msg_", unique, right_after);
  }
  // The item that the answer was broken off in.
  static bool is_broken_off(const Answer& answer, ItemKind kind, size_t call) {
    if (status(answer) == "completed") return false;
    if (kind == ItemKind::kCall) return call + 1 == answer.calls.size();
    return kind != ItemKind::kReasoning && answer.calls.empty();
  }

  // --- events; every one has its number

  void begin(std::string_view name) {
    name_ = name;
    json_.clear();
    json_.begin_object().field("type", name_).field("sequence_number", sequence_++);
  }
  std::string end() {
    json_.end_object();
    std::string out;
    append_sse(out, name_, json_.text());
    return out;
  }
  json::Writer& place() { return json_.field("item_id", current_id_).field("output_index", current_index_); }
  void noise(std::string_view delta) {
    if (!request_.obfuscation) return;
    std::string padding;
    for (size_t i = delta.size() % 16; i < 16; ++i) padding += kNoise[random_.below(kNoise.size())];
    json_.field("obfuscation", padding);
  }

  void add_item(Frames& out, ItemKind kind, const Answer& answer, size_t call) {
    current_id_ = item_id(answer, kind, call);
    current_index_ = output_index(answer, kind, call);
    begin("response.output_item.added");
    json_.field("output_index", current_index_).key("item");
    append_item(json_, kind, answer, call, "in_progress", false);
    out.push_back(end());
    if (kind == ItemKind::kCall || (kind == ItemKind::kReasoning && !shows(answer))) return;
    if (kind == ItemKind::kReasoning) {
      begin("response.reasoning_summary_part.added");
      place().field("summary_index", 0).key("part");
      json_.begin_object().field("type", "summary_text").field("text", "").end_object();
    } else {
      begin("response.content_part.added");
      place().field("content_index", 0).key("part");
      append_part(json_, kind, "");
    }
    out.push_back(end());
  }

  void end_item(Frames& out, ItemKind kind, const Answer& answer, size_t call) {
    if (kind == ItemKind::kReasoning && shows(answer)) {
      begin("response.reasoning_summary_text.done");
      place().field("summary_index", 0).field("text", answer.reasoning);
      out.push_back(end());
      begin("response.reasoning_summary_part.done");
      place().field("summary_index", 0).key("part");
      json_.begin_object().field("type", "summary_text").field("text", answer.reasoning).end_object();
      out.push_back(end());
    } else if (kind == ItemKind::kCall) {
      begin("response.function_call_arguments.done");
      place().field("name", answer.calls[call].name).field("arguments", answer.calls[call].arguments);
      out.push_back(end());
    } else if (kind != ItemKind::kReasoning) {
      const bool refusal = kind == ItemKind::kRefusal;
      begin(refusal ? "response.refusal.done" : "response.output_text.done");
      place().field("content_index", 0).field(refusal ? "refusal" : "text", answer.text);
      if (!refusal) json_.key("logprobs").begin_array().end_array();
      out.push_back(end());
      begin("response.content_part.done");
      place().field("content_index", 0).key("part");
      append_part(json_, kind, answer.text);
      out.push_back(end());
    }
    begin("response.output_item.done");
    json_.field("output_index", current_index_).key("item");
    append_item(json_, kind, answer, call, is_broken_off(answer, kind, call) ? "incomplete" : "completed", true);
    out.push_back(end());
  }

  // --- objects

  static void append_part(json::Writer& json, ItemKind kind, std::string_view text) {
    json.begin_object();
    if (kind == ItemKind::kRefusal) {
      json.field("type", "refusal").field("refusal", text);
    } else {
      json.field("type", "output_text").key("annotations").begin_array().end_array();
      json.key("logprobs").begin_array().end_array().field("text", text);
    }
    json.end_object();
  }

  void append_item(json::Writer& json, ItemKind kind, const Answer& answer, size_t call, std::string_view how,
                   bool filled) const {
    json.begin_object().field("id", item_id(answer, kind, call));
    switch (kind) {
      case ItemKind::kReasoning:
        json.field("type", "reasoning");
        if (request_.encrypted)
          json.field("encrypted_content", signer_.seal(kReasoningPurpose, filled ? answer.reasoning : "begun"));
        json.key("summary").begin_array();
        if (filled && shows(answer))
          json.begin_object().field("type", "summary_text").field("text", answer.reasoning).end_object();
        json.end_array();
        break;
      case ItemKind::kCall: {
        const ToolCall& its = answer.calls[call];
        json.field("type", "function_call").field("status", how);
        json.field("arguments", filled ? std::string_view(its.arguments) : "");
        json.field("call_id", its.id).field("name", its.name);
        break;
      }
      default:
        json.field("type", "message").field("status", how).key("content").begin_array();
        if (filled) append_part(json, kind, answer.text);
        json.end_array().field("role", "assistant");
    }
    json.end_object();
  }

  template <class Each>
  static void each_item(const Answer& answer, Each each) {
    if (has_reasoning(answer)) each(ItemKind::kReasoning, size_t{0});
    if (has_message(answer)) each(message_kind(answer), size_t{0});
    for (size_t i = 0; i < answer.calls.size(); ++i) each(ItemKind::kCall, i);
  }

  std::string finished(const Answer& answer, const Usage& usage) const {
    json::Writer json;
    append_response(json, status(answer), answer, &usage);
    return json.take();
  }

  static void raw_or(json::Writer& json, std::string_view name, const std::string& raw, std::string_view otherwise) {
    json.key(name).raw(raw.empty() ? otherwise : std::string_view(raw));
  }

  // `usage` is null until the response is finished; `failure` empty: none.
  void append_response(json::Writer& json, std::string_view how, const Answer& answer, const Usage* usage,
                       std::string_view failure = {}) const {
    json.begin_object().field("id", id_).field("object", "response").field("created_at", created_);
    json.field("status", how).field("background", false);
    if (usage != nullptr && how == "completed") json.field("completed_at", created_);
    json.key("error");
    if (failure.empty())
      json.null();
    else
      json.begin_object().field("code", "server_error").field("message", failure).end_object();
    json.key("incomplete_details");
    if (how == "incomplete")
      json.begin_object()
          .field("reason", answer.finish == Finish::kFilter ? "content_filter" : "max_output_tokens")
          .end_object();
    else
      json.null();
    raw_or(json, "instructions", request_.instructions, "null");
    raw_or(json, "max_output_tokens", request_.max_output_tokens, "null");
    json.key("max_tool_calls").null().field("model", request_.model).key("output").begin_array();
    if (usage != nullptr)
      each_item(answer, [&](ItemKind kind, size_t call) {
        append_item(json, kind, answer, call, is_broken_off(answer, kind, call) ? "incomplete" : "completed", true);
      });
    json.end_array().field("parallel_tool_calls", request_.parallel_tool_calls).key("previous_response_id");
    request_.previous.empty() ? json.null() : json.string(request_.previous);
    raw_or(json, "prompt_cache_key", request_.prompt_cache_key, "null");
    raw_or(json, "reasoning", request_.reasoning_json, R"({"effort":null,"summary":null})");
    raw_or(json, "safety_identifier", request_.safety_identifier, "null");
    json.field("service_tier", "default").field("store", request_.store);
    raw_or(json, "temperature", request_.temperature, "1");
    raw_or(json, "text", request_.text_json, R"({"format":{"type":"text"},"verbosity":"medium"})");
    raw_or(json, "tool_choice", request_.tool_choice_json, R"("auto")");
    raw_or(json, "tools", request_.tools_json, "[]");
    json.field("top_logprobs", 0);
    raw_or(json, "top_p", request_.top_p, "1");
    raw_or(json, "truncation", request_.truncation, R"("disabled")");
    json.key("usage");
    usage != nullptr ? append_usage(json, *usage) : static_cast<void>(json.null());
    raw_or(json, "user", request_.user, "null");
    raw_or(json, "metadata", request_.metadata_json, "{}");
    json.end_object();
  }

  static void append_usage(json::Writer& json, const Usage& usage) {
    json.begin_object().field("input_tokens", usage.prompt).key("input_tokens_details").begin_object();
    json.field("cached_tokens", usage.cache_read).field("cache_write_tokens", 0).end_object();
    json.field("output_tokens", usage.completion).key("output_tokens_details").begin_object();
    json.field("reasoning_tokens", usage.reasoning).end_object();
    json.field("total_tokens", usage.prompt + usage.completion).end_object();
  }

  void keep(const Answer& answer, std::string json) {
    if (shelf_ == nullptr || !request_.store) return;
    ResponseShelf::Kept kept{.items = request_.items, .json = std::move(json)};
    each_item(answer, [&](ItemKind kind, size_t call) {
      json::Writer item;
      append_item(item, kind, answer, call, "completed", true);
      kept.items.push_back(item.take());
    });
    shelf_->put(id_, std::move(kept));
  }

  ResponsesRequest request_;
  const Signer& signer_;
  ResponseShelf* shelf_;
  SeededRandom random_;
  int64_t created_;
  std::string id_, unique_;
  json::Writer json_;
  std::string name_, current_id_;
  int64_t sequence_ = 0, current_index_ = 0;
};

}  // namespace

std::unique_ptr<Call> make_responses_call(ResponsesRequest request, const Signer& signer, ResponseShelf* shelf,
                                          const Origin& origin) {
  return std::make_unique<ResponsesCall>(std::move(request), signer, shelf, origin);
}

}  // namespace perdure::simulate
