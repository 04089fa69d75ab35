#include "dialect/gemini_schema.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <vector>

#include "dialect/say.h"

namespace perdure {
namespace {

using json::Value;
using json::Writer;
using Words = std::initializer_list<std::string_view>;

constexpr size_t kNodesMax = 10'000;
constexpr size_t kDepthMax = 48;
constexpr size_t kBytesMax = 4 << 20;
constexpr size_t kSourcesMax = 64;

constexpr std::string_view kAnnotations[] = {
    "title",           "default",          "examples",         "example",      "$schema", "$id",   "id",
    "$comment",        "deprecated",       "readOnly",         "writeOnly",    "$anchor", "$defs", "definitions",
    "contentEncoding", "contentMediaType", "propertyOrdering", "externalDocs", "xml",     "strict"};
constexpr std::string_view kUnderstood[] = {"type",
                                            "description",
                                            "properties",
                                            "required",
                                            "items",
                                            "enum",
                                            "const",
                                            "anyOf",
                                            "oneOf",
                                            "allOf",
                                            "$ref",
                                            "nullable",
                                            "format",
                                            "minimum",
                                            "maximum",
                                            "exclusiveMinimum",
                                            "exclusiveMaximum",
                                            "minLength",
                                            "maxLength",
                                            "minItems",
                                            "maxItems",
                                            "minProperties",
                                            "maxProperties",
                                            "pattern",
                                            "additionalProperties"};
// Keywords of the standard whose meaning has no place; others are not named in messages.
constexpr std::string_view kForeign[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "patternProperties",
                                         "propertyNames",
                                         "dependencies",
                                         "dependentRequired",
                                         "dependentSchemas",
                                         "contains",
                                         "minContains",
                                         "maxContains",
                                         "uniqueItems",
                                         "multipleOf",
                                         "prefixItems",
                                         "additionalItems",
                                         "unevaluatedItems",
                                         "unevaluatedProperties",
                                         "$dynamicRef",
                                         "$recursiveRef"};

bool among(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != std::ranges::end(words);
}

std::string_view type_word(std::string_view type) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"string", "STRING"}, {"number", "NUMBER"}, {"integer", "INTEGER"}, {"boolean", "BOOLEAN"},
      {"array", "ARRAY"},   {"object", "OBJECT"}, {"null", "NULL"}};
  for (const auto& [theirs, ours] : kTypes) {
    if (type == theirs || type == ours) return ours;
  }
  return {};
}

bool is_null_type(Value schema) { return schema.is_object() && schema["type"].text() == "null"; }

// One schema, perhaps said in several places: behind a reference, in the branches of allOf.
struct Node {
  std::vector<Value> sources;
  std::vector<std::string> path;  // references that led here
  size_t gathered = 0;            // sources that were looked through
  bool nullable = false;
};

class Converter {
 public:
  Converter(Value root, bool ordered) : root_(root), ordered_(ordered) {}

  GeminiSchema convert() {
    GeminiSchema out;
    Writer writer;
    write(writer, {.sources = {root_}}, 0, &out.no_fields);
    out.text = writer.take();
    out.lost = std::move(lost_);
    return out;
  }

 private:
  void lose(std::string_view what) {
    if (lost_.empty()) lost_ = what;
  }

  // What `pointer` ("#/$defs/x") points at.
  Value find(std::string_view pointer) const {
    if (pointer == "#") return root_;
    if (!pointer.starts_with("#/")) return {};
    pointer.remove_prefix(2);
    Value at = root_;
    for (bool last = false; !last;) {
      const size_t slash = pointer.find('/');
      last = slash == std::string_view::npos;
      std::string name;
      const std::string_view escaped = pointer.substr(0, slash);
      for (size_t i = 0; i < escaped.size(); ++i) {
        const bool tilde = escaped[i] == '~' && i + 1 < escaped.size();
        name += tilde ? (escaped[++i] == '1' ? '/' : '~') : escaped[i];
      }
      if (at.is_array()) {
        const bool digits = !name.empty() && name.size() < 6 && name.find_first_not_of("0123456789") == name.npos;
        at = digits ? at.at(std::stoul(name)) : Value();
      } else {
        at = at[name];
      }
      if (!last) pointer.remove_prefix(slash + 1);
    }
    return at;
  }

