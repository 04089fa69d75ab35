#include "dialect/responses_request.h"

#include <algorithm>

#include "dialect/conversations_request.h"
#include "dialect/request_reader.h"
#include "dialect/say.h"

namespace perdure {
namespace {

constexpr int64_t kCompactThreshold = 100'000;  // tokens, where compaction is asked for without saying when

Result<Tool> parse_tool(json::Value value, const std::string& path) {
  RequestReader in(value, path);
  std::string type;
  in.text("type", type, {.required = true});
  if (in.failed()) return in.finish().error();
  if (type != "function") return not_supported(in.param("type"), say("tools of type {}", quoted(type)));
  if (value["function"].is_object()) {
    return invalid(
        in.param("function"), "unknown_parameter",
        "Unknown parameter: 'function'. In the Responses API 'name' and 'parameters' are fields of the tool itself.");
  }
  Tool tool;
  in.text("name", tool.name, {.required = true, .length_max = kNameMax, .name = true});
  in.text("description", tool.description);
  in.raw_object("parameters", tool.parameters);
  in.boolean("strict", tool.strict);
  TRY_VOID(in.finish());
  return tool;
}

bool has_tool(const Request& request, std::string_view name) {
  return std::ranges::find(request.tools, name, &Tool::name) != request.tools.end();
}

void parse_tools(RequestReader& in, Request& request) {
  const auto elements = in.array("tools").elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    auto tool = parse_tool(elements[i], in.param("tools", i));
    if (!tool) return in.fail(std::move(tool).error());
    if (has_tool(request, tool->name)) {
      return in.fail(invalid(in.param("tools", i) + ".name", "invalid_value",
                             say("Two tools have the name {}.", quoted(tool->name))));
    }
    request.tools.push_back(*std::move(tool));
  }
}

// The name in {"type":"function","name":...}, one of the tools that were given.
Result<std::string> parse_function_choice(json::Value value, const std::string& path, const Request& request) {
  RequestReader in(value, path);
  std::string type, name;
  in.text("type", type, {.required = true});
  if (in.failed()) return in.finish().error();
  if (type != "function") return not_supported(in.param("type"), say("a tool choice of type {}", quoted(type)));
  in.text("name", name, {.required = true, .length_max = kNameMax, .name = true});
  TRY_VOID(in.finish());
  if (!has_tool(request, name))
    return invalid(path, "invalid_value", say("Tool choice {} is not among 'tools'.", quoted(name)));
  return name;
}

Result<ToolChoice> parse_tool_choice(json::Value value, const Request& request) {
  const std::string path = "tool_choice";
  ToolChoice choice;
  if (value.is_string()) {
    const std::string_view word = value.text();
    if (word == "auto") {
      choice.mode = ToolChoice::Mode::kAuto;
    } else if (word == "none") {
      choice.mode = ToolChoice::Mode::kNone;
    } else if (word == "required") {
      choice.mode = ToolChoice::Mode::kRequired;
      if (request.tools.empty()) return invalid(path, "invalid_value", "Tool choice 'required' needs 'tools'.");
    } else {
      return invalid(
          path, "invalid_value",
          say("Invalid value for 'tool_choice': {}. Supported are 'auto', 'none', 'required'.", quoted(word)));
    }
    return choice;
  }
  if (!value.is_object()) {
    return invalid(
        path, "invalid_type",
        say("Invalid type for 'tool_choice': expected a string or an object, got {}.", json::name_of(value.type())));
  }
  if (value["type"].text() != "allowed_tools") {
    TRY(choice.function, parse_function_choice(value, path, request));
    choice.mode = ToolChoice::Mode::kFunction;
    return choice;
  }
  RequestReader in(value, path);
  in.ignore("type");
  std::string mode;
  in.text("mode", mode, {.one_of = {"auto", "required"}});
  choice.mode = ToolChoice::Mode::kAllowed;
  choice.allowed_required = mode == "required";
  const auto elements = in.array("tools").elements();
  if (!in.failed() && (elements.empty() || elements.size() > 128)) {
    in.fail(invalid(in.param("tools"), "invalid_value", "Invalid 'tool_choice.tools': expected 1 to 128 tools."));
  }
  for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
    TRY(auto name, parse_function_choice(elements[i], in.param("tools", i), request));
    choice.allowed.push_back(std::move(name));
  }
  TRY_VOID(in.finish());
  return choice;
}

