#include "simulate/responses_request.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "simulate/openai_media.h"
#include "simulate/openai_schema.h"
#include "simulate/responses_item_id.h"
#include "simulate/strict_reader.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

class Parser {
 public:
  Parser(const Signer& signer, const ResponseShelf* shelf, bool counting = false)
      : signer_(signer), shelf_(shelf), counting_(counting) {}

  Result<ResponsesRequest> parse(Value root) {
    if (!root.is_object())
      return Error{.code = Code::kInvalid, .message = "The body of the request is not a JSON object."};
    known_members(root);
    out_.model = in_.text(root["model"], "model");
    state(root);
    settings(root);
    if (!root["instructions"].absent()) {
      const std::string text = in_.text(root["instructions"], "instructions");
      out_.instructions = root["instructions"].raw();
      if (!text.empty()) say(Role::kSystem, text);
    }
    what_was_kept();
    input(root["input"]);
    pairing();
    tools(root["tools"]);
    tool_choice(root["tool_choice"]);
    text_config(root["text"]);
    if (missing_) return *missing_;
    if (in_.failed()) return in_.error();
    return std::move(out_);
  }

 private:
  void known_members(Value root) {
    if (counting_)
      return in_.only(root,
                      {"model", "input", "instructions", "parallel_tool_calls", "previous_response_id", "reasoning",
                       "text", "tool_choice", "tools", "truncation", "conversation", "personality"},
                      "");
    in_.only(root,
             {"model",
              "input",
              "instructions",
              "include",
              "max_output_tokens",
              "max_tool_calls",
              "metadata",
              "parallel_tool_calls",
              "previous_response_id",
              "prompt",
              "reasoning",
              "safety_identifier",
              "service_tier",
              "store",
              "stream",
              "stream_options",
              "temperature",
              "text",
              "tool_choice",
              "tools",
              "top_logprobs",
              "top_p",
              "truncation",
              "user",
              "background",
              "conversation",
              "prompt_cache_key",
              "prompt_cache_retention",
              "prompt_cache_options",
              "context_management",
              "moderation"},
             "");
  }

  void say(Role role, std::string_view text) {
    out_.messages.push_back({.role = role});
    out_.messages.back().add_text(text);
  }

  void unsupported(const std::string& param, const std::string& why) {
    in_.fail("Unsupported parameter: '" + param + "' " + why + " (simulated).", param, "unsupported_parameter");
  }

  void state(Value root) {
    out_.store = !counting_ && in_.optional_boolean(root["store"], true, "store");
    out_.previous = in_.optional_text(root["previous_response_id"], "previous_response_id");
    if (shelf_ == nullptr && out_.store)
      in_.fail("This supplier keeps no state: 'store' must be false (simulated; see --state).", "store",
               "unsupported_value");
    if (shelf_ == nullptr && !out_.previous.empty())
      unsupported("previous_response_id", "needs state, which this supplier does not keep");
    if (in_.optional_boolean(root["background"], false, "background"))
      unsupported("background", "needs state, which this supplier does not keep");
    for (const char* name : {"conversation", "prompt", "moderation", "context_management"})
      if (!root[name].absent()) unsupported(name, "is not known here");
  }

  void settings(Value root) {
    if (const auto tokens = in_.optional_integer(root["max_output_tokens"], 16, kMost, "max_output_tokens")) {
      out_.tokens_max = *tokens;
      out_.max_output_tokens = root["max_output_tokens"].raw();
    }
    in_.optional_integer(root["max_tool_calls"], 1, kMost, "max_tool_calls");
    in_.optional_integer(root["top_logprobs"], 0, 0, "top_logprobs");
    number(root, "temperature", 2, out_.temperature);
    number(root, "top_p", 1, out_.top_p);
    out_.settings.temperature = root["temperature"].number();
    out_.settings.top_p = root["top_p"].number();
    out_.parallel_tool_calls = in_.optional_boolean(root["parallel_tool_calls"], true, "parallel_tool_calls");
    enumerated(root, "truncation", {"auto", "disabled"}, out_.truncation);
    enumerated(root, "service_tier", {"auto", "default", "flex", "scale", "priority"}, out_.service_tier);
    words(root, "user", out_.user);
    words(root, "prompt_cache_key", out_.prompt_cache_key);
    words(root, "safety_identifier", out_.safety_identifier);
    in_.optional_one_of(root["prompt_cache_retention"], {"in_memory", "24h"}, "prompt_cache_retention");
    if (!root["prompt_cache_options"].absent()) in_.object(root["prompt_cache_options"], "prompt_cache_options");
    const Value metadata = root["metadata"];
    if (!metadata.absent() && in_.object(metadata, "metadata")) {
      if (metadata.size() > 16)
        in_.fail("Invalid 'metadata': too many properties. Expected an object with at most 16 properties.", "metadata",
                 "object_above_max_properties");
      for (const auto& [key, value] : metadata.members()) in_.text(value, in_.in("metadata", key));
      out_.metadata_json = metadata.raw();
    }
    out_.stream = in_.optional_boolean(root["stream"], false, "stream");
    const Value stream_options = root["stream_options"];
    if (!stream_options.absent() && in_.object(stream_options, "stream_options")) {
      if (!out_.stream)
        in_.fail("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options");
      in_.only(stream_options, {"include_obfuscation"}, "stream_options");
      out_.obfuscation =
          in_.optional_boolean(stream_options["include_obfuscation"], true, "stream_options.include_obfuscation");
    }
    include(root["include"]);
    reasoning(root["reasoning"]);
  }