  // Puts what is referred to, and the branches of allOf, beside the schema that says so. False: it cannot be done.
  bool gather(Node& node) {
    for (; node.gathered < node.sources.size(); ++node.gathered) {
      const Value source = node.sources[node.gathered];
      if (!source.is_object()) continue;
      if (const Value ref = source["$ref"]; !ref.missing()) {
        const std::string pointer(ref.text());
        const Value target = find(pointer);
        if (!target.is_object() || among(node.path, pointer)) return false;
        node.path.push_back(pointer);
        node.sources.push_back(target);
      }
      for (Value branch : source["allOf"].elements()) node.sources.push_back(branch);
      if (node.sources.size() > kSourcesMax) return false;
    }
    return true;
  }

  // The one that says `keyword`. Two that say it differently are a loss.
  Value get(const Node& node, std::string_view keyword) {
    Value found;
    for (const Value source : node.sources) {
      const Value value = source[keyword];
      if (value.missing()) continue;
      if (found.missing()) {
        found = value;
      } else if (found.raw() != value.raw() && keyword != "description") {
        lose(keyword);
      }
    }
    return found;
  }

  void check_keywords(const Node& node) {
    for (const Value source : node.sources) {
      for (const auto& [key, value] : source.members()) {
        if (among(kUnderstood, key) || among(kAnnotations, key) || key.starts_with("x-")) continue;
        if (key == "uniqueItems" && value.boolean() == false) continue;
        lose(among(kForeign, key) ? key : std::string_view("an unknown keyword"));
      }
    }
  }

  void write(Writer& out, Node node, size_t depth, bool* no_fields = nullptr) {
    out.begin_object();
    if (depth > kDepthMax || ++nodes_ > kNodesMax || out.text().size() > kBytesMax) {
      lose("so many levels or nodes");
    } else if (!gather(node)) {
      lose("$ref");
    } else if (std::ranges::any_of(node.sources, [](Value source) { return !source.is_object(); })) {
      lose("a schema that is true or false");
    } else {
      write_gathered(out, node, depth, no_fields);
    }
    out.end_object();
  }

  void write_gathered(Writer& out, Node& node, size_t depth, bool* no_fields) {
    // One alternative to null is no alternative.
    for (std::string_view keyword : {"anyOf", "oneOf"}) {
      std::vector<Value> branches = get(node, keyword).elements();
      const bool null = std::erase_if(branches, is_null_type) > 0;
      if (branches.size() != 1) continue;
      node.nullable = node.nullable || null;
      node.sources.push_back(branches[0]);
      if (!gather(node)) return lose("$ref");
      if (!branches[0].is_object()) return lose(keyword);
    }
    check_keywords(node);
    const bool alternatives = write_alternatives(out, node, depth);
    if (alternatives) return;
    const std::string_view type = write_type(out, node);
    if (const Value text = get(node, "description"); text.is_string()) out.field("description", text.text());
    write_enum(out, node, type);
    write_format(out, node, type);
    if (type == "OBJECT") write_fields(out, node, depth, no_fields);
    if (type == "ARRAY") write_items(out, node, depth);
    write_limits(out, node, type);
    if (node.nullable) out.field("nullable", true);
  }

