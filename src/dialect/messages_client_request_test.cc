// What clients send to POST /v1/messages.

#include "dialect/messages_client_request.h"

#include <gtest/gtest.h>

#include "dialect/messages_upstream.h"
#include "model/opaque.h"
#include "model/record.h"

namespace perdure {
namespace {

Result<ParsedRequest> parse(const std::string& body, bool lenient = false) {
  auto document = json::Document::parse(body);
  EXPECT_TRUE(document.ok()) << body;
  auto parsed = parse_messages_request(document->root(), lenient);
  if (!parsed) {
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_FALSE(parsed.error().message.empty());
    return parsed;
  }
  // What was read survives the journal.
  const Record record{.seq = 1, .body = ResponseCreated{ResponseId("resp_1"), parsed->request, KeyId("key")}};
  auto back = decode_payload(1, {}, RecordKind::kResponseCreated, kRecordCodec, encode_payload(record));
  EXPECT_TRUE(back.ok() && *back == record) << body;
  return parsed;
}

// A body with these fields beside the model, and a message and a limit unless they say so themselves.
std::string body(std::string_view fields) {
  std::string out = R"({"model":"m")";
  if (!fields.contains("\"max_tokens\"")) out += R"(,"max_tokens":8000)";
  if (!fields.contains("\"messages\"")) out += R"(,"messages":[{"role":"user","content":"hi"}])";
  if (!fields.empty()) out.append(",").append(fields);
  return out + "}";
}
Request ok(std::string_view fields) {
  auto parsed = parse(body(fields));
  EXPECT_TRUE(parsed.ok()) << fields << ": " << parsed.error().param << ": " << parsed.error().message;
  return parsed ? parsed->request : Request();
}
std::string wrong(std::string_view fields, bool lenient = false) {
  auto parsed = parse(body(fields), lenient);
  EXPECT_FALSE(parsed.ok()) << fields;
  return parsed ? "" : parsed.error().param;
}
std::string words(std::string_view fields) {
  auto parsed = parse(body(fields));
  return parsed ? "" : parsed.error().param + ": " + parsed.error().message;
}
std::vector<std::string> left_out(std::string_view fields) {
  auto parsed = parse(body(fields), true);
  EXPECT_TRUE(parsed.ok()) << fields << ": " << parsed.error().message;
  return parsed ? parsed->left_out : std::vector<std::string>();
}
std::vector<Item> items(std::string_view messages) { return ok(R"("messages":)" + std::string(messages)).input; }
std::string wrong_messages(std::string_view messages) { return wrong(R"("messages":)" + std::string(messages)); }

Item said(Role role, std::string text) {
  const PartKind kind = role == Role::kAssistant ? PartKind::kOutputText : PartKind::kInputText;
  return {.role = role, .content = {{.kind = kind, .text = std::move(text)}}};
}

TEST(MessagesClientRequest, EveryFieldIsHonoured) {
  const Request r = ok(
      R"("max_tokens":4096,"system":"Be brief.","temperature":0.5,"top_p":0.9,"top_k":40,"stop_sequences":["END","\n\n"],)"
      R"("stream":true,"metadata":{"user_id":"someone"},"service_tier":"standard_only",)"
      R"("tools":[{"name":"f","description":"d","input_schema":{ "type":"object" },"strict":true,"cache_control":{"type":"ephemeral","ttl":"1h"}},)"
      R"({"type":"custom","name":"g","input_schema":{"type":"object"},"eager_input_streaming":true,"defer_loading":false,"allowed_callers":["direct"],"input_examples":[]}],)"
      R"("tool_choice":{"type":"tool","name":"g","disable_parallel_tool_use":true},)"
      R"("thinking":{"type":"enabled","budget_tokens":2048,"display":"summarized"},)"
      R"("output_config":{"effort":"low","format":{"type":"json_schema","schema":{ "n":1.0e400 }}})");
  Request want{.model = "m", .dialect = ClientDialect::kMessages, .instructions = "Be brief."};
  want.input = {said(Role::kUser, "hi")};
  want.max_output_tokens = 4096;
  want.temperature = 0.5;
  want.top_p = 0.9;
  want.top_k = 40;
  want.stop = {"END", "\n\n"};
  want.stream = true;
  want.store = false;
  want.user = "someone";
  want.service_tier = "standard_only";
  want.tools = {
      {.name = "f", .description = "d", .parameters = R"({ "type":"object" })", .strict = true, .cache = "1h"},
      {.name = "g", .parameters = R"({"type":"object"})"}};
  want.tool_choice = {.mode = ToolChoice::Mode::kFunction, .function = "g"};
  want.parallel_tool_calls = false;
  want.reasoning_tokens_max = 2048;
  want.reasoning_summary = "auto";
  want.reasoning_effort = "low";
  want.format = {
      .kind = TextFormat::Kind::kJsonSchema, .name = "output", .schema = R"({ "n":1.0e400 })", .strict = true};
  EXPECT_EQ(r, want);
}

TEST(MessagesClientRequest, WhatIsMissingOrWrongIsNamed) {
  EXPECT_EQ(parse(R"({"messages":[],"max_tokens":1})").error().param, "model");
  EXPECT_EQ(parse(R"({"model":"m","messages":[{"role":"user","content":"x"}]})").error().param, "max_tokens");
  EXPECT_EQ(parse(R"({"model":"m","max_tokens":1})").error().param, "messages");
  const std::pair<std::string_view, std::string_view> wrongs[] = {
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":"1")", "max_tokens"},
      {R"("temperature":1.5)", "temperature"},
      {R"("top_p":-1)", "top_p"},
      {R"("top_k":-1)", "top_k"},
      {R"("stop_sequences":"x")", "stop_sequences"},
      {R"("stop_sequences":["a",""])", "stop_sequences[1]"},
      {R"("stream":1)", "stream"},
      {R"("metadata":{"user_id":1})", "metadata.user_id"},
      {R"("metadata":{"x":1})", "metadata.x"},
      {R"("service_tier":"flex")", "service_tier"},
      {R"("system":1)", "system"},
      {R"("system":[{"type":"image"}])", "system[0].type"},
      {R"("system":["x"])", "system[0]"},
      {R"("messages":{})", "messages"},
      {R"("messages":[])", "messages"},
      {R"("messages":["x"])", "messages[0]"},
      {R"("thinking":{"type":"x"})", "thinking.type"},
      {R"("thinking":{"type":"enabled"})", "thinking.budget_tokens"},
      {R"("thinking":{"type":"enabled","budget_tokens":1000})", "thinking.budget_tokens"},
      {R"("thinking":{"type":"enabled","budget_tokens":8000})", "thinking.budget_tokens"},
      {R"("thinking":{"type":"disabled","display":"omitted"})", "thinking.display"},
      {R"("output_config":{"effort":"minimal"})", "output_config.effort"},
      {R"("output_config":{"format":{"type":"json_schema"}})", "output_config.format.schema"},
      {R"("output_format":{"type":"text"})", "output_format.type"},
      {R"("cache_control":{"type":"forever"})", "cache_control.type"},
      {R"("n":2)", "n"},
      {R"("store":true)", "store"},
  };
  for (const auto& [fields, param] : wrongs) EXPECT_EQ(wrong(fields), param) << fields;
}

TEST(MessagesClientRequest, WhatIsNotHereIsRefusedOrLeftOutByName) {
  const std::pair<std::string_view, std::string_view> fields[] = {
      {R"("container":"c")", "container"},
      {R"("inference_geo":"us")", "inference_geo"},
      {R"("user_profile_id":"u")", "user_profile_id"},
      {R"("speed":"fast")", "speed"},
      {R"("context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]})", "context_management"},
      {R"("context_management":{"edits":[{"type":"clear_thinking_20251015","keep":{"type":"thinking_turns","value":1}}]})",
       "context_management"},
      {R"("output_config":{"task_budget":{"type":"tokens","total":9}})", "output_config.task_budget"},
      {R"("tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true}])", "tools[0].defer_loading"},
      {R"("tools":[{"name":"f","input_schema":{"type":"object"},"input_examples":[{}]}])", "tools[0].input_examples"},
      {R"("something_new":1)", "something_new"},
      {R"("messages":[{"role":"user","content":[{"type":"text","text":"x","something_new":1}]}])",
       "messages[0].content[0].something_new"},
      {R"("messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://a/b"},"context":"c"}]}])",
       "messages[0].content[0].context"},
      {R"("messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://a/b"},"citations":{"enabled":true}}]}])",
       "messages[0].content[0].citations"},
  };
  for (const auto& [field, param] : fields) {
    EXPECT_EQ(wrong(field), param) << field;
    EXPECT_EQ(left_out(field), std::vector<std::string>{std::string(param)}) << field;
  }
  for (const char* nothing : {R"("container":null)", R"("speed":"standard")", R"("context_management":{"edits":[]})",
                              R"("context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]})",
                              R"("mcp_servers":[])", R"("something_new":null)"})
    EXPECT_EQ(ok(nothing), ok("")) << nothing;
}

