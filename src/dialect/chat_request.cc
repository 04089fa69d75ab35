// Canonical request -> body of POST /chat/completions. `user`, `safety_identifier`, `prompt_cache_key` and `metadata`
// are not sent: whose request it is stays here. Neither are `store` and `service_tier`, which mean something to one
// supplier only.

#include <algorithm>
#include <map>

#include "dialect/chat_upstream.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

// Where in the client's request an item of the context is: the context ends with the request's input.
std::string param_of(const Request& request, size_t context_size, size_t index) {
  const size_t history = request.previous_response_id.empty() || request.input.size() > context_size
                             ? 0
                             : context_size - request.input.size();
  return index < history ? "previous_response_id" : say("input[{}]", index - history);
}

std::string joined(const std::vector<Part>& parts, std::string_view between) {
  std::string out;
  for (const Part& part : parts) {
    if (part.text.empty()) continue;
    if (!out.empty()) out += between;
    out += part.text;
  }
  return out;
}

void write_text_message(Writer& out, std::string_view role, std::string_view text) {
  out.begin_object().field("role", role).field("content", text).end_object();
}

// Writes the messages. An assistant's turn (its text, then its calls) is held until it is known to be whole; behind it
// come the outputs of its calls, in the order of the calls, wherever the client put them.
class Messages {
 public:
  Messages(Writer& out, const Request& request, std::span<const Item> context, const ChatVariant& variant)
      : out_(out), request_(request), context_(context), variant_(variant) {}

  Result<void> write() {
    TRY_VOID(write_system());
    for (size_t i = 0; i < context_.size(); ++i) {
      if (context_[i].kind == ItemKind::kFunctionCallOutput) outputs_[context_[i].call_id].push_back(i);
    }
    for (size_t i = 0; i < context_.size(); ++i) TRY_VOID(add(i));
    TRY_VOID(flush());
    for (const auto& [call_id, indexes] : outputs_) {
      const size_t used = used_[call_id];
      if (used < indexes.size()) {
        return Error{.code = Code::kInvalid,
                     .message = say("No tool call found for function call output with call_id {}.", call_id),
                     .param = param(indexes[used]),
                     .reason = "tool_call_not_found"};
      }
    }
    return {};
  }
  bool empty() const { return count_ == 0; }

 private:
  std::string param(size_t index) const { return param_of(request_, context_.size(), index); }

  static bool is_system(const Item& item) {
    return item.kind == ItemKind::kMessage && (item.role == Role::kSystem || item.role == Role::kDeveloper);
  }

  // Instructions first, then system and developer messages, all before the conversation, where every supplier takes
  // them. Suppliers that do not know developers often run templates with room for a single system message.
  Result<void> write_system() {
    std::vector<std::pair<std::string_view, std::string>> messages;
    if (request_.instructions && !request_.instructions->empty())
      messages.emplace_back("developer", *request_.instructions);
    for (size_t i = 0; i < context_.size(); ++i) {
      const Item& item = context_[i];
      if (!is_system(item)) continue;
      for (size_t p = 0; p < item.content.size(); ++p) {
        if (item.content[p].kind != PartKind::kInputText)
          return unsayable(say("{}.content[{}]", param(i), p), "images or files in a system message");
      }
      std::string text = joined(item.content, "\n");
      if (!text.empty()) messages.emplace_back(name_of(item.role), std::move(text));
    }
    if (messages.empty()) return {};
    if (variant_.developer_role) {
      for (const auto& [role, text] : messages) emit_text(role, text);
    } else {
      std::string whole;
      for (const auto& [role, text] : messages) whole.append(whole.empty() ? "" : "\n\n").append(text);
      emit_text("system", whole);
    }
    return {};
  }

  Result<void> add(size_t index) {
    const Item& item = context_[index];
    switch (item.kind) {
      case ItemKind::kMessage:
        if (is_system(item)) return {};
        TRY_VOID(flush());
        if (item.role == Role::kUser) return write_user(index);
        turn_ = &item;
        return {};
      case ItemKind::kFunctionCall:
        // A call after all earlier ones were answered was made with the answers known: a turn of its own.
        if (!calls_.empty() && answered_ >= calls_.size()) TRY_VOID(flush());
        calls_.push_back(index);
        return {};
      case ItemKind::kFunctionCallOutput:
        if (std::ranges::any_of(calls_, [&](size_t call) { return context_[call].call_id == item.call_id; }))
          ++answered_;
        return {};
      case ItemKind::kReasoning:
        return {};  // of use to its issuer only, and this dialect has no place for it
      case ItemKind::kCompaction:
        return unsayable(param(index), "a compaction item, which only its issuer can read");
    }
    return {};
  }

