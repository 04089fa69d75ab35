#include "dialect/chat_client_request.h"

#include <algorithm>

#include "dialect/chat_client_messages.h"
#include "dialect/request_reader.h"
#include "dialect/say.h"

namespace perdure {
namespace {

class Body {
 public:
  Body(json::Value body, bool lenient) : in_(body, ""), lenient_(lenient) {
    parsed_.request.dialect = ClientDialect::kChat;
    parsed_.request.store = false;
    parsed_.request.lenient = lenient;
  }

  Result<ParsedRequest> read() {
    Request& r = parsed_.request;
    in_.text("model", r.model, {.required = true, .length_max = 256, .not_empty = true});
    if (!in_.failed()) {
      auto items = parse_chat_messages(in_.any("messages"));
      items ? void(r.input = *std::move(items)) : in_.fail(std::move(items).error());
    }
    refuse_what_is_not_here();
    tools();
    tool_choice();
    format();
    limits();
    in_.number("temperature", r.temperature, 0, 2);
    in_.number("top_p", r.top_p, 0, 1);
    in_.integer("top_k", r.top_k, 0);
    in_.number("presence_penalty", r.presence_penalty, -2, 2);
    in_.number("frequency_penalty", r.frequency_penalty, -2, 2);
    in_.integer("seed", r.seed, INT64_MIN);
    stop();
    in_.text("reasoning_effort", r.reasoning_effort,
             {.one_of = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}});
    in_.text("verbosity", r.verbosity, {.one_of = {"low", "medium", "high"}});
    in_.boolean("parallel_tool_calls", r.parallel_tool_calls);
    in_.text("service_tier", r.service_tier, {.one_of = {"auto", "default", "flex", "scale", "priority", "fast"}});
    in_.text("user", r.user, {.length_max = 512});
    in_.text("safety_identifier", r.safety_identifier, {.length_max = kNameMax});
    in_.text("prompt_cache_key", r.prompt_cache_key, {.length_max = kNameMax});
    in_.boolean("store", r.store);
    metadata();
    in_.boolean("stream", r.stream);
    stream_options();
    if (lenient_) in_.leave_out_unknown(parsed_.left_out);
    TRY_VOID(in_.finish());
    return std::move(parsed_);
  }

 private:
  void refuse(std::string param, std::string what) {
    if (lenient_) return parsed_.left_out.push_back(std::move(param));
    in_.fail(not_supported(std::move(param), std::move(what)));
  }

  void refuse_what_is_not_here() {
    for (std::string_view name : {"audio", "prediction", "web_search_options", "moderation", "prompt_cache_options"}) {
      if (!in_.any(name).absent()) refuse(std::string(name), quoted(name));
    }
    for (std::string_view name : {"functions", "function_call"}) {
      if (!in_.any(name).absent()) in_.fail(not_supported(std::string(name), quoted(name) + "; use 'tools'"));
    }
    if (json::Value kept = in_.any("prompt_cache_retention"); !kept.absent() && kept.text() != "in_memory")
      refuse("prompt_cache_retention", "'prompt_cache_retention' other than 'in_memory'");
    if (json::Value bias = in_.object("logit_bias"); bias.size() > 0)
      refuse("logit_bias", "'logit_bias': its tokens are those of one model");
    std::optional<bool> logprobs;
    in_.boolean("logprobs", logprobs);
    if (logprobs.value_or(false)) refuse("logprobs", "'logprobs'");
    std::optional<int64_t> top_logprobs, choices;
    in_.integer("top_logprobs", top_logprobs, 0, 20);
    if (top_logprobs.value_or(0) > 0) refuse("top_logprobs", "'top_logprobs'");
    in_.integer("n", choices, 1, 128);
    if (choices.value_or(1) > 1) refuse("n", "more than one choice");
    const auto modalities = in_.array("modalities").elements();
    for (size_t i = 0; i < modalities.size(); ++i) {
      if (modalities[i].text() != "text") refuse(in_.param("modalities", i), "modalities other than 'text'");
    }
  }

