#pragma once
// Reading YAML strictly: every key of a mapping is taken once, what nobody took is unknown, and every problem is kept
// with its place while reading goes on. Inside of the module; the only header with yaml-cpp in it.

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"

namespace perdure {

class YamlProblems {
 public:
  void add(const YAML::Node& at, const std::string& field, std::string message) {
    add(at.Mark(), field, std::move(message));
  }
  void add(const YAML::Mark& mark, const std::string& field, std::string message);
  std::vector<ConfigProblem> found;
};

std::string_view form_of(const YAML::Node& node);  // "a mapping"

// The keys of one mapping.
class YamlFields {
 public:
  YamlFields(YamlProblems& problems, const YAML::Node& node, std::string path);

  const std::string& path() const { return path_; }
  std::string at(std::string_view key) const;
  // Undefined when absent.
  YAML::Node take(std::string_view key);
  // All keys, whatever they are called: for mappings whose keys are names.
  template <class Each>
  void each(Each read);

  // Each leaves `out` as it is where the key is absent or wrong.
  bool text(std::string_view key, std::string& out);
  // By a function that turns the text into a Result.
  template <class T, class Parse>
  bool parsed(std::string_view key, T& out, Parse parse);
  void boolean(std::string_view key, bool& out);
  template <class T>
  void count(std::string_view key, T& out, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    if (whole(key, value, least, most)) out = static_cast<T>(value);
  }
  void duration(std::string_view key, Duration& out);
  void size(std::string_view key, size_t& out);
  void finish();  // complains of what nobody took

 private:
  struct Entry {
    std::string name;
    YAML::Node key, value;
    bool taken = false;
  };
  bool whole(std::string_view key, uint64_t& out, uint64_t least, uint64_t most);
  YamlProblems& problems_;
  std::string path_, known_;
  std::vector<Entry> entries_;
};

// What env:NAME or file:PATH holds. The value never appears in a message.
Result<std::string> read_secret(const std::string& reference, const Environment& environment);
Result<std::string> existing_file(const std::string& path);

template <class Each>
void YamlFields::each(Each read) {
  for (Entry& entry : entries_) {
    entry.taken = true;
    read(entry.name, entry.value, at(entry.name));
  }
}

template <class T, class Parse>
bool YamlFields::parsed(std::string_view key, T& out, Parse parse) {
  YAML::Node node = take(key);
  if (!node.IsDefined()) return false;
  if (!node.IsScalar()) {
    problems_.add(node, at(key), "must be a plain value, not " + std::string(form_of(node)));
    return false;
  }
  auto value = parse(node.Scalar());
  if (value.ok())
    out = *std::move(value);
  else
    problems_.add(node, at(key), value.error().message);
  return value.ok();
}

// Calls `each(node, path)` for the elements of a list.
template <class Each>
void for_elements(YamlProblems& problems, const YAML::Node& list, const std::string& path, Each each) {
  if (!list.IsDefined() || list.IsNull()) return;
  if (!list.IsSequence()) {
    problems.add(list, path, "must be a list, not " + std::string(form_of(list)));
    return;
  }
  for (size_t i = 0; i < list.size(); ++i) each(list[i], path + "[" + std::to_string(i) + "]");
}

}  // namespace perdure