Result<TextFormat> parse_format(json::Value value) {
  RequestReader in(value, "text.format");
  TextFormat format;
  std::string type;
  in.text("type", type, {.required = true, .one_of = {"text", "json_object", "json_schema"}});
  if (type == "json_object") format.kind = TextFormat::Kind::kJsonObject;
  if (type == "json_schema") {
    format.kind = TextFormat::Kind::kJsonSchema;
    in.text("name", format.name, {.required = true, .length_max = kNameMax, .name = true});
    in.text("description", format.description);
    in.raw_object("schema", format.schema);
    if (format.schema.empty())
      in.fail(invalid("text.format.schema", "missing_required_parameter",
                      "Missing required parameter: 'text.format.schema'."));
    in.boolean("strict", format.strict);
  }
  TRY_VOID(in.finish());
  return format;
}

Result<void> parse_text(json::Value value, Request& request) {
  if (value.missing()) return {};
  RequestReader in(value, "text");
  if (json::Value format = in.object("format"); !format.missing()) {
    TRY(request.format, parse_format(format));
  }
  in.text("verbosity", request.verbosity, {.one_of = {"low", "medium", "high"}});
  return in.finish();
}

Result<void> parse_reasoning_options(json::Value value, Request& request) {
  if (value.missing()) return {};
  RequestReader in(value, "reasoning");
  in.text("effort", request.reasoning_effort, {.one_of = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}});
  in.text("summary", request.reasoning_summary, {.one_of = {"concise", "detailed", "auto"}});
  // Suppliers are shown all the reasoning that is theirs, whatever turn it is from.
  std::string context, mode;
  in.text("context", context, {.one_of = {"auto", "current_turn", "all_turns"}});
  if (in.text("mode", mode) && mode != "standard")
    in.fail(not_supported("reasoning.mode", "a mode of reasoning other than 'standard'"));
  return in.finish();
}

Result<void> parse_stream_options(json::Value value) {
  if (value.missing()) return {};
  RequestReader in(value, "stream_options");
  bool obfuscation = false;
  in.boolean("include_obfuscation", obfuscation);
  if (obfuscation) in.fail(not_supported("stream_options.include_obfuscation", "obfuscated streams"));
  return in.finish();
}

void parse_include(RequestReader& in, Request& request) {
  const auto elements = in.array("include").elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!elements[i].is_string()) {
      return in.fail(invalid(in.param("include", i), "invalid_type",
                             say("Invalid type for '{}': expected a string.", in.param("include", i))));
    }
    const std::string_view word = elements[i].text();
    if (word != "reasoning.encrypted_content" && word != "message.output_text.logprobs" && word != "x_perdure.seam") {
      return in.fail(not_supported(in.param("include", i), say("to include {}", quoted(word))));
    }
    request.include.emplace_back(word);
  }
}

bool is_reference(json::Value item) {
  if (!item["type"].absent()) return item["type"].text() == "item_reference";
  return item["role"].absent() && !item["id"].absent();
}

Result<ItemReference> parse_reference(json::Value value, const std::string& param) {
  RequestReader in(value, param);
  ItemReference out{.param = in.param("id")};
  in.ignore("type");
  in.text("id", out.id, {.required = true, .length_max = 256, .not_empty = true});
  TRY_VOID(in.finish());
  return out;
}

void parse_input(RequestReader& in, Request& request, const ResponsesRules& rules) {
  json::Value input = in.any("input");
  if (input.is_string()) {
    if (longer_than(input.text(), kTextMax)) {
      return in.fail(
          invalid("input", "string_above_max_length", say("Invalid 'input': longer than {} characters.", kTextMax)));
    }
    Item message{.role = Role::kUser};
    message.content.push_back({.text = std::string(input.text())});
    request.input.push_back(std::move(message));
  } else if (input.is_array()) {
    const auto elements = input.elements();
    request.input.reserve(elements.size());
    for (size_t i = 0; i < elements.size(); ++i) {
      if (rules.references != nullptr && elements[i].is_object() && is_reference(elements[i])) {
        auto reference = parse_reference(elements[i], in.param("input", i));
        if (!reference) return in.fail(std::move(reference).error());
        reference->before = request.input.size();
        rules.references->push_back(*std::move(reference));
        continue;
      }
      auto item = parse_input_item(elements[i], in.param("input", i));
      if (!item) return in.fail(std::move(item).error());
      request.input.push_back(*std::move(item));
    }
  } else if (!input.absent()) {
    return in.fail(
        invalid("input", "invalid_type",
                say("Invalid type for 'input': expected a string or an array, got {}.", json::name_of(input.type()))));
  }
  const bool none = request.input.empty() && (rules.references == nullptr || rules.references->empty());
  if (rules.input_needed && none && request.previous_response_id.empty() && request.conversation.empty()) {
    in.fail(invalid("input", "missing_required_parameter",
                    "One of 'input', 'previous_response_id' and 'conversation' must be given."));
  }
}

