#include "wire/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/random.h"

namespace perdure::json {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

Document parsed(std::string text) {
  auto document = Document::parse(std::move(text));
  if (!document) throw std::runtime_error(document.error().message);
  return std::move(document).value();
}

bool accepts(std::string text) { return Document::parse(std::move(text)).ok(); }

std::string nested(size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += open;
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(JsonParse, AcceptsEveryFormOfRfc8259) {
  for (std::string_view text : {"null"sv,
                                "true"sv,
                                "false"sv,
                                "0"sv,
                                "-0"sv,
                                "1"sv,
                                "-12"sv,
                                "1.5"sv,
                                "0.0"sv,
                                "1e5"sv,
                                "1E+5"sv,
                                "1e-05"sv,
                                "0e0"sv,
                                "-0.0e-0"sv,
                                "1e999999999999"sv,
                                "123456789012345678901234567890.123"sv,
                                "\"\""sv,
                                "\"a\""sv,
                                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABCD\\uabcd\""sv,
                                "\"\x7f\""sv,
                                "\"\u2028\U0010FFFF\""sv,
                                "\"\\ud83d\\ude00\""sv,
                                "[]"sv,
                                "[ ]"sv,
                                "{}"sv,
                                "{ }"sv,
                                "[1]"sv,
                                "[1,2]"sv,
                                "[[],{},[[]]]"sv,
                                "{\"\":0}"sv,
                                "{\"a\":1,\"a\":2}"sv,
                                " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n"sv}) {
    auto document = Document::parse(std::string(text));
    EXPECT_TRUE(document) << text << " " << (document ? "" : document.error().message);
  }
}

TEST(JsonParse, RejectsEverythingElseAndSaysWhere) {
  struct Case {
    std::string_view text;
    std::string_view message;
  };
  for (const auto& [text, message] : {
           Case{"", "invalid JSON at byte 0: unexpected end of text"},
           {" \n", "invalid JSON at byte 2: unexpected end of text"},
           {"nul", "invalid JSON at byte 0: expected a value"},
           {"True", "invalid JSON at byte 0: expected a value"},
           {"nullx", "invalid JSON at byte 4: unexpected bytes after the value"},
           {"NaN", "invalid JSON at byte 0: expected a value"},
           {"\0"sv, "invalid JSON at byte 0: expected a value"},
           {"1\0"sv, "invalid JSON at byte 1: unexpected bytes after the value"},
           {"[\0]"sv, "invalid JSON at byte 1: expected a value"},
           {"01", "invalid JSON at byte 1: unexpected bytes after the value"},
           {"-", "invalid JSON at byte 1: unexpected end of text"},
           {"-a", "invalid JSON at byte 1: expected a digit"},
           {"-01", "invalid JSON at byte 2: unexpected bytes after the value"},
           {"+1", "invalid JSON at byte 0: expected a value"},
           {".5", "invalid JSON at byte 0: expected a value"},
           {"1.", "invalid JSON at byte 2: unexpected end of text"},
           {"1.e5", "invalid JSON at byte 2: expected a digit"},
           {"1e", "invalid JSON at byte 2: unexpected end of text"},
           {"1e+", "invalid JSON at byte 3: unexpected end of text"},
           {"1ex", "invalid JSON at byte 2: expected a digit"},
           {"0x10", "invalid JSON at byte 1: unexpected bytes after the value"},
           {"1 2", "invalid JSON at byte 2: unexpected bytes after the value"},
           {"[", "invalid JSON at byte 1: unexpected end of text"},
           {"[1", "invalid JSON at byte 2: unexpected end of text"},
           {"[1,", "invalid JSON at byte 3: unexpected end of text"},
           {"[1,]", "invalid JSON at byte 3: expected a value"},
           {"[,1]", "invalid JSON at byte 1: expected a value"},
           {"[1 2]", "invalid JSON at byte 3: expected ',' or ']'"},
           {"[1}", "invalid JSON at byte 2: expected ',' or ']'"},
           {"]", "invalid JSON at byte 0: expected a value"},
           {"[]]", "invalid JSON at byte 2: unexpected bytes after the value"},
           {"{", "invalid JSON at byte 1: unexpected end of text"},
           {"{a:1}", "invalid JSON at byte 1: expected a member's name"},
           {"{1:1}", "invalid JSON at byte 1: expected a member's name"},
           {"{\"a\"}", "invalid JSON at byte 4: expected ':'"},
           {"{\"a\":}", "invalid JSON at byte 5: expected a value"},
           {"{\"a\":1,}", "invalid JSON at byte 7: expected a member's name"},
           {"{\"a\":1]", "invalid JSON at byte 6: expected ',' or '}'"},
           {"{\"a\":1 \"b\":2}", "invalid JSON at byte 7: expected ',' or '}'"},
           {"'a'", "invalid JSON at byte 0: expected a value"},
           {"\"abc", "invalid JSON at byte 4: unexpected end of text in a string"},
           {"\"abc\\", "invalid JSON at byte 4: unexpected end of text in a string"},
           {"\"abc\\\"", "invalid JSON at byte 6: unexpected end of text in a string"},
           {"\"a\nb\"", "invalid JSON at byte 2: unescaped control character in a string"},
           {"\"a\0b\""sv, "invalid JSON at byte 2: unescaped control character in a string"},
           {"\"0123456789\x1f\"", "invalid JSON at byte 11: unescaped control character in a string"},
           {"\"\\x\"", "invalid JSON at byte 1: invalid escape"},
           {"\"\\\0\""sv, "invalid JSON at byte 1: invalid escape"},
           {"\"\\u12\"", "invalid JSON at byte 1: invalid \\u escape"},
           {"\"\\u12", "invalid JSON at byte 1: invalid \\u escape"},
           {"\"\\u12g4\"", "invalid JSON at byte 1: invalid \\u escape"},
           {"\"\\U0041\"", "invalid JSON at byte 1: invalid escape"},
           {"\"\\ud83d\"", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"\"\\ud83d", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"\"\\ud83d\\", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"\"\\ud83d\\u0041\"", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"\"\\ud83d\\ud83d\"", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"\"\\ude00\\ud83d\"", "invalid JSON at byte 1: lone surrogate in a \\u escape"},
           {"[1] // comment", "invalid JSON at byte 4: unexpected bytes after the value"},
           {"\xEF\xBB\xBF{}", "invalid JSON at byte 0: expected a value"},
           {"\"\xff\"", "invalid JSON at byte 1: invalid UTF-8"},
           {"\"a\xc3\"", "invalid JSON at byte 2: invalid UTF-8"},
           {"\"\xc0\xaf\"", "invalid JSON at byte 1: invalid UTF-8"},
           {"\"\xed\xa0\x80\"", "invalid JSON at byte 1: invalid UTF-8"},
           {"\"\xf4\x90\x80\x80\"", "invalid JSON at byte 1: invalid UTF-8"},
           {"\"\xe2\x82", "invalid JSON at byte 1: invalid UTF-8"},
           {"1\xa0", "invalid JSON at byte 1: invalid UTF-8"},
       }) {
    auto document = Document::parse(std::string(text));
    ASSERT_FALSE(document) << text;
    EXPECT_EQ(document.error().code, Code::kInvalid);
    EXPECT_EQ(document.error().message, message) << text;
  }
}

// Whatever else would be said of a text: that it is no UTF-8 is said first, wherever in it that is.
TEST(JsonParse, AByteThatIsNoUtf8IsFoundAtEveryPlace) {
  const std::string text =
      R"({"a key of more than sixteen bytes":["short","a value that goes on for more than thirty-two bytes",)"
      R"("an \u00e9scape and more behind it",1.5e3,true,null,{"k":""}], "last" : "0123456789abcdef"})";
  ASSERT_TRUE(Document::parse(text).ok());
  for (size_t at = 0; at <= text.size(); ++at) {
    std::string broken = text;
    broken.insert(at, "\xff");
    Result<Document> parsed = Document::parse(broken);
    ASSERT_FALSE(parsed.ok()) << at;
    EXPECT_EQ(parsed.error().message, "invalid JSON at byte " + std::to_string(at) + ": invalid UTF-8");
  }
}

TEST(JsonParse, EveryCutOfAValidObjectIsInvalid) {
  const std::string whole = R"({"a": [1.5e3, true, null], "\u00e9\ud83d\ude00": {"b": "c\n", "é": []}})";
  ASSERT_TRUE(accepts(whole));
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_FALSE(accepts(whole.substr(0, i))) << i;
}

TEST(JsonParse, DepthIsBounded) {
  EXPECT_TRUE(accepts(nested(Document::kDepthMax, "[", "]")));
  EXPECT_FALSE(accepts(nested(Document::kDepthMax + 1, "[", "]")));
  EXPECT_TRUE(accepts(nested(Document::kDepthMax - 1, "{\"a\":", "}").insert((Document::kDepthMax - 1) * 5, "{}")));
  auto document = Document::parse(std::string(1'000'000, '['));
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().message, "invalid JSON at byte 128: nested too deeply");
  EXPECT_FALSE(accepts(nested(1'000'000, "{\"a\":", "}")));
  std::string flat = "[";
  for (int i = 0; i < 1'000'000; ++i) flat += "[],";
  auto wide = parsed(flat + "[]]");
  EXPECT_EQ(wide.root().size(), 1'000'001u);
}

TEST(JsonValue, Lookup) {
  const auto document = parsed(R"( {"a": 1, "b": [10, "x", null, {"c": true}], "a": 2, "k\u0065y": "v", "": 7} )");
  const Value root = document.root();
  EXPECT_EQ(root.type(), Type::kObject);
  EXPECT_EQ(root.size(), 5u);
  EXPECT_EQ(root["a"].integer(), 2) << "the last of equal keys";
  EXPECT_EQ(root["key"].text(), "v");
  EXPECT_EQ(root[""].integer(), 7);
  EXPECT_TRUE(root["none"].missing());
  EXPECT_TRUE(root["none"]["deeper"].at(3).absent());
  EXPECT_TRUE(root.at(0).missing());
  const Value b = root["b"];
  EXPECT_EQ(b.size(), 4u);
  EXPECT_EQ(b.at(0).integer(), 10);
  EXPECT_EQ(b.at(1).text(), "x");
  EXPECT_TRUE(b.at(2).null());
  EXPECT_TRUE(b.at(2).absent());
  EXPECT_FALSE(b.at(2).missing());
  EXPECT_EQ(b.at(3)["c"].boolean(), true);
  EXPECT_TRUE(b.at(4).missing());
  EXPECT_TRUE(b["a"].missing());
  const auto members = root.members();
  ASSERT_EQ(members.size(), 5u);
  EXPECT_EQ(members[0].key, "a");
  EXPECT_EQ(members[0].value.integer(), 1);
  EXPECT_EQ(members[3].key, "key");
  ASSERT_EQ(b.elements().size(), 4u);
  EXPECT_EQ(b.elements()[3].raw(), R"({"c": true})");
  EXPECT_TRUE(b.members().empty());
  EXPECT_TRUE(root.elements().empty());
  EXPECT_EQ(Value().type(), Type::kMissing);
  EXPECT_EQ(Value().raw(), "");
  EXPECT_EQ(Value().size(), 0u);
}

TEST(JsonValue, RawIsExactlyWhatWasWritten) {
  const auto document =
      parsed("\n[ 1.50E+02 ,{ \"a\" :\t[ ] } , \"\\u0041\" ,[[ ] ,{ } ],true, 123456789012345678901234567890 ]\r\n");
  const Value root = document.root();
  EXPECT_EQ(root.raw(),
            "[ 1.50E+02 ,{ \"a\" :\t[ ] } , \"\\u0041\" ,[[ ] ,{ } ],true, 123456789012345678901234567890 ]");
  EXPECT_EQ(root.at(0).raw(), "1.50E+02");
  EXPECT_EQ(root.at(1).raw(), "{ \"a\" :\t[ ] }");
  EXPECT_EQ(root.at(1)["a"].raw(), "[ ]");
  EXPECT_EQ(root.at(2).raw(), "\"\\u0041\"");
  EXPECT_EQ(root.at(2).text(), "A");
  EXPECT_EQ(root.at(3).raw(), "[[ ] ,{ } ]");
  EXPECT_EQ(root.at(4).raw(), "true");
  EXPECT_EQ(root.at(5).raw(), "123456789012345678901234567890");
  for (std::string_view text : {"0", "-1e5", "\"x\"", "null", "false", "[]", "{}"}) {
    const auto scalar = parsed(" " + std::string(text) + " ");
    EXPECT_EQ(scalar.root().raw(), text);
  }
}

TEST(JsonValue, HandlesSurviveAMoveOfTheDocument) {
  auto document = parsed(R"(["a\tb","plain"])");
  const Value root = document.root();
  const std::string_view text = root.at(0).text();
  const Document moved = std::move(document);
  EXPECT_EQ(root.at(0).text(), "a\tb");
  EXPECT_EQ(text, "a\tb");
  EXPECT_TRUE(document.root().missing());
}

TEST(JsonValue, Strings) {
  struct Case {
    std::string json, text;
  };
  for (const auto& [json, text] : {
           Case{R"("")", ""},
           {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
           {R"("a\u0000b")", "a\0b"s},
           {R"("\u00e9\u20AC\ud83d\uDE00x")", "é€😀x"},
           {R"("\uD800\uDC00\udbff\udfff")", "\U00010000\U0010FFFF"},
           {R"("0123456789\n0123456789\"")", "0123456789\n0123456789\""},
           {R"("é€😀")", "é€😀"},
       }) {
    const auto document = parsed(json);
    EXPECT_EQ(document.root().text(), text) << json;
  }
  for (size_t before = 0; before < 20; ++before) {  // an escape at every place of a machine word
    const auto document = parsed('"' + std::string(before, 'a') + "\\n" + std::string(20, 'b') + '"');
    EXPECT_EQ(document.root().text(), std::string(before, 'a') + '\n' + std::string(20, 'b'));
  }
}

TEST(JsonValue, Integers) {
  struct Case {
    std::string_view json;
    std::optional<int64_t> value;
  };
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  for (const auto& [json, value] : {
           Case{"5", 5},
           {"-5", -5},
           {"0", 0},
           {"-0", 0},
           {"0.000", 0},
           {"-0e99999999999999999999", 0},
           {"5.0", 5},
           {"5e2", 500},
           {"5E+2", 500},
           {"500e-2", 5},
           {"1.5e1", 15},
           {"1.0", 1},
           {"1e3", 1000},
           {"0.00001e5", 1},
           {"1000000000000000000000000e-24", 1},
           {"1.5", {}},
           {"15e-2", {}},
           {"1e-1", {}},
           {"0.5", {}},
           {"9223372036854775807", kMax},
           {"9223372036854775808", {}},
           {"-9223372036854775808", kMin},
           {"-9223372036854775809", {}},
           {"9223372036854775807.0", kMax},
           {"9.223372036854775807e18", kMax},
           {"-92233720368547758080e-1", kMin},
           {"1e18", 1000000000000000000},
           {"1e19", {}},
           {"1e999999999999999999999", {}},
           {"1e-999999999999999999999", {}},
           {"123456789012345678901234567890", {}},
           {"\"5\"", {}},
           {"true", {}},
           {"null", {}},
           {"[5]", {}},
       }) {
    const auto document = parsed(std::string(json));
    EXPECT_EQ(document.root().integer(), value) << json;
  }
}

TEST(JsonValue, Numbers) {
  struct Case {
    std::string_view json;
    std::optional<double> value;
  };
  for (const auto& [json, value] : {
           Case{"0.1", 0.1},
           {"-2.5e3", -2500.0},
           {"1", 1.0},
           {"9007199254740993", 9007199254740992.0},
           {"1.7976931348623157e308", std::numeric_limits<double>::max()},
           {"5e-324", 5e-324},
           {"1e-400", 0.0},
           {"-1e-99999999999999999999", 0.0},
           {"0e99999999999", 0.0},
           {"1e400", {}},
           {"-1e309", {}},
           {"1e99999999999999999999", {}},
           {"\"1\"", {}},
       }) {
    const auto document = parsed(std::string(json));
    EXPECT_EQ(document.root().number(), value) << json;
  }
  EXPECT_TRUE(std::signbit(*parsed("-0").root().number()));
  EXPECT_TRUE(std::signbit(*parsed("-1e-400").root().number()));
}

TEST(JsonWriter, CommasAreItsOwn) {
  Writer writer;
  writer.begin_object()
      .field("a", 1)
      .key("b")
      .begin_array()
      .end_array()
      .key("c")
      .begin_array()
      .integer(-1)
      .begin_object()
      .end_object()
      .null()
      .boolean(false)
      .end_array();
  writer.field("d", "x")
      .field("e", std::string_view("y"))
      .field("f", true)
      .key("g")
      .raw("[1, 2]")
      .field("h", int64_t{1} << 62)
      .key("i")
      .number(0.1)
      .end_object();
  EXPECT_EQ(
      writer.text(),
      R"({"a":1,"b":[],"c":[-1,{},null,false],"d":"x","e":"y","f":true,"g":[1, 2],"h":4611686018427387904,"i":0.1})");
  EXPECT_TRUE(accepts(writer.take()));
  EXPECT_EQ(writer.text(), "");
  EXPECT_EQ(writer.begin_array().end_array().take(), "[]") << "as new after take()";
}

TEST(JsonWriter, Numbers) {
  for (double value : {0.0, -0.0, 1.0, 0.1, 1e22, 1.5e300, 5e-324, 1.7976931348623157e308, 123456789.125, -2e-7}) {
    const auto document = parsed(Writer().number(value).text());
    EXPECT_EQ(document.root().number(), value);
  }
  EXPECT_EQ(Writer().number(0.1).text(), "0.1");
  EXPECT_EQ(Writer().number(1).text(), "1");
  EXPECT_EQ(Writer().number(std::numeric_limits<double>::infinity()).text(), "null");
  EXPECT_EQ(Writer().integer(std::numeric_limits<int64_t>::min()).text(), "-9223372036854775808");
}

TEST(JsonWriter, Strings) {
  struct Case {
    std::string text, json;
  };
  for (const auto& [text, json] : {
           Case{"", R"("")"},
           {"a\"b\\c/d", R"("a\"b\\c/d")"},
           {"\b\f\n\r\t\x01\x1f\x7f\0"s, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\""},
           {"é€😀", "\"é€😀\""},
           {"\xff", "\"\uFFFD\""},
           {"a\xc3", "\"a\uFFFD\""},
           {"a\xc3\"b", "\"a\uFFFD\\\"b\""},
           {"\xe2\x82x", "\"\uFFFDx\""},
           {"\xf0\x9f\x98", "\"\uFFFD\""},
           {"\xed\xa0\x80", "\"\uFFFD\uFFFD\uFFFD\""},
           {"\xc0\xaf\xe9\n", "\"\uFFFD\uFFFD\uFFFD\\n\""},
           {"é\x80é", "\"é\uFFFDé\""},
       }) {
    EXPECT_EQ(Writer().string(text).text(), json);
    std::string out = "x";
    append_string(out, text);
    EXPECT_EQ(out, "x" + json);
  }
  EXPECT_TRUE(valid_utf8(""));
  EXPECT_TRUE(valid_utf8({}));
  EXPECT_TRUE(valid_utf8("é€😀"));
  EXPECT_FALSE(valid_utf8("a\xc3"));
}

// Writes a random tree and, to compare with, a description of it that the reader's side can make as well.
class RandomTree {
 public:
  explicit RandomTree(uint64_t seed) : random_(seed) {}
  Writer writer;
  std::string description;