TEST(MessagesClientRequest, T9_ToolsThatTheSupplierWouldRunAreRefused) {
  for (bool lenient : {false, true}) {
    EXPECT_EQ(wrong(R"("tools":[{"type":"web_search_20250305","name":"web_search"}])", lenient), "tools[0].type");
    EXPECT_EQ(wrong(R"("tools":[{"type":"bash_20250124","name":"bash"}])", lenient), "tools[0].type");
    EXPECT_EQ(
        wrong(
            R"("tools":[{"name":"f","input_schema":{"type":"object"},"allowed_callers":["code_execution_20250825"]}])",
            lenient),
        "tools[0].allowed_callers");
    EXPECT_EQ(wrong(R"("mcp_servers":[{"type":"url","url":"https://a","name":"n"}])", lenient), "mcp_servers");
  }
  for (const char* block :
       {R"({"type":"server_tool_use","id":"s","name":"web_search","input":{}})",
        R"({"type":"web_search_tool_result","tool_use_id":"s","content":[]})", R"({"type":"compaction"})"})
    EXPECT_EQ(wrong_messages(R"([{"role":"user","content":"x"},{"role":"assistant","content":[)" + std::string(block) +
                             "]}]"),
              "messages[1].content[0].type");
  EXPECT_EQ(
      wrong_messages(
          R"([{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{},"caller":{"type":"code_execution_20250825"}}]}])"),
      "messages[0].content[0].caller");
}

TEST(MessagesClientRequest, Tools) {
  EXPECT_EQ(wrong(R"("tools":[{"name":"a b","input_schema":{"type":"object"}}])"), "tools[0].name");
  EXPECT_EQ(wrong(R"("tools":[{"name":"f"}])"), "tools[0].input_schema");
  EXPECT_EQ(wrong(R"("tools":[{"name":"f","input_schema":{"type":"array"}}])"), "tools[0].input_schema");
  EXPECT_EQ(
      wrong(R"("tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"f","input_schema":{"type":"object"}}])"),
      "tools[1].name");
  constexpr std::string_view kTools = R"("tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":)";
  using Mode = ToolChoice::Mode;
  const auto mode = [&](std::string_view choice) {
    return ok(std::string(kTools) + std::string(choice)).tool_choice.mode;
  };
  EXPECT_EQ(mode(R"({"type":"auto"})"), Mode::kAuto);
  EXPECT_EQ(mode(R"({"type":"any"})"), Mode::kRequired);
  EXPECT_EQ(mode(R"({"type":"none"})"), Mode::kNone);
  EXPECT_EQ(wrong(std::string(kTools) + R"({"type":"tool","name":"g"})"), "tool_choice.name");
  EXPECT_EQ(wrong(std::string(kTools) + R"({"type":"tool"})"), "tool_choice.name");
  EXPECT_EQ(wrong(R"("tool_choice":{"type":"any"})"), "tool_choice");
}

