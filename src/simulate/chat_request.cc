#include "simulate/chat_request.h"

#include <algorithm>
#include <array>
#include <limits>

#include "simulate/media.h"
#include "simulate/openai_media.h"
#include "simulate/openai_schema.h"
#include "simulate/strict_reader.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

using Reader = StrictReader;

constexpr std::array<std::pair<Role, std::string_view>, 5> kRoles = {{{Role::kSystem, "system"},
                                                                      {Role::kDeveloper, "developer"},
                                                                      {Role::kUser, "user"},
                                                                      {Role::kAssistant, "assistant"},
                                                                      {Role::kTool, "tool"}}};

Error refused(std::string message) { return {.code = Code::kInvalid, .message = std::move(message)}; }

void read_image(Reader& in, Value image, Message& message, const std::string& path) {
  if (!in.object(image, path)) return;
  in.only(image, {"url", "detail"}, path);
  const std::string url = in.text(image["url"], path + ".url");
  in.optional_one_of(image["detail"], {"auto", "low", "high"}, path + ".detail");
  take_image(in, url, message, path);
}

void read_file(Reader& in, Value file, Message& message, const std::string& path) {
  if (!in.object(file, path)) return;
  in.only(file, {"file_data", "file_id", "filename"}, path);
  in.optional_text(file["filename"], path + ".filename");
  if (const std::string id = in.optional_text(file["file_id"], path + ".file_id"); !id.empty()) {
    message.add_media("file " + id);
    return;
  }
  take_file(in, in.text(file["file_data"], path + ".file_data"), message, path + ".file_data");
}

void read_audio(Reader& in, Value audio, Message& message, const std::string& path) {
  if (!in.object(audio, path)) return;
  in.only(audio, {"data", "format"}, path);
  const auto bytes = decode_base64(in.text(audio["data"], path + ".data"));
  const std::string format = in.one_of(audio["format"], {"wav", "mp3"}, path + ".format");
  if (!bytes) return in.fail("Invalid '" + path + ".data'. Expected base64.", path + ".data", "invalid_value");
  message.add_media(describe_bytes("audio/" + format, *bytes));
}

void read_content(Reader& in, Value content, Message& message, const std::string& path) {
  const Role role = message.role;
  if (content.is_string()) return message.add_text(content.text());
  if (!content.is_array()) return in.wrong_type(content, "one of a string or array of objects", path);
  if (content.size() == 0) in.fail("Invalid '" + path + "': empty array.", path, "empty_array");
  const auto parts = content.elements();
  for (size_t i = 0; i < parts.size() && !in.failed(); ++i) {
    const Value part = parts[i];
    const std::string param = in.at(path, i);
    if (!in.object(part, param)) break;
    const std::string type = in.text(part["type"], param + ".type");
    if (type == "text") {
      // The service takes no notice of what frameworks leave in there.
      if (role == Role::kAssistant)
        in.only(part, {"type", "text", "role", "refusal"}, param);
      else
        in.only(part, {"type", "text"}, param);
      message.add_text(in.text(part["text"], param + ".text"));
    } else if (type == "refusal" && role == Role::kAssistant) {
      in.only(part, {"type", "refusal"}, param);
      message.parts.push_back({Part::Kind::kRefusal, in.text(part["refusal"], param + ".refusal")});
    } else if ((type == "image_url" || type == "input_audio" || type == "file") && role == Role::kUser) {
      in.only(part, {"type", type}, param);
      const Value inner = part[type];
      const std::string inside = in.in(param, type);
      if (type == "image_url")
        read_image(in, inner, message, inside);
      else if (type == "file")
        read_file(in, inner, message, inside);
      else
        read_audio(in, inner, message, inside);
    } else {
      in.wrong_value(type,
                     role == Role::kUser        ? "'text', 'image_url', 'input_audio', and 'file'"
                     : role == Role::kAssistant ? "'text' and 'refusal'"
                                                : "'text'",
                     param + ".type");
    }
  }
}