  // anyOf has to stand alone; oneOf is taken for the same.
  bool write_alternatives(Writer& out, Node& node, size_t depth) {
    std::vector<Value> branches;
    std::string_view keyword;
    for (std::string_view each : {"anyOf", "oneOf"}) {
      const std::vector<Value> found = get(node, each).elements();
      size_t others = 0;
      for (const Value branch : found) others += !is_null_type(branch);
      if (others < 2) continue;
      if (!branches.empty()) lose(each);
      branches = found;
      keyword = each;
    }
    if (branches.empty()) return false;
    for (const Value source : node.sources) {
      for (const auto& [key, value] : source.members()) {
        if (key == keyword || among(kAnnotations, key) || key == "$ref" || key == "allOf" || key.starts_with("x-"))
          continue;
        lose("anyOf beside other keywords");
      }
    }
    out.key("anyOf").begin_array();
    for (const Value branch : branches) write(out, {.sources = {branch}, .path = node.path}, depth + 1);
    if (node.nullable) out.begin_object().field("type", "NULL").end_object();
    out.end_array();
    return true;
  }

  // The type, written; empty: none.
  std::string_view write_type(Writer& out, Node& node) {
    if (get(node, "nullable").boolean().value_or(false)) node.nullable = true;
    const Value said = get(node, "type");
    std::vector<std::string_view> types;
    if (said.is_string()) types.push_back(type_word(said.text()));
    for (const Value one : said.elements()) {
      const std::string_view word = type_word(one.text());
      if (word == "NULL" && said.size() > 1) {
        node.nullable = true;
      } else {
        types.push_back(word);
      }
    }
    if (said.missing()) {
      if (!get(node, "properties").missing())
        types.push_back("OBJECT");
      else if (!get(node, "items").missing())
        types.push_back("ARRAY");
      else if (get(node, "const").is_string() || get(node, "enum").at(0).is_string())
        types.push_back("STRING");
    }
    if (types.size() == 1 && !types[0].empty()) {
      out.field("type", types[0]);
      return types[0];
    }
    if (types.empty() || among(types, std::string_view())) {
      lose("a value of any type");
      return {};
    }
    for (const Value source : node.sources) {
      for (const auto& [key, value] : source.members()) {
        if (key != "type" && !among(kAnnotations, key) && !key.starts_with("x-")) lose("several types");
      }
    }
    out.key("anyOf").begin_array();
    for (const std::string_view type : types) {
      if (type == "OBJECT" || type == "ARRAY") lose("several types");
      out.begin_object().field("type", type).end_object();
    }
    if (std::exchange(node.nullable, false)) out.begin_object().field("type", "NULL").end_object();
    out.end_array();
    return {};
  }

  void write_enum(Writer& out, Node& node, std::string_view type) {
    const Value constant = get(node, "const"), values = get(node, "enum");
    if (constant.missing() && values.missing()) return;
    std::vector<Value> words;
    for (const Value value : values.elements()) words.push_back(value);
    if (!constant.missing()) words = {constant};
    if (std::erase_if(words, [](Value word) { return word.null(); }) > 0 && !node.nullable) lose("enum");
    const auto fits = [](Value word) { return word.is_string() && !word.text().empty(); };
    if (type != "STRING" || words.empty() || !std::ranges::all_of(words, fits))
      return lose(constant.missing() ? "enum" : "const");
    out.key("enum").begin_array();
    for (const Value word : words) out.string(word.text());
    out.end_array();
  }

  void write_format(Writer& out, const Node& node, std::string_view type) {
    const std::string_view format = get(node, "format").text();
    const bool known = (type == "STRING" && format == "date-time") ||
                       (type == "INTEGER" && (format == "int32" || format == "int64")) ||
                       (type == "NUMBER" && (format == "float" || format == "double"));
    if (known) out.field("format", format);
  }

