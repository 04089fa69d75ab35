#include "simulate/messages_request.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "simulate/messages_media.h"
#include "simulate/messages_schema.h"
#include "simulate/prefix_cache.h"
#include "simulate/strict_reader.h"
#include "simulate/tokens.h"
#include "wire/json.h"

namespace perdure::simulate {
namespace {

using json::Value;

constexpr int kBreakpointsMax = 4;
constexpr int64_t kMediaTokens = 85;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }
bool ends_in_space(std::string_view text) {
  return !text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos;
}

// What one message of the request was made of, for the rules that look across messages.
struct Turn {
  bool assistant = false;
  std::vector<std::string> uses, results;  // ids, in order
  std::string first_type, last_type;       // of its blocks; "text" where content is a string
  bool only_results = false;
  bool ends_in_space = false, empty = false;
};

class Parser {
 public:
  Parser(const Signer& signer, MessagesRules rules) : signer_(signer), rules_(rules) {}

  Result<MessagesRequest> parse(Value root) {
    if (!root.is_object()) return refused("Input should be a valid dictionary");
    known_members(root);
    out_.model = in_.text(root["model"], "model");
    if (!in_.failed() && out_.model.empty()) in_.fail("model: String should have at least 1 character", "model");
    prefix_.start(out_.model);
    if (!rules_.counting) limits(root);
    // In the order in which a prompt is built, and cached.
    tools(root["tools"]);
    system(root["system"]);
    messages(root["messages"]);
    tool_choice(root["tool_choice"]);
    output_config(root["output_config"]);
    thinking(root["thinking"], root);
    across_turns();
    cache_everything(root["cache_control"]);
    if (in_.failed()) return in_.error();
    out_.prefix = prefix_.take();
    if (breakpoints_ == 0) out_.prefix.clear();
    return std::move(out_);
  }

 private:
  static Error refused(std::string message) { return {.code = Code::kInvalid, .message = std::move(message)}; }

  void known_members(Value root) {
    if (rules_.counting)
      in_.only(root,
               {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"},
               "");
    else
      in_.only(root,
               {"model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "temperature", "top_k",
                "top_p", "stop_sequences", "stream", "metadata", "service_tier", "container", "inference_geo",
                "output_config", "cache_control", "context_management"},
               "");
    edits(root["context_management"]);
  }

  // Of thinking that is kept anyway; others are not simulated.
  void edits(Value managed) {
    if (managed.absent() || !in_.object(managed, "context_management")) return;
    in_.only(managed, {"edits"}, "context_management");
    for (const Value edit : managed["edits"].elements())
      in_.one_of(edit["type"], {"clear_thinking_20251015"}, "context_management.edits.type");
  }

  void limits(Value root) {
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
    if (root["max_tokens"].missing()) in_.missing("max_tokens");
    out_.tokens_max = in_.optional_integer(root["max_tokens"], 0, kMost, "max_tokens");
    out_.settings.temperature = in_.optional_number(root["temperature"], 0, 1, "temperature");
    out_.settings.top_p = in_.optional_number(root["top_p"], 0, 1, "top_p");
    out_.settings.top_k = in_.optional_integer(root["top_k"], 0, kMost, "top_k");
    out_.stream = in_.optional_boolean(root["stream"], false, "stream");
    in_.optional_one_of(root["service_tier"], {"auto", "standard_only"}, "service_tier");
    in_.optional_text(root["inference_geo"], "inference_geo");
    if (!root["container"].absent()) in_.fail("container: no such container", "container");
    const Value metadata = root["metadata"];
    if (!metadata.absent() && in_.object(metadata, "metadata")) {
      in_.only(metadata, {"user_id"}, "metadata");
      if (in_.optional_text(metadata["user_id"], "metadata.user_id").size() > 512)
        in_.fail("metadata.user_id: String should have at most 512 characters", "metadata.user_id");
    }
    const Value stop = root["stop_sequences"];
    if (stop.absent() || !in_.array(stop, "stop_sequences")) return;
    const auto elements = stop.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("stop_sequences", i);
      out_.stop.push_back(in_.text(elements[i], path));
      if (!in_.failed() && is_blank(out_.stop.back()))
        in_.fail("stop_sequences: each stop sequence must contain non-whitespace", path);
    }
  }

  // --- caching

