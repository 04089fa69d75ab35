#include <gtest/gtest.h>

#include "dialect/gemini_upstream.h"
#include "dialect/testing/items.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr char kUs[] = "google";

Item system_message(std::string text, Role role = Role::kSystem) {
  return {.role = role, .content = {{.text = std::move(text)}}};
}
Item parts_output(std::string id, std::vector<Part> parts) {
  return {.kind = ItemKind::kFunctionCallOutput,
          .call_id = std::move(id),
          .output_is_text = false,
          .content = std::move(parts)};
}
Item signature(std::string block, std::string thought = {}, std::string issuer = kUs) {
  Item out{.kind = ItemKind::kReasoning,
           .encrypted = std::move(block),
           .opaque = OpaqueKind::kSignature,
           .issuer = std::move(issuer)};
  if (!thought.empty()) out.summary = {{.kind = PartKind::kSummaryText, .text = std::move(thought)}};
  return out;
}
Part image(std::string url) { return {.kind = PartKind::kInputImage, .url = std::move(url)}; }

// A variant without ids and placeholders, where a test is about something else.
GeminiVariant plain() {
  GeminiVariant out;
  out.call_ids = out.strict_signatures = false;
  return out;
}

Result<UpstreamMessage> write(const std::vector<Item>& context, const Request& request = {.model = "m"},
                              std::optional<GeminiVariant> variant = {}, std::string model = "gemini-3-pro",
                              std::string held = {}, std::string ask_words = {}) {
  UpstreamAsk ask{.request = request, .context = context, .model = std::move(model), .issuer = kUs};
  ask.held = std::move(held);
  ask.ask = std::move(ask_words);
  ask.max_output_tokens = request.max_output_tokens;
  return gemini_upstream({.vertex = false, .variant = variant})->write(ask);
}

// A field of the body, or the error as "param: message".
std::string field(std::string_view name, const Result<UpstreamMessage>& message) {
  if (!message.ok()) return message.error().param + ": " + message.error().message;
  auto document = json::Document::parse(message->body);
  EXPECT_TRUE(document.ok()) << message->body;
  return std::string(document->root()[name].raw());
}

std::string contents(const std::vector<Item>& context, GeminiVariant variant = plain(),
                     const Request& request = {.model = "m"}) {
  return field("contents", write(context, request, variant));
}

std::string turn(std::string_view role, std::string_view parts) {
  return R"({"role":")" + std::string(role) + R"(","parts":[)" + std::string(parts) + "]}";
}
std::string text_part(std::string_view text) { return R"({"text":")" + std::string(text) + R"("})"; }
std::string user_turn(std::string_view text) { return turn("user", text_part(text)); }
std::string call_part(std::string_view args = "{}", std::string_view name = "f") {
  return R"({"functionCall":{"name":")" + std::string(name) + R"(","args":)" + std::string(args) + "}}";
}
std::string output_part(std::string_view text, std::string_view name = "f", std::string_view key = "result") {
  return R"({"functionResponse":{"name":")" + std::string(name) + R"(","response":{")" + std::string(key) + R"(":")" +
         std::string(text) + R"("}}})";
}
std::string list(std::initializer_list<std::string> turns) {
  std::string out = "[";
  for (const std::string& one : turns) out += (out.size() > 1 ? "," : "") + one;
  return out + "]";
}

TEST(GeminiRequest, T26_ModelAndStreamLiveInTheAddress) {
  const std::vector context = {user("hi")};
  const Request request{.model = "m"};
  UpstreamAsk ask{.request = request, .context = context, .model = "gemini-3-pro", .issuer = kUs};
  const auto dialect = gemini_upstream();
  EXPECT_EQ(dialect->write(ask)->path, "/models/gemini-3-pro:streamGenerateContent?alt=sse");
  EXPECT_EQ(dialect->write(ask)->body, R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})");
  ask.stream = false;
  EXPECT_EQ(dialect->write(ask)->path, "/models/gemini-3-pro:generateContent");
  ask.model = "tunedModels/a b:c?#\xc3\xa9";
  EXPECT_EQ(dialect->write(ask)->path, "/tunedModels/a%20b%3Ac%3F%23%C3%A9:generateContent");
}

