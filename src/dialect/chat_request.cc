// Canonical request -> body of POST /chat/completions. `user`, `safety_identifier`, `prompt_cache_key` and `metadata`
// are not sent: whose request it is stays here. Neither are `store` and `service_tier`, which mean something to one
// supplier only, nor `max_tool_calls`, which counts calls of tools that a supplier runs itself (it is given none).

#include "dialect/chat_messages.h"
#include "dialect/chat_upstream.h"
#include "dialect/effort.h"
#include "dialect/say.h"
#include "dialect/upstream_error.h"

namespace perdure {
namespace {

using json::Writer;

void write_tools(Writer& out, const Request& request) {
  if (shown_tools(request).empty()) return;
  out.key("tools").begin_array();
  for (size_t index : shown_tools(request)) {
    const Tool& tool = request.tools[index];
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
    case ToolChoice::Mode::kAllowed:
      if (allows_one(choice)) {
        out.key("tool_choice").begin_object().field("type", "function").key("function").begin_object();
        out.field("name", choice.allowed[0]).end_object().end_object();
      } else {
        out.field("tool_choice", choice.allowed_required ? "required" : "auto");
      }
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

void write_sampling(Writer& out, const UpstreamAsk& ask, const ChatVariant& variant) {
  const Request& request = ask.request;
  if (request.temperature) out.key("temperature").number(*request.temperature);
  if (request.top_p) out.key("top_p").number(*request.top_p);
  if (request.top_k && variant.top_k) out.field("top_k", *request.top_k);
  if (request.presence_penalty) out.key("presence_penalty").number(*request.presence_penalty);
  if (request.frequency_penalty) out.key("frequency_penalty").number(*request.frequency_penalty);
  if (ask.max_output_tokens)
    out.field(variant.max_completion_tokens ? "max_completion_tokens" : "max_tokens", *ask.max_output_tokens);
  if (!request.stop.empty()) {
    out.key("stop").begin_array();
    for (const std::string& text : request.stop) out.string(text);
    out.end_array();
  }
  if (request.seed) out.field("seed", *request.seed);
  if (const std::string_view effort = effort_of(request); !effort.empty()) out.field("reasoning_effort", effort);
  if (!request.verbosity.empty()) out.field("verbosity", request.verbosity);
}

Result<void> check(const UpstreamAsk& ask, const ChatVariant& variant, LeftOut& left_out) {
  const Request& request = ask.request;
  TRY_VOID(refuse_logprobs(request, left_out));
  if (request.top_k && !variant.top_k) TRY_VOID(left_out.refuse("top_k"));
  // "auto" takes what there is, be it nothing.
  if (request.reasoning_summary == "concise" || request.reasoning_summary == "detailed")
    TRY_VOID(left_out.refuse("reasoning.summary", "a wish for a summary of this kind"));
  if (variant.prefill != ChatPrefill::kNone) return {};
  if (!ask.held.empty() && ask.ask.empty()) return unsayable("", "an answer to go on with: it starts over");
  if (is_begun_by_client(ask) && ask.held.empty())
    return unsayable(context_param(ask, ask.context.size() - 1), "the beginning of its answer: it starts over");
  return {};
}

// Whether the last message is one of the assistant's that is to be gone on with.
bool is_prefill(const UpstreamAsk& ask) { return ask.held.empty() ? is_begun_by_client(ask) : ask.ask.empty(); }

// What the answer goes on from.
void write_held(Writer& out, const UpstreamAsk& ask, const ChatVariant& variant) {
  if (ask.held.empty()) return;
  out.begin_object().field("role", "assistant").field("content", ask.held);
  if (is_prefill(ask) && variant.prefill == ChatPrefill::kPrefixOfMessage) out.field("prefix", true);
  out.end_object();
  if (!is_prefill(ask)) out.begin_object().field("role", "user").field("content", ask.ask).end_object();
}

}  // namespace

Result<UpstreamMessage> write_chat_request(const UpstreamAsk& ask, const ChatVariant& variant) {
  LeftOut left_out(ask.request.lenient);
  TRY_VOID(check(ask, variant, left_out));
  Writer out;
  out.begin_object().field("model", ask.model).key("messages").begin_array();
  TRY(const size_t count, write_chat_messages(out, ask, variant, left_out));
  if (count == 0) {
    return Error{.code = Code::kInvalid,
                 .message = "The input holds nothing that a model could be given.",
                 .param = "input",
                 .reason = "invalid_value"};
  }
  write_held(out, ask, variant);
  out.end_array().field("stream", ask.stream);
  if (ask.stream && variant.stream_usage)
    out.key("stream_options").begin_object().field("include_usage", true).end_object();
  if (is_prefill(ask) && variant.prefill == ChatPrefill::kContinueFinal)
    out.field("add_generation_prompt", false).field("continue_final_message", true);
  write_tools(out, ask.request);
  write_format(out, ask.request.format);
  write_sampling(out, ask, variant);

  UpstreamMessage message{.path = "/chat/completions", .headers = {}, .body = out.end_object().take(), .dropped = {}};
  message.headers = {{"Content-Type", "application/json"},
                     {"Accept", ask.stream ? "text/event-stream" : "application/json"}};
  message.dropped = left_out.take();
  return message;
}

}  // namespace perdure
