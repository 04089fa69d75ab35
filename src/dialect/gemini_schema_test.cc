#include "dialect/gemini_schema.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

// The Schema, and behind it what was lost.
std::string convert(std::string_view schema, bool ordered = false) {
  auto document = json::Document::parse(std::string(schema));
  EXPECT_TRUE(document.ok()) << schema;
  GeminiSchema out = gemini_schema(document->root(), ordered);
  EXPECT_TRUE(json::Document::parse(out.text).ok()) << out.text;
  return out.text + (out.lost.empty() ? "" : " lost: " + out.lost);
}

std::string lost(std::string_view schema) {
  const std::string all = convert(schema);
  const size_t at = all.find(" lost: ");
  return at == std::string::npos ? "" : all.substr(at + 7);
}

TEST(GeminiSchema, T10_annotations_are_left_out) {
  EXPECT_EQ(
      convert(
          R"({"$schema":"http://json-schema.org/draft-07/schema#","$id":"x","title":"T","type":"object","additionalProperties":false,)"
          R"("properties":{"a":{"title":"A","type":"string","default":"d","examples":["e"],"description":"what"},)"
          R"("b":{"type":"number","example":1,"x-order":2,"deprecated":true}},"required":["a"]})"),
      R"({"type":"OBJECT","properties":{"a":{"type":"STRING","description":"what"},"b":{"type":"NUMBER"}},"required":["a"]})");
}

TEST(GeminiSchema, T10_references_are_put_in_place) {
  EXPECT_EQ(
      convert(
          R"({"type":"object","properties":{"a":{"$ref":"#/$defs/p"},"b":{"description":"mine","$ref":"#/definitions/q~1r~0s"}},)"
          R"("$defs":{"p":{"type":"integer","minimum":1}},"definitions":{"q/r~s":{"type":"string","description":"theirs"}}})"),
      R"({"type":"OBJECT","properties":{"a":{"type":"INTEGER","minimum":1},"b":{"type":"STRING","description":"mine"}}})");
  EXPECT_EQ(convert(R"({"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"type":"boolean"}}})"),
            R"({"type":"BOOLEAN"})");
  for (std::string_view schema :
       {R"({"type":"object","properties":{"a":{"$ref":"#"}}})",
        R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}}})",
        R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})",
        R"({"type":"array","items":{"$ref":"#/nowhere/3"}})", R"({"$ref":"https://elsewhere"})", R"({"$ref":7})"})
    EXPECT_EQ(lost(schema), "$ref") << schema;
}

TEST(GeminiSchema, T10_references_that_multiply_have_an_end) {
  std::string bomb = R"({"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{)";
  for (int i = 0; i < 40; ++i) {
    const std::string next = "{\"$ref\":\"#/$defs/d" + std::to_string(i + 1) + "\"}";
    bomb += "\"d" + std::to_string(i) + R"(":{"type":"object","properties":{"a":)" + next + ",\"b\":" + next + "}},";
  }
  bomb += R"("d40":{"type":"string"}}})";
  EXPECT_EQ(lost(bomb), "so many levels or nodes");
  std::string deep = R"({"type":"string"})";
  for (int i = 0; i < 60; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_EQ(lost(deep), "so many levels or nodes");
}

TEST(GeminiSchema, T10_constants_and_enumerations) {
  EXPECT_EQ(convert(R"({"const":"x"})"), R"({"type":"STRING","enum":["x"]})");
  EXPECT_EQ(convert(R"({"type":"string","enum":["x","y\n"]})"), R"({"type":"STRING","enum":["x","y\n"]})");
  EXPECT_EQ(convert(R"({"type":["string","null"],"enum":["x",null]})"),
            R"({"type":"STRING","enum":["x"],"nullable":true})");
  EXPECT_EQ(lost(R"({"type":"integer","enum":[1,2]})"), "enum");
  EXPECT_EQ(lost(R"({"type":"integer","const":1})"), "const");
  EXPECT_EQ(lost(R"({"type":"string","enum":["x",""]})"), "enum") << "the API refuses empty ones";
  EXPECT_EQ(lost(R"({"type":"string","enum":["x",null]})"), "enum");
}

TEST(GeminiSchema, T10_types_beside_null_are_nullable) {
  EXPECT_EQ(convert(R"({"type":["integer","null"]})"), R"({"type":"INTEGER","nullable":true})");
  EXPECT_EQ(convert(R"({"type":"null"})"), R"({"type":"NULL"})");
  EXPECT_EQ(convert(R"({"type":["null"]})"), R"({"type":"NULL"})");
  EXPECT_EQ(convert(R"({"type":["integer","string"]})"), R"({"anyOf":[{"type":"INTEGER"},{"type":"STRING"}]})");
  EXPECT_EQ(convert(R"({"type":["integer","string","null"]})"),
            R"({"anyOf":[{"type":"INTEGER"},{"type":"STRING"},{"type":"NULL"}]})");
  EXPECT_EQ(lost(R"({"type":["integer","string"],"minimum":3})"), "several types");
  EXPECT_EQ(convert(R"({"anyOf":[{"type":"string"},{"type":"null"}],"description":"d","default":null})"),
            R"({"type":"STRING","description":"d","nullable":true})");
  EXPECT_EQ(convert(R"({"nullable":true,"type":"string"})"), R"({"type":"STRING","nullable":true})");
  EXPECT_EQ(lost(R"({"type":"thing"})"), "a value of any type");
  EXPECT_EQ(lost("{}"), "a value of any type");
  EXPECT_EQ(lost(R"({"description":"anything"})"), "a value of any type");
}

TEST(GeminiSchema, T10_alternatives_stand_alone) {
  EXPECT_EQ(convert(R"({"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"type":"null"}}}]})"),
            R"({"anyOf":[{"type":"STRING"},{"type":"OBJECT","properties":{"a":{"type":"NULL"}}}]})");
  EXPECT_EQ(convert(R"({"oneOf":[{"type":"string"},{"type":"integer"},{"type":"null"}],"title":"t"})"),
            R"({"anyOf":[{"type":"STRING"},{"type":"INTEGER"},{"type":"NULL"}]})");
  EXPECT_EQ(lost(R"({"anyOf":[{"type":"string"},{"type":"integer"}],"description":"d"})"),
            "anyOf beside other keywords");
  EXPECT_EQ(lost(R"({"anyOf":[{"type":"string"},true]})"), "a schema that is true or false");
}

