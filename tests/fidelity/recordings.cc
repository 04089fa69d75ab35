#include "recordings.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/random.h"
#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_upstream.h"
#include "generation/answer_builder.h"
#include "wire/aws_event_stream.h"
#include "wire/json.h"
#include "wire/sse.h"

namespace perdure::fidelity {
namespace {

json::Document parsed(std::string_view text) {
  auto document = json::Document::parse(std::string(text));
  CHECK(document.ok(), "a recording that is not JSON");
  return std::move(*document);
}

Recorded dialect_of(std::string_view name) {
  if (name.starts_with("amazon-bedrock/")) return Recorded::kConverse;
  if (name.starts_with("anthropic/")) return Recorded::kMessages;
  if (name.starts_with("cohere/")) return Recorded::kCohere;
  if (name.starts_with("google/interactions/")) return Recorded::kInteractions;
  if (name.starts_with("google/")) return Recorded::kGemini;
  if (name.starts_with("azure/azure-deepseek")) return Recorded::kChat;
  for (std::string_view folder : {"azure/", "openai/responses/", "xai/responses/", "open-responses/"})
    if (name.starts_with(folder)) return Recorded::kResponses;
  return Recorded::kChat;
}

// Whether this event begins an answer.
bool begins(Recorded dialect, std::string_view event) {
  if (dialect == Recorded::kMessages) return event.starts_with(R"({"type":"message_start")");
  return dialect == Recorded::kResponses && parsed(event).root()["type"].text() == "response.created";
}

std::string framed(Recorded dialect, std::string_view event) {
  std::string out;
  if (dialect == Recorded::kConverse) {
    const auto document = parsed(event);
    const auto member = document.root().members().at(0);
    const AwsHeader headers[] = {{.name = ":event-type", .bytes = member.key},
                                 {.name = ":content-type", .bytes = "application/json"},
                                 {.name = ":message-type", .bytes = "event"}};
    CHECK(append_aws_message(out, headers, member.value.raw()).ok(), "a frame");
    return out;
  }
  const bool named = dialect == Recorded::kResponses || dialect == Recorded::kMessages || dialect == Recorded::kCohere;
  const auto document = parsed(event);
  append_sse(out, named ? document.root()["type"].text() : std::string_view(), event);
  return out;
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void add_streams(const std::string& content, Recording one, std::vector<Recording>& out) {
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (!json::Document::parse(line).ok()) line += "}";  // one line was recorded without its end
    if (!one.events.empty() && begins(one.dialect, line)) {
      out.push_back(one);
      one.events.clear();
    }
    one.events.push_back(std::move(line));
  }
  out.push_back(std::move(one));
}

class ChatStream {
 public:
  // What of the message comes at once, and its text in two halves.
  static std::vector<std::string> of(json::Value root) {
    std::vector<std::string> out;
    const json::Value choice = root["choices"].at(0), message = choice["message"];
    const std::string_view text = message["content"].text();
    if (message.missing()) return {std::string(root.raw())};
    const auto chunk = [&](const std::string& delta, bool last) {
      json::Writer json;
      json.begin_object();
      for (const auto& [key, value] : root.members())
        if (key != "choices" && (last || key != "usage")) json.key(key).raw(value.raw());
      json.key("choices").begin_array().begin_object();
      for (const auto& [key, value] : choice.members())
        if (key != "message" && (last || key != "finish_reason")) json.key(key).raw(value.raw());
      json.key("delta").raw(delta);
      out.push_back(json.end_object().end_array().end_object().take());
    };
    json::Writer before, behind;
    before.begin_object();
    behind.begin_object();
    for (const auto& [key, value] : message.members()) {
      const bool late = key == "tool_calls" || key == "annotations";
      if (key != "content" || !value.is_string()) (late ? behind : before).key(key).raw(value.raw());
    }
    chunk(before.end_object().take(), false);
    for (size_t at = 0; at < text.size(); at += 7) {
      json::Writer delta;
      size_t end = std::min(at + 7, text.size());
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
      size_t begin = at;
      while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
      if (begin < end)
        chunk(delta.begin_object().field("content", text.substr(begin, end - begin)).end_object().take(), false);
    }
    chunk(behind.end_object().take(), false);
    chunk("{}", true);
    return out;
  }
};

std::string with_type(std::string_view type, std::initializer_list<std::pair<std::string_view, std::string>> fields) {
  json::Writer json;
  json.begin_object().field("type", type);
  for (const auto& [key, value] : fields) json.key(key).raw(value);
  return json.end_object().take();
}

// Without the white space between tokens that a recording was laid out with.
std::string compact(json::Value value) {
  json::Writer out;
  if (value.is_object()) {
    out.begin_object();
    for (const auto& [key, member] : value.members()) out.key(key).raw(compact(member));
    return out.end_object().take();
  }
  if (!value.is_array()) return std::string(value.raw());
  out.begin_array();
  for (const json::Value element : value.elements()) out.raw(compact(element));
  return out.end_array().take();
}

std::string json_text(std::string_view text) { return json::Writer().string(text).take(); }

// An object again, with other values for some of its members.
std::string changed(json::Value object, std::initializer_list<std::pair<std::string_view, std::string_view>> others) {
  json::Writer json;
  json.begin_object();
  for (const auto& [key, value] : object.members()) {
    const auto* other = std::ranges::find(others, key, [](const auto& pair) { return pair.first; });
    json.key(key).raw(other == others.end() ? value.raw() : other->second);
  }
  return json.end_object().take();
}

std::vector<std::string> messages_stream(json::Value root) {
  std::vector<std::string> out = {
      with_type("message_start", {{"message", changed(root, {{"content", "[]"}, {"stop_reason", "null"}})}})};
  const auto blocks = root["content"].elements();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string index = std::to_string(i);
    const json::Value block = blocks[i];
    const auto delta = [&](std::string_view type, std::string_view field, std::string_view text) {
      out.push_back(
          with_type("content_block_delta", {{"index", index}, {"delta", with_type(type, {{field, json_text(text)}})}}));
    };
    const std::string_view type = block["type"].text();
    out.push_back(with_type("content_block_start",
                            {{"index", index},
                             {"content_block", changed(block, {{"text", "\"\""},
                                                               {"thinking", "\"\""},
                                                               {"signature", "\"\""},
                                                               {type == "tool_use" ? "input" : "-", "{}"}})}}));
    if (type == "text") delta("text_delta", "text", block["text"].text());
    if (type == "thinking") delta("thinking_delta", "thinking", block["thinking"].text());
    if (type == "thinking") delta("signature_delta", "signature", block["signature"].text());
    if (type == "tool_use") delta("input_json_delta", "partial_json", compact(block["input"]));
    out.push_back(with_type("content_block_stop", {{"index", index}}));
  }
  out.push_back(with_type(
      "message_delta",
      {{"delta", json::Writer().begin_object().field("stop_reason", root["stop_reason"].text()).end_object().take()},
       {"usage", std::string(root["usage"].raw())}}));
  out.push_back(with_type("message_stop", {}));
  return out;
}

std::string wrapped(std::string_view name, const std::string& value) {
  return json::Writer().begin_object().key(name).raw(value).end_object().take();
}

std::vector<std::string> converse_stream(json::Value root) {
  std::vector<std::string> out = {wrapped("messageStart", R"({"role":"assistant"})")};
  const auto blocks = root["output"]["message"]["content"].elements();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const json::Value text = blocks[i]["text"], use = blocks[i]["toolUse"],
                      thought = blocks[i]["reasoningContent"]["reasoningText"];
    const auto delta = [&](const std::string& inner) {
      json::Writer json;
      json.begin_object().field("contentBlockIndex", static_cast<int64_t>(i)).key("delta").raw(inner).end_object();
      out.push_back(wrapped("contentBlockDelta", json.take()));
    };
    if (text.is_string()) delta(wrapped("text", std::string(text.raw())));
    if (thought.is_object()) {
      delta(wrapped("reasoningContent", wrapped("text", std::string(thought["text"].raw()))));
      delta(wrapped("reasoningContent", wrapped("signature", std::string(thought["signature"].raw()))));
    }
    if (use.is_object()) {
      json::Writer json;
      json.begin_object().field("contentBlockIndex", static_cast<int64_t>(i)).key("start");
      json.raw(wrapped("toolUse", json::Writer()
                                      .begin_object()
                                      .key("toolUseId")
                                      .raw(use["toolUseId"].raw())
                                      .key("name")
                                      .raw(use["name"].raw())
                                      .end_object()
                                      .take()));
      out.push_back(wrapped("contentBlockStart", json.end_object().take()));
      delta(wrapped("toolUse", wrapped("input", json_text(compact(use["input"])))));
    }
    out.push_back(wrapped("contentBlockStop", wrapped("contentBlockIndex", std::to_string(i))));
  }
  out.push_back(wrapped("messageStop", wrapped("stopReason", std::string(root["stopReason"].raw()))));
  out.push_back(wrapped("metadata", wrapped("usage", std::string(root["usage"].raw()))));
  return out;
}

