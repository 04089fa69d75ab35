#pragma once
// StrictReader: reads the fields of a JSON request and keeps the first thing that is wrong, in the words and with the
// paths of the service that is simulated. What is read after a failure does not matter, so a parser runs to its end and
// asks once.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/json.h"

namespace perdure::simulate {

class StrictReader {
 public:
  enum class Style { kOpenAi, kAnthropic, kGoogle, kBedrock };
  using Words = std::initializer_list<std::string_view>;

  explicit StrictReader(Style style) : style_(style) {}
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

  // The path of a member and of an element, as the service writes it.
  std::string in(std::string_view path, std::string_view key) const;
  std::string at(std::string_view path, size_t index) const;

  // kInvalid: `param` names the field, `code` is the service's own word where it has one. The first failure stays.
  void fail(std::string message, std::string param, std::string code = {});
  void missing(const std::string& path);
  void wrong_type(json::Value value, std::string_view expected, const std::string& path);
  void wrong_value(std::string_view value, std::string_view supported, const std::string& path);  // supported: prose
  void out_of_range(const std::string& path, bool below, bool integer, double least, double most);

  void only(json::Value object, Words known, const std::string& path);          // no other members
  bool object(json::Value value, const std::string& path);                      // present and an object
  bool array(json::Value value, const std::string& path);                       // present and an array
  std::string text(json::Value value, const std::string& path);                 // present and a string
  std::string one_of(json::Value value, Words words, const std::string& path);  // present and one of them
  std::string optional_text(json::Value value, const std::string& path);        // null counts as absent
  std::string optional_one_of(json::Value value, Words words, const std::string& path);
  bool optional_boolean(json::Value value, bool otherwise, const std::string& path);
  std::optional<double> optional_number(json::Value value, double least, double most, const std::string& path);
  std::optional<int64_t> optional_integer(json::Value value, int64_t least, int64_t most, const std::string& path);

 private:
  Style style_;
  std::optional<Error> error_;
};

// Letters, digits and what `also` holds; at most `most` of them and at least one.
bool made_of_word_characters(std::string_view text, std::string_view also, size_t most);

}  // namespace perdure::simulate
