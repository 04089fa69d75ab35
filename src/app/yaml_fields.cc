#include "app/yaml_fields.h"

#include <fstream>
#include <sstream>

namespace perdure {
namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

void YamlProblems::add(const YAML::Mark& mark, const std::string& field, std::string message) {
  bool known = mark.line >= 0;
  found.push_back({known ? mark.line + 1 : 0, known ? mark.column + 1 : 0, field, std::move(message)});
}

std::string_view form_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a plain value";
    default:
      return "nothing";
  }
}

YamlFields::YamlFields(YamlProblems& problems, const YAML::Node& node, std::string path)
    : problems_(problems), path_(std::move(path)) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsMap()) {
    problems_.add(node, path_, "must be a mapping, not " + std::string(form_of(node)));
    return;
  }
  for (const auto& pair : node) {
    std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    for (const Entry& entry : entries_)
      if (entry.name == key) problems_.add(pair.first, at(key), "stands here twice");
    entries_.push_back({key, pair.first, pair.second});
  }
}

std::string YamlFields::at(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

YAML::Node YamlFields::take(std::string_view key) {
  known_ += known_.empty() ? "" : ", ";
  known_ += key;
  YAML::Node out(YAML::NodeType::Undefined);
  for (Entry& entry : entries_) {
    if (entry.name != key) continue;
    entry.taken = true;
    out.reset(entry.value);
  }
  return out;
}

bool YamlFields::text(std::string_view key, std::string& out) {
  YAML::Node node = take(key);
  if (!node.IsDefined()) return false;
  if (!node.IsScalar()) {
    problems_.add(node, at(key), "must be text, not " + std::string(form_of(node)));
    return false;
  }
  out = node.Scalar();
  return true;
}

void YamlFields::boolean(std::string_view key, bool& out) {
  parsed(key, out, [](const std::string& word) -> Result<bool> {
    if (word == "true") return true;
    if (word == "false") return false;
    return Error{Code::kInvalid, "must be true or false, not \"" + word + "\""};
  });
}

bool YamlFields::whole(std::string_view key, uint64_t& out, uint64_t least, uint64_t most) {
  return parsed(key, out, [&](const std::string& word) -> Result<uint64_t> {
    char* end = nullptr;
    errno = 0;
    unsigned long long value = std::strtoull(word.c_str(), &end, 10);
    if (word.empty() || *end != '\0' || word[0] < '0' || word[0] > '9' || errno != 0 || value < least || value > most)
      return Error{Code::kInvalid, "must be a whole number from " + std::to_string(least) + " to " +
                                       std::to_string(most) + ", not \"" + word + "\""};
    return value;
  });
}

void YamlFields::duration(std::string_view key, Duration& out) {
  parsed(key, out, [](const std::string& word) -> Result<Duration> {
    TRY(Duration value, parse_duration(word));
    if (value <= Duration::zero()) return Error{Code::kInvalid, "must be longer than nothing"};
    return value;
  });
}

void YamlFields::size(std::string_view key, size_t& out) {
  parsed(key, out, [](const std::string& word) -> Result<size_t> {
    TRY(size_t value, parse_size(word));
    if (value == 0) return Error{Code::kInvalid, "must be larger than nothing"};
    return value;
  });
}

void YamlFields::finish() {
  for (const Entry& entry : entries_)
    if (!entry.taken) problems_.add(entry.key, at(entry.name), "there is no such key; here may stand: " + known_);
}

Result<std::string> read_secret(const std::string& reference, const Environment& environment) {
  if (reference.starts_with("env:")) {
    std::string name = reference.substr(4);
    auto value = environment(name);
    if (!value || value->empty()) return Error{Code::kInvalid, "the environment variable " + name + " is not set"};
    return trimmed(*value);
  }
  if (reference.starts_with("file:")) {
    std::string path = reference.substr(5);
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
      return Error{Code::kInvalid, "the file " + path + " cannot be read, or is empty"};
    return trimmed(text.str());
  }
  return Error{Code::kInvalid, "a secret stands here by reference only: env:NAME or file:PATH"};
}

Result<std::string> existing_file(const std::string& path) {
  if (!std::ifstream(path)) return Error{Code::kInvalid, "the file " + path + " cannot be read"};
  return path;
}

}  // namespace perdure
