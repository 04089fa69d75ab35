#pragma once
// Reading a catalogue document strictly: every field is taken once, what nobody took is unknown, and every problem is
// kept with its place in the text. Inside of the module.

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catalogue/catalogue.h"
#include "wire/json.h"

namespace perdure {

class DocumentProblems {
 public:
  static constexpr size_t kMax = 50;

  // `root` is the document's value; `lead` the white space before it.
  void begin(json::Value root, std::string lead);
  void add(json::Value at, std::string field, std::string message);
  bool none() const { return found_.empty(); }
  std::vector<CatalogueProblem> take() { return std::move(found_); }

 private:
  std::string_view text_;
  std::string lead_;
  std::vector<CatalogueProblem> found_;
};

class DocumentFields {
 public:
  static constexpr size_t kTextMax = 512;
  static constexpr size_t kListMax = 64;
  static constexpr int64_t kCountMax = 1'000'000'000'000;

  DocumentFields(DocumentProblems& problems, json::Value object, std::string path);

  json::Value value() const { return object_; }
  const std::string& path() const { return path_; }
  std::string at(std::string_view key) const;
  json::Value take(std::string_view key);  // missing if it is not there
  void wrong(std::string_view key, std::string message);
  void require(std::string_view key);  // complains if it is not there

  // Each leaves `out` as it is where the field is not there or wrong. True: it was read.
  bool text(std::string_view key, std::string& out);
  bool count(std::string_view key, std::optional<int64_t>& out, int64_t most = kCountMax);
  bool date(std::string_view key, std::string& out);
  bool texts(std::string_view key, std::vector<std::string>& out);
  bool known(std::string_view key, Known& out);  // true: yes, false: no
  template <class E, size_t N>
  bool word(std::string_view key, const std::array<Name<E>, N>& names, E& out);
  template <class E, size_t N>
  bool words(std::string_view key, const std::array<Name<E>, N>& names, std::vector<E>& out);
  // An array; each element is handed over with its path.
  template <class Read>
  void each(std::string_view key, size_t most, Read read);

  void finish();  // complains of what nobody took

 private:
  bool readable(json::Value value, std::string_view key, std::string_view path);
  DocumentProblems& problems_;
  json::Value object_;
  std::string path_;
  std::vector<std::string_view> taken_;
};

bool is_date(std::string_view text);  // YYYY-MM-DD, a day that exists

template <class E, size_t N>
std::string one_of(const std::array<Name<E>, N>& names) {
  std::string out = "must be one of";
  for (const auto& name : names) out.append(out.ends_with("of") ? " " : ", ").append(name.word);
  return out;
}

template <class E, size_t N>
bool DocumentFields::word(std::string_view key, const std::array<Name<E>, N>& names, E& out) {
  json::Value value = take(key);
  if (value.missing()) return false;
  std::optional<E> found = value_of(std::span<const Name<E>>(names), value.text());
  if (!value.is_string() || !found) {
    problems_.add(value, at(key), one_of(names));
    return false;
  }
  out = *found;
  return true;
}

template <class E, size_t N>
bool DocumentFields::words(std::string_view key, const std::array<Name<E>, N>& names, std::vector<E>& out) {
  std::vector<std::string> read;
  if (!texts(key, read)) return false;
  std::vector<E> values;
  for (const std::string& text : read) {
    std::optional<E> found = value_of(std::span<const Name<E>>(names), std::string_view(text));
    if (!found) {
      problems_.add(object_[key], at(key), one_of(names) + ", not \"" + text + "\"");
      return false;
    }
    values.push_back(*found);
  }
  std::ranges::sort(values);
  out = std::move(values);
  return true;
}

template <class Read>
void DocumentFields::each(std::string_view key, size_t most, Read read) {
  json::Value value = take(key);
  if (value.missing()) return;
  if (!value.is_array() || value.size() > most) {
    problems_.add(value, at(key), "must be an array of at most " + std::to_string(most));
    return;
  }
  size_t i = 0;
  for (json::Value element : value.elements()) {
    read(element, at(key) + "[" + std::to_string(i) + "]");
    ++i;
  }
}

}  // namespace perdure
