// The tables of parameters in docs/reference/api.md and the readers of requests agree: what is taken is read, what is
// refused is refused by name, what a lenient request may lose is left out and named, and no parameter of the published
// descriptions is missing.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "dialect/chat_client_request.h"
#include "dialect/conversations_request.h"
#include "dialect/messages_client_request.h"
#include "dialect/responses_request.h"
#include "dialect/responses_side_requests.h"

namespace perdure {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Row {
  std::string name, word;
};

std::vector<Row> table(std::string_view api) {
  std::istringstream lines(content_of("docs/reference/api.md"));
  std::vector<Row> rows;
  bool here = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("<!-- parameters: ")) here = line == "<!-- parameters: " + std::string(api) + " -->";
    if (!here || !line.starts_with("| `")) {
      if (here && line.empty()) break;
      continue;
    }
    const size_t name_end = line.find("` | "), word_end = line.find(" |", name_end + 4);
    rows.push_back({line.substr(3, name_end - 3), line.substr(name_end + 4, word_end - name_end - 4)});
  }
  return rows;
}

// A value that asks for something; others are taken from the field's API.
const std::map<std::string, std::string_view>& values() {
  static const std::map<std::string, std::string_view> kValues = {
      {"audio", R"({"voice":"v","format":"mp3"})"},
      {"background", "true"},
      {"cache_control", R"({"type":"ephemeral"})"},
      {"container", R"("c")"},
      {"diagnostics", R"({"previous_message_id":null})"},
      {"context_management", R"([{"type":"compaction","compact_threshold":2000}])"},
      {"conversation", R"("conv_1")"},
      {"frequency_penalty", "1"},
      {"function_call", R"("auto")"},
      {"functions", R"([{"name":"f"}])"},
      {"include", R"(["reasoning.encrypted_content"])"},
      {"inference_geo", R"("us")"},
      {"instructions", R"("i")"},
      {"items", R"([{"role":"user","content":"x"}])"},
      {"logit_bias", R"({"1":2})"},
      {"logprobs", "true"},
      {"max_completion_tokens", "16"},
      {"max_output_tokens", "16"},
      {"max_tokens", "16"},
      {"max_tool_calls", "1"},
      {"mcp_servers", R"([{"type":"url","name":"n","url":"https://x"}])"},
      {"metadata", R"({"a":"b"})"},
      {"modalities", R"(["audio"])"},
      {"moderation", R"({"model":"m"})"},
      {"n", "2"},
      {"output_config", R"({"effort":"low"})"},
      {"output_format", R"({"type":"json_schema","schema":{}})"},
      {"parallel_tool_calls", "false"},
      {"personality", R"("friendly")"},
      {"prediction", R"({"type":"content","content":"x"})"},
      {"presence_penalty", "1"},
      {"previous_response_id", R"("resp_1")"},
      {"prompt", R"({"id":"p"})"},
      {"prompt_cache_key", R"("k")"},
      {"prompt_cache_options", R"({"mode":"x"})"},
      {"prompt_cache_retention", R"("24h")"},
      {"reasoning", R"({"effort":"low"})"},
      {"reasoning_effort", R"("low")"},
      {"response_format", R"({"type":"json_object"})"},
      {"safety_identifier", R"("s")"},
      {"seed", "1"},
      {"service_tier", R"("auto")"},
      {"speed", R"("fast")"},
      {"stop", R"("x")"},
      {"stop_sequences", R"(["x"])"},
      {"store", "true"},
      {"stream", "true"},
      {"stream_options", R"({"include_obfuscation":false})"},
      {"system", R"("s")"},
      {"temperature", "0.5"},
      {"text", R"({"verbosity":"low"})"},
      {"thinking", R"({"type":"disabled"})"},
      {"thread", R"({"type":"create"})"},
      {"tool_choice", R"("auto")"},
      {"tools", R"([])"},
      {"top_k", "5"},
      {"top_logprobs", "0"},
      {"top_p", "0.5"},
      {"truncation", R"("auto")"},
      {"user", R"("u")"},
      {"user_profile_id", R"("u")"},
      {"verbosity", R"("low")"},
      {"web_search_options", R"({})"},
  };
  return kValues;
}

struct Api {
  size_t rows;  // at least
  std::string_view name, least, schema, file;
  std::map<std::string, std::string_view> own;  // values, and what must stand beside them
  Result<std::vector<std::string>> (*read)(json::Value body, bool lenient);
};

const Api kApis[] = {
    {20,
     "responses",
     R"("model":"m","input":"x")",
     "CreateResponse",
     "openai/openapi.json",
     {},
     [](json::Value body, bool) -> Result<std::vector<std::string>> {
       TRY([[maybe_unused]] Request request, parse_responses_request(body));
       return std::vector<std::string>();
     }},
    {11,
     "input_tokens",
     R"("model":"m","input":"x")",
     "TokenCountsBody",
     "openai/openapi.json",
     {},
     [](json::Value body, bool) -> Result<std::vector<std::string>> {
       TRY([[maybe_unused]] ParsedRequest parsed, parse_input_tokens_request(body));
       return std::vector<std::string>();
     }},
    {8,
     "compact",
     R"("model":"m","input":"x")",
     "CompactResponseMethodPublicBody",
     "openai/openapi.json",
     {},
     [](json::Value body, bool) -> Result<std::vector<std::string>> {
       TRY([[maybe_unused]] ParsedRequest parsed, parse_compact_request(body));
       return std::vector<std::string>();
     }},
    {2,
     "conversations",
     R"("metadata":{})",
     "CreateConversationBody",
     "openai/openapi.json",
     {},
     [](json::Value body, bool) -> Result<std::vector<std::string>> {
       TRY([[maybe_unused]] ConversationBody read, parse_conversation_create(body));
       return std::vector<std::string>();
     }},
    {1,
     "conversation",
     R"("metadata":{})",
     "UpdateConversationBody",
     "openai/openapi.json",
     {},
     [](json::Value body, bool) -> Result<std::vector<std::string>> {
       TRY([[maybe_unused]] Metadata read, parse_conversation_update(body));
       return std::vector<std::string>();
     }},
    {20,
     "chat",
     R"("model":"m","messages":[{"role":"user","content":"x"}])",
     "CreateChatCompletionRequest",
     "openai/openapi.json",
     {{"metadata", R"({"a":"b"},"store":true)"},
      {"stream_options", R"({"include_usage":true},"stream":true)"},
      {"top_logprobs", "2"}},
     [](json::Value body, bool lenient) -> Result<std::vector<std::string>> {
       TRY(ParsedRequest parsed, parse_chat_request(body, lenient));
       return std::move(parsed.left_out);
     }},
    {20,
     "messages",
     R"("model":"m","max_tokens":16,"messages":[{"role":"user","content":"x"}])",
     "BetaCreateMessageParams",
     "anthropic/messages-openapi.json",
     {{"metadata", R"({"user_id":"u"})"},
      {"tool_choice", "null"},
      {"max_tokens", "17"},
      {"context_management", R"({"edits":[{"type":"clear_tool_uses_20250919"}]})"}},
     [](json::Value body, bool lenient) -> Result<std::vector<std::string>> {
       TRY(ParsedRequest parsed, parse_messages_request(body, lenient));
       return std::move(parsed.left_out);
     }},
};

bool names(std::string_view param, std::string_view field) {
  return param.starts_with(field) &&
         (param.size() == field.size() || param[field.size()] == '[' || param[field.size()] == '.');
}

TEST(Parameters, TheTableAndTheReadersAgree) {
  for (const Api& api : kApis) {
    const auto rows = table(api.name);
    EXPECT_GE(rows.size(), api.rows) << api.name;
    for (const Row& row : rows) {
      SCOPED_TRACE(std::string(api.name) + ": " + row.name + " " + row.word);
      std::string body = "{" + std::string(api.least);
      const bool in_least = body.find("\"" + row.name + "\":") != body.npos;
      if (!in_least) {
        const auto own = api.own.find(row.name);
        const auto any = values().find(row.name);
        ASSERT_TRUE(own != api.own.end() || any != values().end()) << "no value to try it with";
        body += ",\"" + row.name + "\":" + std::string(own != api.own.end() ? own->second : any->second);
      }
      auto document = json::Document::parse(body + "}");
      ASSERT_TRUE(document.ok()) << body;
      auto read = api.read(document->root(), false);
      if (!row.word.starts_with("refused")) {
        EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().param + ": " + read.error().message);
        continue;
      }
      ASSERT_FALSE(read.ok());
      EXPECT_TRUE(names(read.error().param, row.name)) << read.error().param;
      if (api.name != "chat" && api.name != "messages") continue;  // nothing that it refuses is left out
      auto lenient = api.read(document->root(), true);
      EXPECT_EQ(lenient.ok(), row.word == "refused\\*");
      if (lenient.ok()) {
        ASSERT_EQ(lenient->size(), 1u);
        EXPECT_TRUE(names(lenient->front(), row.name)) << lenient->front();
      }
    }
  }
}