  Result<void> flush() {
    const Item* text = std::exchange(turn_, nullptr);
    const std::vector<size_t> calls = std::exchange(calls_, {});
    answered_ = 0;
    const bool silent = !text || std::ranges::all_of(text->content, [](const Part& part) { return part.text.empty(); });
    if (silent && calls.empty()) return {};

    out_.begin_object().field("role", "assistant").key("content");
    silent ? void(out_.null()) : write_assistant_content(*text);
    if (!calls.empty()) {
      out_.key("tool_calls").begin_array();
      for (size_t index : calls) {
        const Item& call = context_[index];
        out_.begin_object().field("id", call.call_id).field("type", "function").key("function").begin_object();
        out_.field("name", call.name)
            .field("arguments", call.arguments.empty() ? std::string_view("{}") : std::string_view(call.arguments));
        out_.end_object().end_object();
      }
      out_.end_array();
    }
    out_.end_object();
    ++count_;
    for (size_t index : calls) TRY_VOID(write_output(index));
    return {};
  }

  void write_assistant_content(const Item& message) {
    if (std::ranges::none_of(message.content, [](const Part& part) { return part.kind == PartKind::kRefusal; })) {
      out_.string(joined(message.content, ""));
      return;
    }
    out_.begin_array();
    for (const Part& part : message.content) {
      if (part.text.empty()) continue;
      const bool refusal = part.kind == PartKind::kRefusal;
      out_.begin_object()
          .field("type", refusal ? "refusal" : "text")
          .field(refusal ? "refusal" : "text", part.text)
          .end_object();
    }
    out_.end_array();
  }

  Result<void> write_output(size_t call) {
    const std::string& call_id = context_[call].call_id;
    const auto& indexes = outputs_[call_id];
    size_t& used = used_[call_id];
    if (used == indexes.size()) {
      return Error{.code = Code::kInvalid,
                   .message = say("No tool output found for function call {}.", call_id),
                   .param = "input",
                   .reason = "tool_output_not_found"};
    }
    const size_t index = indexes[used++];
    const Item& item = context_[index];
    for (size_t p = 0; p < item.content.size(); ++p) {
      if (item.content[p].kind != PartKind::kInputText)
        return unsayable(say("{}.output[{}]", param(index), p), "images or files in the output of a tool");
    }
    out_.begin_object().field("role", "tool").field("tool_call_id", call_id);
    out_.field("content", item.output_is_text ? item.output : joined(item.content, "\n")).end_object();
    ++count_;
    return {};
  }

  Result<void> write_user(size_t index) {
    const Item& item = context_[index];
    std::vector<const Part*> parts;
    for (const Part& part : item.content) {
      if (part.kind != PartKind::kInputText || !part.text.empty()) parts.push_back(&part);
    }
    if (parts.empty()) return {};
    if (parts.size() == 1 && parts[0]->kind == PartKind::kInputText) {
      emit_text("user", parts[0]->text);
      return {};
    }
    out_.begin_object().field("role", "user").key("content").begin_array();
    for (const Part* part : parts) {
      const std::string where = say("{}.content[{}]", param(index), part - item.content.data());
      TRY_VOID(write_user_part(*part, where));
    }
    out_.end_array().end_object();
    ++count_;
    return {};
  }

  Result<void> write_user_part(const Part& part, const std::string& where) {
    switch (part.kind) {
      case PartKind::kInputText:
        out_.begin_object().field("type", "text").field("text", part.text).end_object();
        return {};
      case PartKind::kInputImage:
        if (part.url.empty()) return unsayable(where + ".file_id", "an image by its id");
        out_.begin_object().field("type", "image_url").key("image_url").begin_object().field("url", part.url);
        if (!part.detail.empty()) out_.field("detail", part.detail);
        out_.end_object().end_object();
        return {};
      case PartKind::kInputFile:
        if (part.file_data.empty())
          return unsayable(where + (part.url.empty() ? ".file_id" : ".file_url"), "a file by its id or URL");
        out_.begin_object().field("type", "file").key("file").begin_object();
        if (!part.filename.empty()) out_.field("filename", part.filename);
        out_.field("file_data", part.file_data).end_object().end_object();
        return {};
      default:
        return unsayable(where, "a part of this type in a message of the user");
    }
  }

  void emit_text(std::string_view role, std::string_view text) {
    write_text_message(out_, role, text);
    ++count_;
  }

