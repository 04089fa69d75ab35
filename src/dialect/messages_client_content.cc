#include "dialect/messages_client_content.h"

#include <algorithm>
#include <set>

#include "dialect/messages_citations.h"
#include "dialect/say.h"
#include "dialect/tool_ids.h"
#include "model/opaque.h"
#include "wire/base64.h"

namespace perdure {
namespace {

constexpr size_t kCallIdMax = 256, kCallNameMax = 200, kTitleMax = 500;

Error missing(const std::string& param) {
  return invalid(param, "missing_required_parameter", say("Missing required parameter: '{}'.", param));
}

void expect_web(RequestReader& in, const std::string& url) {
  if (in.failed() || url.starts_with("https://") || url.starts_with("http://")) return;
  in.fail(invalid(in.param("url"), "invalid_value", say("Invalid '{}': expected an http(s) URL.", in.param("url"))));
}

// The base64 in `data`, checked.
std::string checked_data(RequestReader& in, size_t most) {
  std::string data;
  in.text("data", data, {.required = true, .length_max = most, .not_empty = true});
  if (!in.failed() && !is_base64(data)) {
    in.fail(invalid(in.param("data"), "invalid_value",
                    say("Invalid '{}': expected base64-encoded data.", in.param("data"))));
  }
  return data;
}

class Content {
 public:
  explicit Content(NotHere& not_here) : not_here_(not_here) {}

  // text, image, document: what the user and a tool's result may hold.
  Result<Part> part(json::Value value, const std::string& path, PartKind text = PartKind::kInputText) {
    RequestReader in(value, path);
    std::string type;
    in.text("type", type, {.required = true});
    if (in.failed()) return in.finish().error();
    Part out{.kind = text};
    if (type == "text") {
      read_text(in, value, out);
    } else if (type == "image" && text == PartKind::kInputText) {
      out.kind = PartKind::kInputImage;
      if (auto read = image(in.object("source"), in.param("source"), out); !read) in.fail(std::move(read).error());
    } else if (type == "document" && text == PartKind::kInputText) {
      out.kind = PartKind::kInputFile;
      read_document(in, out);
    } else {
      return not_supported(in.param("type"), say("blocks of the type {} here", quoted(type)));
    }
    out.cache = parse_cache_control(in);
    TRY_VOID(not_here_.finish(in));
    return out;
  }

  Result<Item> result(json::Value value, const std::string& path) {
    Item item{.kind = ItemKind::kFunctionCallOutput};
    RequestReader in(value, path);
    in.ignore("type");
    item.call_id = read_id(in, "tool_use_id");
    const json::Value content = in.any("content");
    if (content.is_array()) {
      item.output_is_text = false;
      const auto elements = content.elements();
      for (size_t i = 0; i < elements.size() && !in.failed(); ++i) {
        auto read = part(elements[i], in.param("content", i));
        if (!read) return std::move(read).error();
        item.content.push_back(*std::move(read));
      }
    } else if (content.is_string()) {
      item.output = content.text();
      if (longer_than(item.output, kTextMax)) {
        in.fail(invalid(in.param("content"), "string_above_max_length",
                        say("Invalid '{}': longer than {} characters.", in.param("content"), kTextMax)));
      }
    } else if (!content.absent()) {
      in.fail(invalid(in.param("content"), "invalid_type",
                      say("Invalid type for '{}': expected a string or an array, got {}.", in.param("content"),
                          json::name_of(content.type()))));
    }
    in.boolean("is_error", item.tool_failed);
    item.cache = parse_cache_control(in);
    TRY_VOID(not_here_.finish(in));
    return item;
  }

  Result<Item> call(json::Value value, const std::string& path) {
    Item item{.kind = ItemKind::kFunctionCall};
    RequestReader in(value, path);
    in.ignore("type");
    item.call_id = read_id(in, "id");
    in.text("name", item.name, {.required = true, .length_max = kCallNameMax, .not_empty = true});
    in.raw_object("input", item.arguments);
    if (item.arguments.empty()) in.fail(missing(in.param("input")));
    if (const json::Value caller = in.object("caller"); !caller.absent() && caller["type"].text() != "direct")
      in.fail(not_supported(in.param("caller"), "calls that a tool made"));
    item.cache = parse_cache_control(in);
    TRY_VOID(not_here_.finish(in));
    return item;
  }

