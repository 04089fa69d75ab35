#include "dialect/gemini_arguments.h"

#include <algorithm>
#include <charconv>

#include "dialect/say.h"

namespace perdure {
namespace {

constexpr size_t kBytesMax = 8 << 20;
constexpr size_t kValuesMax = 65'536;
constexpr size_t kDepthMax = 64;
constexpr size_t kFieldsMax = 4096;

Error malformed(std::string_view what) {
  return {.code = Code::kCorrupt, .message = say("The supplier's answer streams arguments wrongly: {}.", what)};
}

}  // namespace

// $.name, $['name'], $["name"], $[3], one behind the other.
Result<std::vector<GeminiArguments::Step>> GeminiArguments::steps_of(std::string_view path) {
  std::vector<Step> out;
  if (!path.starts_with('$')) return malformed("a path does not begin with $");
  path.remove_prefix(1);
  while (!path.empty()) {
    if (out.size() == kDepthMax) return malformed("a path is too deep");
    Step step;
    if (path[0] == '.') {
      const size_t end = std::min(path.find_first_of(".[", 1), path.size());
      step.name = path.substr(1, end - 1);
      if (step.name.empty()) return malformed("a path has an empty name");
      path.remove_prefix(end);
    } else if (path.size() > 1 && path[0] == '[' && (path[1] == '\'' || path[1] == '"')) {
      const char quote = path[1];
      size_t at = 2;
      for (; at < path.size() && path[at] != quote; ++at) {
        if (path[at] == '\\' && ++at == path.size()) break;
        step.name += path[at];
      }
      if (at + 1 >= path.size() || path[at + 1] != ']') return malformed("a path's name has no end");
      path.remove_prefix(at + 2);
    } else if (path[0] == '[') {
      const size_t end = path.find(']');
      if (end == std::string_view::npos) return malformed("a path's index has no end");
      const auto [last, fault] = std::from_chars(path.data() + 1, path.data() + end, step.number);
      if (fault != std::errc{} || last != path.data() + end) return malformed("a path's index is no number");
      step.index = true;
      path.remove_prefix(end + 1);
    } else {
      return malformed("a path makes no sense");
    }
    out.push_back(std::move(step));
  }
  return out;
}

Result<void> GeminiArguments::count(size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > kBytesMax || values_ > kValuesMax) return malformed("they are too long");
  return {};
}

Result<GeminiArguments::Node*> GeminiArguments::child(Node& node, const Step& step) {
  const Kind kind = step.index ? Kind::kArray : Kind::kObject;
  if (node.kind == Kind::kUnset) node.kind = kind;
  if (node.kind != kind) return malformed("a path leads into another kind of value");
  size_t at = step.number;
  if (!step.index) {
    // Fields come one after the other, so it is the last one, or a new one.
    const auto last = std::ranges::find(node.keys.rbegin(), node.keys.rend(), step.name);
    at = last == node.keys.rend() ? node.keys.size() : static_cast<size_t>(node.keys.rend() - last) - 1;
  }
  if (at > node.nodes.size()) return malformed("an element of an array is left out");
  if (at == node.nodes.size()) {
    if (!step.index && node.keys.size() == kFieldsMax) return malformed("an object has too many fields");
    if (!step.index) node.keys.push_back(step.name);
    node.nodes.emplace_back();
    ++values_;
    TRY_VOID(count(step.name.size()));
  }
  return &node.nodes[at];
}

Result<GeminiArguments::Node*> GeminiArguments::at(std::string_view path) {
  TRY(const std::vector<Step> steps, steps_of(path));
  if (steps.empty()) return malformed("a path leads to no argument");
  Node* node = &root_;
  for (const Step& step : steps) {
    TRY(node, child(*node, step));
  }
  return node;
}

Result<void> GeminiArguments::add(json::Value partial) {
  if (!partial.is_object()) return malformed("a part is not an object");
  TRY(Node * node, at(partial["jsonPath"].text()));
  const bool goes_on = partial["willContinue"].boolean().value_or(false);
  if (const json::Value text = partial["stringValue"]; text.is_string()) {
    if (node->kind == Kind::kUnset)
      node->kind = Kind::kString;
    else if (node->kind != Kind::kString || !node->goes_on)
      return malformed("an argument comes twice");
    node->goes_on = goes_on;
    TRY_VOID(count(text.text().size()));
    node->text += text.text();
    return {};
  }
  const json::Value number = partial["numberValue"], truth = partial["boolValue"];
  std::string_view scalar;
  if (number.type() == json::Type::kNumber)
    scalar = number.raw();
  else if (truth.type() == json::Type::kBool)
    scalar = truth.raw();
  else if (!partial["nullValue"].missing())
    scalar = "null";
  if (scalar.empty()) return {};  // it says only that there will be something
  if (node->kind != Kind::kUnset) return malformed("an argument comes twice");
  node->kind = Kind::kScalar;
  TRY_VOID(count(scalar.size()));
  node->text = scalar;
  return {};
}

Result<void> GeminiArguments::copy(Node& node, json::Value value, size_t depth) {
  if (depth > kDepthMax) return malformed("they are too deep");
  if (value.is_object()) {
    node.kind = Kind::kObject;
    for (const auto& [key, member] : value.members()) {
      TRY(Node * field, child(node, {.name = std::string(key)}));
      *field = {};
      TRY_VOID(copy(*field, member, depth + 1));
    }
    return {};
  }
  if (value.is_array()) {
    node.kind = Kind::kArray;
    for (const json::Value element : value.elements()) {
      TRY(Node * next, child(node, {.index = true, .number = node.nodes.size()}));
      TRY_VOID(copy(*next, element, depth + 1));
    }
    return {};
  }
  node.kind = value.is_string() ? Kind::kString : Kind::kScalar;
  node.text = value.is_string() ? value.text() : value.raw();
  return count(node.text.size());
}

Result<void> GeminiArguments::add_whole(json::Value args) { return copy(root_, args, 0); }

void GeminiArguments::write(json::Writer& out, const Node& node) {
  switch (node.kind) {
    case Kind::kUnset:
      out.null();
      return;
    case Kind::kScalar:
      out.raw(node.text);
      return;
    case Kind::kString:
      out.string(node.text);
      return;
    case Kind::kArray:
      out.begin_array();
      for (const Node& element : node.nodes) write(out, element);
      out.end_array();
      return;
    case Kind::kObject:
      out.begin_object();
      for (size_t i = 0; i < node.nodes.size(); ++i) {
        out.key(node.keys[i]);
        write(out, node.nodes[i]);
      }
      out.end_object();
      return;
  }
}

std::string GeminiArguments::take() {
  json::Writer out;
  write(out, root_);
  root_ = {.kind = Kind::kObject};
  bytes_ = values_ = 0;
  return out.take();
}

}  // namespace perdure