  void tools() {
    const auto elements = in_.array("tools").elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      auto tool = parse_tool(elements[i], in_.param("tools", i));
      if (!tool) return in_.fail(std::move(tool).error());
      if (has_tool(tool->name)) {
        return in_.fail(invalid(in_.param("tools", i) + ".function.name", "invalid_value",
                                say("Two tools have the name {}.", quoted(tool->name))));
      }
      parsed_.request.tools.push_back(*std::move(tool));
    }
  }

  static Result<Tool> parse_tool(json::Value value, const std::string& path) {
    RequestReader in(value, path);
    std::string type;
    in.text("type", type, {.required = true});
    if (in.failed()) return in.finish().error();
    if (type != "function") return not_supported(in.param("type"), say("tools of type {}", quoted(type)));
    json::Value function = in.any("function");
    TRY_VOID(in.finish());
    Tool tool;
    RequestReader inner(function, path + ".function");
    inner.text("name", tool.name, {.required = true, .length_max = kNameMax, .name = true});
    inner.text("description", tool.description);
    inner.raw_object("parameters", tool.parameters);
    inner.boolean("strict", tool.strict);
    TRY_VOID(inner.finish());
    return tool;
  }

  bool has_tool(std::string_view name) const {
    return std::ranges::find(parsed_.request.tools, name, &Tool::name) != parsed_.request.tools.end();
  }

  // {"type":"function","function":{"name":...}}, one of the tools that were given.
  Result<std::string> parse_named(json::Value value, const std::string& path) const {
    RequestReader in(value, path);
    std::string type, name;
    in.text("type", type, {.required = true});
    if (in.failed()) return in.finish().error();
    if (type != "function") return not_supported(in.param("type"), say("a tool choice of type {}", quoted(type)));
    json::Value function = in.any("function");
    TRY_VOID(in.finish());
    RequestReader inner(function, path + ".function");
    inner.text("name", name, {.required = true, .length_max = kNameMax, .name = true});
    TRY_VOID(inner.finish());
    if (!has_tool(name))
      return invalid(path, "invalid_value", say("Tool choice {} is not among 'tools'.", quoted(name)));
    return name;
  }

  void tool_choice() {
    json::Value value = in_.any("tool_choice");
    if (value.absent() || in_.failed()) return;
    auto choice = parse_tool_choice(value);
    choice ? void(parsed_.request.tool_choice = *std::move(choice)) : in_.fail(std::move(choice).error());
  }

  Result<ToolChoice> parse_tool_choice(json::Value value) const {
    using Mode = ToolChoice::Mode;
    ToolChoice choice;
    const std::string path = "tool_choice";
    if (value.is_string()) {
      const std::string_view word = value.text();
      if (word != "auto" && word != "none" && word != "required") {
        return invalid(
            path, "invalid_value",
            say("Invalid value for 'tool_choice': {}. Supported are 'auto', 'none', 'required'.", quoted(word)));
      }
      if (word == "required" && parsed_.request.tools.empty())
        return invalid(path, "invalid_value", "Tool choice 'required' needs 'tools'.");
      choice.mode = word == "auto" ? Mode::kAuto : word == "none" ? Mode::kNone : Mode::kRequired;
      return choice;
    }
    if (value["type"].text() != "allowed_tools") {
      choice.mode = Mode::kFunction;
      TRY(choice.function, parse_named(value, path));
      return choice;
    }
    RequestReader in(value, path);
    in.ignore("type");
    json::Value allowed = in.any("allowed_tools");
    TRY_VOID(in.finish());
    RequestReader inner(allowed, path + ".allowed_tools");
    std::string mode;
    inner.text("mode", mode, {.required = true, .one_of = {"auto", "required"}});
    choice.mode = Mode::kAllowed;
    choice.allowed_required = mode == "required";
    const auto elements = inner.array("tools").elements();
    if (!inner.failed() && (elements.empty() || elements.size() > 128))
      inner.fail(invalid(inner.param("tools"), "invalid_value", "Invalid 'tool_choice': expected 1 to 128 tools."));
    for (size_t i = 0; i < elements.size() && !inner.failed(); ++i) {
      TRY(auto name, parse_named(elements[i], inner.param("tools", i)));
      choice.allowed.push_back(std::move(name));
    }
    TRY_VOID(inner.finish());
    return choice;
  }