  void cache_control(Value value, const std::string& path) {
    if (value.absent() || !in_.object(value, path)) return;
    in_.only(value, {"type", "ttl"}, path);
    in_.one_of(value["type"], {"ephemeral"}, in_.in(path, "type"));
    const std::string ttl = in_.optional_one_of(value["ttl"], {"5m", "1h"}, in_.in(path, "ttl"));
    ++breakpoints_;
    if (breakpoints_ > kBreakpointsMax)
      in_.fail("A maximum of 4 blocks with cache_control may be provided. Found " + std::to_string(breakpoints_) + ".",
               path);
    if (ttl == "1h" && short_lived_)
      in_.fail(path + ".ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block", path);
    short_lived_ = short_lived_ || ttl != "1h";
    prefix_.ask(ttl == "1h" ? 3600 : 300);
  }

  void cache_everything(Value value) { cache_control(value, "cache_control"); }

  // --- tools

  void tools(Value value) {
    if (value.missing() || !in_.array(value, "tools")) return;
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("tools", i);
      const Value tool = elements[i];
      if (!in_.object(tool, path)) return;
      if (!tool["type"].absent() && tool["type"].text() != "custom")
        return in_.fail(path + ": Input tag '" + std::string(tool["type"].text()) +
                            "' found using 'type' does not match any of the expected tags: 'custom' (no others are "
                            "simulated)",
                        path + ".type");
      const std::string inside = path + ".custom";
      in_.only(tool,
               {"type", "name", "description", "input_schema", "cache_control", "strict", "eager_input_streaming",
                "allowed_callers", "defer_loading", "input_examples"},
               inside);
      Tool made{in_.text(tool["name"], inside + ".name"), {}};
      if (!in_.failed() && !made_of_word_characters(made.name, "_-", 128))
        in_.fail(inside + ".name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", inside + ".name");
      if (std::ranges::find(out_.tools, made.name, &Tool::name) != out_.tools.end())
        in_.fail("tools: Tool names must be unique.", inside + ".name");
      const std::string description = made.description =
          in_.optional_text(tool["description"], inside + ".description");
      made.strict = tool["strict"].boolean().value_or(false);
      for (const char* flag : {"strict", "eager_input_streaming", "defer_loading"})
        in_.optional_boolean(tool[flag], false, in_.in(inside, flag));
      const Value schema = tool["input_schema"];
      if (!in_.object(schema, inside + ".input_schema")) return;
      if (schema["type"].text() != "object")
        in_.fail(inside + ".input_schema.type: Input should be 'object'", inside + ".input_schema.type");
      if (tool["strict"].boolean() == std::optional(true)) check_compiled_schema(in_, schema, inside + ".input_schema");
      made.parameters = schema.raw();
      prefix_.block("tool", {made.name, description, made.parameters},
                    count_tokens(made.name) + count_tokens(made.parameters));
      cache_control(tool["cache_control"], inside + ".cache_control");
      out_.tools.push_back(std::move(made));
    }
  }

  void tool_choice(Value value) {
    if (value.absent() || !in_.object(value, "tool_choice")) return;
    const std::string type = in_.one_of(value["type"], {"auto", "any", "tool", "none"}, "tool_choice.type");
    if (type == "tool")
      in_.only(value, {"type", "name", "disable_parallel_tool_use"}, "tool_choice");
    else if (type == "none")
      in_.only(value, {"type"}, "tool_choice");
    else
      in_.only(value, {"type", "disable_parallel_tool_use"}, "tool_choice");
    if (!in_.failed() && out_.tools.empty() && type != "none")
      in_.fail("tool_choice: tool_choice may only be specified while providing tools.", "tool_choice");
    out_.parallel_tool_calls =
        !in_.optional_boolean(value["disable_parallel_tool_use"], false, "tool_choice.disable_parallel_tool_use");
    if (type == "none") out_.tool_choice = ToolChoice::kNone;
    if (type == "any") out_.tool_choice = ToolChoice::kRequired;
    if (type != "tool") return;
    out_.tool_choice = ToolChoice::kNamed;
    out_.tool_named = in_.text(value["name"], "tool_choice.name");
    if (!in_.failed() && std::ranges::find(out_.tools, out_.tool_named, &Tool::name) == out_.tools.end())
      in_.fail("tool_choice: Tool '" + out_.tool_named + "' not found in provided tools", "tool_choice.name");
  }

  // --- what is configured