  void number(Value root, const char* name, double most, std::string& said) {
    in_.optional_number(root[name], 0, most, name);
    if (!root[name].absent()) said = root[name].raw();
  }
  void words(Value root, const char* name, std::string& said) {
    in_.optional_text(root[name], name);
    if (!root[name].absent()) said = root[name].raw();
  }
  void enumerated(Value root, const char* name, StrictReader::Words all, std::string& said) {
    in_.optional_one_of(root[name], all, name);
    if (!root[name].absent()) said = root[name].raw();
  }

  void include(Value value) {
    if (value.absent() || !in_.array(value, "include")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string one =
          in_.one_of(elements[i],
                     {"file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
                      "message.input_image.image_url", "computer_call_output.output.image_url",
                      "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs"},
                     in_.at("include", i));
      out_.encrypted = out_.encrypted || one == "reasoning.encrypted_content";
    }
  }

  void reasoning(Value value) {
    if (value.absent() || !in_.object(value, "reasoning")) return;
    in_.only(value, {"effort", "summary", "generate_summary", "context", "mode"}, "reasoning");
    out_.reasoning_effort = out_.settings.effort = in_.optional_one_of(
        value["effort"], {"none", "minimal", "low", "medium", "high", "xhigh", "max"}, "reasoning.effort");
    for (const char* name : {"summary", "generate_summary"})
      if (!in_.optional_one_of(value[name], {"auto", "concise", "detailed"}, in_.in("reasoning", name)).empty())
        out_.summary = true;
    in_.optional_one_of(value["context"], {"auto", "current_turn", "all_turns"}, "reasoning.context");
    out_.reasoning_json = value.raw();
    if (out_.reasoning_effort == "none")
      out_.thinking = Thinking::kOff;
    else if (out_.summary || !out_.reasoning_effort.empty())
      out_.thinking = Thinking::kOn;
  }

  // --- input

  void what_was_kept() {
    if (shelf_ == nullptr || out_.previous.empty() || in_.failed()) return;
    const ResponseShelf::Kept* kept = shelf_->find(out_.previous);
    if (kept == nullptr)
      return not_found("Previous response with id '" + out_.previous + "' not found.", "previous_response_id",
                       "previous_response_not_found");
    kept_ = true;
    for (const std::string& raw : kept->items) {
      const auto document = json::Document::parse(raw);
      if (document.ok()) item(document->root(), "input");
      out_.items.push_back(raw);
    }
    kept_ = false;
    last_was_reasoning_.clear();
  }

  void not_found(std::string message, std::string param, std::string code) {
    if (!missing_ && !in_.failed())
      missing_ = Error{
          .code = Code::kNotFound, .message = std::move(message), .param = std::move(param), .reason = std::move(code)};
  }