  void format() {
    json::Value value = in_.object("response_format");
    if (value.missing() || in_.failed()) return;
    auto format = parse_format(value);
    format ? void(parsed_.request.format = *std::move(format)) : in_.fail(std::move(format).error());
  }

  static Result<TextFormat> parse_format(json::Value value) {
    TextFormat format;
    RequestReader in(value, "response_format");
    std::string type;
    in.text("type", type, {.required = true, .one_of = {"text", "json_object", "json_schema"}});
    json::Value schema = type == "json_schema" ? in.any("json_schema") : json::Value();
    TRY_VOID(in.finish());
    if (type == "json_object") format.kind = TextFormat::Kind::kJsonObject;
    if (type != "json_schema") return format;
    format.kind = TextFormat::Kind::kJsonSchema;
    RequestReader inner(schema, "response_format.json_schema");
    inner.text("name", format.name, {.required = true, .length_max = kNameMax, .name = true});
    inner.text("description", format.description);
    inner.raw_object("schema", format.schema);
    inner.boolean("strict", format.strict);
    TRY_VOID(inner.finish());
    return format;
  }

  void limits() {
    std::optional<int64_t> older;
    in_.integer("max_completion_tokens", parsed_.request.max_output_tokens, 1);
    in_.integer("max_tokens", older, 1);
    if (!older) return;
    std::optional<int64_t>& limit = parsed_.request.max_output_tokens;
    if (limit && *limit != *older) {
      in_.fail(invalid("max_tokens", "invalid_value",
                       "'max_tokens' and 'max_completion_tokens' are two names of one limit and differ."));
    }
    limit = older;
  }

  void stop() {
    json::Value value = in_.any("stop");
    if (value.absent()) return;
    std::vector<json::Value> texts = value.elements();
    if (value.is_string()) texts = {value};
    const bool good = (value.is_string() || value.is_array()) && !texts.empty() && texts.size() <= 16 &&
                      std::ranges::all_of(texts, [](json::Value text) { return !text.text().empty(); });
    if (!good)
      return in_.fail(invalid("stop", "invalid_value", "Invalid 'stop': expected a string, or 1 to 16 strings."));
    for (json::Value text : texts) parsed_.request.stop.emplace_back(text.text());
  }

  void metadata() {
    Request& r = parsed_.request;
    const auto members = in_.object("metadata").members();
    if (!members.empty() && !r.store) {
      return in_.fail(
          invalid("metadata", "invalid_value", "'metadata' belongs to stored completions: it needs 'store': true."));
    }
    if (members.size() > 16)
      return in_.fail(invalid("metadata", "object_above_max_properties", "Invalid 'metadata': more than 16 keys."));
    for (const auto& [key, value] : members) {
      const bool good = value.is_string() && !longer_than(key, 64) && !longer_than(value.text(), 512);
      if (!good) {
        return in_.fail(
            invalid("metadata", "invalid_value",
                    "Invalid 'metadata': expected strings of at most 512 characters under keys of at most 64."));
      }
      const auto same =
          std::ranges::find(r.metadata, key, [](const auto& pair) -> std::string_view { return pair.first; });
      same != r.metadata.end() ? void(same->second = value.text()) : void(r.metadata.emplace_back(key, value.text()));
    }
  }

  void stream_options() {
    json::Value value = in_.object("stream_options");
    if (value.missing() || in_.failed()) return;
    if (!parsed_.request.stream) {
      return in_.fail(invalid("stream_options", "invalid_value", "'stream_options' needs 'stream': true."));
    }
    RequestReader in(value, "stream_options");
    bool obfuscation = false;
    in.boolean("include_usage", parsed_.request.include_usage);
    in.boolean("include_obfuscation", obfuscation);
    if (obfuscation) refuse("stream_options.include_obfuscation", "obfuscated streams");
    if (auto read = in.finish(); !read) in_.fail(std::move(read).error());
  }

  RequestReader in_;
  bool lenient_;
  ParsedRequest parsed_;
};

}  // namespace

Result<ParsedRequest> parse_chat_request(json::Value body, bool lenient) { return Body(body, lenient).read(); }

}  // namespace perdure