  Result<Item> thinking(json::Value value, const std::string& path) {
    Item item{.kind = ItemKind::kReasoning};
    RequestReader in(value, path);
    in.ignore("type");
    std::string text, signature;
    in.text("thinking", text, {.required = true});
    in.text("signature", signature, {.required = true});
    TRY_VOID(not_here_.finish(in));
    put_opaque(item, signature, OpaqueKind::kSignature);
    if (text.empty()) return item;
    // What only its issuer can read had a summary; the rest was shown as it was thought.
    if (item.opaque == OpaqueKind::kEncrypted) {
      item.summary.push_back({.kind = PartKind::kSummaryText, .text = std::move(text)});
    } else {
      item.content.push_back({.kind = PartKind::kReasoningText, .text = std::move(text)});
    }
    return item;
  }

  Result<Item> redacted(json::Value value, const std::string& path) {
    Item item{.kind = ItemKind::kReasoning};
    RequestReader in(value, path);
    in.ignore("type");
    std::string data;
    in.text("data", data, {.required = true, .not_empty = true});
    TRY_VOID(not_here_.finish(in));
    put_opaque(item, data, OpaqueKind::kRedacted);
    return item;
  }

 private:
  static void put_opaque(Item& item, std::string_view text, OpaqueKind otherwise) {
    if (text.empty()) return;
    OpaqueBlock block = unpack_opaque(text, otherwise);
    if (block.block.empty()) return;
    item.opaque = block.kind;
    item.encrypted = std::move(block.block);
    item.issuer = std::move(block.issuer);
  }

  static std::string read_id(RequestReader& in, std::string_view name) {
    std::string id;
    in.text(name, id, {.required = true, .length_max = kCallIdMax, .name = true});
    auto ours = client_tool_id(id, kMessagesToolIds);
    return ours && !ours->empty() && json::valid_utf8(*ours) ? *std::move(ours) : id;
  }

  void read_text(RequestReader& in, json::Value value, Part& out) {
    in.text("text", out.text, {.required = true});
    std::string raw;
    in.raw_array("citations", raw);
    if (raw.empty() || in.failed()) return;
    if (out.kind != PartKind::kOutputText)
      return not_here_.refuse(in, in.param("citations"), "citations in what the user says");
    const size_t end = characters_in(out.text);
    for (json::Value citation : value["citations"].elements()) {
      if (!citation.is_object()) {
        return in.fail(invalid(in.param("citations"), "invalid_type",
                               say("Invalid type for '{}': expected objects.", in.param("citations"))));
      }
      out.annotations.append(out.annotations.empty() ? "[" : ",").append(annotation_of_citation(citation, 0, end));
    }
    out.annotations += "]";
  }

  Result<void> image(json::Value source, const std::string& path, Part& out) {
    if (source.missing()) return missing(path);
    RequestReader in(source, path);
    std::string type;
    in.text("type", type, {.required = true});
    if (type == "base64") {
      std::string media;
      in.text("media_type", media,
              {.required = true, .one_of = {"image/jpeg", "image/png", "image/gif", "image/webp"}});
      out.url = say("data:{};base64,{}", media, checked_data(in, kImageUrlMax));
    } else if (type == "url") {
      in.text("url", out.url, {.required = true, .length_max = kImageUrlMax});
      expect_web(in, out.url);
    } else if (!in.failed()) {
      return not_supported(in.param("type"), say("images of the source {}", quoted(type)));
    }
    return not_here_.finish(in);
  }

  void read_document(RequestReader& in, Part& out) {
    if (auto read = document(in.object("source"), in.param("source"), out); !read) in.fail(std::move(read).error());
    in.text("title", out.filename, {.length_max = kTitleMax});
    if (!in.any("context").absent()) not_here_.refuse(in, in.param("context"), "the context of a document");
    const json::Value citations = in.object("citations");
    if (citations["enabled"].boolean().value_or(false))
      not_here_.refuse(in, in.param("citations"), "citations of a document");
  }