  void output_config(Value value) {
    if (value.absent() || !in_.object(value, "output_config")) return;
    in_.only(value, {"effort", "format"}, "output_config");
    out_.settings.effort =
        in_.optional_one_of(value["effort"], {"low", "medium", "high", "xhigh", "max"}, "output_config.effort");
    const Value format = value["format"];
    if (format.absent() || !in_.object(format, "output_config.format")) return;
    in_.only(format, {"type", "schema"}, "output_config.format");
    in_.one_of(format["type"], {"json_schema"}, "output_config.format.type");
    if (!in_.object(format["schema"], "output_config.format.schema")) return;
    check_compiled_schema(in_, format["schema"], "output_config.format.schema");
    out_.format = Format::kJsonSchema;
    out_.schema = format["schema"].raw();
    if (!turns_.empty() && turns_.back().assistant)
      in_.fail("output_config.format: prefilling the assistant's answer is not supported with structured outputs",
               "output_config.format");
  }

  void thinking(Value value, Value root) {
    out_.thinking = Thinking::kOff;
    if (value.absent() || !in_.object(value, "thinking")) return;
    const std::string type = in_.one_of(value["type"], {"enabled", "disabled", "adaptive"}, "thinking.type");
    if (type == "disabled") return in_.only(value, {"type"}, "thinking");
    if (type == "enabled")
      in_.only(value, {"type", "budget_tokens", "display"}, "thinking");
    else
      in_.only(value, {"type", "display"}, "thinking");
    out_.thinking = Thinking::kOn;
    out_.thinking_omitted =
        in_.optional_one_of(value["display"], {"summarized", "omitted"}, "thinking.display") == "omitted";
    if (out_.tool_choice == ToolChoice::kRequired || out_.tool_choice == ToolChoice::kNamed)
      in_.fail("Thinking may not be enabled when tool_choice forces tool use.", "tool_choice");
    if (const auto temperature = root["temperature"].number(); temperature && *temperature != 1)
      in_.fail(
          "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at "
          "https://docs.claude.com/en/docs/build-with-claude/extended-thinking",
          "temperature");
    if (!root["top_k"].absent()) in_.fail("`top_k` must be unset when thinking is enabled.", "top_k");
    if (const auto top_p = root["top_p"].number(); top_p && *top_p < 0.95)
      in_.fail("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.", "top_p");
    if (type != "enabled") return;
    thinking_by_hand_ = true;
    if (value["budget_tokens"].missing()) return in_.missing("thinking.enabled.budget_tokens");
    const auto budget = in_.optional_integer(value["budget_tokens"], 1024, std::numeric_limits<int64_t>::max(),
                                             "thinking.enabled.budget_tokens");
    out_.settings.thinking_budget = budget;
    if (budget && out_.tokens_max && *budget >= *out_.tokens_max)
      in_.fail(
          "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
          "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
          "max_tokens");
  }

  // --- messages