  Writer& out_;
  const Request& request_;
  std::span<const Item> context_;
  const ChatVariant& variant_;
  const Item* turn_ = nullptr;                          // the open turn: its text
  std::vector<size_t> calls_;                           // and its calls
  size_t answered_ = 0;                                 // outputs seen since for these calls
  std::map<std::string, std::vector<size_t>> outputs_;  // by call_id, which a model may use again
  std::map<std::string, size_t> used_;
  size_t count_ = 0;
};

void write_tools(Writer& out, const Request& request) {
  if (request.tools.empty()) return;
  out.key("tools").begin_array();
  for (const Tool& tool : request.tools) {
    out.begin_object().field("type", "function").key("function").begin_object().field("name", tool.name);
    if (tool.description) out.field("description", *tool.description);
    if (!tool.parameters.empty()) out.key("parameters").raw(tool.parameters);
    if (tool.strict) out.field("strict", *tool.strict);
    out.end_object().end_object();
  }
  out.end_array();
  const ToolChoice& choice = request.tool_choice;
  switch (choice.mode) {
    case ToolChoice::Mode::kAuto:
      break;
    case ToolChoice::Mode::kNone:
      out.field("tool_choice", "none");
      break;
    case ToolChoice::Mode::kRequired:
      out.field("tool_choice", "required");
      break;
    case ToolChoice::Mode::kFunction:
      out.key("tool_choice").begin_object().field("type", "function").key("function").begin_object();
      out.field("name", choice.function).end_object().end_object();
      break;
    // All tools stay in sight, for the supplier's prompt cache; what is called is checked when the answer comes.
    case ToolChoice::Mode::kAllowed:
      out.field("tool_choice", choice.allowed_required ? "required" : "auto");
      break;
  }
  if (request.parallel_tool_calls) out.field("parallel_tool_calls", *request.parallel_tool_calls);
}

void write_format(Writer& out, const TextFormat& format) {
  switch (format.kind) {
    case TextFormat::Kind::kText:
      return;
    case TextFormat::Kind::kJsonObject:
      out.key("response_format").begin_object().field("type", "json_object").end_object();
      return;
    case TextFormat::Kind::kJsonSchema:
      out.key("response_format")
          .begin_object()
          .field("type", "json_schema")
          .key("json_schema")
          .begin_object()
          .field("name", format.name);
      if (format.description) out.field("description", *format.description);
      out.key("schema").raw(format.schema.empty() ? "{}" : std::string_view(format.schema));
      if (format.strict) out.field("strict", *format.strict);
      out.end_object().end_object();
      return;
  }
}

void write_sampling(Writer& out, const Request& request, const ChatVariant& variant) {
  if (request.temperature) out.key("temperature").number(*request.temperature);
  if (request.top_p) out.key("top_p").number(*request.top_p);
  if (request.presence_penalty) out.key("presence_penalty").number(*request.presence_penalty);
  if (request.frequency_penalty) out.key("frequency_penalty").number(*request.frequency_penalty);
  if (request.max_output_tokens)
    out.field(variant.max_completion_tokens ? "max_completion_tokens" : "max_tokens", *request.max_output_tokens);
  if (!request.reasoning_effort.empty()) out.field("reasoning_effort", request.reasoning_effort);
  if (!request.verbosity.empty()) out.field("verbosity", request.verbosity);
}

}  // namespace

Result<std::string> write_chat_request(const Request& request, std::span<const Item> context,
                                       const std::string& upstream_model, const ChatVariant& variant,
                                       std::string_view held, std::string_view ask) {
  if (request.top_logprobs.value_or(0) > 0) return unsayable("top_logprobs", "'top_logprobs'");
  if (std::ranges::find(request.include, "message.output_text.logprobs") != request.include.end())
    return unsayable("include", "a wish for logprobs");
  Writer out;
  out.begin_object().field("model", upstream_model).key("messages").begin_array();
  Messages messages(out, request, context, variant);
  TRY_VOID(messages.write());
  if (messages.empty()) {
    return Error{.code = Code::kInvalid,
                 .message = "The input holds nothing that a model could be given.",
                 .param = "input",
                 .reason = "invalid_value"};
  }
  if (!held.empty()) {
    write_text_message(out, "assistant", held);
    if (!ask.empty()) write_text_message(out, "user", ask);
  }
  out.end_array().field("stream", true);
  if (variant.stream_usage) out.key("stream_options").begin_object().field("include_usage", true).end_object();
  write_tools(out, request);
  write_format(out, request.format);
  write_sampling(out, request, variant);
  return out.end_object().take();
}

}  // namespace perdure
