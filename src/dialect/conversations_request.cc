#include "dialect/conversations_request.h"

#include <algorithm>

#include "dialect/responses_request.h"
#include "dialect/say.h"

namespace perdure {
namespace {

void parse_items(RequestReader& in, std::vector<Item>& out) {
  const auto elements = in.array("items").elements();
  if (elements.size() > kConversationItemsMax) {
    return in.fail(invalid(
        in.param("items"), "array_above_max_length",
        say("Invalid '{}': at most {} items can be added at a time.", in.param("items"), kConversationItemsMax)));
  }
  for (size_t i = 0; i < elements.size(); ++i) {
    auto item = parse_input_item(elements[i], in.param("items", i));
    if (!item) return in.fail(std::move(item).error());
    out.push_back(*std::move(item));
  }
}

Error missing(std::string param) {
  std::string message = say("Missing required parameter: '{}'.", param);
  return invalid(std::move(param), "missing_required_parameter", std::move(message));
}

}  // namespace

void parse_metadata(RequestReader& in, Metadata& out) {
  const auto members = in.object("metadata").members();
  if (members.size() > 16)
    return in.fail(invalid("metadata", "object_above_max_properties", "Invalid 'metadata': more than 16 keys."));
  for (const auto& [key, value] : members) {
    if (longer_than(key, 64))
      return in.fail(
          invalid("metadata", "string_above_max_length", "Invalid 'metadata': a key longer than 64 characters."));
    const std::string param = "metadata." + std::string(key);
    if (!value.is_string())
      return in.fail(invalid(param, "invalid_type", "Invalid 'metadata': values must be strings."));
    if (longer_than(value.text(), 512))
      return in.fail(
          invalid(param, "string_above_max_length", "Invalid 'metadata': a value longer than 512 characters."));
    const auto same = std::ranges::find(out, key, [](const auto& pair) -> std::string_view { return pair.first; });
    if (same != out.end()) {
      same->second = value.text();
    } else {
      out.emplace_back(key, value.text());
    }
  }
}

Result<ConversationBody> parse_conversation_create(json::Value body) {
  ConversationBody out;
  RequestReader in(body, "");
  parse_metadata(in, out.metadata);
  parse_items(in, out.items);
  TRY_VOID(in.finish());
  return out;
}

Result<Metadata> parse_conversation_update(json::Value body) {
  Metadata out;
  RequestReader in(body, "");
  if (body.is_object() && body["metadata"].missing()) in.fail(missing("metadata"));
  parse_metadata(in, out);
  TRY_VOID(in.finish());
  return out;
}

Result<std::vector<Item>> parse_conversation_items(json::Value body) {
  std::vector<Item> out;
  RequestReader in(body, "");
  parse_items(in, out);
  if (!in.failed() && out.empty()) in.fail(missing("items"));
  TRY_VOID(in.finish());
  return out;
}

void write_conversation(json::Writer& out, const ConversationId& id, WallTime created, const Metadata& metadata) {
  out.begin_object().field("id", id.value).field("object", "conversation").field("created_at", unix_seconds(created));
  out.key("metadata").begin_object();
  for (const auto& [name, value] : metadata) out.field(name, value);
  out.end_object().end_object();
}

void write_conversation_deleted(json::Writer& out, const ConversationId& id) {
  out.begin_object().field("id", id.value).field("object", "conversation.deleted").field("deleted", true).end_object();
}

}  // namespace perdure