TEST(MessagesClientRequest, Thinking) {
  const auto read = [](std::string_view fields) {
    const Request r = ok(fields);
    return r.reasoning_effort + "/" + (r.reasoning_tokens_max ? std::to_string(*r.reasoning_tokens_max) : "") + "/" +
           r.reasoning_summary;
  };
  EXPECT_EQ(read(""), "//");
  EXPECT_EQ(read(R"("thinking":{"type":"disabled"})"), "none/0/");
  EXPECT_EQ(read(R"("thinking":{"type":"adaptive"})"), "high//");
  EXPECT_EQ(read(R"("thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"})"),
            "max//none");
  EXPECT_EQ(read(R"("thinking":{"type":"enabled","budget_tokens":1024})"), "/1024/");
  EXPECT_EQ(read(R"("output_config":{"effort":"medium"})"), "medium/0/");
  EXPECT_EQ(read(R"("thinking":{"type":"disabled"},"output_config":{"effort":"medium"})"), "medium/0/");
}

// What a client of this API asks of a supplier of this API is what the supplier is told.
TEST(MessagesClientRequest, ComesOutAsItWentIn) {
  const auto told = [](std::string_view fields, std::string_view model) {
    const Request request = ok(fields);
    auto message = write_messages_request({.request = request,
                                           .context = request.input,
                                           .model = std::string(model),
                                           .issuer = "us",
                                           .max_output_tokens = request.max_output_tokens,
                                           .stream = false},
                                          messages_variant_of(model));
    EXPECT_TRUE(message.ok()) << message.error().message;
    return message ? message->body : "";
  };
  EXPECT_EQ(
      told(
          R"("thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"xhigh","format":{"type":"json_schema","schema":{"type":"object"}}})",
          "claude-opus-4-7"),
      R"({"model":"claude-opus-4-7","max_tokens":8000,"stream":false,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],)"
      R"("thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"xhigh","format":{"type":"json_schema","schema":{"type":"object"}}}})");
  EXPECT_EQ(
      told(
          R"("system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"stop_sequences":["E"],)"
          R"("tools":[{"name":"f","input_schema":{"type":"object"}}],"service_tier":"auto",)"
          R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},)"
          R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"gr\u00fc\u00df"},"title":"t"},{"type":"text","text":"look","cache_control":{"type":"ephemeral","ttl":"1h"}}]},)"
          R"({"role":"assistant","content":[{"type":"text","text":"ok","citations":null},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a": 1.10},"caller":{"type":"direct"}}]},)"
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"image","source":{"type":"url","url":"https://a/b.png"}}],"is_error":true,"cache_control":{"type":"ephemeral"}}]},)"
          R"({"role":"assistant","content":"So"}])",
          "claude-sonnet-4-5"),
      R"({"model":"claude-sonnet-4-5","max_tokens":8000,"stream":false,"tools":[{"name":"f","input_schema":{"type":"object"}}],)"
      R"("system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],)"
      R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},)"
      R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"grüß"},"title":"t"},{"type":"text","text":"look","cache_control":{"type":"ephemeral","ttl":"1h"}}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"ok"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a": 1.10}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"image","source":{"type":"url","url":"https://a/b.png"}}],"is_error":true,"cache_control":{"type":"ephemeral"}}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"So"}]}],)"
      R"("stop_sequences":["E"],"service_tier":"auto"})");
  EXPECT_TRUE(told(R"("thinking":{"type":"enabled","budget_tokens":2048})", "claude-sonnet-4-5")
                  .contains(R"("thinking":{"type":"enabled","budget_tokens":2048})"));
}