  void write_fields(Writer& out, const Node& node, size_t depth, bool* no_fields) {
    const Value more = get(node, "additionalProperties");
    if (more.is_object() && more.size() > 0) lose("additionalProperties");
    std::vector<Value::Member> fields = get(node, "properties").members();
    if (fields.empty()) {
      // The API refuses objects without properties; where they are a tool's parameters, there are none.
      if (no_fields != nullptr && !more.is_object() && !more.boolean().value_or(false)) {
        *no_fields = true;
      } else {
        lose("an object of any properties");
      }
      return;
    }
    out.key("properties").begin_object();
    std::vector<std::string_view> names;
    for (const auto& [name, value] : fields) {
      if (among(names, name)) {
        lose("two properties of one name");
        continue;
      }
      names.push_back(name);
      if (names.size() > kNodesMax) break;
      out.key(name);
      write(out, {.sources = {value}, .path = node.path}, depth + 1);
    }
    out.end_object();
    write_names(out, node, names);
  }

  void write_names(Writer& out, const Node& node, const std::vector<std::string_view>& names) {
    std::vector<std::string_view> required;
    for (const Value source : node.sources) {
      for (const Value name : source["required"].elements()) {
        if (!among(names, name.text()))
          lose("required");
        else if (!among(required, name.text()))
          required.push_back(name.text());
      }
    }
    const auto list = [&](std::string_view key, const std::vector<std::string_view>& words) {
      out.key(key).begin_array();
      for (const std::string_view word : words) out.string(word);
      out.end_array();
    };
    if (!required.empty()) list("required", required);
    if (ordered_ && names.size() > 1) list("propertyOrdering", names);
  }

  void write_items(Writer& out, const Node& node, size_t depth) {
    const Value items = get(node, "items");
    if (!items.is_object()) return lose(items.missing() ? "an array of anything" : "items");
    out.key("items");
    write(out, {.sources = {items}, .path = node.path}, depth + 1);
  }

  // Limits are copied as they were written; where an end does not belong to its range, integers can say the next one.
  void write_limits(Writer& out, const Node& node, std::string_view type) {
    const auto copy = [&](Words keywords, bool fits) {
      for (const std::string_view keyword : keywords) {
        const Value value = get(node, keyword);
        if (value.missing()) continue;
        if (!fits || value.type() != json::Type::kNumber)
          lose(keyword);
        else
          out.key(keyword).raw(value.raw());
      }
    };
    copy({"minLength", "maxLength"}, type == "STRING");
    copy({"minItems", "maxItems"}, type == "ARRAY");
    copy({"minProperties", "maxProperties"}, type == "OBJECT");
    if (const Value pattern = get(node, "pattern"); !pattern.missing())
      type == "STRING" && pattern.is_string() ? void(out.field("pattern", pattern.text())) : lose("pattern");
    write_end(out, node, type, "minimum", "exclusiveMinimum", 1);
    write_end(out, node, type, "maximum", "exclusiveMaximum", -1);
  }

  void write_end(Writer& out, const Node& node, std::string_view type, std::string_view keyword,
                 std::string_view exclusive, int64_t step) {
    Value end = get(node, keyword);
    const Value open = get(node, exclusive);
    if (end.missing() && open.missing()) return;
    if (type != "INTEGER" && type != "NUMBER") return lose(keyword);
    const bool strict = open.type() == json::Type::kNumber || open.boolean().value_or(false);
    if (!strict) return end.type() == json::Type::kNumber ? void(out.key(keyword).raw(end.raw())) : lose(keyword);
    if (open.type() == json::Type::kNumber) {
      if (!end.missing()) return lose(exclusive);
      end = open;
    }
    const std::optional<int64_t> number = end.integer();
    constexpr int64_t kMost = int64_t{1} << 53;
    if (type != "INTEGER" || !number || *number > kMost || *number < -kMost) return lose(exclusive);
    out.key(keyword).integer(*number + step);
  }

  Value root_;
  bool ordered_;
  size_t nodes_ = 0;
  std::string lost_;
};

}  // namespace

GeminiSchema gemini_schema(Value schema, bool ordered) { return Converter(schema, ordered).convert(); }

}  // namespace perdure