  void system(Value value) {
    if (value.absent()) return;
    Message message{Role::kSystem, {}, {}, {}};
    if (value.is_string()) {
      message.add_text(value.text());
      prefix_.block("system", {message.text}, count_tokens(message.text));
    } else if (value.is_array()) {
      const auto blocks = value.elements();
      for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i) {
        const std::string path = in_.at("system", i);
        if (!in_.object(blocks[i], path)) return;
        if (blocks[i]["type"].text() != "text") return in_.fail(path + ".type: Input should be 'text'", path + ".type");
        text_block(blocks[i], message, path, "system");
      }
    } else {
      return in_.wrong_type(value, "a string", "system");
    }
    if (!message.text.empty()) out_.messages.push_back(std::move(message));
  }

  void messages(Value value) {
    if (in_.failed() || !in_.array(value, "messages")) return;
    if (value.size() == 0) return in_.fail("messages: at least one message is required", "messages");
    const auto elements = value.elements();
    for (size_t i = 0; i < elements.size() && !in_.failed(); ++i) {
      const std::string path = in_.at("messages", i);
      if (!in_.object(elements[i], path)) return;
      in_.only(elements[i], {"role", "content"}, path);
      const std::string role = in_.text(elements[i]["role"], path + ".role");
      if (role == "system")
        in_.fail(
            "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not "
            "\"system\" as an input message role.",
            path + ".role");
      if (!in_.failed() && role != "user" && role != "assistant")
        in_.fail("messages: Unexpected role \"" + role + "\". Allowed roles are \"user\" or \"assistant\"",
                 path + ".role");
      if (i == 0 && role != "user") in_.fail("messages: first message must use the \"user\" role", path + ".role");
      turns_.push_back({.assistant = role == "assistant"});
      message(elements[i]["content"], path, i + 1 == elements.size());
    }
  }

  void message(Value content, const std::string& path, bool last) {
    Turn& turn = turns_.back();
    Message spoken{turn.assistant ? Role::kAssistant : Role::kUser, {}, {}, {}};
    if (content.missing()) return in_.missing(path + ".content");
    if (content.is_string()) {
      spoken.add_text(content.text());
      turn.first_type = turn.last_type = "text";
      turn.empty = spoken.text.empty();
      turn.ends_in_space = ends_in_space(spoken.text);
      if (!turn.empty && is_blank(spoken.text))
        in_.fail("messages: text content blocks must contain non-whitespace text", path + ".content");
      prefix_.block(turn.assistant ? "assistant" : "user", {spoken.text}, 4 + count_tokens(spoken.text));
    } else if (content.is_array()) {
      turn.empty = content.size() == 0;
      const auto blocks = content.elements();
      for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i)
        block(blocks[i], spoken, in_.at(path + ".content", i));
    } else {
      return in_.wrong_type(content, "a string", path + ".content");
    }
    if (turn.empty && !(last && turn.assistant))
      in_.fail(path + ": all messages must have non-empty content except for the optional final assistant message",
               path);
    turn.only_results = !turn.results.empty() && spoken.text.empty() && spoken.media.empty();
    if (!spoken.text.empty() || !spoken.calls.empty() || !spoken.media.empty() || turn.assistant)
      out_.messages.push_back(std::move(spoken));
  }

  void block(Value value, Message& spoken, const std::string& path) {
    if (!in_.object(value, path)) return;
    Turn& turn = turns_.back();
    const std::string type = in_.text(value["type"], path + ".type");
    if (turn.first_type.empty()) turn.first_type = type;
    turn.last_type = type;
    const bool user = !turn.assistant;
    if (type == "text")
      text_block(value, spoken, path, turn.assistant ? "assistant" : "user");
    else if (type == "image" && user)
      image(value, spoken, path);
    else if (type == "document" && user)
      document(value, spoken, path);
    else if (type == "search_result" && user)
      search_result(value, spoken, path);
    else if (type == "tool_result" && user)
      tool_result(value, spoken, path);
    else if (type == "tool_use" && turn.assistant)
      tool_use(value, spoken, path);
    else if (type == "thinking" && turn.assistant)
      thought(value, spoken, path);
    else if (type == "redacted_thinking" && turn.assistant)
      redacted(value, spoken, path);
    else if (type == "tool_use" || type == "thinking" || type == "redacted_thinking")
      in_.fail("messages: `" + type + "` blocks can only be specified by `assistant`", path + ".type");
    else if (type == "tool_result" || type == "image" || type == "document" || type == "search_result")
      in_.fail("messages: `" + type + "` blocks can only be specified by `user`", path + ".type");
    else
      in_.fail(path + ": Input tag '" + type +
                   "' found using 'type' does not match any of the expected tags: 'document', 'image', "
                   "'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'",
               path + ".type");
  }

  void text_block(Value value, Message& spoken, const std::string& path, std::string_view speaker) {
    const std::string inside = path + ".text";
    in_.only(value, {"type", "text", "cache_control", "citations"}, inside);
    const std::string text = in_.text(value["text"], inside + ".text");
    if (in_.failed()) return;
    if (text.empty()) return in_.fail("messages: text content blocks must be non-empty", inside + ".text");
    if (is_blank(text))
      return in_.fail("messages: text content blocks must contain non-whitespace text", inside + ".text");
    if (!value["citations"].absent() && !value["citations"].is_array())
      in_.wrong_type(value["citations"], "an array of objects", inside + ".citations");
    spoken.add_text(text);
    if (!turns_.empty()) turns_.back().ends_in_space = ends_in_space(text);
    prefix_.block(speaker, {text}, count_tokens(text));
    cache_control(value["cache_control"], inside + ".cache_control");
  }

  void image(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".image";
    in_.only(value, {"type", "source", "cache_control"}, inside);
    take_messages_image(in_, value["source"], spoken, inside + ".source");
    shown("image", value, inside);
  }

  void document(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".document";
    in_.only(value, {"type", "source", "title", "context", "citations", "cache_control"}, inside);
    in_.optional_text(value["title"], inside + ".title");
    in_.optional_text(value["context"], inside + ".context");
    take_messages_document(in_, value["source"], spoken, inside + ".source");
    shown("document", value, inside);
  }

  void shown(std::string_view what, Value value, const std::string& inside) {
    if (in_.failed()) return;
    prefix_.block(what, {value["source"].raw()}, kMediaTokens);
    cache_control(value["cache_control"], inside + ".cache_control");
  }

  void search_result(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".search_result";
    in_.only(value, {"type", "source", "title", "content", "citations", "cache_control"}, inside);
    in_.text(value["source"], inside + ".source");
    in_.text(value["title"], inside + ".title");
    if (!in_.array(value["content"], inside + ".content")) return;
    const auto blocks = value["content"].elements();
    for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i)
      text_block(blocks[i], spoken, in_.at(inside + ".content", i), "search_result");
    cache_control(value["cache_control"], inside + ".cache_control");
  }

  bool good_id(const std::string& id, const std::string& path) {
    if (!in_.failed() && !made_of_word_characters(id, "_-", std::string::npos))
      in_.fail(path + ": String should match pattern '^[a-zA-Z0-9_-]+$'", path);
    return !in_.failed();
  }

  void tool_use(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".tool_use";
    in_.only(value, {"type", "id", "name", "input", "cache_control", "caller"}, inside);
    ToolCall call{in_.text(value["id"], inside + ".id"), in_.text(value["name"], inside + ".name"), {}};
    if (!good_id(call.id, inside + ".id")) return;
    if (call.name.empty() || call.name.size() > 200)
      in_.fail(inside + ".name: String should have between 1 and 200 characters", inside + ".name");
    if (!in_.object(value["input"], inside + ".input")) return;
    if (!all_uses_.insert(call.id).second) return in_.fail("messages: `tool_use` ids must be unique", inside + ".id");
    turns_.back().uses.push_back(call.id);
    call.arguments = value["input"].raw();
    prefix_.block("tool_use", {call.id, call.name, call.arguments},
                  count_tokens(call.name) + count_tokens(call.arguments));
    spoken.add_call(std::move(call));
    cache_control(value["cache_control"], inside + ".cache_control");
  }

  void tool_result(Value value, const Message& spoken, const std::string& path) {
    const std::string inside = path + ".tool_result";
    in_.only(value, {"type", "tool_use_id", "content", "is_error", "cache_control"}, inside);
    Message result{Role::kTool, {}, {}, in_.text(value["tool_use_id"], inside + ".tool_use_id")};
    if (!good_id(result.call_id, inside + ".tool_use_id")) return;
    if (!spoken.text.empty() || !spoken.media.empty())
      return in_.fail(path + ": `tool_result` blocks must come before any other content in the message", path);
    result.failed = in_.optional_boolean(value["is_error"], false, inside + ".is_error");
    const Value content = value["content"];
    if (content.is_string()) {
      result.add_text(content.text());
    } else if (content.is_array()) {
      const auto blocks = content.elements();
      for (size_t i = 0; i < blocks.size() && !in_.failed(); ++i) {
        const std::string at = in_.at(inside + ".content", i);
        if (!in_.object(blocks[i], at)) return;
        const std::string type =
            in_.one_of(blocks[i]["type"], {"text", "image", "document", "search_result"}, at + ".type");
        if (type == "text") text_block(blocks[i], result, at, "tool_result");
        if (type == "image") image(blocks[i], result, at);
        if (type == "document") document(blocks[i], result, at);
        if (type == "search_result") search_result(blocks[i], result, at);
      }
    } else if (!content.absent()) {
      return in_.wrong_type(content, "a string", inside + ".content");
    }
    turns_.back().results.push_back(result.call_id);
    turns_.back().ends_in_space = false;
    prefix_.block("tool_result", {result.call_id, content.is_string() ? content.text() : std::string_view("blocks")},
                  content.is_string() ? count_tokens(content.text()) : 0);
    cache_control(value["cache_control"], inside + ".cache_control");
    out_.messages.push_back(std::move(result));
  }

  void thought(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".thinking";
    in_.only(value, {"type", "thinking", "signature"}, inside);
    const std::string text = in_.text(value["thinking"], inside + ".thinking");
    const std::string signature = in_.text(value["signature"], inside + ".signature");
    if (in_.failed()) return;
    const auto signed_text = signer_.open(kThinkingPurpose, signature);
    if (!signed_text) return in_.fail(path + ": Invalid `signature` in `thinking` block", inside + ".signature");
    if (!text.empty() && text != *signed_text)  // empty: it was shown without its text
      return in_.fail(path +
                          ": `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
                          "modified. These blocks must remain as they were in the original response.",
                      inside + ".thinking");
    spoken.parts.push_back({Part::Kind::kThought, text, signature});
    prefix_.block("thinking", {text, signature}, count_tokens(text));
  }

  void redacted(Value value, Message& spoken, const std::string& path) {
    const std::string inside = path + ".redacted_thinking";
    in_.only(value, {"type", "data"}, inside);
    const std::string data = in_.text(value["data"], inside + ".data");
    if (in_.failed()) return;
    if (!signer_.open(kRedactedPurpose, data))
      return in_.fail(path + ": Invalid `data` in `redacted_thinking` block", inside + ".data");
    spoken.parts.push_back({Part::Kind::kSealed, {}, data});
    prefix_.block("redacted", {data}, 0);
  }

  // --- rules across messages

  void across_turns() {
    for (size_t i = 0; i < turns_.size() && !in_.failed(); ++i) {
      pairing(i);
      if (turns_[i].assistant && i + 1 == turns_.size()) last_assistant(i);
    }
    if (thinking_by_hand_) begins_with_thinking();
  }

  void pairing(size_t i) {
    const Turn& turn = turns_[i];
    const std::string path = in_.at("messages", i);
    const std::vector<std::string> none;
    const std::vector<std::string>& uses = i > 0 && turns_[i - 1].assistant ? turns_[i - 1].uses : none;
    std::vector<std::string_view> answered;
    for (const std::string& id : turn.results) {
      if (std::ranges::find(uses, id) == uses.end())
        return in_.fail(path + ".content: unexpected `tool_use_id` found in `tool_result` blocks: " + id +
                            ". Each `tool_result` block must have a corresponding `tool_use` block in the previous "
                            "message.",
                        path);
      if (std::ranges::find(answered, id) != answered.end())
        return in_.fail(path +
                            ".content: each tool_use must have a single result. Found multiple `tool_result` blocks "
                            "with id: " +
                            id,
                        path);
      answered.push_back(id);
    }
    if (turn.uses.empty()) return;
    const bool followed = i + 1 < turns_.size() && !turns_[i + 1].assistant;
    std::string lost;
    for (const std::string& id : turn.uses)
      if (!followed || std::ranges::find(turns_[i + 1].results, id) == turns_[i + 1].results.end())
        lost.append(lost.empty() ? "" : ", ").append(id);
    if (turn.last_type != "tool_use" && lost.empty()) lost = turn.uses.back();  // nothing may stand between the two
    if (!lost.empty())
      in_.fail(path + ": `tool_use` ids were found without `tool_result` blocks immediately after: " + lost +
                   ". Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
               path);
  }

  void last_assistant(size_t i) {
    const std::string path = in_.at("messages", i);
    if (!rules_.prefill)
      return in_.fail(
          "This model does not support assistant message prefill. The conversation must end with a user message.",
          path);
    if (turns_[i].ends_in_space)
      in_.fail("messages: final assistant content cannot end with trailing whitespace", path);
  }

  // Thinking with a budget: the assistant's message that is being gone on with must begin with its thinking.
  void begins_with_thinking() {
    if (in_.failed()) return;
    size_t i = turns_.size() - 1;
    while (i > 0 && !turns_[i].assistant && turns_[i].only_results) --i;
    const Turn& turn = turns_[i];
    if (!turn.assistant || turn.empty || turn.first_type == "thinking" || turn.first_type == "redacted_thinking")
      return;
    const std::string path = in_.at("messages", i) + ".content.0.type";
    in_.fail(path + ": Expected `thinking` or `redacted_thinking`, but found `" + turn.first_type +
                 "`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
                 "(preceeding the lastmost set of `tool_use` and `tool_result` blocks). To avoid this requirement, "
                 "disable `thinking`.",
             path);
  }

  const Signer& signer_;
  MessagesRules rules_;
  StrictReader in_{StrictReader::Style::kAnthropic};
  MessagesRequest out_;
  PrefixBuilder prefix_;
  std::vector<Turn> turns_;
  std::unordered_set<std::string> all_uses_;
  int breakpoints_ = 0;
  bool short_lived_ = false, thinking_by_hand_ = false;
};

}  // namespace

Result<MessagesRequest> parse_messages_request(std::string body, const Signer& signer, MessagesRules rules) {
  auto document = json::Document::parse(std::move(body));
  if (!document.ok())
    return Error{.code = Code::kInvalid, .message = "The request body is not valid JSON: " + document.error().message};
  return Parser(signer, rules).parse(document->root());
}

}  // namespace perdure::simulate