TEST(MessagesClientRequest, T6_SystemBlocksKeepTheirMarks) {
  const Request r = ok(
      R"("system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}],"messages":[{"role":"user","content":"hi"}])");
  EXPECT_FALSE(r.instructions);
  Item system{.role = Role::kSystem, .content = {{.text = "a", .cache = "5m"}, {.text = "b"}}};
  EXPECT_EQ(r.input, (std::vector<Item>{system, said(Role::kUser, "hi")}));
}

TEST(MessagesClientRequest, T3_ToolResults) {
  const std::vector<Item> all = items(
      R"([{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"Let me see."},)"
      R"({"type":"tool_use","id":"a","name":"f","input":{"n": 12345678901234567890},"cache_control":{"type":"ephemeral"}},{"type":"tool_use","id":"b","name":"g","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},)"
      R"({"type":"tool_result","tool_use_id":"a","is_error":true},{"type":"text","text":"and?"}]}])");
  Item a{.kind = ItemKind::kFunctionCall, .call_id = "a", .name = "f", .arguments = R"({"n": 12345678901234567890})"};
  a.cache = "5m";
  Item b{.kind = ItemKind::kFunctionCall, .call_id = "b", .name = "g", .arguments = "{}"};
  Item rb{.kind = ItemKind::kFunctionCallOutput, .call_id = "b", .output_is_text = false};
  rb.content = {{.text = "x"}, {.kind = PartKind::kInputImage, .url = "data:image/png;base64,AAAA"}};
  Item ra{.kind = ItemKind::kFunctionCallOutput, .call_id = "a"};
  ra.tool_failed = true;
  EXPECT_EQ(all, (std::vector<Item>{said(Role::kUser, "hi"), said(Role::kAssistant, "Let me see."), a, b, rb, ra,
                                    said(Role::kUser, "and?")}));
}