  Result<void> document(json::Value source, const std::string& path, Part& out) {
    if (source.missing()) return missing(path);
    RequestReader in(source, path);
    std::string type, media;
    in.text("type", type, {.required = true});
    if (type == "base64") {
      in.text("media_type", media, {.required = true, .one_of = {"application/pdf"}});
      out.file_data = say("data:application/pdf;base64,{}", checked_data(in, kFileDataMax));
    } else if (type == "text") {
      std::string text;
      in.text("media_type", media, {.required = true, .one_of = {"text/plain"}});
      in.text("data", text, {.required = true, .not_empty = true});
      out.file_data = say("data:text/plain;base64,{}", to_base64(text));
    } else if (type == "url") {
      in.text("url", out.url, {.required = true, .length_max = kImageUrlMax});
      expect_web(in, out.url);
    } else if (!in.failed()) {
      return not_supported(in.param("type"), say("documents of the source {}", quoted(type)));
    }
    return not_here_.finish(in);
  }

  NotHere& not_here_;
};

// Reads the messages. What is wrong with calls and their results is said as the API says it.
class Messages {
 public:
  Messages(NotHere& not_here, bool continues) : content_(not_here), not_here_(not_here), calls_before_(continues) {}

  Result<std::vector<Item>> read(const std::vector<json::Value>& messages) {
    items_.reserve(messages.size());
    for (size_t i = 0; i < messages.size(); ++i) TRY_VOID(message(messages[i], i, i + 1 == messages.size()));
    TRY_VOID(answered());
    return std::move(items_);
  }

 private:
  Result<void> message(json::Value value, size_t index, bool last) {
    const std::string path = say("messages[{}]", index);
    RequestReader in(value, path);
    std::string role;
    in.text("role", role, {.required = true, .one_of = {"user", "assistant", "system"}});
    const json::Value content = in.any("content");
    if (!in.failed() && !content.is_string() && !content.is_array()) {
      return content.absent() ? missing(in.param("content"))
                              : invalid(in.param("content"), "invalid_type",
                                        say("Invalid type for '{}': expected a string or an array, got {}.",
                                            in.param("content"), json::name_of(content.type())));
    }
    TRY_VOID(not_here_.finish(in));
    if (role == "system") return system(content, path);
    const bool assistant = role == "assistant";
    const bool empty = content.is_string() ? content.text().empty() : content.size() == 0;
    if (empty && !(last && assistant)) {
      return invalid(path, "invalid_value",
                     "All messages must have non-empty content except for the optional final assistant message.");
    }
    if (assistant != assistant_) {
      if (assistant) TRY_VOID(answered());
      if (assistant) calls_before_ = false;
      assistant_ = assistant;
    }
    at_ = path;
    const size_t before = items_.size();
    if (content.is_string()) {
      if (longer_than(content.text(), kTextMax)) {
        return invalid(in.param("content"), "string_above_max_length",
                       say("Invalid '{}': longer than {} characters.", in.param("content"), kTextMax));
      }
      Part part{.kind = assistant ? PartKind::kOutputText : PartKind::kInputText};
      part.text = content.text();
      if (!empty) add(std::move(part), before);
    } else {
      const auto blocks = content.elements();
      for (size_t b = 0; b < blocks.size(); ++b) TRY_VOID(block(blocks[b], say("{}.content[{}]", path, b), before));
    }
    return last && assistant && items_.size() > before ? prefill(path) : Result<void>();
  }

  // In the midst of a conversation, where newer models take them.
  Result<void> system(json::Value content, const std::string& path) {
    Item item{.role = Role::kSystem};
    if (content.is_array()) {
      TRY(item, parse_system_blocks(content, path + ".content", not_here_));
    } else {
      item.content.push_back({.text = std::string(content.text())});
    }
    items_.push_back(std::move(item));
    return {};
  }

  Result<void> block(json::Value value, const std::string& path, size_t before) {
    const std::string_view type = value["type"].text();
    if (assistant_) {
      if (type == "tool_use") return call(value, path);
      if (type == "thinking" || type == "redacted_thinking") {
        TRY(auto item, type == "thinking" ? content_.thinking(value, path) : content_.redacted(value, path));
        items_.push_back(std::move(item));
        return {};
      }
    } else if (type == "tool_result") {
      return result(value, path);
    }
    TRY(auto part, content_.part(value, path, assistant_ ? PartKind::kOutputText : PartKind::kInputText));
    add(std::move(part), before);
    return {};
  }

  // To the message that the last item is, or to a new one.
  void add(Part part, size_t before) {
    if (items_.size() == before || items_.back().kind != ItemKind::kMessage)
      items_.push_back({.role = assistant_ ? Role::kAssistant : Role::kUser});
    items_.back().content.push_back(std::move(part));
  }