std::vector<std::string> gemini_stream(json::Value root) {
  std::vector<std::string> out;
  const json::Value candidate = root["candidates"].at(0);
  const auto parts = candidate["content"]["parts"].elements();
  for (size_t i = 0; i < parts.size(); ++i) {
    json::Writer content;
    content.begin_object()
        .key("parts")
        .begin_array()
        .raw(parts[i].raw())
        .end_array()
        .field("role", "model")
        .end_object();
    json::Writer json;
    json.begin_object().key("candidates").begin_array().begin_object().key("content").raw(content.text());
    if (i + 1 == parts.size()) json.key("finishReason").raw(candidate["finishReason"].raw());
    json.end_object().end_array();
    for (const auto& [key, value] : root.members())
      if (key != "candidates") json.key(key).raw(value.raw());
    out.push_back(json.end_object().take());
  }
  return out;
}

std::vector<std::string> responses_stream(json::Value root) {
  std::vector<std::string> out = {
      with_type("response.created", {{"response", changed(root, {{"output", "[]"}, {"status", "\"in_progress\""}})}})};
  const auto items = root["output"].elements();
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string index = std::to_string(i);
    out.push_back(with_type(
        "response.output_item.added",
        {{"output_index", index},
         {"item",
          changed(items[i],
                  {{"content", "[]"}, {"summary", "[]"}, {"arguments", "\"\""}, {"encrypted_content", "null"}})}}));
    const auto parts = items[i]["content"].elements();
    for (size_t p = 0; p < parts.size(); ++p) {
      const bool refusal = parts[p]["type"].text() == "refusal",
                 reasoning = parts[p]["type"].text() == "reasoning_text";
      const std::string stem = refusal     ? "response.refusal"
                               : reasoning ? "response.reasoning_text"
                                           : "response.output_text";
      out.push_back(with_type(stem + ".delta", {{"output_index", index},
                                                {"item_id", std::string(items[i]["id"].raw())},
                                                {"content_index", std::to_string(p)},
                                                {"delta", std::string(parts[p][refusal ? "refusal" : "text"].raw())}}));
    }
    if (items[i]["type"].text() == "function_call")
      out.push_back(
          with_type("response.function_call_arguments.delta", {{"output_index", index},
                                                               {"item_id", std::string(items[i]["id"].raw())},
                                                               {"delta", std::string(items[i]["arguments"].raw())}}));
    out.push_back(
        with_type("response.output_item.done", {{"output_index", index}, {"item", std::string(items[i].raw())}}));
  }
  out.push_back(with_type(root["status"].text() == "incomplete" ? "response.incomplete" : "response.completed",
                          {{"response", std::string(root.raw())}}));
  return out;
}

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');  // between tokens; within strings there are none
  return text;
}

}  // namespace