std::vector<ToolCall> read_calls(Reader& in, Value value, const std::string& path) {
  std::vector<ToolCall> calls;
  if (value.absent()) return calls;
  if (!value.is_array()) {
    in.wrong_type(value, "an array of objects", path);
    return calls;
  }
  if (value.size() == 0) in.fail("Invalid '" + path + "': empty array.", path, "empty_array");
  const auto elements = value.elements();
  for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
    const Value one = elements[i];
    const std::string param = in.at(path, i);
    if (!in.object(one, param)) break;
    in.only(one, {"id", "type", "function"}, param);
    const std::string type = in.text(one["type"], param + ".type");
    if (type != "function") in.wrong_value(type, "'function'", param + ".type");
    if (!in.object(one["function"], param + ".function")) break;
    in.only(one["function"], {"name", "arguments", "parsed_arguments"}, param + ".function");
    calls.push_back({in.text(one["id"], param + ".id"), in.text(one["function"]["name"], param + ".function.name"),
                     in.text(one["function"]["arguments"], param + ".function.arguments")});
  }
  return calls;
}

Message read_message(Reader& in, Value value, const std::string& path) {
  Message message;
  if (!in.object(value, path)) return message;
  const std::string role = in.text(value["role"], path + ".role");
  const auto found = std::ranges::find(kRoles, std::string_view(role), &std::pair<Role, std::string_view>::second);
  if (found == kRoles.end()) {
    in.wrong_value(role, "'system', 'developer', 'user', 'assistant', and 'tool'", path + ".role");
    return message;
  }
  message.role = found->first;
  const Value content = value["content"];
  std::vector<ToolCall> calls;
  std::string refusal;
  switch (message.role) {
    case Role::kTool:
      in.only(value, {"role", "content", "tool_call_id", "name"}, path);
      message.call_id = in.text(value["tool_call_id"], path + ".tool_call_id");
      break;
    case Role::kAssistant:
      in.only(value, {"role", "content", "name", "tool_calls", "refusal", "audio", "parsed"}, path);
      calls = read_calls(in, value["tool_calls"], path + ".tool_calls");
      refusal = in.optional_text(value["refusal"], path + ".refusal");
      break;
    default:
      in.only(value, {"role", "content", "name"}, path);
  }
  message.name = in.optional_text(value["name"], path + ".name");
  const bool may_lack = message.role == Role::kAssistant && (!calls.empty() || !value["refusal"].absent());
  if (content.missing()) {
    if (!may_lack) in.missing(path + ".content");
  } else if (!content.null() || !may_lack) {
    read_content(in, content, message, path + ".content");
  }
  if (!refusal.empty()) message.parts.push_back({Part::Kind::kRefusal, refusal});
  for (ToolCall& call : calls) message.add_call(std::move(call));
  return message;
}

// Every tool call must be answered directly after the message that made it, and nothing else may be.
void check_pairing(Reader& in, const std::vector<Message>& messages) {
  for (size_t i = 0; i < messages.size() && !in.failed(); ++i) {
    if (messages[i].role == Role::kTool) {
      in.fail(
          "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
          "messages.[" + std::to_string(i) + "].role", "");
    }
    if (messages[i].calls.empty()) continue;
    std::vector<std::string_view> open;
    for (const ToolCall& call : messages[i].calls) {
      if (std::ranges::find(open, call.id) != open.end())
        in.fail("Duplicate tool call id: '" + call.id + "'.", "messages.[" + std::to_string(i) + "].tool_calls", "");
      open.push_back(call.id);
    }
    while (i + 1 < messages.size() && messages[i + 1].role == Role::kTool) {
      ++i;
      const auto its = std::ranges::find(open, messages[i].call_id);
      if (its == open.end()) {
        in.fail("Invalid parameter: 'tool_call_id' of '" + messages[i].call_id +
                    "' not found in 'tool_calls' of previous message.",
                "messages.[" + std::to_string(i) + "].tool_call_id", "");
        return;
      }
      open.erase(its);
    }
    if (open.empty()) continue;
    std::string ids;
    for (const auto id : open) ids.append(ids.empty() ? "" : ", ").append(id);
    in.fail(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        "The following tool_call_ids did not have response messages: " +
            ids,
        "messages", "");
  }
}