TEST(MessagesClientRequest, T6_SystemMessagesInTheMidst) {
  Item midst{.role = Role::kSystem, .content = {{.text = "a", .cache = "5m"}}};
  EXPECT_EQ(
      items(
          R"([{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"b"}])"),
      (std::vector<Item>{said(Role::kUser, "hi"), midst, said(Role::kSystem, "b")}));
  EXPECT_EQ(wrong_messages(R"([{"role":"system","content":[{"type":"image"}]}])"), "messages[0].content[0].type");
}

constexpr std::string_view kUseA = R"({"type":"tool_use","id":"a","name":"f","input":{}})";
constexpr std::string_view kResultA = R"({"type":"tool_result","tool_use_id":"a","content":"1"})";

TEST(MessagesClientRequest, T3_PairsAreJudgedInTheApisWords) {
  const auto turns = [](std::initializer_list<std::pair<std::string_view, std::string>> all) {
    std::string out = R"("messages":[{"role":"user","content":"hi"})";
    for (const auto& [role, blocks] : all)
      out.append(R"(,{"role":")").append(role).append(R"(","content":[)").append(blocks).append("]}");
    return out + "]";
  };
  const std::string use(kUseA), result(kResultA);
  const std::string unanswered =
      "messages[1]: `tool_use` ids were found without `tool_result` blocks immediately after: a. Each `tool_use` block "
      "must have a corresponding `tool_result` block in the next message.";
  EXPECT_EQ(words(turns({{"assistant", use}})), unanswered);
  EXPECT_EQ(words(turns({{"assistant", use}, {"user", R"({"type":"text","text":"x"})"}})), unanswered);
  EXPECT_EQ(words(turns({{"assistant", use},
                         {"user", R"({"type":"text","text":"x"})"},
                         {"assistant", R"({"type":"text","text":"x"})"},
                         {"user", result}})),
            unanswered);
  EXPECT_EQ(
      words(turns({{"user", result}})),
      "messages[1].content[0]: unexpected `tool_use_id` found in `tool_result` blocks: a. Each `tool_result` block "
      "must have a corresponding `tool_use` block in the previous message.");
  EXPECT_EQ(words(turns({{"assistant", use}, {"user", result + "," + result}})),
            "messages[2].content[1]: each tool_use must have a single result. Found multiple `tool_result` blocks with "
            "id: a");
  EXPECT_EQ(words(turns({{"assistant", use + "," + use}, {"user", result}})),
            "messages[1].content[1].id: `tool_use` ids must be unique");
  EXPECT_EQ(
      words(turns(
          {{"assistant", use}, {"user", result}, {"assistant", R"({"type":"text","text":"x"})"}, {"user", result}})),
      "messages[4].content[0]: unexpected `tool_use_id` found in `tool_result` blocks: a. Each `tool_result` block "
      "must have a corresponding `tool_use` block in the previous message.");
  // The user's turn may be several messages.
  EXPECT_EQ(words(turns({{"assistant", use}, {"user", R"({"type":"text","text":"x"})"}, {"user", result}})), "");
}

TEST(MessagesClientRequest, T7_IdsComeBackAsTheyWere) {
  const std::vector<Item> all = items(
      R"([{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"pdx_functions-2ef-3a0","name":"f","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"pdx_functions-2ef-3a0"}]}])");
  EXPECT_EQ(all[1].call_id, "functions.f:0");
  EXPECT_EQ(all[2].call_id, "functions.f:0");
  const auto id = [](std::string_view given) {
    return items(R"([{"role":"assistant","content":[{"type":"tool_use","id":")" + std::string(given) +
                 R"(","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":")" +
                 std::string(given) + R"("}]}])")[0]
        .call_id;
  };
  EXPECT_EQ(id("pdx_-ff"), "pdx_-ff");  // no text
  EXPECT_EQ(id("pdx_"), "pdx_");
  EXPECT_EQ(id("pdx_-2"), "pdx_-2");
  EXPECT_EQ(
      wrong_messages(R"([{"role":"assistant","content":[{"type":"tool_use","id":"a.b","name":"f","input":{}}]}])"),
      "messages[0].content[0].id");
}