TEST(GeminiSchema, T10_all_of_is_one_schema) {
  EXPECT_EQ(convert(R"({"allOf":[{"type":"integer"},{"minimum":2}],"description":"d"})"),
            R"({"type":"INTEGER","description":"d","minimum":2})");
  EXPECT_EQ(lost(R"({"allOf":[{"type":"object","properties":{"a":{"type":"string"}}},)"
                 R"({"type":"object","properties":{"b":{"type":"string"}}}]})"),
            "properties");
}

TEST(GeminiSchema, T10_limits) {
  EXPECT_EQ(convert(R"({"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":10})"),
            R"({"type":"INTEGER","minimum":4,"maximum":9})");
  EXPECT_EQ(convert(R"({"type":"integer","minimum":3,"exclusiveMinimum":true})"), R"({"type":"INTEGER","minimum":4})");
  EXPECT_EQ(convert(R"({"type":"number","minimum":0.10,"maximum":1e400,"exclusiveMaximum":false})"),
            R"({"type":"NUMBER","minimum":0.10,"maximum":1e400})");
  EXPECT_EQ(lost(R"({"type":"number","exclusiveMinimum":0})"), "exclusiveMinimum");
  EXPECT_EQ(lost(R"({"type":"integer","minimum":1,"exclusiveMinimum":0})"), "exclusiveMinimum");
  EXPECT_EQ(lost(R"({"type":"string","minimum":1})"), "minimum");
  EXPECT_EQ(convert(R"({"type":"string","minLength":1,"maxLength":9,"pattern":"^a\"b$"})"),
            R"({"type":"STRING","minLength":1,"maxLength":9,"pattern":"^a\"b$"})");
  EXPECT_EQ(lost(R"({"type":"integer","minLength":1})"), "minLength");
  EXPECT_EQ(convert(R"({"type":"array","items":{"type":"string","format":"date-time"},"minItems":1,"maxItems":2})"),
            R"({"type":"ARRAY","items":{"type":"STRING","format":"date-time"},"minItems":1,"maxItems":2})");
  EXPECT_EQ(convert(R"({"type":"string","format":"uri"})"), R"({"type":"STRING"})") << "the API refuses others";
}

TEST(GeminiSchema, T10_meaning_that_is_lost_is_named) {
  for (std::string_view keyword : {"not", "if", "patternProperties", "prefixItems", "propertyNames", "contains"})
    EXPECT_EQ(lost(R"({"type":"string",")" + std::string(keyword) + R"(":{}})"), keyword);
  EXPECT_EQ(lost(R"({"type":"array","items":{"type":"string"},"uniqueItems":true})"), "uniqueItems");
  EXPECT_EQ(lost(R"({"type":"array","items":{"type":"string"},"uniqueItems":false})"), "");
  EXPECT_EQ(lost(R"({"type":"array"})"), "an array of anything");
  EXPECT_EQ(lost(R"({"type":"array","items":[{"type":"string"}]})"), "items");
  EXPECT_EQ(lost(R"({"type":"object","additionalProperties":{"type":"string"}})"), "additionalProperties");
  EXPECT_EQ(lost(R"({"type":"object","properties":{"a":{"type":"object"}}})"), "an object of any properties");
  EXPECT_EQ(lost(R"({"type":"object","properties":{"a":{"type":"string"}},"required":["b"]})"), "required");
  EXPECT_EQ(lost(R"({"type":"string","secretKeywordOfMine":1})"), "an unknown keyword") << "no content in messages";
}

TEST(GeminiSchema, T10_empty_parameters) {
  for (std::string_view schema :
       {R"({"type":"object"})", R"({"type":"object","properties":{},"additionalProperties":false,"required":[]})"}) {
    auto document = json::Document::parse(std::string(schema));
    const GeminiSchema out = gemini_schema(document->root(), false);
    EXPECT_TRUE(out.no_fields && out.lost.empty()) << schema;
  }
  EXPECT_EQ(lost(R"({"type":"object","additionalProperties":true})"), "an object of any properties");
}

TEST(GeminiSchema, T32_properties_keep_their_order) {
  EXPECT_EQ(
      convert(R"({"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}},"required":["z","a"]})",
              true),
      R"({"type":"OBJECT","properties":{"z":{"type":"STRING"},"a":{"type":"STRING"}},"required":["z","a"],"propertyOrdering":["z","a"]})");
}

}  // namespace
}  // namespace perdure