void collect(json::Value schemas, json::Value schema, std::vector<std::string>& out) {
  for (json::Value part : schema["allOf"].elements()) collect(schemas, part, out);
  if (std::string_view ref = schema["$ref"].text(); !ref.empty())
    collect(schemas, schemas[ref.substr(ref.rfind('/') + 1)], out);
  for (const auto& member : schema["properties"].members()) out.emplace_back(member.key);
}

TEST(Parameters, TheTablesHaveAllThatThePublishedDescriptionsHave) {
  const char* given = std::getenv("PERDURE_SHARED_DATA");
  const std::filesystem::path data = given ? given : "../shared/data";
  for (const Api& api : kApis) {
    if (!std::filesystem::exists(data / api.file)) GTEST_SKIP() << "no descriptions at " << data;
    auto document = json::Document::parse(content_of(data / api.file));
    ASSERT_TRUE(document.ok());
    json::Value schemas = document->root()["components"]["schemas"];
    std::vector<std::string> properties;
    collect(schemas, schemas[api.schema], properties);
    EXPECT_GE(properties.size(), api.rows);
    const auto rows = table(api.name);
    const std::filesystem::path open_responses = data / "openresponses/openapi.json";
    if ((api.name == "responses" || api.name == "compact") && std::filesystem::exists(open_responses)) {
      auto other = json::Document::parse(content_of(open_responses));
      ASSERT_TRUE(other.ok());
      json::Value known = other->root()["components"]["schemas"];
      collect(known, known[api.name == "compact" ? "CompactResponseMethodPublicBody" : "CreateResponseBody"],
              properties);
    }
    for (const std::string& name : properties)
      EXPECT_TRUE(std::ranges::any_of(rows, [&](const Row& row) { return row.name == name; }))
          << api.name << ": no row for " << name;
  }
}

}  // namespace
}  // namespace perdure