std::string_view name_of(Recorded dialect) {
  constexpr std::string_view kNames[] = {"chat",   "responses",    "messages", "converse",
                                         "gemini", "interactions", "cohere"};
  return kNames[static_cast<size_t>(dialect)];
}

std::string Recording::bytes() const {
  if (!streamed || raw) return events.at(0);
  std::string out;
  for (const std::string& event : events) out += framed(dialect, event);
  if (dialect == Recorded::kChat || dialect == Recorded::kResponses) out += "data: [DONE]\n\n";
  return out;
}

std::filesystem::path recordings_folder() {
  const char* given = std::getenv("PERDURE_SHARED_DATA");
  return std::filesystem::path(given ? given : "../shared/data") / "upstream-recordings";
}

std::vector<Recording> load_recordings() {
  std::vector<Recording> out;
  if (!std::filesystem::is_directory(recordings_folder())) return out;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(recordings_folder()))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    Recording one{.name = std::filesystem::relative(path, recordings_folder()).string()};
    one.dialect = dialect_of(one.name);
    one.streamed = !one.name.ends_with(".json");
    one.raw = one.name.ends_with(".sse");
    if (one.streamed && !one.raw) {
      add_streams(content_of(path), std::move(one), out);
    } else {
      one.events = {content_of(path)};
      out.push_back(std::move(one));
    }
  }
  return out;
}