TEST(GeminiRequest, T1_outputs_follow_their_calls_in_one_turn) {
  const std::string both = call_part() + "," + call_part("{}", "g");
  const std::string outputs = output_part("1") + "," + output_part("2", "g");
  const Item a = call("a"), b = call("b", "{}", "g");
  EXPECT_EQ(contents({user("x"), a, b, output("a", "1"), output("b", "2")}),
            list({user_turn("x"), turn("model", both), turn("user", outputs)}));
  EXPECT_EQ(contents({user("x"), a, b, output("b", "2"), user("more"), output("a", "1")}),
            list({user_turn("x"), turn("model", both), turn("user", outputs + "," + text_part("more"))}))
      << "interleaved, and another order";
  EXPECT_EQ(contents({user("x"), a, output("a", "1"), b, output("b", "2")}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part("1")),
                  turn("model", call_part("{}", "g")), turn("user", output_part("2", "g"))}))
      << "made with the first answer known";
  EXPECT_EQ(contents({user("x"), a, output("a", "1"), a, output("a", "2")}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part("1")),
                  turn("model", call_part()), turn("user", output_part("2"))}))
      << "a call_id that is used again";
  EXPECT_EQ(contents({user("x"), assistant("so"), a, output("a", "1"), assistant("done")}),
            list({user_turn("x"), turn("model", text_part("so") + "," + call_part()), turn("user", output_part("1")),
                  turn("model", text_part("done"))}));
}

TEST(GeminiRequest, T3_outputs_are_objects_and_may_fail) {
  Item failed = output("a", "no");
  failed.tool_failed = true;
  EXPECT_EQ(contents({user("x"), call("a"), failed}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part("no", "f", "error"))}));
  EXPECT_EQ(contents({user("x"), call("a"), output("a", R"({"temperature": 1.50})")}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part(R"({\"temperature\": 1.50})"))}))
      << "text stays text";
  EXPECT_EQ(contents({user("x"), call("a"), parts_output("a", {{.text = "1"}, {.text = "2"}})}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part("1\\n2"))}));
  EXPECT_EQ(contents({user("x"), call("a"), output("a", "")}),
            list({user_turn("x"), turn("model", call_part()), turn("user", output_part(""))}));
}