bool good_name(std::string_view name) { return made_of_word_characters(name, "_-", 64); }

void read_tools(Reader& in, Value value, ChatRequest& out) {
  if (value.absent()) return;
  if (!value.is_array()) return in.wrong_type(value, "an array of objects", "tools");
  if (value.size() == 0)
    return in.fail(
        "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an "
        "empty array instead.",
        "tools", "empty_array");
  const auto elements = value.elements();
  for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
    const std::string path = in.at("tools", i);
    if (!in.object(elements[i], path)) return;
    in.only(elements[i], {"type", "function"}, path);
    const std::string type = in.text(elements[i]["type"], path + ".type");
    if (type != "function") in.wrong_value(type, "'function'", path + ".type");
    const Value function = elements[i]["function"];
    if (!in.object(function, path + ".function")) return;
    in.only(function, {"name", "description", "parameters", "strict"}, path + ".function");
    Tool tool{in.text(function["name"], path + ".function.name"), {}};
    if (!good_name(tool.name))
      in.fail("Invalid '" + path + ".function.name': string does not match pattern '^[a-zA-Z0-9_-]+$', or is too long.",
              path + ".function.name", "invalid_value");
    tool.description = in.optional_text(function["description"], path + ".function.description");
    const bool strict = tool.strict = in.optional_boolean(function["strict"], false, path + ".function.strict");
    const Value parameters = function["parameters"];
    if (!parameters.absent() && in.object(parameters, path + ".function.parameters")) {
      tool.parameters = parameters.raw();
      if (strict) check_strict_schema(in, parameters, "function '" + tool.name + "'", path + ".function.parameters");
    }
    out.tools.push_back(std::move(tool));
  }
}

void read_allowed_tools(Reader& in, Value value, ChatRequest& out) {
  in.only(value, {"type", "allowed_tools"}, "tool_choice");
  const Value allowed = value["allowed_tools"];
  const std::string path = "tool_choice.allowed_tools";
  if (!in.object(allowed, path)) return;
  in.only(allowed, {"mode", "tools"}, path);
  if (in.one_of(allowed["mode"], {"auto", "required"}, path + ".mode") == "required")
    out.tool_choice = ToolChoice::kRequired;
  if (!in.array(allowed["tools"], path + ".tools")) return;
  for (const Value tool : allowed["tools"].elements()) {
    const std::string name = in.text(tool["function"]["name"], path + ".tools.function.name");
    if (!in.failed() && std::ranges::find(out.tools, name, &Tool::name) == out.tools.end())
      return in.fail("Invalid value for 'tool_choice': no function named '" + name + "' was specified in 'tools'.",
                     "tool_choice", "");
    out.tools_allowed.push_back(name);
  }
}