TEST(MessagesClientRequest, T12_ImagesAndDocuments) {
  const auto part = [](std::string_view block) {
    return items(R"([{"role":"user","content":[)" + std::string(block) + "]}]")[0].content[0];
  };
  EXPECT_EQ(
      part(
          R"({"type":"image","source":{"type":"base64","media_type":"image/webp","data":"AAAA"},"cache_control":{"type":"ephemeral"}})"),
      (Part{.kind = PartKind::kInputImage, .url = "data:image/webp;base64,AAAA", .cache = "5m"}));
  EXPECT_EQ(part(R"({"type":"image","source":{"type":"url","url":"https://a/b"}})"),
            (Part{.kind = PartKind::kInputImage, .url = "https://a/b"}));
  EXPECT_EQ(
      part(
          R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"},"title":"t","citations":{"enabled":false}})"),
      (Part{.kind = PartKind::kInputFile, .file_data = "data:application/pdf;base64,AAAA", .filename = "t"}));
  EXPECT_EQ(part(R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}})"),
            (Part{.kind = PartKind::kInputFile, .file_data = "data:text/plain;base64,aGk="}));
  EXPECT_EQ(part(R"({"type":"document","source":{"type":"url","url":"https://a/b"}})"),
            (Part{.kind = PartKind::kInputFile, .url = "https://a/b"}));
  const std::pair<std::string_view, std::string_view> wrongs[] = {
      {R"({"type":"image"})", "source"},
      {R"({"type":"image","source":{"type":"file","file_id":"f"}})", "source.type"},
      {R"({"type":"image","source":{"type":"base64","media_type":"image/tiff","data":"AAAA"}})", "source.media_type"},
      {R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"A"}})", "source.data"},
      {R"({"type":"image","source":{"type":"url","url":"file:///etc"}})", "source.url"},
      {R"({"type":"document","source":{"type":"content","content":"x"}})", "source.type"},
      {R"({"type":"document","source":{"type":"base64","media_type":"text/plain","data":"AAAA"}})",
       "source.media_type"},
      {R"({"type":"search_result","source":"s","title":"t","content":[]})", "type"},
      {R"({"type":"tool_use","id":"a","name":"f","input":{}})", "type"},
      {R"({"text":"x"})", "type"},
      {R"({"type":"text"})", "text"},
  };
  for (const auto& [block, field] : wrongs)
    EXPECT_EQ(wrong_messages(R"([{"role":"user","content":[)" + std::string(block) + "]}]"),
              "messages[0].content[0]." + std::string(field))
        << block;
}

TEST(MessagesClientRequest, T15_T19_ThinkingComesBackWithItsIssuer) {
  const std::string ours = pack_opaque(OpaqueKind::kSignature, "anthropic/acme", "EqQB+/==");
  const std::string sealed = pack_opaque(OpaqueKind::kEncrypted, "openai", "gAAA");
  const std::vector<Item> all = items(
      R"([{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":")" + ours +
      R"("},{"type":"thinking","thinking":"","signature":")" + ours + R"("},{"type":"redacted_thinking","data":")" +
      sealed + R"("},{"type":"thinking","thinking":"sum","signature":")" + sealed +
      R"("},{"type":"thinking","thinking":"x","signature":"theirs"},{"type":"redacted_thinking","data":"theirs"},)"
      R"({"type":"thinking","thinking":"plain","signature":""},{"type":"text","text":"ok"}]},{"role":"user","content":"so?"}])");
  const auto thought = [](std::string text, OpaqueKind kind, std::string block, std::string issuer) {
    Item item{.kind = ItemKind::kReasoning, .encrypted = std::move(block), .opaque = kind};
    item.issuer = std::move(issuer);
    if (!text.empty()) item.content = {{.kind = PartKind::kReasoningText, .text = std::move(text)}};
    return item;
  };
  Item summed = thought("", OpaqueKind::kEncrypted, "gAAA", "openai");
  summed.summary = {{.kind = PartKind::kSummaryText, .text = "sum"}};
  EXPECT_EQ(all,
            (std::vector<Item>{
                thought("hm", OpaqueKind::kSignature, "EqQB+/==", "anthropic/acme"),
                thought("", OpaqueKind::kSignature, "EqQB+/==", "anthropic/acme"),
                thought("", OpaqueKind::kEncrypted, "gAAA", "openai"), summed,
                thought("x", OpaqueKind::kSignature, "theirs", ""), thought("", OpaqueKind::kRedacted, "theirs", ""),
                thought("plain", OpaqueKind::kNone, "", ""), said(Role::kAssistant, "ok"), said(Role::kUser, "so?")}));
}