TEST(GeminiRequest, T3_images_in_outputs) {
  const Item both = parts_output("a", {{.text = "1"}, image("data:image/png;base64,AAAA")});
  const std::string data = R"({"inlineData":{"mimeType":"image/png","data":"AAAA"}})";
  EXPECT_EQ(
      contents({user("x"), call("a"), both}),
      list({user_turn("x"), turn("model", call_part()),
            turn("user", R"({"functionResponse":{"name":"f","response":{"result":"1"},"parts":[)" + data + "]}}")}));
  GeminiVariant older = plain();
  older.output_parts = false;
  EXPECT_EQ(contents({user("x"), call("a"), call("b"), both, output("b", "2"), user("y")}, older),
            list({user_turn("x"), turn("model", call_part() + "," + call_part()),
                  turn("user", output_part("1") + "," + output_part("2") + "," + text_part("From the output of f:") +
                                   "," + data + "," + text_part("y"))}));
  EXPECT_EQ(contents({user("x"), call("a"), parts_output("a", {{.text = "1"}, image("https://h/i.png")})}),
            list({user_turn("x"), turn("model", call_part()),
                  turn("user", output_part("1") + "," + text_part("From the output of f:") +
                                   R"(,{"fileData":{"mimeType":"image/png","fileUri":"https://h/i.png"}})")}))
      << "an output holds data only";
  EXPECT_EQ(contents({user("x"), call("a"), parts_output("a", {image("data:image/png;base64,AAAA")})}),
            list({user_turn("x"), turn("model", call_part()),
                  turn("user", R"({"functionResponse":{"name":"f","response":{},"parts":[)" + data + "]}}")}));
}

TEST(GeminiRequest, T4_turns_alternate_and_the_user_begins) {
  EXPECT_EQ(contents({user("a"), user("b"), assistant("c"), assistant("d"), user("e")}),
            list({turn("user", text_part("a") + "," + text_part("b")),
                  turn("model", text_part("c") + "," + text_part("d")), user_turn("e")}));
  EXPECT_EQ(contents({assistant("hello"), user("a")}),
            "input[0]: The model's supplier cannot be given a conversation that the assistant begins.");
  auto lenient = write({assistant("hello"), user("a")}, {.model = "m", .lenient = true});
  EXPECT_EQ(field("contents", lenient), list({user_turn("a")}));
  EXPECT_EQ(lenient->dropped, std::vector<std::string>{"input[0]"});
  EXPECT_TRUE(contents({call("a"), output("a", "1")}).starts_with("input[0]: "));
}

TEST(GeminiRequest, T5_empty_texts_are_left_out) {
  EXPECT_EQ(contents({user(""), user("a"), assistant(""), call("a"), output("a", "1"), user("")}),
            list({user_turn("a"), turn("model", call_part()), turn("user", output_part("1"))}));
  EXPECT_EQ(contents({user("")}), "input: The input holds nothing that a model could be given.");
  EXPECT_EQ(contents({user(" ")}), list({user_turn(" ")})) << "a blank is what was said";
  EXPECT_EQ(contents({user("a"), assistant(" \n"), call("a"), output("a", "1"), assistant(" "), user("b")}),
            list({user_turn("a"), turn("model", call_part()), turn("user", output_part("1") + "," + text_part("b"))}))
      << "refused beside a call";
}

TEST(GeminiRequest, T6_leading_system_messages_go_to_the_top_and_later_ones_stay) {
  Request request{.model = "m", .instructions = "i"};
  auto message =
      write({system_message("s"), user("a"), assistant("b"), system_message("d", Role::kDeveloper), user("c")}, request,
            plain());
  EXPECT_EQ(field("systemInstruction", message), R"({"parts":[{"text":"i"},{"text":"s"}]})");
  EXPECT_EQ(field("contents", message),
            list({user_turn("a"), turn("model", text_part("b")),
                  turn("user", text_part("<system>\\nd\\n</system>") + "," + text_part("c"))}));
  EXPECT_EQ(field("systemInstruction", write({user("a"), system_message("")})), "");
  EXPECT_TRUE(contents({{.role = Role::kSystem, .content = {image("data:,")}}, user("a")})
                  .starts_with("input[0].content[0]: "));
}

TEST(GeminiRequest, T7_ids_are_written_where_they_are_taken) {
  const std::vector context = {user("x"), call("call_1"), output("call_1", "1")};
  GeminiVariant with_ids = plain();
  with_ids.call_ids = true;
  EXPECT_EQ(contents(context, with_ids),
            list({user_turn("x"), turn("model", R"({"functionCall":{"id":"call_1","name":"f","args":{}}})"),
                  turn("user", R"({"functionResponse":{"id":"call_1","name":"f","response":{"result":"1"}}})")}));
  EXPECT_EQ(contents(context), list({user_turn("x"), turn("model", call_part()), turn("user", output_part("1"))}));
  EXPECT_TRUE(gemini_variant("gemini-3-pro", false).call_ids);
  EXPECT_FALSE(gemini_variant("gemini-3-pro", true).call_ids) << "Vertex AI refuses them";
}

TEST(GeminiRequest, T7_calls_and_outputs_that_do_not_pair) {
  EXPECT_EQ(contents({user("x"), call("a")}), "input: No tool output found for function call a.");
  EXPECT_EQ(contents({user("x"), output("a", "1")}),
            "input[1]: No tool call found for function call output with call_id a.");
}

TEST(GeminiRequest, T7_names_of_tools) {
  Request request{.model = "m"};
  request.tools = {{.name = "ok-1"}, {.name = "1st"}};
  EXPECT_TRUE(field("tools", write({user("x")}, request)).starts_with("tools[1].name: "));
  EXPECT_TRUE(field("tools", write({user("x")}, request)).starts_with("tools[1].name: "));
  request.lenient = true;
  auto message = write({user("x")}, request);
  EXPECT_EQ(field("tools", message), R"([{"functionDeclarations":[{"name":"ok-1"}]}])");
  EXPECT_EQ(message->dropped, std::vector<std::string>{"tools[1].name"});
}

TEST(GeminiRequest, T8_tool_choice) {
  bool hides = false;
  const auto choice = [&](ToolChoice given, std::optional<bool> strict = {}, bool validated = true) {
    Request request{.model = "m", .tool_choice = std::move(given)};
    request.tools = {{.name = "f", .strict = strict}, {.name = "g"}};
    GeminiVariant variant;
    variant.validated_mode = validated;
    auto message = write({user("hi")}, request, variant);
    // All stay in sight, unless there is no other way to say which may be called.
    EXPECT_EQ(field("tools", message), hides ? R"([{"functionDeclarations":[{"name":"f"}]}])"
                                             : R"([{"functionDeclarations":[{"name":"f"},{"name":"g"}]}])");
    return field("toolConfig", message);
  };
  const auto config = [](std::string_view mode, std::string_view names = {}) {
    return R"({"functionCallingConfig":{"mode":")" + std::string(mode) + "\"" +
           (names.empty() ? "" : R"(,"allowedFunctionNames":)" + std::string(names)) + "}}";
  };
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(choice({}), "");
  EXPECT_EQ(choice({}, true), config("VALIDATED"));
  EXPECT_EQ(choice({}, true, false), "");
  EXPECT_EQ(choice({.mode = Mode::kNone}), config("NONE"));
  EXPECT_EQ(choice({.mode = Mode::kRequired}), config("ANY"));
  EXPECT_EQ(choice({.mode = Mode::kFunction, .function = "g"}), config("ANY", R"(["g"])"));
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed = {"f"}}), config("VALIDATED", R"(["f"])"));
  hides = true;
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed = {"f"}}, {}, false), "");
  hides = false;
  EXPECT_EQ(choice({.mode = Mode::kAllowed, .allowed_required = true, .allowed = {"f", "g"}}),
            config("ANY", R"(["f","g"])"));
}

