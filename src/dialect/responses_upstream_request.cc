// Canonical request -> body of POST /responses. `user`, `safety_identifier`, `prompt_cache_key` and `metadata` are not
// sent: whose request it is stays here. Neither are `service_tier`, which means something to one supplier only,
// `max_tool_calls`, which counts calls of tools that the supplier runs itself (it is given none), and marks of prompt
// caches, which suppliers of this dialect keep by themselves.

#include <algorithm>

#include "base/ids.h"
#include "dialect/effort.h"
#include "dialect/left_out.h"
#include "dialect/responses_upstream.h"
#include "dialect/say.h"
#include "dialect/text_of.h"
#include "dialect/upstream_error.h"
#include "wire/digest.h"
#include "wire/json.h"

namespace perdure {
namespace {

using json::Writer;

// Ids are ours; where the schema wants one that an item does not have, its place is its id: equal in every turn.
std::string id_of(const Item& item, std::string_view prefix, size_t index) {
  const bool good =
      item.id.starts_with(prefix) && item.id.size() <= 64 && std::ranges::all_of(item.id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
      });
  return good ? item.id : say("{}{}", prefix, index);
}

// One that is too long is replaced by its hash: the same in the call and its output, in every turn.
std::string fitting_call_id(const std::string& id) { return id.size() <= 64 ? id : to_hex(sha256(id)); }

bool is_text(const Part& part) { return part.kind == PartKind::kInputText || part.kind == PartKind::kOutputText; }
bool says_nothing(const Item& item) {
  return std::ranges::all_of(item.content, [](const Part& part) {
    return part.kind != PartKind::kInputImage && part.kind != PartKind::kInputFile && part.text.empty();
  });
}

class Input {
 public:
  Input(Writer& out, const UpstreamAsk& ask) : out_(out), ask_(ask) {}

  Result<void> write() {
    for (size_t i = 0; i < ask_.context.size(); ++i) TRY_VOID(add(i));
    return {};
  }
  bool empty() const { return count_ == 0; }

 private:
  Result<void> add(size_t index) {
    const Item& item = ask_.context[index];
    switch (item.kind) {
      case ItemKind::kMessage:
        if (says_nothing(item)) return {};
        ++count_;
        return item.role == Role::kAssistant ? write_assistant(index) : write_message(index);
      case ItemKind::kFunctionCall:
        ++count_;
        out_.begin_object()
            .field("type", "function_call")
            .field("call_id", fitting_call_id(item.call_id))
            .field("name", item.name);
        out_.field("arguments", item.arguments.empty() ? std::string_view("{}") : std::string_view(item.arguments));
        out_.end_object();
        return {};
      case ItemKind::kFunctionCallOutput:
        ++count_;
        return write_output(index);
      case ItemKind::kReasoning:
        if (is_readable(item) && leads_to_an_item(index)) write_reasoning(index);
        return {};
      case ItemKind::kCompaction:
        if (!is_readable(item)) return unsayable(context_param(ask_, index), "a compaction item of another issuer");
        ++count_;
        out_.begin_object().field("type", "compaction").field("encrypted_content", item.encrypted).end_object();
        return {};
    }
    return {};
  }

  // By the supplier that is asked: its own block, of the kind that this dialect carries.
  bool is_readable(const Item& item) const {
    const bool kind = item.kind == ItemKind::kCompaction || item.opaque == OpaqueKind::kEncrypted;
    return kind && !item.encrypted.empty() && !item.issuer.empty() && item.issuer == ask_.issuer;
  }

  bool leads_to_an_item(size_t index) const {
    for (size_t i = index + 1; i < ask_.context.size(); ++i) {
      const Item& next = ask_.context[i];
      const bool silent = next.kind == ItemKind::kMessage && next.role == Role::kAssistant && says_nothing(next);
      if (next.kind == ItemKind::kReasoning || silent) continue;
      if (next.kind == ItemKind::kFunctionCall) return true;
      return next.kind == ItemKind::kMessage && next.role == Role::kAssistant;
    }
    return false;
  }

  void write_reasoning(size_t index) {
    const Item& item = ask_.context[index];
    out_.begin_object().field("type", "reasoning").field("id", id_of(item, "rs_", index));
    out_.key("summary").begin_array();
    for (const Part& part : item.summary)
      out_.begin_object().field("type", "summary_text").field("text", part.text).end_object();
    out_.end_array().field("encrypted_content", item.encrypted).end_object();
  }

  // What was cited is in the text; marks of where are for readers, not for the model.
  Result<void> write_assistant(size_t index) {
    const Item& item = ask_.context[index];
    const bool plain = std::ranges::all_of(item.content, is_text);
    out_.begin_object().field("type", "message");
    if (!plain) out_.field("id", id_of(item, "msg_", index)).field("status", "completed");
    out_.field("role", "assistant");
    if (!item.phase.empty()) out_.field("phase", item.phase);
    out_.key("content");
    if (plain) {
      std::string room;
      out_.string(text_of(item.content, room)).end_object();
      return {};
    }
    out_.begin_array();
    for (size_t p = 0; p < item.content.size(); ++p) {
      const Part& part = item.content[p];
      if (part.kind == PartKind::kRefusal) {
        out_.begin_object().field("type", "refusal").field("refusal", part.text).end_object();
      } else if (is_text(part)) {
        out_.begin_object().field("type", "output_text").field("text", part.text);
        out_.key("annotations").begin_array().end_array().key("logprobs").begin_array().end_array().end_object();
      } else {
        return unsayable(say("{}.content[{}]", context_param(ask_, index), p), "an image or file of the assistant's");
      }
    }
    out_.end_array().end_object();
    return {};
  }