TEST(MessagesClientRequest, T37_ALastMessageOfTheAssistantIsABeginning) {
  EXPECT_EQ(items(R"([{"role":"user","content":"hi"},{"role":"assistant","content":"The answer is ("}])").back().status,
            ItemStatus::kInProgress);
  EXPECT_EQ(items(R"([{"role":"user","content":"hi"},{"role":"assistant","content":[]}])").size(), 1);
  EXPECT_EQ(items(R"([{"role":"user","content":"hi"},{"role":"assistant","content":""}])").size(), 1);
  EXPECT_EQ(words(R"("messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"So \n"}])"),
            "messages[1]: final assistant content cannot end with trailing whitespace");
  EXPECT_EQ(
      words(
          R"("messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"s"}]}])"),
      "messages[1]: The final block in an assistant message cannot be `thinking`.");
  for (const char* empty : {R"([{"role":"user","content":""}])", R"([{"role":"user","content":[]}])",
                            R"([{"role":"assistant","content":""},{"role":"user","content":"x"}])"})
    EXPECT_EQ(wrong_messages(empty), "messages[0]");
}

TEST(MessagesClientRequest, T32_AMarkOnTheRequestIsOneOnItsLastBlock) {
  EXPECT_EQ(ok(R"("cache_control":{"type":"ephemeral","ttl":"1h"})").input[0].content[0].cache, "1h");
  EXPECT_EQ(ok(R"("cache_control":{"type":"ephemeral"},"messages":[{"role":"assistant","content":[)" +
               std::string(kUseA) + R"(]},{"role":"user","content":[)" + std::string(kResultA) + "]}]")
                .input.back()
                .cache,
            "5m");
}

TEST(MessagesClientRequest, CitationsAreKept) {
  const std::vector<Item> all = items(
      R"([{"role":"assistant","content":[{"type":"text","text":"grüß","citations":[{"type":"char_location","document_index":0}]},{"type":"text","text":"x","citations":[]}]},{"role":"user","content":"x"}])");
  ASSERT_EQ(all[0].content.size(), 2);
  EXPECT_EQ(
      all[0].content[0].annotations,
      R"([{"type":"x_citation","start_index":0,"end_index":4,"x_citation":{"type":"char_location","document_index":0}}])");
  EXPECT_EQ(all[0].content[1].annotations, "");
}

TEST(MessagesClientRequest, CountingNeedsNoLimit) {
  const auto count = [](const std::string& text) {
    auto document = json::Document::parse(text);
    return parse_messages_count_request(document->root());
  };
  auto parsed = count(
      R"({"model":"m","messages":[{"role":"user","content":"hi"}],"system":"s","thinking":{"type":"enabled","budget_tokens":2048}})");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->request.reasoning_tokens_max, 2048);
  EXPECT_EQ(count(R"({"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5})").error().param,
            "max_tokens");
}

TEST(MessagesClientRequest, AThreadIsKeptAndContinued) {
  const Request created = ok(R"("system":"s","thread":{"type":"create"})");
  EXPECT_TRUE(created.store);
  EXPECT_EQ(created.previous_response_id, "");
  const std::string results =
      R"("messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"18"}]}])";
  const std::string goes_on = R"("thread":{"type":"continue","previous_message_id":"msg_12"})";
  const Request continued = ok(goes_on + "," + results + R"(,"tool_choice":{"type":"tool","name":"f"})");
  EXPECT_TRUE(continued.store);
  EXPECT_EQ(continued.previous_response_id, "resp_12");
  ASSERT_EQ(continued.input.size(), 1u);
  EXPECT_EQ(continued.input[0].call_id, "t1");
  EXPECT_EQ(wrong(results), "messages[0].content[0]") << "without a thread there is no such call";
  EXPECT_EQ(wrong(goes_on + R"(,"system":"s")"), "system") << "the thread has one";
  EXPECT_EQ(wrong(goes_on + R"(,"tools":[{"name":"f","input_schema":{"type":"object"}}])"), "tools");
  EXPECT_EQ(wrong(R"("thread":{"type":"fork"})"), "thread.type");
  EXPECT_EQ(wrong(R"("thread":{"type":"continue"})"), "thread.previous_message_id");
  EXPECT_EQ(wrong(goes_on + R"(,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
                            R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]}])"),
            "messages[2].content[0]")
      << "what was said since made no call";
}

}  // namespace
}  // namespace perdure
