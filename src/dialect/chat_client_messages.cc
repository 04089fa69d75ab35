#include "dialect/chat_client_messages.h"

#include <algorithm>

#include "dialect/request_reader.h"
#include "dialect/say.h"

namespace perdure {
namespace {

constexpr size_t kCallIdMax = 256;  // Google's and others' are longer than OpenAI's

Result<Part> parse_image(json::Value value, const std::string& path) {
  Part part{.kind = PartKind::kInputImage};
  RequestReader in(value, path);
  in.text("url", part.url, {.required = true, .length_max = kImageUrlMax, .not_empty = true});
  if (!in.failed() &&
      !(part.url.starts_with("data:") || part.url.starts_with("https://") || part.url.starts_with("http://"))) {
    in.fail(invalid(in.param("url"), "invalid_value", "Invalid image: expected a data: URL or an http(s) URL."));
  }
  in.text("detail", part.detail, {.one_of = {"low", "high", "auto", "original"}});
  if (part.detail == "auto") part.detail.clear();  // what not to say it means
  TRY_VOID(in.finish());
  return part;
}

Result<Part> parse_file(json::Value value, const std::string& path) {
  Part part{.kind = PartKind::kInputFile};
  RequestReader in(value, path);
  if (!in.any("file_id").absent())
    in.fail(not_supported(in.param("file_id"), "files by id; give the file as 'file_data'"));
  in.text("filename", part.filename);
  in.text("file_data", part.file_data, {.required = true, .length_max = kFileDataMax, .not_empty = true});
  TRY_VOID(in.finish());
  return part;
}

Result<Part> parse_part(json::Value value, const std::string& path, bool assistant) {
  RequestReader in(value, path);
  std::string type;
  in.text("type", type, {.required = true});
  if (in.failed()) return in.finish().error();
  if (assistant) in.ignore("role");  // of its message, again: an agents framework keeps both in one
  Part part{.kind = assistant ? PartKind::kOutputText : PartKind::kInputText};
  if (type == "text") {
    in.text("text", part.text, {.required = true});
  } else if (type == "refusal" && assistant) {
    part.kind = PartKind::kRefusal;
    in.text("refusal", part.text, {.required = true});
  } else if (type == "image_url" && !assistant) {
    TRY(part, parse_image(in.object("image_url"), in.param("image_url")));
  } else if (type == "file" && !assistant) {
    TRY(part, parse_file(in.object("file"), in.param("file")));
  } else if (type == "input_audio") {
    return not_supported(in.param("type"), "audio");
  } else {
    return invalid(in.param("type"), "invalid_value",
                   say("Invalid value for '{}': {}. Supported are {}.", in.param("type"), quoted(type),
                       assistant ? "'text', 'refusal'" : "'text', 'image_url', 'file'"));
  }
  TRY_VOID(in.finish());
  return part;
}

// `content`: a string, or a list of parts. False: null, or not there.
bool parse_content(RequestReader& in, bool assistant, std::vector<Part>& out) {
  json::Value content = in.any("content");
  if (content.absent()) return false;
  if (content.is_string()) {
    if (longer_than(content.text(), kTextMax)) {
      in.fail(invalid(in.param("content"), "string_above_max_length",
                      say("Invalid '{}': longer than {} characters.", in.param("content"), kTextMax)));
    }
    out.push_back(
        {.kind = assistant ? PartKind::kOutputText : PartKind::kInputText, .text = std::string(content.text())});
  } else if (content.is_array()) {
    const auto elements = content.elements();
    for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
      auto part = parse_part(elements[i], in.param("content", i), assistant);
      if (!part) {
        in.fail(std::move(part).error());
      } else {
        out.push_back(*std::move(part));
      }
    }
  } else {
    in.fail(invalid(in.param("content"), "invalid_type",
                    say("Invalid type for '{}': expected a string or an array, got {}.", in.param("content"),
                        json::name_of(content.type()))));
  }
  return true;
}

Error missing(const std::string& param) {
  return invalid(param, "missing_required_parameter", say("Missing required parameter: '{}'.", param));
}

Result<Item> parse_call(json::Value value, const std::string& path) {
  Item call{.kind = ItemKind::kFunctionCall};
  RequestReader in(value, path);
  std::string type = "function";
  in.text("type", type);
  in.text("id", call.call_id, {.required = true, .length_max = kCallIdMax, .not_empty = true});
  in.ignore("index");  // left by clients that put a stream together
  if (type != "function") return not_supported(in.param("type"), say("tool calls of type {}", quoted(type)));
  json::Value function = in.object("function");
  if (function.missing()) in.fail(missing(in.param("function")));
  TRY_VOID(in.finish());
  RequestReader inner(function, path + ".function");
  inner.text("name", call.name, {.required = true, .length_max = kNameMax, .name = true});
  inner.text("arguments", call.arguments, {.required = true});
  inner.ignore("parsed_arguments");  // an SDK's reading of them
  TRY_VOID(inner.finish());
  return call;
}

class Reader {
 public:
  Result<void> message(json::Value value, const std::string& path) {
    RequestReader in(value, path);
    std::string role;
    in.text("role", role, {.required = true});
    if (in.failed()) return in.finish();
    if (role == "tool") return tool(in);
    if (role == "function")
      return not_supported(in.param("role"), "messages of the role 'function'; use 'tools' and the role 'tool'");
    TRY_VOID(answered());
    if (role == "assistant") return assistant(in);
    const Role known = role == "user"        ? Role::kUser
                       : role == "system"    ? Role::kSystem
                       : role == "developer" ? Role::kDeveloper
                                             : Role::kAssistant;
    if (known == Role::kAssistant) {
      return invalid(
          in.param("role"), "invalid_value",
          say("Invalid value for '{}': {}. Supported are 'system', 'developer', 'user', 'assistant', 'tool'.",
              in.param("role"), quoted(role)));
    }
    Item item{.role = known};
    in.text("name", item.name, {.length_max = 256});
    if (!parse_content(in, false, item.content)) in.fail(missing(in.param("content")));
    TRY_VOID(in.finish());
    items_.push_back(std::move(item));
    return {};
  }