// An id, or {"id": ...}.
void parse_conversation(RequestReader& in, Request& request) {
  json::Value value = in.any("conversation");
  if (value.is_object()) {
    RequestReader own(value, "conversation");
    own.text("id", request.conversation, {.required = true, .length_max = 256, .not_empty = true});
    if (auto read = own.finish(); !read) in.fail(std::move(read).error());
  } else if (!value.absent()) {
    in.text("conversation", request.conversation, {.length_max = 256, .not_empty = true});
  }
  if (!request.conversation.empty() && !request.previous_response_id.empty()) {
    in.fail(invalid("conversation", "mutually_exclusive_parameters",
                    "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Give one of them."));
  }
}

// A list as OpenAI has it, of which one entry makes sense.
void parse_context_management(RequestReader& in, Request& request) {
  const auto elements = in.array("context_management").elements();
  if (elements.size() > 1)
    return in.fail(
        invalid("context_management", "invalid_value", "Invalid 'context_management': more than one entry."));
  if (elements.empty()) return;
  RequestReader entry(elements[0], in.param("context_management", 0));
  std::string type;
  entry.text("type", type, {.required = true, .one_of = {"compaction"}});
  entry.integer("compact_threshold", request.compact_threshold, 1000);
  if (!request.compact_threshold) request.compact_threshold = kCompactThreshold;
  if (auto read = entry.finish(); !read) in.fail(std::move(read).error());
}

}  // namespace

Result<Request> parse_responses_request(json::Value body, ResponsesRules rules) {
  Request request;
  RequestReader in(body, "");
  for (std::string_view name : {"prompt", "moderation", "prompt_cache_retention", "prompt_cache_options"})
    in.refuse(name);
  in.text("model", request.model, {.required = true, .length_max = 256, .not_empty = true});
  in.text("instructions", request.instructions);
  in.text("previous_response_id", request.previous_response_id, {.length_max = 256, .not_empty = true});
  parse_conversation(in, request);
  parse_context_management(in, request);
  parse_input(in, request, rules);
  parse_tools(in, request);
  if (json::Value choice = in.any("tool_choice"); !choice.absent() && !in.failed()) {
    TRY(request.tool_choice, parse_tool_choice(choice, request));
  }
  if (auto text = parse_text(in.object("text"), request); !text) in.fail(std::move(text).error());
  if (auto reasoning = parse_reasoning_options(in.object("reasoning"), request); !reasoning)
    in.fail(std::move(reasoning).error());
  in.number("temperature", request.temperature, 0, 2);
  in.number("top_p", request.top_p, 0, 1);
  in.number("presence_penalty", request.presence_penalty, -2, 2);
  in.number("frequency_penalty", request.frequency_penalty, -2, 2);
  in.integer("max_output_tokens", request.max_output_tokens, 16);
  in.integer("max_tool_calls", request.max_tool_calls, 1);
  in.integer("top_logprobs", request.top_logprobs, 0, 20);
  in.boolean("parallel_tool_calls", request.parallel_tool_calls);
  in.text("truncation", request.truncation, {.one_of = {"auto", "disabled"}});
  in.text("service_tier", request.service_tier,
          {.one_of = {"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"}});
  in.text("user", request.user, {.length_max = 512});
  in.text("safety_identifier", request.safety_identifier, {.length_max = kNameMax});
  in.text("prompt_cache_key", request.prompt_cache_key, {.length_max = kNameMax});
  parse_include(in, request);
  parse_metadata(in, request.metadata);
  in.boolean("store", request.store);
  in.boolean("background", request.background);
  in.boolean("stream", request.stream);
  if (auto options = parse_stream_options(in.object("stream_options")); !options) in.fail(std::move(options).error());
  if (!request.conversation.empty() && !request.store) {
    in.fail(invalid("store", "invalid_value",
                    "A response in a conversation is kept with it: 'conversation' needs 'store' to be true."));
  }
  TRY_VOID(in.finish());
  return request;
}

}  // namespace perdure
