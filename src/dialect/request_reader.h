#pragma once
// RequestReader: reads one JSON object that a client sent. Every fault is kInvalid and names its field by its path; the
// first one counts. A null is as good as nothing for optional fields, and for fields that are not known: it asks for
// nothing.
//
//   RequestReader in(value, "tools[0]");
//   in.text("name", tool.name, {.required = true, .length_max = 64});
//   TRY_VOID(in.finish());

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace perdure {

inline constexpr size_t kTextMax = 10'485'760;  // characters; the limits are those of the Open Responses schema
inline constexpr size_t kImageUrlMax = 20'971'520;
inline constexpr size_t kFileDataMax = 33'554'432;
inline constexpr size_t kNameMax = 64;

// `reason` is what clients see as `code`.
Error invalid(std::string param, std::string reason, std::string message);
Error not_supported(std::string param, std::string what);
// A word from a request as messages may show it: names and types, never content.
std::string quoted(std::string_view word);
bool longer_than(std::string_view text, size_t characters);

struct TextRule {
  bool required = false;
  size_t length_max = kTextMax;
  bool not_empty = false;
  bool name = false;                                    // ^[a-zA-Z0-9_-]+$
  std::initializer_list<std::string_view> one_of = {};  // empty: any
};

class RequestReader {
 public:
  // `path` is empty for the body itself.
  RequestReader(json::Value object, std::string path);

  json::Value any(std::string_view name);                                         // may be absent
  json::Value array(std::string_view name);                                       // an array, or absent
  json::Value object(std::string_view name);                                      // an object, or absent
  bool text(std::string_view name, std::string& out, const TextRule& rule = {});  // true: it was there
  void text(std::string_view name, std::optional<std::string>& out, const TextRule& rule = {});
  void boolean(std::string_view name, std::optional<bool>& out);
  void boolean(std::string_view name, bool& out);
  void integer(std::string_view name, std::optional<int64_t>& out, int64_t min, int64_t max = INT64_MAX);
  void number(std::string_view name, std::optional<double>& out, double min, double max);
  // JSON to be passed on byte for byte: an object; an array, empty when it has no elements.
  void raw_object(std::string_view name, std::string& out);
  void raw_array(std::string_view name, std::string& out);
  void ignore(std::string_view name) { known_.push_back(name); }
  // Known to the API and not to be had here: refused unless null.
  void refuse(std::string_view name);

  std::string param(std::string_view name) const;
  std::string param(std::string_view name, size_t index) const;
  void fail(Error error);
  bool failed() const { return error_.has_value(); }
  Result<void> finish();
  // Members that nobody has asked for so far are noted in `out` instead of being refused, if their names can be told.
  void leave_out_unknown(std::vector<std::string>& out);

 private:
  json::Value take(std::string_view name);
  void check_depth(std::string_view name, std::string_view raw);
  void expected(std::string_view name, json::Value value, std::string_view what);
  json::Value object_;
  std::string path_;
  std::vector<std::string_view> known_;
  std::optional<Error> error_;
};

}  // namespace perdure