  // Nothing but the outputs of its calls may follow a message that made some.
  Result<void> answered() const {
    if (open_.empty()) return {};
    return invalid(open_.front().second, "tool_output_not_found",
                   say("The tool call {} must be followed by a message of the role 'tool' with its 'tool_call_id'.",
                       quoted(open_.front().first)));
  }

  void reserve(size_t items) { items_.reserve(items); }
  std::vector<Item> take() { return std::move(items_); }

 private:
  Result<void> assistant(RequestReader& in) {
    Item item{.role = Role::kAssistant};
    in.text("name", item.name, {.length_max = 256});
    parse_content(in, true, item.content);
    std::string refusal, reasoning;
    if (in.text("refusal", refusal) && !refusal.empty())
      item.content.push_back({.kind = PartKind::kRefusal, .text = std::move(refusal)});
    in.text("reasoning_content", reasoning);
    in.array("annotations");  // marks for readers, not for the model
    in.ignore("parsed");      // an SDK's reading of the content
    in.refuse("audio");
    in.refuse("function_call");
    std::vector<Item> calls;
    const auto elements = in.array("tool_calls").elements();
    for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
      auto call = parse_call(elements[i], in.param("tool_calls", i));
      if (!call) {
        in.fail(std::move(call).error());
        break;
      }
      if (std::ranges::find(calls, call->call_id, &Item::call_id) != calls.end()) {
        in.fail(invalid(in.param("tool_calls", i) + ".id", "invalid_value",
                        say("Two calls have the id {}.", quoted(call->call_id))));
      }
      open_.emplace_back(call->call_id, in.param("tool_calls", i) + ".id");
      calls.push_back(*std::move(call));
    }
    const bool says = std::ranges::any_of(item.content, [](const Part& part) { return !part.text.empty(); });
    if (calls.empty() && item.content.empty()) in.fail(missing(in.param("content")));
    TRY_VOID(in.finish());
    if (!reasoning.empty()) {
      Item thought{.kind = ItemKind::kReasoning};
      thought.content.push_back({.kind = PartKind::kReasoningText, .text = std::move(reasoning)});
      items_.push_back(std::move(thought));
    }
    if (says || calls.empty()) items_.push_back(std::move(item));
    for (Item& call : calls) items_.push_back(std::move(call));
    return {};
  }

  Result<void> tool(RequestReader& in) {
    Item item{.kind = ItemKind::kFunctionCallOutput};
    in.text("tool_call_id", item.call_id, {.required = true, .length_max = kCallIdMax, .not_empty = true});
    in.ignore("name");  // its call says it
    std::vector<Part> parts;
    if (!parse_content(in, false, parts)) in.fail(missing(in.param("content")));
    TRY_VOID(in.finish());
    const auto open = std::ranges::find(open_, item.call_id, [](const auto& one) { return one.first; });
    if (open == open_.end()) {
      return invalid(in.param("tool_call_id"), "tool_call_not_found",
                     say("No call with the id {} is waiting for an output here.", quoted(item.call_id)));
    }
    open_.erase(open);
    item.output_is_text = in_one_piece(parts);
    if (item.output_is_text) {
      if (!parts.empty()) item.output = std::move(parts.front().text);
    } else {
      item.content = std::move(parts);
    }
    items_.push_back(std::move(item));
    return {};
  }

  static bool in_one_piece(const std::vector<Part>& parts) {
    return parts.empty() || (parts.size() == 1 && parts.front().kind == PartKind::kInputText);
  }

  std::vector<Item> items_;
  std::vector<std::pair<std::string, std::string>> open_;  // calls without an output so far: id, where
};

}  // namespace

Result<std::vector<Item>> parse_chat_messages(json::Value messages) {
  if (messages.absent()) return missing("messages");
  if (!messages.is_array()) {
    return invalid("messages", "invalid_type",
                   say("Invalid type for 'messages': expected an array, got {}.", json::name_of(messages.type())));
  }
  if (messages.size() == 0)
    return invalid("messages", "empty_array", "Invalid 'messages': expected at least one message.");
  Reader reader;
  const auto elements = messages.elements();
  reader.reserve(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) TRY_VOID(reader.message(elements[i], say("messages[{}]", i)));
  TRY_VOID(reader.answered());
  return reader.take();
}

}  // namespace perdure