std::unique_ptr<UpstreamDialect> upstream_of(Recorded dialect) {
  switch (dialect) {
    case Recorded::kChat:
      return chat_upstream({});
    case Recorded::kResponses:
      return responses_upstream();
    case Recorded::kMessages:
      return messages_upstream();
    case Recorded::kConverse:
      return converse_upstream();
    case Recorded::kGemini:
      return gemini_upstream();
    case Recorded::kInteractions:
    case Recorded::kCohere:
      break;
  }
  return nullptr;
}

Heard hear_cut(const UpstreamDialect& dialect, std::string_view bytes, const std::vector<size_t>& cuts) {
  Heard out;
  const auto parser = dialect.stream_parser();
  Result<void> said;
  size_t from = 0;
  for (size_t i = 0; i <= cuts.size() && said.ok(); ++i) {
    const size_t to = i < cuts.size() ? cuts[i] : bytes.size();
    said = parser->feed(std::string(bytes.substr(from, to - from)), out.pieces);
    from = to;
  }
  if (said.ok()) said = parser->end();
  if (!said.ok()) out.error = said.error().message, out.code = said.error().code;
  return out;
}

Heard hear_stream(const UpstreamDialect& dialect, std::string_view bytes) { return hear_cut(dialect, bytes, {}); }

Heard hear(const UpstreamDialect& dialect, const Recording& recording) {
  if (recording.streamed) return hear_stream(dialect, recording.bytes());
  auto pieces = dialect.parse_answer(recording.bytes());
  Heard out;
  if (pieces.ok())
    out.pieces = std::move(*pieces);
  else
    out.error = pieces.error().message, out.code = pieces.error().code;
  return out;
}

std::string told_by(const Heard& heard) {
  SeededRandom random(1);
  const Request request{.model = "m"};
  AnswerBuilder builder(request, {}, 0, random);
  builder.begin_attempt(false);
  if (!heard.error.empty()) return "error: " + heard.error;
  auto added = builder.add(heard.pieces);
  if (added.ok()) added = builder.complete();
  if (!added.ok()) return "no answer: " + added.error().message;
  json::Writer json;
  json.begin_array();
  for (Item item : builder.answer().items()) {
    item.id.clear();
    if (item.opaque == OpaqueKind::kEncrypted) item.encrypted = "...";  // sealed anew each time that it is written
    write_item(json, item);
  }
  json.end_array();
  const Usage usage = builder.usage();
  return json.take() + " " + std::string(name_of(builder.finish())) + " " + std::to_string(usage.input_tokens) + "/" +
         std::to_string(usage.cached_tokens) + "/" + std::to_string(usage.cache_write_tokens) + "/" +
         std::to_string(usage.output_tokens) + "/" + std::to_string(usage.reasoning_tokens);
}

Recording as_stream(const Recording& whole) {
  Recording out{.name = whole.name, .dialect = whole.dialect, .streamed = true};
  const auto document = parsed(whole.events.at(0));
  const json::Value root = document.root();
  switch (whole.dialect) {
    case Recorded::kChat:
      out.events = ChatStream::of(root);
      break;
    case Recorded::kResponses:
      out.events = responses_stream(root);
      break;
    case Recorded::kMessages:
      out.events = messages_stream(root);
      break;
    case Recorded::kConverse:
      out.events = converse_stream(root);
      break;
    case Recorded::kGemini:
      out.events = gemini_stream(root);
      break;
    case Recorded::kInteractions:
    case Recorded::kCohere:
      break;
  }
  for (std::string& event : out.events) event = one_line(std::move(event));
  return out;
}

}  // namespace perdure::fidelity