  void value(int depth) {
    switch (random_.below(depth < 5 ? 7 : 5)) {
      case 0:
        writer.null(), description += "null;";
        break;
      case 1: {
        const bool value = random_.below(2) == 0;
        writer.boolean(value), description += value ? "true;" : "false;";
        break;
      }
      case 2: {
        const auto value = static_cast<int64_t>(random_.u64() >> random_.below(64));
        writer.integer(value), description += "n" + std::to_string(value) + ";";
        break;
      }
      case 3: {
        const double value = std::ldexp(static_cast<double>(static_cast<int64_t>(random_.u64())),
                                        static_cast<int>(random_.below(1000)) - 500) +
                             0.0;
        writer.number(value), description += "d" + std::to_string(std::bit_cast<uint64_t>(value)) + ";";
        doubles_.push_back(value);
        break;
      }
      case 4: {
        const std::string value = text();
        writer.string(value), description += "s" + value + ";";
        break;
      }
      case 5: {
        writer.begin_array(), description += "[";
        for (uint64_t i = random_.below(6); i > 0; --i) value(depth + 1);
        writer.end_array(), description += "]";
        break;
      }
      default: {
        writer.begin_object(), description += "{";
        for (uint64_t i = random_.below(6); i > 0; --i) {
          const std::string name = text();
          writer.key(name), description += name + ":";
          value(depth + 1);
        }
        writer.end_object(), description += "}";
      }
    }
  }

