#include "model/record_names.h"
#include "model/request.h"
#include "model/strict_reader.h"

namespace perdure {
namespace {

using Mode = ToolChoice::Mode;
constexpr Name<Mode> kModeWords[] = {{Mode::kAuto, "auto"},
                                     {Mode::kNone, "none"},
                                     {Mode::kRequired, "required"},
                                     {Mode::kFunction, "function"},
                                     {Mode::kAllowed, "allowed"}};
constexpr std::span<const Name<Mode>> kModes = kModeWords;
using Format = TextFormat::Kind;
constexpr Name<Format> kFormatWords[] = {
    {Format::kText, "text"}, {Format::kJsonObject, "json_object"}, {Format::kJsonSchema, "json_schema"}};
constexpr std::span<const Name<Format>> kFormats = kFormatWords;

void write_optional(json::Writer& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.field(name, text);
}
void write_optional(json::Writer& out, std::string_view name, const std::optional<std::string>& text) {
  if (text) out.field(name, *text);
}
void write_optional(json::Writer& out, std::string_view name, std::optional<bool> value) {
  if (value) out.field(name, *value);
}
void write_optional(json::Writer& out, std::string_view name, std::optional<int64_t> value) {
  if (value) out.field(name, *value);
}
void write_optional(json::Writer& out, std::string_view name, std::optional<double> value) {
  if (value) out.key(name).number(*value);
}
void write_texts(json::Writer& out, std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  out.key(name).begin_array();
  for (const auto& text : texts) out.string(text);
  out.end_array();
}

void write_tool(json::Writer& out, const Tool& tool) {
  out.begin_object().field("name", tool.name);
  write_optional(out, "description", tool.description);
  if (!tool.parameters.empty()) out.key("parameters").raw(tool.parameters);
  write_optional(out, "strict", tool.strict);
  write_optional(out, "cache", tool.cache);
  out.end_object();
}

Result<Tool> read_tool(json::Value value) {
  Tool tool;
  StrictReader in(value, "tool");
  in.text("name", tool.name);
  in.optional_text("description", tool.description);
  tool.parameters = in.object("parameters").raw();
  in.optional_boolean("strict", tool.strict);
  in.optional_text("cache", tool.cache);
  TRY_VOID(in.finish());
  return tool;
}

void write_tool_choice(json::Writer& out, const ToolChoice& choice) {
  out.begin_object().field("mode", word_of(kModes, choice.mode));
  write_optional(out, "function", choice.function);
  if (choice.allowed_required) out.field("required", true);
  write_texts(out, "allowed", choice.allowed);
  out.end_object();
}

Result<ToolChoice> read_tool_choice(json::Value value) {
  ToolChoice choice;
  StrictReader in(value, "tool_choice");
  in.word("mode", kModes, choice.mode);
  in.optional_text("function", choice.function);
  in.optional_boolean("required", choice.allowed_required);
  in.texts("allowed", choice.allowed);
  TRY_VOID(in.finish());
  return choice;
}

void write_format(json::Writer& out, const TextFormat& format) {
  out.begin_object().field("type", word_of(kFormats, format.kind));
  write_optional(out, "name", format.name);
  write_optional(out, "description", format.description);
  if (!format.schema.empty()) out.key("schema").raw(format.schema);
  write_optional(out, "strict", format.strict);
  out.end_object();
}

Result<TextFormat> read_format(json::Value value) {
  TextFormat format;
  StrictReader in(value, "format");
  in.word("type", kFormats, format.kind);
  in.optional_text("name", format.name);
  in.optional_text("description", format.description);
  format.schema = in.object("schema").raw();
  in.optional_boolean("strict", format.strict);
  TRY_VOID(in.finish());
  return format;
}

}  // namespace

void write_request(json::Writer& out, const Request& request) {
  out.begin_object().field("model", request.model);
  if (request.dialect != ClientDialect::kResponses) out.field("dialect", name_of(request.dialect));
  write_optional(out, "instructions", request.instructions);
  out.key("input").begin_array();
  for (const Item& item : request.input) write_item(out, item);
  out.end_array();
  if (!request.tools.empty()) {
    out.key("tools").begin_array();
    for (const Tool& tool : request.tools) write_tool(out, tool);
    out.end_array();
  }
  if (request.tool_choice != ToolChoice{}) write_tool_choice(out.key("tool_choice"), request.tool_choice);
  if (request.format != TextFormat{}) write_format(out.key("format"), request.format);
  write_optional(out, "verbosity", request.verbosity);
  write_optional(out, "temperature", request.temperature);
  write_optional(out, "top_p", request.top_p);
  write_optional(out, "presence_penalty", request.presence_penalty);
  write_optional(out, "frequency_penalty", request.frequency_penalty);
  write_optional(out, "max_output_tokens", request.max_output_tokens);
  write_optional(out, "max_tool_calls", request.max_tool_calls);
  write_optional(out, "top_logprobs", request.top_logprobs);
  write_optional(out, "parallel_tool_calls", request.parallel_tool_calls);
  write_optional(out, "reasoning_effort", request.reasoning_effort);
  write_optional(out, "reasoning_summary", request.reasoning_summary);
  write_optional(out, "reasoning_tokens_max", request.reasoning_tokens_max);
  write_optional(out, "top_k", request.top_k);
  write_optional(out, "seed", request.seed);
  write_texts(out, "stop", request.stop);
  if (request.truncation != Request{}.truncation) out.field("truncation", request.truncation);
  write_optional(out, "service_tier", request.service_tier);
  write_optional(out, "user", request.user);
  write_optional(out, "safety_identifier", request.safety_identifier);
  write_optional(out, "prompt_cache_key", request.prompt_cache_key);
  write_texts(out, "include", request.include);
  if (!request.metadata.empty()) {
    out.key("metadata").begin_object();
    for (const auto& [key, value] : request.metadata) out.field(key, value);
    out.end_object();
  }
  write_optional(out, "previous_response_id", request.previous_response_id);
  write_optional(out, "conversation", request.conversation);
  write_optional(out, "compact_threshold", request.compact_threshold);
  if (request.include_usage) out.field("include_usage", true);
  if (request.lenient) out.field("lenient", true);
  if (!request.store) out.field("store", false);
  if (request.background) out.field("background", true);
  if (request.stream) out.field("stream", true);
  out.end_object();
}

Result<Request> read_request(json::Value value) {
  Request request;
  StrictReader in(value, "request");
  in.text("model", request.model);
  if (json::Value dialect = in.any("dialect"); !dialect.missing())
    in.word("dialect", client_dialects(), request.dialect);
  in.optional_text("instructions", request.instructions);
  for (json::Value element : in.array("input").elements()) {
    TRY(auto item, read_item(element));
    request.input.push_back(std::move(item));
  }
  for (json::Value element : in.array("tools").elements()) {
    TRY(auto tool, read_tool(element));
    request.tools.push_back(std::move(tool));
  }
  if (json::Value choice = in.any("tool_choice"); !choice.missing()) {
    TRY(request.tool_choice, read_tool_choice(choice));
  }
  if (json::Value format = in.any("format"); !format.missing()) {
    TRY(request.format, read_format(format));
  }
  in.optional_text("verbosity", request.verbosity);
  in.optional_number("temperature", request.temperature);
  in.optional_number("top_p", request.top_p);
  in.optional_number("presence_penalty", request.presence_penalty);
  in.optional_number("frequency_penalty", request.frequency_penalty);
  in.optional_integer("max_output_tokens", request.max_output_tokens);
  in.optional_integer("max_tool_calls", request.max_tool_calls);
  in.optional_integer("top_logprobs", request.top_logprobs);
  in.optional_boolean("parallel_tool_calls", request.parallel_tool_calls);
  in.optional_text("reasoning_effort", request.reasoning_effort);
  in.optional_text("reasoning_summary", request.reasoning_summary);
  in.optional_integer("reasoning_tokens_max", request.reasoning_tokens_max);
  in.optional_integer("top_k", request.top_k);
  in.optional_integer("seed", request.seed);
  in.texts("stop", request.stop);
  in.optional_text("truncation", request.truncation);
  in.optional_text("service_tier", request.service_tier);
  in.optional_text("user", request.user);
  in.optional_text("safety_identifier", request.safety_identifier);
  in.optional_text("prompt_cache_key", request.prompt_cache_key);
  in.texts("include", request.include);
  for (const auto& member : in.object("metadata").members()) {
    if (!member.value.is_string()) in.fail("metadata", "holds what is not a string");
    request.metadata.emplace_back(member.key, member.value.text());
  }
  in.optional_text("previous_response_id", request.previous_response_id);
  in.optional_text("conversation", request.conversation);
  in.optional_integer("compact_threshold", request.compact_threshold);
  in.optional_boolean("include_usage", request.include_usage);
  in.optional_boolean("lenient", request.lenient);
  in.optional_boolean("store", request.store);
  in.optional_boolean("background", request.background);
  in.optional_boolean("stream", request.stream);
  TRY_VOID(in.finish());
  return request;
}

}  // namespace perdure