void read_tool_choice(Reader& in, Value value, ChatRequest& out) {
  if (value.absent()) return;
  if (out.tools.empty())
    return in.fail("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                   "tool_choice", "");
  if (value.is_string()) {
    if (value.text() == "auto") return;
    if (value.text() == "none") return static_cast<void>(out.tool_choice = ToolChoice::kNone);
    if (value.text() == "required") return static_cast<void>(out.tool_choice = ToolChoice::kRequired);
    return in.wrong_value(value.text(), "'none', 'auto', and 'required'", "tool_choice");
  }
  if (!in.object(value, "tool_choice")) return;
  const std::string type = in.text(value["type"], "tool_choice.type");
  if (type == "allowed_tools") return read_allowed_tools(in, value, out);
  if (type != "function") return in.wrong_value(type, "'allowed_tools' and 'function'", "tool_choice.type");
  in.only(value, {"type", "function"}, "tool_choice");
  if (!in.object(value["function"], "tool_choice.function")) return;
  in.only(value["function"], {"name"}, "tool_choice.function");
  out.tool_choice = ToolChoice::kNamed;
  out.tool_named = in.text(value["function"]["name"], "tool_choice.function.name");
  if (!in.failed() && std::ranges::find(out.tools, out.tool_named, &Tool::name) == out.tools.end())
    in.fail("Invalid value for 'tool_choice': no function named '" + out.tool_named +
                "' was specified in the 'tools' parameter.",
            "tool_choice", "");
}

void read_format(Reader& in, Value value, ChatRequest& out) {
  if (value.absent() || !in.object(value, "response_format")) return;
  const std::string type = in.text(value["type"], "response_format.type");
  if (type == "text" || type == "json_object") {
    in.only(value, {"type"}, "response_format");
    if (type == "json_object") out.format = Format::kJsonObject;
    return;
  }
  if (type != "json_schema")
    return in.wrong_value(type, "'json_object', 'json_schema', and 'text'", "response_format.type");
  in.only(value, {"type", "json_schema"}, "response_format");
  const Value described = value["json_schema"];
  if (!in.object(described, "response_format.json_schema")) return;
  in.only(described, {"name", "description", "schema", "strict"}, "response_format.json_schema");
  out.settings.format_name = in.text(described["name"], "response_format.json_schema.name");
  if (!good_name(out.settings.format_name))
    in.fail(
        "Invalid 'response_format.json_schema.name': string does not match pattern '^[a-zA-Z0-9_-]+$', or is too long.",
        "response_format.json_schema.name", "invalid_value");
  out.settings.format_description =
      in.optional_text(described["description"], "response_format.json_schema.description");
  const bool strict = in.optional_boolean(described["strict"], false, "response_format.json_schema.strict");
  out.format = Format::kJsonSchema;
  out.schema = "{}";
  if (described["schema"].absent() || !in.object(described["schema"], "response_format.json_schema.schema")) return;
  out.schema = described["schema"].raw();
  if (strict)
    check_strict_schema(in, described["schema"], "response_format '" + std::string(described["name"].text()) + "'",
                        "response_format");
}

void read_stop(Reader& in, Value value, ChatRequest& out) {
  if (value.absent()) return;
  if (value.is_string()) {
    out.stop.emplace_back(value.text());
  } else if (value.is_array()) {
    if (value.size() > 4)
      return in.fail("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop",
                     "array_above_max_length");
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size(); ++i) out.stop.push_back(in.text(elements[i], in.at("stop", i)));
  } else {
    return in.wrong_type(value, "one of a string or array of strings", "stop");
  }
  std::erase(out.stop, "");
}

}  // namespace