  Result<void> call(json::Value value, const std::string& path) {
    TRY(auto item, content_.call(value, path));
    if (!ids_.insert(item.call_id).second)
      return invalid(path + ".id", "invalid_value", "`tool_use` ids must be unique");
    open_.push_back({item.call_id, at_});
    items_.push_back(std::move(item));
    return {};
  }

  Result<void> result(json::Value value, const std::string& path) {
    TRY(auto item, content_.result(value, path));
    const auto open = std::ranges::find(open_, item.call_id, &Open::id);
    if (open == open_.end() && calls_before_ && closed_.insert(item.call_id).second) {
      items_.push_back(std::move(item));
      return {};
    }
    if (open == open_.end()) {
      if (closed_.contains(item.call_id)) {
        return invalid(path, "invalid_value",
                       say("each tool_use must have a single result. Found multiple `tool_result` blocks with id: {}",
                           shown(item.call_id)));
      }
      return invalid(path, "tool_call_not_found",
                     say("unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` block must "
                         "have a corresponding `tool_use` block in the previous message.",
                         shown(item.call_id)));
    }
    open_.erase(open);
    closed_.insert(item.call_id);
    items_.push_back(std::move(item));
    return {};
  }

  static std::string shown(std::string_view id) { return supplier_tool_id(id, kMessagesToolIds); }

  // At the end of the user's turn, which may be several messages.
  Result<void> answered() {
    closed_.clear();
    if (open_.empty()) return {};
    std::string ids;
    for (const Open& open : open_) ids.append(ids.empty() ? "" : ", ").append(shown(open.id));
    return invalid(open_.front().at, "tool_output_not_found",
                   say("`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` "
                       "block must have a corresponding `tool_result` block in the next message.",
                       ids));
  }

  // The answer goes on behind the last message of the assistant.
  Result<void> prefill(const std::string& path) {
    Item& last = items_.back();
    if (last.kind == ItemKind::kReasoning)
      return invalid(path, "invalid_value", "The final block in an assistant message cannot be `thinking`.");
    if (last.kind != ItemKind::kMessage) return {};
    const std::string& text = last.content.back().text;
    if (!text.empty() && std::string_view(" \t\r\n\f\v").contains(text.back()))
      return invalid(path, "invalid_value", "final assistant content cannot end with trailing whitespace");
    last.status = ItemStatus::kInProgress;
    return {};
  }

  struct Open {
    std::string id, at;  // of a call; the message that made it
  };
  Content content_;
  NotHere& not_here_;
  std::vector<Item> items_;
  std::vector<Open> open_;        // calls without a result so far
  std::set<std::string> closed_;  // those of this turn that have one
  std::set<std::string> ids_;
  std::string at_;
  bool assistant_ = false;
  bool calls_before_;  // what stands before the first message may have made calls
};

}  // namespace

std::string parse_cache_control(RequestReader& in) {
  const json::Value value = in.object("cache_control");
  if (value.missing()) return {};
  RequestReader mark(value, in.param("cache_control"));
  std::string type, ttl = "5m";
  mark.text("type", type, {.required = true, .one_of = {"ephemeral"}});
  mark.text("ttl", ttl, {.one_of = {"5m", "1h"}});
  std::string scope;
  mark.text("scope", scope);  // with whom a cache is shared: what is sent is one installation's anyway
  if (auto read = mark.finish(); !read) in.fail(std::move(read).error());
  return ttl;
}

Result<std::vector<Item>> parse_messages_items(json::Value messages, NotHere& not_here, bool continues) {
  if (messages.absent()) return missing("messages");
  if (!messages.is_array()) {
    return invalid("messages", "invalid_type",
                   say("Invalid type for 'messages': expected an array, got {}.", json::name_of(messages.type())));
  }
  if (messages.size() == 0) return invalid("messages", "empty_array", "at least one message is required");
  return Messages(not_here, continues).read(messages.elements());
}

Result<Item> parse_system_blocks(json::Value blocks, const std::string& where, NotHere& not_here) {
  Item item{.role = Role::kSystem};
  Content content(not_here);
  const auto elements = blocks.elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    const std::string path = say("{}[{}]", where, i);
    if (const std::string_view type = elements[i]["type"].text(); elements[i].is_object() && type != "text")
      return not_supported(path + ".type", say("blocks of the type {} here", quoted(type)));
    TRY(auto part, content.part(elements[i], path));
    item.content.push_back(std::move(part));
  }
  return item;
}

}  // namespace perdure