  // Of the value read back; which numbers were written as doubles is taken from the order of writing.
  void describe(Value value, std::string& out) {
    switch (value.type()) {
      case Type::kMissing:
        out += "missing;";
        break;
      case Type::kNull:
        out += "null;";
        break;
      case Type::kBool:
        out += *value.boolean() ? "true;" : "false;";
        break;
      case Type::kNumber:
        if (next_double_ < doubles_.size() && Writer().number(doubles_[next_double_]).text() == value.raw() &&
            value.number() == doubles_[next_double_]) {
          out += "d" + std::to_string(std::bit_cast<uint64_t>(*value.number())) + ";";
          ++next_double_;
        } else {
          out += "n" + std::to_string(value.integer().value_or(0)) + ";";
        }
        break;
      case Type::kString:
        out += "s" + std::string(value.text()) + ";";
        break;
      case Type::kArray:
        out += "[";
        for (Value element : value.elements()) describe(element, out);
        out += "]";
        break;
      case Type::kObject:
        out += "{";
        for (const auto& [name, member] : value.members()) {
          out += std::string(name) + ":";
          describe(member, out);
        }
        out += "}";
        break;
    }
  }

 private:
  std::string text() {
    static constexpr std::string_view kPieces[] = {
        "a", "\"", "\\", "\n", "\0"sv, "é", "€", "😀", "plain text of some length", "\x1f", "/", "\x7f"};
    std::string out;
    for (uint64_t i = random_.below(8); i > 0; --i) out += kPieces[random_.below(std::size(kPieces))];
    return out;
  }

  SeededRandom random_;
  std::vector<double> doubles_;
  size_t next_double_ = 0;
};

TEST(JsonWriter, RandomTreesReadBackTheSame) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    RandomTree tree(seed);
    tree.writer.begin_array(), tree.description += "[";
    for (int i = 0; i < 20; ++i) tree.value(1);
    tree.writer.end_array(), tree.description += "]";
    auto document = Document::parse(tree.writer.text());
    ASSERT_TRUE(document) << "seed " << seed << ": " << document.error().message;
    EXPECT_EQ(document->root().raw(), tree.writer.text());
    std::string description;
    tree.describe(document->root(), description);
    ASSERT_EQ(description, tree.description) << "seed " << seed;
  }
}

TEST(JsonType, Names) {
  EXPECT_EQ(name_of(Type::kObject), "an object");
  EXPECT_EQ(name_of(Type::kMissing), "nothing");
}

}  // namespace
}  // namespace perdure::json
