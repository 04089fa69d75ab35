#pragma once
// StrictReader: reads one canonical JSON object. What is missing, of another type or not known is kCorrupt: canonical
// JSON was written by this program, so anything else means that bytes were lost or that a newer version wrote them.
//
//   StrictReader in(value, "item");
//   in.text("id", item.id);
//   TRY_VOID(in.finish());

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/names.h"
#include "wire/json.h"

namespace perdure {

inline Error corrupt(std::string message) { return {.code = Code::kCorrupt, .message = std::move(message)}; }

class StrictReader {
 public:
  // `what` is for messages and must outlive the reader.
  StrictReader(json::Value object, std::string_view what);

  json::Value any(std::string_view name);     // may be missing
  json::Value array(std::string_view name);   // missing reads as an array without elements
  json::Value object(std::string_view name);  // may be missing

  void text(std::string_view name, std::string& out);           // required
  void optional_text(std::string_view name, std::string& out);  // missing leaves `out` as it is
  void optional_text(std::string_view name, std::optional<std::string>& out);
  void optional_boolean(std::string_view name, bool& out);
  void optional_boolean(std::string_view name, std::optional<bool>& out);
  void optional_integer(std::string_view name, int64_t& out);
  void optional_integer(std::string_view name, std::optional<int64_t>& out);
  void optional_number(std::string_view name, std::optional<double>& out);
  void texts(std::string_view name, std::vector<std::string>& out);

  template <class E>
  void word(std::string_view name, std::span<const Name<E>> names, E& out) {
    std::string text_read;
    text(name, text_read);
    if (auto value = value_of(names, std::string_view(text_read))) {
      out = *value;
    } else {
      fail(name, "is not a word known here");
    }
  }

  void fail(std::string_view name, std::string_view why);
  // The first thing that was wrong, unknown members included.
  Result<void> finish();

 private:
  json::Value take(std::string_view name);
  json::Value object_;
  std::string_view what_;
  std::vector<std::string_view> known_;
  std::optional<Error> error_;
};

}  // namespace perdure
