// What the Messages API says beside messages: errors, models, counts.

#include <gtest/gtest.h>

#include "dialect/messages_render.h"
#include "dialect/testing/messages_story.h"

namespace perdure {
namespace {

using messages::parse;

TEST(MessagesErrors, TheirFormAndStatus) {
  const auto rendered = [](Error error) {
    return std::to_string(messages_status(error)) + " " + render_messages_error(error, "req_1");
  };
  EXPECT_EQ(
      rendered({.code = Code::kInvalid, .message = "No.", .param = "messages[2].content[0].source"}),
      R"(400 {"type":"error","error":{"type":"invalid_request_error","message":"messages.2.content.0.source: No."},"request_id":"req_1"})");
  const std::pair<Error, std::string_view> all[] = {
      {{.code = Code::kDenied, .reason = "unauthenticated"}, "401 authentication_error"},
      {{.code = Code::kDenied}, "403 permission_error"},
      {{.code = Code::kNotFound}, "404 not_found_error"},
      {{.code = Code::kConflict}, "409 invalid_request_error"},
      {{.code = Code::kOverloaded}, "429 rate_limit_error"},
      {{.code = Code::kOverloaded, .reason = "server_busy"}, "529 overloaded_error"},
      {{.code = Code::kOverloaded, .upstream_status = 529}, "529 overloaded_error"},
      {{.code = Code::kUnavailable}, "503 overloaded_error"},
      {{.code = Code::kDeadline}, "504 timeout_error"},
      {{.code = Code::kInternal}, "500 api_error"}};
  for (const auto& [error, want] : all) {
    const json::Document document = parse(render_messages_error(error, ""));
    EXPECT_EQ(std::to_string(messages_status(error)) + " " + std::string(document.root()["error"]["type"].text()),
              want);
    EXPECT_TRUE(document.root()["request_id"].null());
  }
  EXPECT_TRUE(render_messages_error({.message = "Too big."}, 413, "").contains("request_too_large"));
  EXPECT_TRUE(render_messages_error({.message = "Pay."}, 402, "").contains("billing_error"));
}

TEST(MessagesErrors, FieldsHaveTheNamesOfThisApi) {
  const std::pair<std::string_view, std::string_view> all[] = {
      {"text.format", "output_config.format"},
      {"reasoning.effort", "output_config.effort"},
      {"stop", "stop_sequences"},
      {"input[3].content[0]", "messages"},
      {"input", "messages"},
      {"tools[0].parameters", "tools.0.input_schema"},
      {"tool_choice", "tool_choice"},
      {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"}};
  for (const auto& [param, field] : all) {
    const std::string shown = render_messages_error({.message = "No.", .param = std::string(param)}, "");
    EXPECT_EQ(parse(shown).root()["error"]["message"].text(), std::string(field) + ": No.");
  }
}

TEST(MessagesModels, TheirForm) {
  const MessagesModel model{.id = "default",
                            .display_name = "Default",
                            .created = WallTime(std::chrono::seconds(1'700'000'000)),
                            .max_input_tokens = 200000};
  EXPECT_EQ(
      render_messages_model(model),
      R"({"type":"model","id":"default","display_name":"Default","created_at":"2023-11-14T22:13:20Z","max_input_tokens":200000,"max_tokens":null,"capabilities":null})");
  const std::vector<MessagesModel> two = {model, {.id = "b"}};
  const json::Document list = parse(render_messages_models(two, true));
  EXPECT_EQ(list.root()["data"].size(), 2);
  EXPECT_EQ(list.root()["first_id"].text(), "default");
  EXPECT_EQ(list.root()["last_id"].text(), "b");
  EXPECT_EQ(list.root()["has_more"].boolean(), true);
  EXPECT_EQ(render_messages_models({}, false), R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
  EXPECT_EQ(render_messages_count(5), R"({"input_tokens":5})");
}

}  // namespace
}  // namespace perdure