  Result<void> write_message(size_t index) {
    const Item& item = ask_.context[index];
    out_.begin_object().field("type", "message").field("role", name_of(item.role)).key("content");
    TRY_VOID(write_parts(index, "content"));
    out_.end_object();
    return {};
  }

  // This dialect has no field for a tool's failure: it is said in words.
  Result<void> write_output(size_t index) {
    const Item& item = ask_.context[index];
    out_.begin_object()
        .field("type", "function_call_output")
        .field("call_id", fitting_call_id(item.call_id))
        .key("output");
    if (item.output_is_text) {
      out_.string(item.tool_failed ? std::string(kToolFailed) + item.output : item.output);
    } else {
      TRY_VOID(write_parts(index, "output"));
    }
    out_.end_object();
    return {};
  }

  // `field`: of the item, that holds them.
  Result<void> write_parts(size_t index, std::string_view field) {
    const Item& item = ask_.context[index];
    out_.begin_array();
    if (item.tool_failed) write_text(kToolFailed);
    for (size_t p = 0; p < item.content.size(); ++p) {
      const Part& part = item.content[p];
      const auto here = [&] { return say("{}.{}[{}]", context_param(ask_, index), field, p); };
      switch (part.kind) {
        case PartKind::kInputText:
          if (!part.text.empty()) write_text(part.text);
          break;
        case PartKind::kInputImage:
          if (part.url.empty()) return unsayable(here() + ".file_id", "an image by its id");
          out_.begin_object().field("type", "input_image").field("image_url", part.url);
          out_.field("detail", part.detail.empty() ? std::string_view("auto") : std::string_view(part.detail));
          out_.end_object();
          break;
        case PartKind::kInputFile:
          if (part.file_data.empty() && part.url.empty()) return unsayable(here() + ".file_id", "a file by its id");
          out_.begin_object().field("type", "input_file");
          if (!part.filename.empty()) out_.field("filename", part.filename);
          if (!part.file_data.empty()) out_.field("file_data", part.file_data);
          if (!part.url.empty()) out_.field("file_url", part.url);
          out_.end_object();
          break;
        default:
          return unsayable(here(), "a part of this type here");
      }
    }
    out_.end_array();
    return {};
  }

  void write_text(std::string_view text) {
    out_.begin_object().field("type", "input_text").field("text", text).end_object();
  }

