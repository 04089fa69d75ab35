#include "dialect/messages_schema.h"

#include <gtest/gtest.h>

namespace perdure {
namespace {

std::string made(const std::string& schema) {
  auto document = json::Document::parse(schema);
  EXPECT_TRUE(document.ok()) << schema;
  return messages_schema(document->root());
}

TEST(MessagesSchema, what_is_compiled_stays_byte_for_byte) {
  for (const char* schema :
       {R"({ "type":"object", "properties":{"a":{"type":"string","description":"d"}},"additionalProperties":false})",
        R"({"type":"array","items":{"enum":["x"]},"minItems":1})", R"({"type":"object"})", "true",
        R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"number","const":1.0e400}}})"})
    EXPECT_EQ(made(schema), schema);
}

TEST(MessagesSchema, limits_are_said_in_words) {
  EXPECT_EQ(made(R"({"type":"integer","minimum":1,"maximum":9,"description":"d"})"),
            R"({"type":"integer","description":"d\n\n{minimum: 1, maximum: 9}"})");
  EXPECT_EQ(
      made(R"({"type":"array","items":{"type":"string","minLength":2},"minItems":2})"),
      R"({"type":"array","items":{"type":"string","description":"{minLength: 2}"},"description":"{minItems: 2}"})");
}

TEST(MessagesSchema, bounds_of_any_integer_are_none) {
  EXPECT_EQ(made(R"({"type":"integer","minimum":-9007199254740991,"maximum":9007199254740991})"),
            R"({"type":"integer"})");
}

TEST(MessagesSchema, objects_are_closed_and_choices_are_any) {
  EXPECT_EQ(made(R"({"type":"object","properties":{"a":{"oneOf":[{"type":"string"},{"type":"null"}]}}})"),
            R"({"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}},)"
            R"("additionalProperties":false})");
  EXPECT_EQ(made(R"({"type":"object","properties":{},"additionalProperties":true})"),
            R"({"type":"object","properties":{},"additionalProperties":true})")
      << "what the client says is the supplier's to refuse";
}

// Names of properties are no keywords.
TEST(MessagesSchema, properties_may_have_any_name) {
  EXPECT_EQ(
      made(
          R"({"type":"object","properties":{"minimum":{"type":"number","minimum":0}},"required":["minimum"],"additionalProperties":false})"),
      R"({"type":"object","properties":{"minimum":{"type":"number","description":"{minimum: 0}"}},"required":["minimum"],"additionalProperties":false})");
}

}  // namespace
}  // namespace perdure