TEST(GeminiRequest, T8_one_call_at_a_time_is_not_said) {
  Request request{.model = "m", .parallel_tool_calls = true};
  request.tools = {{.name = "f"}};
  const auto both = write({user("x")}, request);
  request.parallel_tool_calls = false;
  EXPECT_EQ(write({user("x")}, request)->body, both->body) << "what is shown of the answer keeps to it";
}

TEST(GeminiRequest, T10_tools_take_the_schema_that_loses_nothing) {
  Request request{.model = "m"};
  const std::string simple = R"({"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false})";
  const std::string rich = R"({ "type":"object", "patternProperties":{"^a":{"type":"string"}} })";
  request.tools = {{.name = "none"},
                   {.name = "empty", .parameters = "{}"},
                   {.name = "object", .parameters = R"({"type":"object","properties":{}})"},
                   {.name = "simple", .description = "d", .parameters = simple},
                   {.name = "rich", .parameters = rich}};
  EXPECT_EQ(
      field("tools", write({user("x")}, request)),
      R"([{"functionDeclarations":[{"name":"none"},{"name":"empty"},{"name":"object"},)"
      R"({"name":"simple","description":"d","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}},)"
      R"({"name":"rich","parametersJsonSchema":)" +
          rich + "}]}]");
  EXPECT_EQ(field("tools", write({user("x")}, request, {}, "gemini-2.0-flash")),
            "tools[4].parameters: The model's supplier cannot be given a schema that says patternProperties.");
  request.lenient = true;
  auto older = write({user("x")}, request, {}, "gemini-2.0-flash");
  EXPECT_EQ(older->dropped, std::vector<std::string>{"tools[4].parameters"});
}

TEST(GeminiRequest, T10_structured_output) {
  Request request{.model = "m"};
  request.format = {.kind = TextFormat::Kind::kJsonSchema,
                    .name = "n",
                    .description = "says \"what\"",
                    .schema = R"({"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}}})"};
  EXPECT_EQ(field("generationConfig", write({user("x")}, request)),
            R"({"responseMimeType":"application/json","responseSchema":{"description":"says \"what\"","type":"OBJECT",)"
            R"("properties":{"b":{"type":"STRING"},"a":{"type":"INTEGER"}},"propertyOrdering":["b","a"]}})");
  request.format.schema = R"({"not":{}})";
  EXPECT_EQ(field("generationConfig", write({user("x")}, request)),
            R"({"responseMimeType":"application/json","responseJsonSchema":{"description":"says \"what\"","not":{}}})");
  request.format.schema = "{}";
  EXPECT_EQ(field("generationConfig", write({user("x")}, request)),
            R"({"responseMimeType":"application/json","responseJsonSchema":{"description":"says \"what\""}})");
  request.format = {.kind = TextFormat::Kind::kJsonObject};
  EXPECT_EQ(field("generationConfig", write({user("x")}, request)), R"({"responseMimeType":"application/json"})");
  request.tools = {{.name = "f"}};
  EXPECT_TRUE(write({user("x")}, request).ok());
  EXPECT_EQ(write({user("x")}, request, {}, "gemini-2.5-pro").error().param, "text.format");
}