  Writer& out_;
  const UpstreamAsk& ask_;
  size_t count_ = 0;
};

// A schema is strict by default here, and nowhere else: what a client of another API did not ask for is said.
void write_strict(Writer& out, const Request& request, const std::optional<bool>& strict) {
  out.key("strict");
  if (strict) {
    out.boolean(*strict);
  } else if (request.dialect == ClientDialect::kResponses) {
    out.null();
  } else {
    out.boolean(false);
  }
}

void write_tools(Writer& out, const Request& request) {
  if (request.tools.empty()) return;
  out.key("tools").begin_array();
  for (const Tool& tool : request.tools) {
    out.begin_object().field("type", "function").field("name", tool.name);
    if (tool.description) out.field("description", *tool.description);
    out.key("parameters");
    tool.parameters.empty() ? out.null() : out.raw(tool.parameters);
    write_strict(out, request, tool.strict);
    out.end_object();
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
      out.key("tool_choice").begin_object().field("type", "function").field("name", choice.function).end_object();
      break;
    case ToolChoice::Mode::kAllowed:
      out.key("tool_choice").begin_object().field("type", "allowed_tools");
      out.field("mode", choice.allowed_required ? "required" : "auto").key("tools").begin_array();
      for (const std::string& name : choice.allowed)
        out.begin_object().field("type", "function").field("name", name).end_object();
      out.end_array().end_object();
      break;
  }
  if (request.parallel_tool_calls) out.field("parallel_tool_calls", *request.parallel_tool_calls);
}

void write_text_options(Writer& out, const Request& request) {
  const TextFormat& format = request.format;
  if (format.kind == TextFormat::Kind::kText && request.verbosity.empty()) return;
  out.key("text").begin_object();
  if (format.kind == TextFormat::Kind::kJsonObject)
    out.key("format").begin_object().field("type", "json_object").end_object();
  if (format.kind == TextFormat::Kind::kJsonSchema) {
    out.key("format").begin_object().field("type", "json_schema").field("name", format.name);
    if (format.description) out.field("description", *format.description);
    out.key("schema").raw(format.schema.empty() ? "{}" : std::string_view(format.schema));
    if (format.strict) out.field("strict", *format.strict);
    out.end_object();
  }
  if (!request.verbosity.empty()) out.field("verbosity", request.verbosity);
  out.end_object();
}

void write_reasoning_options(Writer& out, const Request& request, bool encrypted) {
  // "none" is what not asking for a summary means.
  const bool summary = !request.reasoning_summary.empty() && request.reasoning_summary != "none";
  const std::string_view effort = effort_of(request);
  if (!effort.empty() || summary) {
    out.key("reasoning").begin_object();
    if (!effort.empty()) out.field("effort", effort);
    if (summary) out.field("summary", request.reasoning_summary);
    out.end_object();
  }
  if (encrypted) out.key("include").begin_array().string("reasoning.encrypted_content").end_array();
}

Result<void> write_sampling(Writer& out, const UpstreamAsk& ask, const ResponsesVariant& variant, LeftOut& left_out) {
  const Request& request = ask.request;
  if (request.temperature) out.key("temperature").number(*request.temperature);
  if (request.top_p) out.key("top_p").number(*request.top_p);
  if (variant.penalties) {
    if (request.presence_penalty) out.key("presence_penalty").number(*request.presence_penalty);
    if (request.frequency_penalty) out.key("frequency_penalty").number(*request.frequency_penalty);
  } else {
    if (request.presence_penalty.value_or(0) != 0) TRY_VOID(left_out.refuse("presence_penalty"));
    if (request.frequency_penalty.value_or(0) != 0) TRY_VOID(left_out.refuse("frequency_penalty"));
  }
  if (ask.max_output_tokens) {
    // What is left of a limit may be less than the supplier takes; of the client's own it is told.
    const bool too_small = *ask.max_output_tokens < variant.output_tokens_least;
    if (too_small && ask.held.empty())
      TRY_VOID(left_out.refuse("max_output_tokens", say("a limit below {} tokens", variant.output_tokens_least)));
    out.field("max_output_tokens", std::max(*ask.max_output_tokens, variant.output_tokens_least));
  }
  if (!request.stop.empty()) TRY_VOID(left_out.refuse("stop", "stop sequences"));
  if (request.seed) TRY_VOID(left_out.refuse("seed"));
  if (request.top_k) TRY_VOID(left_out.refuse("top_k"));
  return {};
}

// The model, what it is told, and the conversation: an object that is still open.
Result<void> write_input(Writer& out, const UpstreamAsk& ask) {
  out.begin_object().field("model", ask.model);
  if (ask.request.instructions && !ask.request.instructions->empty())
    out.field("instructions", *ask.request.instructions);
  out.key("input").begin_array();
  Input input(out, ask);
  TRY_VOID(input.write());
  if (input.empty()) {
    return Error{.code = Code::kInvalid,
                 .message = "The input holds nothing that a model could be given.",
                 .param = "input",
                 .reason = "invalid_value"};
  }
  if (!ask.held.empty()) {
    out.begin_object().field("type", "message").field("role", "assistant").field("content", ask.held).end_object();
    out.begin_object().field("type", "message").field("role", "user").field("content", ask.ask).end_object();
  }
  out.end_array();
  return {};
}

UpstreamMessage json_message(std::string path, Writer& out, bool stream) {
  UpstreamMessage message{.path = std::move(path), .headers = {}, .body = out.end_object().take(), .dropped = {}};
  message.headers = {{"Content-Type", "application/json"},
                     {"Accept", stream ? "text/event-stream" : "application/json"}};
  return message;
}

}  // namespace

Result<UpstreamMessage> write_responses_upstream(const UpstreamAsk& ask, const ResponsesVariant& variant) {
  LeftOut left_out(ask.request.lenient);
  TRY_VOID(refuse_logprobs(ask.request, left_out));
  TRY_VOID(refuse_names(ask, left_out));
  TRY_VOID(check_tool_pairs(ask));
  if (!ask.held.empty() && ask.ask.empty()) return unsayable("", "an answer to go on with: it starts over");
  if (is_begun_by_client(ask)) {
    return unsayable(context_param(ask, ask.context.size() - 1), "the beginning of its answer: it starts over");
  }

  Writer out;
  TRY_VOID(write_input(out, ask));
  out.field("store", false).field("stream", ask.stream);
  write_tools(out, ask.request);
  write_text_options(out, ask.request);
  write_reasoning_options(out, ask.request, variant.encrypted_reasoning);
  TRY_VOID(write_sampling(out, ask, variant, left_out));
  UpstreamMessage message = json_message("/responses", out, ask.stream);
  message.dropped = left_out.take();
  return message;
}

Result<UpstreamMessage> write_responses_count(const UpstreamAsk& ask, const ResponsesVariant& variant) {
  if (!variant.counts) return Error{.code = Code::kInvalid, .message = "This supplier has no call that counts tokens."};
  TRY_VOID(check_tool_pairs(ask));
  Writer out;
  TRY_VOID(write_input(out, ask));
  write_tools(out, ask.request);
  write_text_options(out, ask.request);
  write_reasoning_options(out, ask.request, false);
  return json_message("/responses/input_tokens", out, false);
}

}  // namespace perdure
