#pragma once
// JSON: reading without loss, writing flat.
//
// Document parses strictly (RFC 8259, valid UTF-8, one value, bounded depth) and keeps for every value the exact bytes
// it was written with (raw()), so that numbers survive at any size and parts can be passed on unchanged. Values are
// handles into their Document and die with it; moving the Document leaves them valid. Thread: none; immutable after
// parse.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace perdure::json {

enum class Type : uint8_t { kMissing, kNull, kBool, kNumber, kString, kArray, kObject };
std::string_view name_of(Type type);  // "a string", "an object", ... for messages

class Document;
struct Tape;  // what a parse leaves behind; json.cc

class Value {
 public:
  Value() = default;  // missing
  Type type() const;
  bool missing() const { return type() == Type::kMissing; }
  bool null() const { return type() == Type::kNull; }
  bool absent() const { return missing() || null(); }  // what most optional fields mean
  bool is_object() const { return type() == Type::kObject; }
  bool is_array() const { return type() == Type::kArray; }
  bool is_string() const { return type() == Type::kString; }
  std::string_view raw() const;   // exact source bytes
  std::string_view text() const;  // unescaped string; empty when not a string
  std::optional<bool> boolean() const;
  std::optional<int64_t> integer() const;        // only if written as an integer that fits (1.0 and 1e3 do count)
  std::optional<double> number() const;          // the nearest; none beyond the range of double
  size_t size() const;                           // members or elements
  Value operator[](std::string_view key) const;  // missing when not an object or not there; the last of equal keys
  Value operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  Value at(size_t i) const;  // element i of an array

  struct Member;
  std::vector<Member> members() const;  // in order of appearance
  std::vector<Value> elements() const;

 private:
  friend class Document;
  Value(const Tape* tape, uint32_t index) : tape_(tape), index_(index) {}
  const Tape* tape_ = nullptr;
  uint32_t index_ = 0;
};

struct Value::Member {
  std::string_view key;
  Value value;
};

class Document {
 public:
  static constexpr int kDepthMax = 128;
  // kInvalid with a message that says what is wrong and at which byte.
  static Result<Document> parse(std::string text);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  Value root() const;

 private:
  explicit Document(std::unique_ptr<Tape> tape);
  std::unique_ptr<Tape> tape_;
};

// Appends JSON to one string. Commas and colons are its own business; nesting is the caller's.
class Writer {
 public:
  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);
  Writer& string(std::string_view text);  // must be valid UTF-8; invalid bytes become U+FFFD
  Writer& integer(int64_t value);
  Writer& number(double value);  // shortest form that reads back the same; null when not finite
  Writer& boolean(bool value);
  Writer& null();
  Writer& raw(std::string_view json);  // one whole value, passed as it is
  // key + value in one
  Writer& field(std::string_view name, std::string_view text) { return key(name).string(text); }
  Writer& field(std::string_view name, const char* text) { return key(name).string(text); }
  Writer& field(std::string_view name, int64_t value) { return key(name).integer(value); }
  Writer& field(std::string_view name, int value) { return key(name).integer(value); }
  Writer& field(std::string_view name, bool value) { return key(name).boolean(value); }
  const std::string& text() const { return out_; }
  std::string take();
  void clear() { out_.clear(), comma_ = false; }

 private:
  void separate();
  std::string out_;
  bool comma_ = false;
};

void append_string(std::string& out, std::string_view text);  // quoted and escaped
bool valid_utf8(std::string_view text);

}  // namespace perdure::json