TEST(GeminiRequest, T11_arguments_keep_their_bytes) {
  const auto args = [](std::string arguments) {
    return contents({user("x"), call("a", std::move(arguments)), output("a", "1")});
  };
  const auto expected = [](std::string_view args) {
    return list({user_turn("x"), turn("model", call_part(args)), turn("user", output_part("1"))});
  };
  EXPECT_EQ(args(""), expected("{}"));
  EXPECT_EQ(args(" \n"), expected("{}"));
  EXPECT_EQ(args(R"({ "big" : 123456789012345678901234567890, "f": 1.10, "e": 1E+2 })"),
            expected(R"({ "big" : 123456789012345678901234567890, "f": 1.10, "e": 1E+2 })"));
  EXPECT_EQ(args("{bad"), expected(R"({"invalid_arguments":"{bad"})"));
  EXPECT_EQ(args("[1]"), expected(R"({"invalid_arguments":"[1]"})"));
}

TEST(GeminiRequest, T12_images_and_files) {
  const auto part = [](Part given, bool vertex = false) {
    GeminiVariant variant = plain();
    variant.media_types = vertex;
    return contents({{.role = Role::kUser, .content = {{.text = "look"}, std::move(given)}}}, variant);
  };
  const auto expected = [](std::string_view data) {
    return list({turn("user", text_part("look") + "," + std::string(data))});
  };
  EXPECT_EQ(part(image("data:image/jpeg;base64,AAA=")),
            expected(R"({"inlineData":{"mimeType":"image/jpeg","data":"AAA="}})"));
  EXPECT_EQ(part(image("gs://bucket/a.PNG")),
            expected(R"({"fileData":{"mimeType":"image/png","fileUri":"gs://bucket/a.PNG"}})"));
  EXPECT_EQ(part(image("https://host/a.webp?x=y.pdf#z")),
            expected(R"({"fileData":{"mimeType":"image/webp","fileUri":"https://host/a.webp?x=y.pdf#z"}})"));
  const std::string uploaded = "https://generativelanguage.googleapis.com/v1beta/files/abc";
  EXPECT_EQ(part(image(uploaded)), expected(R"({"fileData":{"fileUri":")" + uploaded + R"("}})"));
  EXPECT_TRUE(part(image(uploaded), true).starts_with("input[0].content[1].image_url: ")) << "Vertex wants a type";
  EXPECT_EQ(part({.kind = PartKind::kInputFile, .file_data = "data:application/pdf;base64,AAAA", .filename = "f.pdf"}),
            expected(R"({"inlineData":{"mimeType":"application/pdf","data":"AAAA"}})"));
  EXPECT_EQ(part({.kind = PartKind::kInputFile, .file_data = "AAAA", .filename = "f.pdf"}),
            expected(R"({"inlineData":{"mimeType":"application/pdf","data":"AAAA"}})"));
  EXPECT_EQ(part({.kind = PartKind::kInputFile, .url = "https://host/a", .filename = "f.pdf"}, true),
            expected(R"({"fileData":{"mimeType":"application/pdf","fileUri":"https://host/a"}})"));
  EXPECT_TRUE(part({.kind = PartKind::kInputFile, .file_data = "AAAA"}).starts_with("input[0].content[1].file_data: "));
  EXPECT_TRUE(part({.kind = PartKind::kInputFile, .file_id = "file_1"}).starts_with("input[0].content[1].file_id: "));
  EXPECT_TRUE(part(image("ftp://x/y.png")).starts_with("input[0].content[1].image_url: "));
  EXPECT_TRUE(part(image("data:image/gif;base64,AAAA")).starts_with("input[0].content[1].image_url: "));
  EXPECT_TRUE(part(image("https://host/a.gif")).starts_with("input[0].content[1].image_url: "));
  EXPECT_EQ(part(image("data:image/JPG;base64,AAAA")),
            expected(R"({"inlineData":{"mimeType":"image/jpeg","data":"AAAA"}})"));
  EXPECT_EQ(part({.kind = PartKind::kInputFile, .file_data = "AAAA", .filename = "f.json"}),
            expected(R"({"inlineData":{"mimeType":"text/plain","data":"AAAA"}})"));
  EXPECT_TRUE(part({.kind = PartKind::kInputFile, .file_data = "data:application/zip;base64,AAAA"})
                  .starts_with("input[0].content[1].file_data: "));
  for (const char* broken : {"data:image/png,AAAA", "data:image/png;base64,A", "data:image/png;base64,A\"AA", "data:"})
    EXPECT_TRUE(part(image(broken)).starts_with("input[0].content[1].image_url: Invalid ")) << broken;
  Request lenient{.model = "m", .lenient = true};
  auto message =
      write({{.role = Role::kUser, .content = {{.text = "look"}, {.kind = PartKind::kInputImage, .file_id = "f"}}}},
            lenient, plain());
  EXPECT_EQ(field("contents", message), list({user_turn("look")}));
  EXPECT_EQ(message->dropped, std::vector<std::string>{"input[0].content[1].file_id"});
}

TEST(GeminiRequest, T13_limits_and_sampling) {
  Request request{.model = "m"};
  request.temperature = 0.5;
  request.top_p = 1;
  request.top_k = 40;
  request.presence_penalty = -1;
  request.frequency_penalty = 2;
  request.max_output_tokens = 16;
  request.seed = -7;
  request.stop = {"a", "\n"};
  EXPECT_EQ(
      field("generationConfig", write({user("x")}, request)),
      R"({"temperature":0.5,"topP":1,"topK":40,"presencePenalty":-1,"frequencyPenalty":2,"maxOutputTokens":16,"seed":-7,"stopSequences":["a","\n"]})");
  request.seed = int64_t{1} << 31;
  EXPECT_EQ(write({user("x")}, request).error().param, "seed");
  request.seed.reset();
  request.stop = {"1", "2", "3", "4", "5", "6"};
  EXPECT_EQ(write({user("x")}, request).error().param, "stop");
}

TEST(GeminiRequest, T13_thinking) {
  const auto thinking = [](std::string_view model, std::string effort, std::optional<int64_t> tokens = {},
                           std::string summary = {}) {
    Request request{.model = "m", .reasoning_effort = std::move(effort), .reasoning_summary = std::move(summary)};
    request.reasoning_tokens_max = tokens;
    auto message = write({user("x")}, request, {}, std::string(model));
    if (!message.ok()) return message.error().param;
    auto document = json::Document::parse(message->body);
    return std::string(document->root()["generationConfig"]["thinkingConfig"].raw());
  };
  EXPECT_EQ(thinking("gemini-3-pro", ""), "");
  EXPECT_EQ(thinking("gemini-3-pro", "low"), R"({"thinkingLevel":"LOW"})");
  EXPECT_EQ(thinking("gemini-3-pro", "minimal"), R"({"thinkingLevel":"LOW"})");
  EXPECT_EQ(thinking("gemini-3-flash", "minimal"), R"({"thinkingLevel":"MINIMAL"})");
  EXPECT_EQ(thinking("gemini-3-flash", "medium", {}, "auto"), R"({"thinkingLevel":"MEDIUM","includeThoughts":true})");
  EXPECT_EQ(thinking("gemini-3-pro", "xhigh"), R"({"thinkingLevel":"HIGH"})");
  EXPECT_EQ(thinking("gemini-3-pro", "none"), "reasoning.effort");
  EXPECT_EQ(thinking("gemini-3-pro", "", 2000), R"({"thinkingBudget":2000,"includeThoughts":true})");
  EXPECT_EQ(thinking("gemini-3-pro", "high", 2000), R"({"thinkingLevel":"HIGH","includeThoughts":true})");
  EXPECT_EQ(thinking("gemini-2.5-flash", "none", {}, "auto"), R"({"thinkingBudget":0})");
  EXPECT_EQ(thinking("gemini-2.5-flash", "medium"), R"({"thinkingBudget":8192})");
  EXPECT_EQ(thinking("gemini-2.5-flash", "high", 100), R"({"thinkingBudget":100,"includeThoughts":true})");
  EXPECT_EQ(thinking("gemini-2.0-flash", "high"), "reasoning.effort");
  EXPECT_EQ(thinking("gemini-2.0-flash", "none"), "");
  EXPECT_EQ(thinking("gemini-2.0-flash", "", 100), "thinking.budget_tokens");
}

TEST(GeminiRequest, Generations) {
  for (const char* name : {"gemini-3-pro-preview", "gemini-3.1-flash-lite", "gemini-4-pro", "gemini-flash-latest",
                           "endpoints/123", "publishers/google/models/gemini-3-pro"}) {
    EXPECT_EQ(gemini_variant(name, false).thinking, GeminiThinking::kLevel) << name;
    EXPECT_TRUE(gemini_variant(name, false).strict_signatures) << name;
  }
  EXPECT_EQ(gemini_variant("models/gemini-2.5-pro", false).thinking, GeminiThinking::kBudget);
  EXPECT_TRUE(gemini_variant("gemini-2.5-pro", false).json_schema);
  EXPECT_FALSE(gemini_variant("gemini-2.5-pro", false).strict_signatures);
  for (const char* name : {"gemini-1.5-pro", "gemini-2.0-flash-001", "gemma-3-27b-it", "gemini-pro"}) {
    EXPECT_EQ(gemini_variant(name, false).thinking, GeminiThinking::kNone) << name;
    EXPECT_FALSE(gemini_variant(name, false).json_schema) << name;
  }
}

TEST(GeminiRequest, T14_refusals_are_said_again) {
  Item refusal{.role = Role::kAssistant, .content = {{.kind = PartKind::kRefusal, .text = "no"}}};
  EXPECT_EQ(contents({user("a"), refusal, user("b")}),
            list({user_turn("a"), turn("model", text_part("no")), user_turn("b")}));
}

std::string signed_call(std::string_view signature_text, std::string_view args = "{}", std::string_view name = "f") {
  std::string out = call_part(args, name);
  return out.substr(0, out.size() - 1) + R"(,"thoughtSignature":")" + std::string(signature_text) + "\"}";
}
std::string signed_text(std::string_view text, std::string_view signature_text) {
  return R"({"text":")" + std::string(text) + R"(","thoughtSignature":")" + std::string(signature_text) + "\"}";
}

TEST(GeminiRequest, T17_signatures_go_back_to_their_place) {
  const Item a = call("a"), b = call("b", "{}", "g");
  GeminiVariant strict = plain();
  strict.strict_signatures = true;
  for (const GeminiVariant& variant : {plain(), strict}) {
    EXPECT_EQ(contents({user("x"), signature("S1=="), a, b, output("a", "1"), output("b", "2"), signature("S2"),
                        call("c"), output("c", "3")},
                       variant),
              list({user_turn("x"), turn("model", signed_call("S1==") + "," + call_part("{}", "g")),
                    turn("user", output_part("1") + "," + output_part("2", "g")), turn("model", signed_call("S2")),
                    turn("user", output_part("3"))}))
        << "on the first of a parallel set, and on every step";
  }
  EXPECT_EQ(contents({user("x"), a, signature("S"), b, output("a", "1"), output("b", "2")}),
            list({user_turn("x"), turn("model", call_part() + "," + signed_call("S", "{}", "g")),
                  turn("user", output_part("1") + "," + output_part("2", "g"))}))
      << "on the call that it came with";
  EXPECT_EQ(contents({user("x"), assistant("t"), signature("S"), user("y")}),
            list({user_turn("x"), turn("model", signed_text("t", "S")), user_turn("y")}));
  EXPECT_EQ(contents({user("x"), signature("S"), assistant("t"), user("y")}),
            list({user_turn("x"), turn("model", signed_text("t", "S")), user_turn("y")}))
      << "as others order it";
  EXPECT_EQ(contents({user("x"), assistant("t"), signature("S1"), signature("S2"), a, output("a", "1")}),
            list({user_turn("x"), turn("model", signed_text("t", "S1") + "," + signed_call("S2")),
                  turn("user", output_part("1"))}));
  EXPECT_EQ(
      contents({user("x"), signature("S", "I think"), a, output("a", "1")}),
      list({user_turn("x"), turn("model", R"({"text":"I think","thought":true,"thoughtSignature":"S"},)" + call_part()),
            turn("user", output_part("1"))}))
      << "of a thought";
  EXPECT_EQ(contents({user("x"), signature("S", "I think"), a, output("a", "1")}, strict),
            list({user_turn("x"),
                  turn("model", R"({"text":"I think","thought":true,"thoughtSignature":"S"},)" +
                                    signed_call(kGeminiNoSignature)),
                  turn("user", output_part("1"))}))
      << "where every step's first call must have one";
  EXPECT_EQ(
      contents({user("x"), a, signature("S"), output("a", "1")}),
      list({user_turn("x"), turn("model", call_part() + "," + signed_text("", "S")), turn("user", output_part("1"))}))
      << "behind the last call, as a part of its own";
}

TEST(GeminiRequest, T19_other_issuers_blocks_stay_here) {
  Item unknown = signature("theirs", "", "");
  Item encrypted = signature("e");
  encrypted.opaque = OpaqueKind::kEncrypted;
  const std::vector context = {user("x"),        signature("theirs", "thought", "anthropic"),
                               unknown,          encrypted,
                               call("a"),        call("b"),
                               output("a", "1"), output("b", "2"),
                               assistant("t"),   signature("theirs", "", "anthropic"),
                               user("y")};
  const std::string outputs = turn("user", output_part("1") + "," + output_part("2"));
  EXPECT_EQ(contents(context), list({user_turn("x"), turn("model", call_part() + "," + call_part()), outputs,
                                     turn("model", text_part("t")), user_turn("y")}));
  GeminiVariant strict = plain();
  strict.strict_signatures = true;
  EXPECT_EQ(contents(context, strict),
            list({user_turn("x"), turn("model", signed_call(kGeminiNoSignature) + "," + call_part()), outputs,
                  turn("model", text_part("t")), user_turn("y")}))
      << "the documented placeholder, on the first call of the step";
}

TEST(GeminiRequest, T32_a_longer_conversation_begins_with_the_same_bytes) {
  Item failed = output("c", "no");
  failed.tool_failed = true;
  const std::vector<Item> all = {user("a"),        signature("S", "", "openai"),
                                 assistant("b"),   call("a"),
                                 call("b"),        output("b", "2"),
                                 output("a", "1"), user("c"),
                                 signature("T"),   call("c"),
                                 failed,           assistant("d"),
                                 signature("U"),   user("e")};
  Request request{.model = "m", .instructions = "i"};
  request.tools = {{.name = "f"}};
  std::string before;
  for (size_t size : {1, 3, 7, 8, 11, 13, 14}) {
    auto message = write({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)}, request);
    ASSERT_TRUE(message.ok()) << message.error().message;
    EXPECT_EQ(message->body, write({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)}, request)->body);
    // Without the brackets that close the last turn; a signature may still join the last text.
    const std::string open = before.substr(0, before.find_last_not_of("]}") + 1);
    EXPECT_TRUE(message->body.starts_with(open)) << open << "\n" << message->body;
    before = message->body;
  }
}

TEST(GeminiRequest, T37_an_answer_goes_on) {
  EXPECT_EQ(field("contents", write({user("a")}, {.model = "m"}, plain(), "m", "Once upon ")),
            list({user_turn("a"), turn("model", text_part("Once upon "))}));
  EXPECT_EQ(field("contents", write({user("a")}, {.model = "m"}, plain(), "m", "Once upon", "Go on.")),
            list({user_turn("a"), turn("model", text_part("Once upon")), user_turn("Go on.")}));
  GeminiVariant never = plain();
  never.prefill = false;
  EXPECT_FALSE(write({user("a")}, {.model = "m"}, never, "m", "Once upon").ok());
  EXPECT_TRUE(write({user("a")}, {.model = "m"}, never, "m", "Once upon", "Go on.").ok());
  EXPECT_EQ(write({user("a"), assistant("b")}, {.model = "m"}, never).error().param, "input[1]");
}

TEST(GeminiRequest, WhatHasNoPlaceIsRefusedOrNamed) {
  const auto param = [](Request request, bool lenient) {
    request.lenient = lenient;
    auto message = write({user("x")}, request);
    return message.ok() ? message->dropped : std::vector<std::string>{"! " + message.error().param};
  };
  using Fields = std::vector<std::string>;
  EXPECT_EQ(param({.model = "m", .top_logprobs = 1}, false), Fields{"! top_logprobs"});
  EXPECT_EQ(param({.model = "m", .top_logprobs = 1}, true), Fields{"top_logprobs"});
  EXPECT_EQ(param({.model = "m", .include = {"message.output_text.logprobs"}}, false), Fields{"! include"});
  EXPECT_EQ(param({.model = "m", .verbosity = "low"}, false), Fields{"! text.verbosity"});
  EXPECT_EQ(param({.model = "m", .verbosity = "low"}, true), Fields{"text.verbosity"});
  EXPECT_EQ(param({.model = "m", .verbosity = "medium"}, false), Fields{});
  Item compaction{.kind = ItemKind::kCompaction, .encrypted = "e"};
  EXPECT_TRUE(contents({user("a"), compaction}).starts_with("input[1]: "));
  Request chained{.model = "m", .input = {user("new")}, .previous_response_id = "resp_1"};
  EXPECT_TRUE(contents({user("a"), compaction, user("new")}, plain(), chained).starts_with("previous_response_id: "));
  chained.previous_response_id.clear();
  chained.conversation = "conv_1";
  EXPECT_TRUE(contents({user("a"), compaction, user("new")}, plain(), chained).starts_with("conversation: "));
}

}  // namespace
}  // namespace perdure
