#include "dialect/messages_schema.h"

#include <algorithm>
#include <string_view>

namespace perdure {
namespace {

constexpr std::string_view kLimits[] = {"minimum",    "maximum",    "exclusiveMinimum", "exclusiveMaximum",
                                        "multipleOf", "minLength",  "maxLength",        "minItems",
                                        "maxItems",   "uniqueItems"};
constexpr std::string_view kSchemas[] = {"items", "not", "if", "then", "else", "additionalProperties"};
constexpr std::string_view kLists[] = {"anyOf", "allOf", "oneOf", "prefixItems"};
constexpr std::string_view kMaps[] = {"properties", "$defs", "definitions", "patternProperties"};

bool is_one_of(std::string_view name, auto& names) { return std::ranges::find(names, name) != std::ranges::end(names); }

// Of every integer that JSON holds exactly: what generators of schemas write for any integer.
bool is_of_any_integer(std::string_view name, json::Value value) {
  constexpr double kMost = 9007199254740991;
  const auto number = value.number();
  return number && ((name == "minimum" && *number <= -kMost) || (name == "maximum" && *number >= kMost));
}

bool is_compiled(std::string_view name, json::Value value) {
  const auto count = name == "minItems" ? value.integer() : std::nullopt;
  return count && *count >= 0 && *count <= 1;
}

class Rewriter {
 public:
  bool changed() const { return changed_; }

  void schema(json::Writer& out, json::Value value) {
    if (!value.is_object()) return static_cast<void>(out.raw(value.raw()));
    out.begin_object();
    std::string limits;
    for (const auto& [name, member] : value.members()) {
      if (name == "description") continue;
      if (is_one_of(name, kLimits) && !is_compiled(name, member)) {
        changed_ = true;
        if (!is_of_any_integer(name, member))
          limits.append(limits.empty() ? "" : ", ").append(name).append(": ").append(member.raw());
        continue;
      }
      const bool either = name == "oneOf" && value["anyOf"].missing();
      changed_ = changed_ || either;
      out.key(either ? std::string_view("anyOf") : std::string_view(name));
      if (is_one_of(name, kSchemas))
        schema(out, member);
      else if (is_one_of(name, kLists) && member.is_array())
        list(out, member);
      else if (is_one_of(name, kMaps) && member.is_object())
        map(out, member);
      else
        out.raw(member.raw());
    }
    description(out, value["description"], limits);
    if (value["properties"].is_object() && value["additionalProperties"].missing()) {
      changed_ = true;
      out.field("additionalProperties", false);
    }
    out.end_object();
  }

 private:
  void list(json::Writer& out, json::Value values) {
    out.begin_array();
    for (json::Value one : values.elements()) schema(out, one);
    out.end_array();
  }

  void map(json::Writer& out, json::Value values) {
    out.begin_object();
    for (const auto& [name, one] : values.members()) schema(out.key(name), one);
    out.end_object();
  }

  static void description(json::Writer& out, json::Value said, const std::string& limits) {
    if (said.missing() && limits.empty()) return;
    if (limits.empty()) return static_cast<void>(out.key("description").raw(said.raw()));
    std::string text(said.text());
    out.field("description", text.append(text.empty() ? "{" : "\n\n{").append(limits).append("}"));
  }

  bool changed_ = false;
};

}  // namespace

std::string messages_schema(json::Value schema) {
  Rewriter rewriter;
  json::Writer out;
  rewriter.schema(out, schema);
  return rewriter.changed() ? out.take() : std::string(schema.raw());
}

}  // namespace perdure
