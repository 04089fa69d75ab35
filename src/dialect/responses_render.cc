#include "dialect/responses_render.h"

#include <algorithm>

#include "model/opaque.h"

namespace perdure {
namespace {

// Raw JSON as one line: in JSON a line break is never part of a string, so a space says the same.
std::string one_line(std::string_view raw) {
  std::string out(raw);
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

void write_text_or_null(json::Writer& out, std::string_view name, std::string_view text) {
  out.key(name);
  text.empty() ? out.null() : out.string(text);
}

void write_count_or_null(json::Writer& out, std::string_view name, const std::optional<int64_t>& value) {
  out.key(name);
  value ? out.integer(*value) : out.null();
}

void write_tool(json::Writer& out, const Tool& tool) {
  out.begin_object().field("type", "function").field("name", tool.name).key("description");
  tool.description ? out.string(*tool.description) : out.null();
  out.key("parameters");
  tool.parameters.empty() ? out.null() : out.raw(one_line(tool.parameters));
  out.key("strict");
  tool.strict ? out.boolean(*tool.strict) : out.null();
  out.end_object();
}

void write_tool_choice(json::Writer& out, const ToolChoice& choice) {
  switch (choice.mode) {
    case ToolChoice::Mode::kAuto:
      out.string("auto");
      return;
    case ToolChoice::Mode::kNone:
      out.string("none");
      return;
    case ToolChoice::Mode::kRequired:
      out.string("required");
      return;
    case ToolChoice::Mode::kFunction:
      out.begin_object().field("type", "function").field("name", choice.function).end_object();
      return;
    case ToolChoice::Mode::kAllowed:
      out.begin_object().field("type", "allowed_tools").field("mode", choice.allowed_required ? "required" : "auto");
      out.key("tools").begin_array();
      for (const auto& name : choice.allowed)
        out.begin_object().field("type", "function").field("name", name).end_object();
      out.end_array().end_object();
      return;
  }
}

void write_text_field(json::Writer& out, const Request& request) {
  const TextFormat& format = request.format;
  out.begin_object().key("format").begin_object();
  switch (format.kind) {
    case TextFormat::Kind::kText:
      out.field("type", "text");
      break;
    case TextFormat::Kind::kJsonObject:
      out.field("type", "json_object");
      break;
    case TextFormat::Kind::kJsonSchema:
      out.field("type", "json_schema").field("name", format.name).key("description");
      format.description ? out.string(*format.description) : out.null();
      out.key("schema");
      format.schema.empty() ? out.null() : out.raw(one_line(format.schema));
      out.field("strict", format.strict.value_or(false));
      break;
  }
  out.end_object();
  if (!request.verbosity.empty()) out.field("verbosity", request.verbosity);
  out.end_object();
}

void write_reasoning(json::Writer& out, const Request& request) {
  if (request.reasoning_effort.empty() && request.reasoning_summary.empty()) {
    out.null();
    return;
  }
  out.begin_object();
  write_text_or_null(out, "effort", request.reasoning_effort);
  write_text_or_null(out, "summary", request.reasoning_summary);
  out.end_object();
}

void write_usage(json::Writer& out, const Usage& usage) {
  out.begin_object().field("input_tokens", usage.input_tokens);
  out.key("input_tokens_details").begin_object().field("cached_tokens", usage.cached_tokens).end_object();
  out.field("output_tokens", usage.output_tokens);
  out.key("output_tokens_details").begin_object().field("reasoning_tokens", usage.reasoning_tokens).end_object();
  out.field("total_tokens", usage.input_tokens + usage.output_tokens).end_object();
}

}  // namespace

void write_public_part(json::Writer& out, const Part& part) {
  if (part.cache.empty()) return write_part(out, part);
  Part shown = part;
  shown.cache.clear();
  write_part(out, shown);
}

bool shows_encrypted(const Request& request) {
  return std::ranges::find(request.include, "reasoning.encrypted_content") != request.include.end();
}

void write_public_item(json::Writer& out, const Item& item, bool with_encrypted) {
  const auto marked = [](const Part& part) { return !part.cache.empty(); };
  const bool named = item.kind == ItemKind::kMessage && !item.name.empty();
  if (item.encrypted.empty() && !item.tool_failed && item.cache.empty() && !named &&
      std::ranges::none_of(item.content, marked))
    return write_item(out, item);
  Item shown = item;
  if (item.kind == ItemKind::kReasoning && !item.encrypted.empty())
    shown.encrypted = with_encrypted ? pack_opaque(item.opaque, item.issuer, item.encrypted) : std::string();
  shown.opaque = OpaqueKind::kNone;
  shown.issuer.clear();
  shown.tool_failed = false;
  if (named) shown.name.clear();
  shown.cache.clear();
  for (Part& part : shown.content) part.cache.clear();
  write_item(out, shown);
}

void write_response(json::Writer& out, const Response& response) {
  const Request& request = *response.request;
  const ResponseStatus status = response.status;
  out.begin_object().field("id", response.id.value).field("object", "response");
  out.field("created_at", unix_seconds(response.created)).key("completed_at");
  status == ResponseStatus::kCompleted ? out.integer(unix_seconds(response.ended_at)) : out.null();
  out.field("status", name_of(status)).field("background", request.background).key("error");
  if (status == ResponseStatus::kFailed && response.ended) {
    const auto& code = response.ended->error_code;
    out.begin_object().field("code", code.empty() ? "server_error" : std::string_view(code));
    // This object has no field for the field at fault: it stands in front. Some clients do not read an error without a
    // type.
    const std::string& param = response.ended->error_param;
    out.field("message", param.empty() ? response.ended->error_message : param + ": " + response.ended->error_message);
    out.field("type", "server_error").end_object();
  } else {
    out.null();
  }
  out.key("incomplete_details");
  if (status == ResponseStatus::kIncomplete && response.ended) {
    out.begin_object().field("reason", response.ended->incomplete_reason).end_object();
  } else {
    out.null();
  }
  if (!request.conversation.empty())
    out.key("conversation").begin_object().field("id", request.conversation).end_object();
  out.key("instructions");
  request.instructions ? out.string(*request.instructions) : out.null();
  write_count_or_null(out, "max_output_tokens", request.max_output_tokens);
  write_count_or_null(out, "max_tool_calls", request.max_tool_calls);
  out.field("model", request.model).key("output").begin_array();
  for (const Item& item : response.output()) write_public_item(out, item, shows_encrypted(request));
  out.end_array().field("parallel_tool_calls", request.parallel_tool_calls.value_or(true));
  write_text_or_null(out, "previous_response_id", request.previous_response_id);
  write_text_or_null(out, "prompt_cache_key", request.prompt_cache_key);
  write_reasoning(out.key("reasoning"), request);
  write_text_or_null(out, "safety_identifier", request.safety_identifier);
  // What was used, not what was asked: suppliers are not asked for tiers.
  out.field("service_tier", "default").field("store", request.store);
  out.key("temperature").number(request.temperature.value_or(1)).key("top_p").number(request.top_p.value_or(1));
  out.key("presence_penalty").number(request.presence_penalty.value_or(0));
  out.key("frequency_penalty").number(request.frequency_penalty.value_or(0));
  write_text_field(out.key("text"), request);
  write_tool_choice(out.key("tool_choice"), request.tool_choice);
  out.key("tools").begin_array();
  for (const Tool& tool : request.tools) write_tool(out, tool);
  out.end_array().field("top_logprobs", request.top_logprobs.value_or(0)).field("truncation", request.truncation);
  out.key("usage");
  response.ended&& response.ended->usage.known ? write_usage(out, response.ended->usage) : void(out.null());
  if (!request.user.empty()) out.field("user", request.user);
  out.key("metadata").begin_object();
  for (const auto& [name, value] : request.metadata) out.field(name, value);
  out.end_object().end_object();
}

void write_compacted(json::Writer& out, const Response& response, std::span<const Item> window) {
  out.begin_object().field("id", response.id.value).field("object", "response.compaction");
  out.field("created_at", unix_seconds(response.created)).key("output").begin_array();
  for (const Item& item : window) write_public_item(out, item, false);
  out.end_array().key("usage");
  write_usage(out, response.ended ? response.ended->usage : Usage{});
  out.end_object();
}

}  // namespace perdure