Result<ChatRequest> parse_chat_request(std::string body, ChatRules rules) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok()) return refused("We could not parse the JSON body of your request: " + document.error().message);
  const Value root = document->root();
  Reader in(Reader::Style::kOpenAi);
  ChatRequest out;
  if (!root.is_object()) return refused("The body of the request is not a JSON object.");
  in.only(root,
          {"messages",
           "model",
           "store",
           "reasoning_effort",
           "metadata",
           "frequency_penalty",
           "logit_bias",
           "max_tokens",
           "max_completion_tokens",
           "n",
           "modalities",
           "presence_penalty",
           "response_format",
           "seed",
           "service_tier",
           "stop",
           "stream",
           "stream_options",
           "temperature",
           "top_p",
           "tools",
           "tool_choice",
           "parallel_tool_calls",
           "user",
           "prompt_cache_key",
           "prompt_cache_retention",
           "safety_identifier",
           "verbosity",
           "logprobs",
           "top_logprobs",
           "add_generation_prompt",
           "continue_final_message"},
          "");
  if (!rules.model_elsewhere || !root["model"].missing()) out.model = in.text(root["model"], "model");
  const Value messages = root["messages"];
  if (messages.missing())
    in.missing("messages");
  else if (!messages.is_array())
    in.wrong_type(messages, "an array of objects", "messages");
  else if (messages.size() == 0)
    in.fail("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "messages", "empty_array");
  if (in.failed()) return in.error();
  const auto elements = messages.elements();
  for (size_t i = 0; i < elements.size() && !in.failed(); ++i)
    out.messages.push_back(read_message(in, elements[i], in.at("messages", i)));
  check_pairing(in, out.messages);
  read_tools(in, root["tools"], out);
  read_tool_choice(in, root["tool_choice"], out);
  if (!root["parallel_tool_calls"].absent() && out.tools.empty())
    in.fail(
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
        "parallel_tool_calls", "");
  out.parallel_tool_calls = in.optional_boolean(root["parallel_tool_calls"], true, "parallel_tool_calls");
  read_format(in, root["response_format"], out);
  if (!in.failed() && out.format == Format::kJsonObject && !mentions_json(out))
    in.fail("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages", "");
  read_stop(in, root["stop"], out);

  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto tokens_max = in.optional_integer(root["max_tokens"], 1, kMost, "max_tokens");
  out.tokens_max = in.optional_integer(root["max_completion_tokens"], 1, kMost, "max_completion_tokens");
  if (tokens_max && out.tokens_max)
    in.fail("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens",
            "invalid_parameter_combination");
  if (tokens_max) out.tokens_max = tokens_max;
  in.optional_integer(root["n"], 1, 1, "n");
  out.settings.seed = in.optional_integer(root["seed"], std::numeric_limits<int64_t>::min(), kMost, "seed");
  out.settings.temperature = in.optional_number(root["temperature"], 0, 2, "temperature");
  out.settings.top_p = in.optional_number(root["top_p"], 0, 1, "top_p");
  out.settings.frequency_penalty = in.optional_number(root["frequency_penalty"], -2, 2, "frequency_penalty");
  out.settings.presence_penalty = in.optional_number(root["presence_penalty"], -2, 2, "presence_penalty");
  for (const char* name :
       {"user", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity"})
    in.optional_text(root[name], name);
  out.reasoning_effort = out.settings.effort = in.optional_text(root["reasoning_effort"], "reasoning_effort");
  out.settings.verbosity = root["verbosity"].text();
  out.store = in.optional_boolean(root["store"], false, "store");
  for (const char* name : {"add_generation_prompt", "continue_final_message"})
    in.optional_boolean(root[name], false, name);
  for (const char* name : {"metadata", "logit_bias"})
    if (!root[name].absent()) in.object(root[name], name);
  if (!root["metadata"].absent())
    for (const auto& [key, value] : root["metadata"].members()) in.text(value, "metadata." + std::string(key));
  if (!root["modalities"].absent() && root["modalities"].raw() != R"(["text"])")
    in.fail("Invalid value for 'modalities': this model writes text only.", "modalities", "invalid_value");

  if (in.optional_boolean(root["logprobs"], false, "logprobs") || !root["top_logprobs"].absent())
    in.fail("'logprobs' is not supported with this model.", "logprobs", "unsupported_parameter");

  out.stream = in.optional_boolean(root["stream"], false, "stream");
  const Value stream_options = root["stream_options"];
  if (!stream_options.absent() && in.object(stream_options, "stream_options")) {
    if (!out.stream)
      in.fail("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options", "");
    in.only(stream_options, {"include_usage", "include_obfuscation"}, "stream_options");
    out.include_usage = in.optional_boolean(stream_options["include_usage"], false, "stream_options.include_usage");
    in.optional_boolean(stream_options["include_obfuscation"], false, "stream_options.include_obfuscation");
  }
  if (in.failed()) return in.error();
  return out;
}

}  // namespace perdure::simulate
