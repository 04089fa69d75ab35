#include "dialect/chat_render.h"

#include <algorithm>

#include "dialect/ended_error.h"
#include "dialect/responses_render.h"
#include "model/piece.h"
#include "wire/json.h"

namespace perdure {
namespace {

constexpr std::string_view kOurs = "resp_", kTheirs = "chatcmpl-";
constexpr std::string_view kGap = "\n\n";

// Raw JSON as one line: in JSON a line break is never part of a string, so a space says the same.
std::string one_line(std::string_view raw) {
  std::string out(raw);
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

// An annotation of the Responses API in the form of chat, which has one kind; others are passed on as they are.
std::string chat_annotation(std::string_view raw) {
  auto document = json::Document::parse(std::string(raw));
  if (!document.ok() || document->root()["type"].text() != "url_citation") return one_line(raw);
  json::Writer out;
  out.begin_object().field("type", "url_citation").key("url_citation").begin_object();
  for (const auto& [key, value] : document->root().members()) {
    if (key != "type") out.key(key).raw(one_line(value.raw()));
  }
  return out.end_object().end_object().take();
}

void write_usage(json::Writer& out, const Response& response) {
  if (!response.ended || !response.ended->usage.known) return void(out.null());
  const Usage& usage = response.ended->usage;
  out.begin_object().field("prompt_tokens", usage.input_tokens).field("completion_tokens", usage.output_tokens);
  out.field("total_tokens", usage.input_tokens + usage.output_tokens);
  out.key("prompt_tokens_details").begin_object().field("cached_tokens", usage.cached_tokens);
  if (usage.cache_write_tokens > 0) out.field("cache_write_tokens", usage.cache_write_tokens);
  out.end_object();
  out.key("completion_tokens_details").begin_object().field("reasoning_tokens", usage.reasoning_tokens).end_object();
  out.end_object();
}

void add_with_gap(std::string& out, std::string_view text) {
  if (text.empty()) return;
  if (!out.empty()) out += kGap;
  out += text;
}

struct Message {
  std::string text, refusal, reasoning;
  std::vector<std::string> annotations;
  std::vector<const Item*> calls;
};

Message message_of(const std::vector<Item>& items) {
  Message out;
  for (const Item& item : items) {
    std::string text, refusal;
    switch (item.kind) {
      case ItemKind::kMessage:
        for (const Part& part : item.content) {
          (part.kind == PartKind::kRefusal ? refusal : text) += part.text;
          if (part.annotations.empty()) continue;
          auto list = json::Document::parse(part.annotations);
          if (!list.ok()) continue;
          for (json::Value one : list->root().elements()) out.annotations.push_back(chat_annotation(one.raw()));
        }
        add_with_gap(out.text, text);
        add_with_gap(out.refusal, refusal);
        break;
      case ItemKind::kReasoning:
        for (const auto* parts : {&item.summary, &item.content})
          for (const Part& part : *parts) add_with_gap(out.reasoning, part.text);
        break;
      case ItemKind::kFunctionCall:
        out.calls.push_back(&item);
        break;
      default:
        break;
    }
  }
  return out;
}

void write_call(json::Writer& out, const Item& call) {
  out.begin_object().field("id", call.call_id).field("type", "function").key("function").begin_object();
  out.field("name", call.name).field("arguments", call.arguments).end_object().end_object();
}

void write_message(json::Writer& out, const Message& message) {
  out.begin_object().field("role", "assistant").key("content");
  const bool silent = message.text.empty() && (!message.calls.empty() || !message.refusal.empty());
  silent ? void(out.null()) : void(out.string(message.text));
  out.key("refusal");
  message.refusal.empty() ? void(out.null()) : void(out.string(message.refusal));
  if (!message.reasoning.empty()) out.field("reasoning_content", message.reasoning);
  out.key("annotations").begin_array();
  for (const std::string& annotation : message.annotations) out.raw(annotation);
  out.end_array();
  if (!message.calls.empty()) {
    out.key("tool_calls").begin_array();
    for (const Item* call : message.calls) write_call(out, *call);
    out.end_array();
  }
  out.end_object();
}

// The content of a message that a client sent.
void write_content(json::Writer& out, const std::vector<Part>& parts) {
  const bool plain =
      parts.size() == 1 && (parts[0].kind == PartKind::kInputText || parts[0].kind == PartKind::kOutputText);
  if (plain) return void(out.string(parts[0].text));
  out.begin_array();
  for (const Part& part : parts) {
    out.begin_object();
    switch (part.kind) {
      case PartKind::kInputImage:
        out.field("type", "image_url").key("image_url").begin_object().field("url", part.url);
        out.field("detail", part.detail.empty() ? std::string_view("auto") : std::string_view(part.detail))
            .end_object();
        break;
      case PartKind::kInputFile:
        out.field("type", "file").key("file").begin_object();
        if (!part.filename.empty()) out.field("filename", part.filename);
        out.field("file_data", part.file_data).end_object();
        break;
      case PartKind::kRefusal:
        out.field("type", "refusal").field("refusal", part.text);
        break;
      default:
        out.field("type", "text").field("text", part.text);
        break;
    }
    out.end_object();
  }
  out.end_array();
}

}  // namespace

std::string chat_id_of(const ResponseId& id) {
  if (!id.value.starts_with(kOurs)) return id.value;
  return std::string(kTheirs) + id.value.substr(kOurs.size());
}

ResponseId response_id_of_chat(std::string_view id) {
  if (!id.starts_with(kTheirs)) return ResponseId(std::string(id));
  return ResponseId(std::string(kOurs) + std::string(id.substr(kTheirs.size())));
}

std::optional<std::string_view> chat_finish_reason(const Response& response) {
  if (!response.ended || ended_error(response)) return std::nullopt;
  if (response.status == ResponseStatus::kIncomplete)
    return response.ended->incomplete_reason == "content_filter" ? "content_filter" : "length";
  bool calls = false, refused = false;
  for (const Item& item : response.output()) {
    calls = calls || item.kind == ItemKind::kFunctionCall;
    for (const Part& part : item.content) refused = refused || part.kind == PartKind::kRefusal;
  }
  if (calls) return "tool_calls";
  // A refusal that is not marked as one in the message is told by the finish.
  if (response.ended->finish == name_of(Finish::kRefusal) && !refused) return "content_filter";
  return "stop";
}

void write_chat_completion(json::Writer& out, const Response& response) {
  out.begin_object().field("id", chat_id_of(response.id)).field("object", "chat.completion");
  out.field("created", unix_seconds(response.created)).field("model", response.request->model);
  out.key("choices").begin_array().begin_object().field("index", 0).key("message");
  write_message(out, message_of(response.output()));
  out.key("logprobs").null().key("finish_reason");
  const auto finish = chat_finish_reason(response);
  finish ? out.string(*finish) : out.null();
  out.end_object().end_array().key("usage");
  write_usage(out, response);
  if (response.request->store) {
    out.key("metadata").begin_object();
    for (const auto& [name, value] : response.request->metadata) out.field(name, value);
    out.end_object();
  }
  if (!finish) {
    out.field("x_status", name_of(response.status));
    if (auto error = ended_error(response)) {
      out.key("x_error").begin_object().field("code", error->reason).field("message", error->message).end_object();
    }
  }
  out.end_object();
}

std::vector<std::string> chat_messages_of(const Response& response) {
  std::vector<std::string> out;
  const std::string id = chat_id_of(response.id);
  const std::vector<Item>& items = response.request->input;
  const auto begin = [&](json::Writer& one, std::string_view role) {
    one.begin_object().field("id", id + "-" + std::to_string(out.size())).field("role", role);
  };
  for (size_t i = 0; i < items.size();) {
    const Item& item = items[i];
    json::Writer one;
    if (item.kind == ItemKind::kFunctionCallOutput) {
      begin(one, "tool");
      one.field("tool_call_id", item.call_id).key("content");
      item.output_is_text ? void(one.string(item.output)) : write_content(one, item.content);
      ++i;
    } else if (item.kind == ItemKind::kMessage && item.role != Role::kAssistant) {
      begin(one, name_of(item.role));
      if (!item.name.empty()) one.field("name", item.name);
      write_content(one.key("content"), item.content);
      ++i;
    } else {
      // An assistant's message: its reasoning, its text, its calls.
      begin(one, "assistant");
      std::string reasoning;
      for (; i < items.size() && items[i].kind == ItemKind::kReasoning; ++i)
        for (const Part& part : items[i].content) add_with_gap(reasoning, part.text);
      one.key("content");
      const bool said = i < items.size() && items[i].kind == ItemKind::kMessage && items[i].role == Role::kAssistant;
      said ? write_content(one, items[i].content) : void(one.null());
      if (said && !items[i].name.empty()) one.field("name", items[i].name);
      if (said) ++i;
      if (!reasoning.empty()) one.field("reasoning_content", reasoning);
      if (i < items.size() && items[i].kind == ItemKind::kFunctionCall) {
        one.key("tool_calls").begin_array();
        for (; i < items.size() && items[i].kind == ItemKind::kFunctionCall; ++i) write_call(one, items[i]);
        one.end_array();
      }
      if (i < items.size() && items[i].kind == ItemKind::kCompaction) ++i;  // no chat client gave one
    }
    out.push_back(one.end_object().take());
  }
  return out;
}

std::string_view ChatStream::trailer() const {
  return ended_error(response_) ? std::string_view() : std::string_view("data: [DONE]\n\n");
}

void ChatStream::push(std::string data, std::vector<RenderedEvent>& out) {
  out.push_back({.sequence_number = next_++, .type = {}, .data = std::move(data)});
}

void ChatStream::frame(std::string_view delta, std::optional<std::string_view> finish,
                       std::vector<RenderedEvent>& out) {
  json::Writer one;
  one.begin_object().field("id", chat_id_of(response_.id)).field("object", "chat.completion.chunk");
  one.field("created", unix_seconds(response_.created)).field("model", response_.request->model);
  one.key("choices").begin_array().begin_object().field("index", 0).key("delta").raw(delta);
  one.key("logprobs").null().key("finish_reason");
  finish ? one.string(*finish) : one.null();
  one.end_object().end_array();
  if (response_.request->include_usage) one.key("usage").null();
  push(one.end_object().take(), out);
}

void ChatStream::text(const std::string& text, std::vector<RenderedEvent>& out) {
  if (text.empty()) return;
  if (item_ == ItemKind::kFunctionCall) {
    json::Writer delta;
    delta.begin_object().key("tool_calls").begin_array().begin_object().field("index", calls_ - 1);
    delta.key("function").begin_object().field("arguments", text).end_object().end_object().end_array().end_object();
    return frame(delta.text(), {}, out);
  }
  const bool refusal = part_ == PartKind::kRefusal, reasoning = item_ == ItemKind::kReasoning;
  Line& line = reasoning ? reasoning_ : refusal ? refusal_ : text_;
  json::Writer delta;
  delta.begin_object();
  delta.field(reasoning ? "reasoning_content"
              : refusal ? "refusal"
                        : "content",
              line.gap && line.shown ? std::string(kGap) + text : text);
  line = {.shown = true, .gap = false};
  frame(delta.end_object().text(), {}, out);
}

void ChatStream::delta(const Delta& delta, std::vector<RenderedEvent>& out) {
  if (!begun_) {
    // The role comes first, and with it an empty text if text is what comes: a client that adds up the frames then has
    // null where nothing was said.
    const bool text = delta.kind == Delta::Kind::kItemBegin && delta.item.kind == ItemKind::kMessage;
    begun_ = true;
    frame(text ? R"({"role":"assistant","content":"","refusal":null})"
               : R"({"role":"assistant","content":null,"refusal":null})",
          {}, out);
  }
  switch (delta.kind) {
    case Delta::Kind::kItemBegin:
      item_ = delta.item.kind;
      if (item_ == ItemKind::kMessage) text_.gap = refusal_.gap = true;
      if (item_ == ItemKind::kFunctionCall) {
        json::Writer fields;
        fields.begin_object().key("tool_calls").begin_array().begin_object().field("index", calls_++);
        fields.field("id", delta.item.call_id).field("type", "function").key("function").begin_object();
        fields.field("name", delta.item.name).field("arguments", "").end_object().end_object().end_array().end_object();
        frame(fields.text(), {}, out);
      }
      break;
    case Delta::Kind::kPartBegin:
      part_ = delta.part;
      if (item_ == ItemKind::kReasoning) reasoning_.gap = true;
      break;
    case Delta::Kind::kText:
      text(delta.text, out);
      break;
    case Delta::Kind::kAnnotation:
      frame("{\"annotations\":[" + chat_annotation(delta.text) + "]}", {}, out);
      break;
    case Delta::Kind::kPartEnd:
    case Delta::Kind::kItemEnd:
    case Delta::Kind::kOpaque:
      break;
  }
}

void ChatStream::end(std::vector<RenderedEvent>& out) {
  if (auto error = ended_error(response_)) return push(render_openai_error(*error), out);
  if (!begun_) {
    begun_ = true;
    frame(R"({"role":"assistant","content":"","refusal":null})", {}, out);
  }
  frame("{}", chat_finish_reason(response_), out);
  if (!response_.request->include_usage) return;
  json::Writer one;
  one.begin_object().field("id", chat_id_of(response_.id)).field("object", "chat.completion.chunk");
  one.field("created", unix_seconds(response_.created)).field("model", response_.request->model);
  one.key("choices").begin_array().end_array().key("usage");
  write_usage(one, response_);
  push(one.end_object().take(), out);
}

Result<void> ChatStream::add(const Record& record, std::vector<RenderedEvent>& out) {
  TRY_VOID(apply(response_, record));
  if (const auto* deltas = std::get_if<Deltas>(&record.body)) {
    for (const Delta& one : deltas->deltas) delta(one, out);
  }
  if (record.kind() == RecordKind::kResponseEnded) end(out);
  return {};
}

}  // namespace perdure