  void input(Value value) {
    if (in_.failed() || missing_) return;
    if (value.missing()) return in_.missing("input");
    if (value.is_string()) {
      if (value.text().empty() && out_.messages.empty()) in_.fail("Invalid 'input': empty string.", "input");
      say(Role::kUser, value.text());
      json::Writer json;
      json.begin_object().field("role", "user").field("content", value.text()).end_object();
      if (shelf_ != nullptr) out_.items.push_back(json.take());
      return;
    }
    if (!value.is_array()) return in_.wrong_type(value, "one of a string or array of objects", "input");
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed() && !missing_; ++i) {
      item(elements[i], in_.at("input", i));
      if (shelf_ != nullptr) out_.items.emplace_back(elements[i].raw());
    }
    without_following_item();
    if (!in_.failed() && out_.messages.empty()) in_.fail("Invalid 'input': empty array.", "input", "empty_array");
  }

  void item(Value value, const std::string& path) {
    if (!in_.object(value, path)) return;
    const std::string type = value["type"].absent() ? (value["role"].missing() ? "item_reference" : "message")
                                                    : in_.text(value["type"], in_.in(path, "type"));
    if (type == "message")
      message(value, path);
    else if (type == "function_call")
      function_call(value, path);
    else if (type == "function_call_output")
      function_call_output(value, path);
    else if (type == "reasoning")
      reasoning_item(value, path);
    else if (type == "item_reference")
      reference(value, path);
    else
      in_.wrong_value(type, "'message', 'function_call', 'function_call_output', 'reasoning', and 'item_reference'",
                      in_.in(path, "type"));
  }

  // The reasoning before an item is its own: neither goes without the other.
  void without_following_item() {
    if (last_was_reasoning_.empty() || kept_) return;
    in_.fail("Item '" + last_was_reasoning_ + "' of type 'reasoning' was provided without its required following item.",
             "input");
  }
  void follows(const std::string& id, std::string_view type, const std::string& path, std::string_view prefix) {
    if (!id.empty() && !id.starts_with(prefix) && !kept_)
      in_.fail("Invalid '" + path + ".id': '" + id + "'. Expected an ID that begins with '" +
                   std::string(prefix.substr(0, prefix.size() - 1)) + "'.",
               in_.in(path, "id"), "invalid_value");
    if (last_was_reasoning_.empty() && !kept_ && came_after_reasoning(signer_, id) == std::optional(true))
      in_.fail(
          "Item '" + id + "' of type '" + std::string(type) + "' was provided without its required 'reasoning' item.",
          "input");
    last_was_reasoning_.clear();
  }

  void message(Value value, const std::string& path) {
    in_.only(value, {"type", "role", "content", "id", "status", "phase"}, path);
    const std::string role =
        in_.one_of(value["role"], {"assistant", "system", "developer", "user"}, in_.in(path, "role"));
    Message spoken;
    spoken.role = role == "assistant" ? Role::kAssistant
                  : role == "system"  ? Role::kSystem
                  : role == "user"    ? Role::kUser
                                      : Role::kDeveloper;
    in_.optional_one_of(value["status"], {"in_progress", "completed", "incomplete"}, in_.in(path, "status"));
    in_.optional_one_of(value["phase"], {"commentary", "final_answer"}, in_.in(path, "phase"));
    const std::string id = in_.optional_text(value["id"], in_.in(path, "id"));
    if (spoken.role == Role::kAssistant)
      follows(id, "message", path, "msg_");
    else
      without_following_item();
    spoken.parts = std::exchange(thoughts_, {});
    const Value content = value["content"];
    if (content.missing()) return in_.missing(in_.in(path, "content"));
    if (content.is_string())
      spoken.add_text(content.text());
    else if (content.is_array())
      parts(content, spoken, in_.in(path, "content"));
    else
      in_.wrong_type(content, "one of an array of objects or string", in_.in(path, "content"));
    out_.messages.push_back(std::move(spoken));
  }

  void parts(Value content, Message& spoken, const std::string& path) {
    const auto elements = content.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const Value part = elements[i];
      const std::string at = in_.at(path, i);
      if (!in_.object(part, at)) return;
      const std::string type = in_.text(part["type"], in_.in(at, "type"));
      const bool assistant = spoken.role == Role::kAssistant;
      if (type == (assistant ? "output_text" : "input_text")) {
        if (assistant)
          in_.only(part, {"type", "text", "annotations", "logprobs"}, at);
        else
          in_.only(part, {"type", "text", "prompt_cache_breakpoint"}, at);
        spoken.add_text(in_.text(part["text"], in_.in(at, "text")));
        if (assistant && !part["annotations"].absent()) in_.array(part["annotations"], in_.in(at, "annotations"));
      } else if (type == "refusal" && assistant) {
        in_.only(part, {"type", "refusal"}, at);
        spoken.parts.push_back({Part::Kind::kRefusal, in_.text(part["refusal"], in_.in(at, "refusal"))});
      } else if (type == "input_image" && !assistant) {
        image(part, spoken, at);
      } else if (type == "input_file" && !assistant) {
        file(part, spoken, at);
      } else {
        in_.wrong_value(type,
                        assistant ? "'output_text' and 'refusal'" : "'input_text', 'input_image', and 'input_file'",
                        in_.in(at, "type"));
      }
    }
  }

  void image(Value part, Message& spoken, const std::string& path) {
    in_.only(part, {"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"}, path);
    in_.optional_one_of(part["detail"], {"low", "high", "auto", "original"}, in_.in(path, "detail"));
    if (const std::string id = in_.optional_text(part["file_id"], in_.in(path, "file_id")); !id.empty())
      return not_found("Files with IDs were not found: " + id, in_.in(path, "file_id"), "not_found");
    take_image(in_, in_.text(part["image_url"], in_.in(path, "image_url")), spoken, in_.in(path, "image_url"));
  }

  void file(Value part, Message& spoken, const std::string& path) {
    in_.only(part, {"type", "file_id", "filename", "file_data", "file_url", "detail", "prompt_cache_breakpoint"}, path);
    in_.optional_text(part["filename"], in_.in(path, "filename"));
    if (const std::string id = in_.optional_text(part["file_id"], in_.in(path, "file_id")); !id.empty())
      return not_found("Files with IDs were not found: " + id, in_.in(path, "file_id"), "not_found");
    if (const std::string url = in_.optional_text(part["file_url"], in_.in(path, "file_url")); !url.empty())
      return static_cast<void>(spoken.add_media("file at " + url));
    take_file(in_, in_.text(part["file_data"], in_.in(path, "file_data")), spoken, in_.in(path, "file_data"));
  }

  void function_call(Value value, const std::string& path) {
    in_.only(value, {"type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"}, path);
    follows(in_.optional_text(value["id"], in_.in(path, "id")), "function_call", path, "fc_");
    ToolCall call{in_.text(value["call_id"], in_.in(path, "call_id")), in_.text(value["name"], in_.in(path, "name")),
                  in_.text(value["arguments"], in_.in(path, "arguments"))};
    in_.optional_one_of(value["status"], {"in_progress", "completed", "incomplete"}, in_.in(path, "status"));
    check_call_id(call.id, in_.in(path, "call_id"));
    if (!in_.failed() && !made_of_word_characters(call.name, "_-", 128))
      in_.fail("Invalid '" + path +
                   ".name': string does not match pattern. Expected a string that matches the pattern "
                   "'^[a-zA-Z0-9_-]+$'.",
               in_.in(path, "name"), "invalid_value");
    if (std::ranges::find(open_, call.id) != open_.end())
      in_.fail("Duplicate function call with call_id " + call.id + ".", "input");
    open_.push_back(call.id);
    if (out_.messages.empty() || out_.messages.back().role != Role::kAssistant)
      out_.messages.push_back({Role::kAssistant, {}, {}, {}});
    for (Part& thought : std::exchange(thoughts_, {})) out_.messages.back().parts.push_back(std::move(thought));
    out_.messages.back().add_call(std::move(call));
  }

  void check_call_id(const std::string& id, const std::string& path) {
    if (!in_.failed() && (id.empty() || id.size() > 64))
      in_.fail("Invalid '" + path + "': string " + (id.empty() ? "too short" : "too long") +
                   ". Expected a string with a length between 1 and 64, but got a string with length " +
                   std::to_string(id.size()) + " instead.",
               path, id.empty() ? "string_below_min_length" : "string_above_max_length");
  }

  void function_call_output(Value value, const std::string& path) {
    in_.only(value, {"type", "id", "call_id", "output", "status", "name", "namespace", "caller"}, path);
    without_following_item();
    Message result{Role::kTool, {}, {}, in_.text(value["call_id"], in_.in(path, "call_id"))};
    check_call_id(result.call_id, in_.in(path, "call_id"));
    const Value output = value["output"];
    if (output.missing())
      in_.missing(in_.in(path, "output"));
    else if (output.is_string())
      result.add_text(output.text());
    else if (output.is_array())
      parts(output, result, in_.in(path, "output"));
    else
      in_.wrong_type(output, "one of an array of objects or string", in_.in(path, "output"));
    if (in_.failed()) return;
    const auto its = std::ranges::find(open_, result.call_id);
    if (its == open_.end())
      return in_.fail("No tool call found for function call output with call_id " + result.call_id + ".", "input");
    open_.erase(its);
    out_.messages.push_back(std::move(result));
  }

  void pairing() {
    if (!in_.failed() && !missing_ && !open_.empty())
      in_.fail("No tool output found for function call " + open_.front() + ".", "input");
  }

  void reasoning_item(Value value, const std::string& path) {
    in_.only(value, {"type", "id", "summary", "encrypted_content", "content", "status"}, path);
    without_following_item();
    // Its own agent sends reasoning back without its id, and the service takes it.
    const bool named = !value["id"].absent();
    const std::string id = named ? in_.text(value["id"], in_.in(path, "id")) : "rs_unnamed";
    if (!in_.failed() && !id.starts_with("rs_") && !kept_)
      in_.fail("Invalid '" + path + ".id': '" + id + "'. Expected an ID that begins with 'rs'.", in_.in(path, "id"),
               "invalid_value");
    in_.array(value["summary"], in_.in(path, "summary"));
    std::string said;
    const auto summary = value["summary"].elements();
    for (size_t i = 0; i < summary.size() && !in_.failed(); ++i) {
      const std::string at = in_.at(in_.in(path, "summary"), i);
      if (!in_.object(summary[i], at)) return;
      in_.only(summary[i], {"type", "text"}, at);
      in_.one_of(summary[i]["type"], {"summary_text"}, in_.in(at, "type"));
      said += in_.text(summary[i]["text"], in_.in(at, "text"));
    }
    last_was_reasoning_ = id;
    if (in_.failed() || kept_) return;
    const std::string sealed = in_.optional_text(value["encrypted_content"], in_.in(path, "encrypted_content"));
    if (sealed.empty())
      return not_found("Item with id '" + id +
                           "' not found. Items are not persisted when `store` is set to false. Try again with `store` "
                           "set to true, or remove this item from your input.",
                       "input", "");
    if (!signer_.open(kReasoningPurpose, sealed))
      in_.fail("The encrypted content for item " + id +
                   " could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
               "", "invalid_encrypted_content");
    thoughts_.push_back({Part::Kind::kSealed, said, sealed});
  }

  void reference(Value value, const std::string& path) {
    in_.only(value, {"type", "id"}, path);
    const std::string id = in_.text(value["id"], in_.in(path, "id"));
    if (!in_.failed())
      not_found("Item with id '" + id +
                    "' not found. Items are not persisted when `store` is set to false. Try again with `store` set to "
                    "true, or remove this item from your input.",
                "input", "");
  }

  // --- tools and format

  void tools(Value value) {
    if (value.absent() || !in_.array(value, "tools")) return;
    out_.tools_json = value.raw();
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("tools", i);
      const Value tool = elements[i];
      if (!in_.object(tool, path)) return;
      const std::string type = in_.text(tool["type"], in_.in(path, "type"));
      if (!in_.failed() && type != "function")
        return in_.wrong_value(type, "'function' (no others are simulated)", in_.in(path, "type"));
      in_.only(
          tool,
          {"type", "name", "description", "parameters", "strict", "output_schema", "defer_loading", "allowed_callers"},
          path);
      Tool made{in_.text(tool["name"], in_.in(path, "name")), {}};
      if (!in_.failed() && !made_of_word_characters(made.name, "_-", 64))
        in_.fail("Invalid '" + path +
                     ".name': string does not match pattern. Expected a string that matches the "
                     "pattern '^[a-zA-Z0-9_-]+$'.",
                 in_.in(path, "name"), "invalid_value");
      made.description = in_.optional_text(tool["description"], in_.in(path, "description"));
      const bool strict = made.strict = in_.optional_boolean(tool["strict"], false, in_.in(path, "strict"));
      const Value parameters = tool["parameters"];
      if (!parameters.absent() && in_.object(parameters, in_.in(path, "parameters"))) {
        made.parameters = parameters.raw();
        if (strict) check_strict_schema(in_, parameters, "function '" + made.name + "'", in_.in(path, "parameters"));
      }
      out_.tools.push_back(std::move(made));
    }
  }

  bool offered(const std::string& name, const std::string& path) {
    if (!in_.failed() && std::ranges::find(out_.tools, name, &Tool::name) == out_.tools.end())
      in_.fail("Tool choice 'function' not found in 'tools' parameter.", path, "invalid_value");
    return !in_.failed();
  }

  void tool_choice(Value value) {
    if (value.absent()) return;
    out_.tool_choice_json = value.raw();
    if (value.is_string()) {
      const std::string word = in_.one_of(value, {"none", "auto", "required"}, "tool_choice");
      if (word == "none") out_.tool_choice = ToolChoice::kNone;
      if (word == "required") out_.tool_choice = ToolChoice::kRequired;
      if (word == "required" && out_.tools.empty())
        in_.fail("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice", "invalid_value");
      return;
    }
    if (!in_.object(value, "tool_choice")) return;
    const std::string type = in_.one_of(value["type"], {"function", "allowed_tools"}, "tool_choice.type");
    if (type == "function") {
      in_.only(value, {"type", "name"}, "tool_choice");
      out_.tool_choice = ToolChoice::kNamed;
      out_.tool_named = in_.text(value["name"], "tool_choice.name");
      offered(out_.tool_named, "tool_choice");
    } else if (!in_.failed()) {
      in_.only(value, {"type", "mode", "tools"}, "tool_choice");
      if (in_.one_of(value["mode"], {"auto", "required"}, "tool_choice.mode") == "required")
        out_.tool_choice = ToolChoice::kRequired;
      if (!in_.array(value["tools"], "tool_choice.tools")) return;
      for (const Value tool : value["tools"].elements()) {
        const std::string name = in_.text(tool["name"], "tool_choice.tools");
        if (!offered(name, "tool_choice.tools")) return;
        out_.tools_allowed.push_back(name);
      }
    }
  }

  void text_config(Value value) {
    if (value.absent() || !in_.object(value, "text")) return;
    out_.text_json = value.raw();
    in_.only(value, {"format", "verbosity"}, "text");
    out_.settings.verbosity = in_.optional_one_of(value["verbosity"], {"low", "medium", "high"}, "text.verbosity");
    const Value format = value["format"];
    if (format.absent() || !in_.object(format, "text.format")) return;
    const std::string type = in_.one_of(format["type"], {"json_object", "json_schema", "text"}, "text.format.type");
    if (type == "text" || type == "json_object") in_.only(format, {"type"}, "text.format");
    if (type == "json_object") {
      out_.format = Format::kJsonObject;
      if (!in_.failed() && !mentions_json(out_))
        in_.fail(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            "input");
    }
    if (type != "json_schema") return;
    in_.only(format, {"type", "name", "description", "schema", "strict"}, "text.format");
    const std::string name = out_.settings.format_name = in_.text(format["name"], "text.format.name");
    if (!in_.failed() && !made_of_word_characters(name, "_-", 64))
      in_.fail(
          "Invalid 'text.format.name': string does not match pattern. Expected a string that matches the pattern "
          "'^[a-zA-Z0-9_-]+$'.",
          "text.format.name", "invalid_value");
    out_.settings.format_description = in_.optional_text(format["description"], "text.format.description");
    const bool strict = in_.optional_boolean(format["strict"], false, "text.format.strict");
    if (!in_.object(format["schema"], "text.format.schema")) return;
    out_.format = Format::kJsonSchema;
    out_.schema = format["schema"].raw();
    if (strict) check_strict_schema(in_, format["schema"], "response_format '" + name + "'", "text.format.schema");
  }

  const Signer& signer_;
  const ResponseShelf* shelf_;
  StrictReader in_{StrictReader::Style::kOpenAi};
  ResponsesRequest out_;
  std::optional<Error> missing_;
  std::vector<std::string> open_;   // calls without their output
  std::string last_was_reasoning_;  // its id
  std::vector<Part> thoughts_;      // reasoning that its item has not followed yet
  bool kept_ = false;               // reading what this supplier kept itself
  bool counting_ = false;
};

}  // namespace

Result<ResponsesRequest> parse_responses_request(std::string body, const Signer& signer, const ResponseShelf* shelf) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid,
                 .message = "We could not parse the JSON body of your request: " + document.error().message};
  return Parser(signer, shelf).parse(document->root());
}

Result<ResponsesRequest> parse_input_tokens_request(std::string body, const Signer& signer) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid,
                 .message = "We could not parse the JSON body of your request: " + document.error().message};
  return Parser(signer, nullptr, true).parse(document->root());
}

}  // namespace perdure::simulate
