// Any bytes: parsed, written again, parsed again, compared; and whether they are JSON at all is judged by Boost.JSON
// too.

#include <boost/json/src.hpp>

#include "base/check.h"
#include "wire/json.h"

namespace perdure::json {
namespace {

void write(Writer& writer, Value value) {
  switch (value.type()) {
    case Type::kMissing:
      CHECK(false, "a missing value in a document");
      break;
    case Type::kNull:
      writer.null();
      break;
    case Type::kBool:
      writer.boolean(*value.boolean());
      break;
    case Type::kNumber:
      writer.raw(value.raw());
      break;
    case Type::kString:
      writer.string(value.text());
      break;
    case Type::kArray:
      writer.begin_array();
      for (Value element : value.elements()) write(writer, element);
      writer.end_array();
      break;
    case Type::kObject:
      writer.begin_object();
      for (const auto& [key, member] : value.members()) write(writer.key(key), member);
      writer.end_object();
      break;
  }
}

void check_equal(Value a, Value b) {
  CHECK(a.type() == b.type(), "type");
  CHECK(a.text() == b.text(), "text");
  CHECK(a.boolean() == b.boolean(), "boolean");
  CHECK(a.integer() == b.integer(), "integer");
  CHECK(a.number() == b.number(), "number");
  CHECK(a.size() == b.size(), "size");
  if (a.type() == Type::kNumber) CHECK(a.raw() == b.raw(), "number as written");
  const auto a_elements = a.elements(), b_elements = b.elements();
  CHECK(a_elements.size() == (a.is_array() ? a.size() : 0) && a_elements.size() == b_elements.size(), "elements");
  for (size_t i = 0; i < a_elements.size(); ++i) {
    check_equal(a_elements[i], b_elements[i]);
    CHECK(a.at(i).raw() == a_elements[i].raw(), "at()");
  }
  const auto a_members = a.members(), b_members = b.members();
  CHECK(a_members.size() == (a.is_object() ? a.size() : 0) && a_members.size() == b_members.size(), "members");
  for (size_t i = 0; i < a_members.size(); ++i) {
    CHECK(a_members[i].key == b_members[i].key, "key");
    check_equal(a_members[i].value, b_members[i].value);
  }
  if (!a_members.empty())
    CHECK(a[a_members.back().key].raw() == a_members.back().value.raw(), "the last of equal keys");
}

void check_same_content(Value ours, const boost::json::value& theirs) {
  switch (theirs.kind()) {
    case boost::json::kind::null:
      CHECK(ours.null());
      break;
    case boost::json::kind::bool_:
      CHECK(ours.boolean() == theirs.get_bool());
      break;
    case boost::json::kind::int64:
      CHECK(ours.integer() == theirs.get_int64());
      break;
    case boost::json::kind::uint64:
      CHECK(!ours.integer() && ours.number() == static_cast<double>(theirs.get_uint64()));
      break;
    case boost::json::kind::double_:
      CHECK(ours.type() == Type::kNumber);
      break;  // its doubles are off by some last digits
    case boost::json::kind::string:
      CHECK(ours.is_string() && ours.text() == std::string_view(theirs.get_string()));
      break;
    case boost::json::kind::array: {
      const auto elements = ours.elements();
      CHECK(ours.is_array() && elements.size() == theirs.get_array().size());
      for (size_t i = 0; i < elements.size(); ++i) check_same_content(elements[i], theirs.get_array()[i]);
      break;
    }
    case boost::json::kind::object:
      CHECK(ours.is_object() && ours.size() >= theirs.get_object().size());  // equal keys count once there
      for (const auto& member : theirs.get_object())
        check_same_content(ours[std::string_view(member.key())], member.value());
      break;
  }
}

void check_one(std::string_view bytes) {
  const auto document = Document::parse(std::string(bytes));

  boost::json::parse_options options;
  options.max_depth = Document::kDepthMax;
  boost::json::error_code error;
  const boost::json::value judged =
      boost::json::parse(boost::json::string_view(bytes.data(), bytes.size()), error, {}, options);
  if (error == boost::json::error::exponent_overflow) {
    // Its exponents are ints; ours are text. Whatever follows the number it has not seen.
  } else {
    CHECK(document.ok() == !error, "the judge differs");
    if (document) check_same_content(document->root(), judged);
  }

  if (!document) {
    CHECK(document.error().code == Code::kInvalid);
    return;
  }
  CHECK(valid_utf8(bytes));
  const Value root = document->root();
  Writer writer;
  write(writer, root);
  const auto again = Document::parse(writer.text());
  CHECK(again.ok(), "what was written cannot be read");
  check_equal(root, again->root());
  const auto raw = Document::parse(std::string(root.raw()));
  CHECK(raw.ok(), "raw() cannot be read");
  check_equal(root, raw->root());
}

// Bytes of any kind, quoted by the writer, are JSON; and those that were UTF-8 come back.
void check_quoted(std::string_view bytes) {
  std::string text;
  append_string(text, bytes);
  const auto document = Document::parse(text);
  CHECK(document.ok(), "a quoted string cannot be read");
  CHECK((document->root().text() == bytes) == valid_utf8(bytes), "a quoted string differs");
}

}  // namespace
}  // namespace perdure::json

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  perdure::json::check_one(bytes);
  perdure::json::check_quoted(bytes);
  return 0;
}
