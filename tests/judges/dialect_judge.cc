// The upstream dialects as a filter, for comparison with API descriptions and with other people's parsers: a JSON
// object a line in, the answer as a JSON object a line out. A request is the journal's canonical JSON; bytes are
// hexadecimal.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>

#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_client_request.h"
#include "dialect/messages_render.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_upstream.h"
#include "wire/sse.h"

namespace perdure {
namespace {

std::unique_ptr<UpstreamDialect> dialect_named(std::string_view name) {
  if (name == "chat") return chat_upstream({});
  if (name == "responses") return responses_upstream();
  if (name == "gemini") return gemini_upstream();
  if (name == "converse") return converse_upstream();
  if (name == "messages") return messages_upstream();
  return nullptr;
}

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return out;
}

void write_error(json::Writer& out, const Error& error) {
  out.field("error", error.message).field("code", to_string(error.code)).field("param", error.param);
  out.field("reason", error.reason);
}

void write(const UpstreamDialect& dialect, json::Value value, json::Writer& out) {
  const bool counting = value["count"].boolean().value_or(false);
  auto request = read_request(value["request"]);
  if (!request) return write_error(out, request.error());
  UpstreamAsk ask{.request = *request,
                  .context = request->input,
                  .model = std::string(value["model"].text()),
                  .issuer = std::string(value["issuer"].text())};
  ask.held = value["held"].text();
  ask.ask = value["ask"].text();
  ask.max_output_tokens = request->max_output_tokens;
  ask.stream = value["stream"].boolean().value_or(true);
  auto message = counting ? write_messages_count(ask, messages_variant_of(ask.model)) : dialect.write(ask);
  if (!message) return write_error(out, message.error());
  out.field("path", message->path).key("body").raw(message->body).key("dropped").begin_array();
  for (const std::string& field : message->dropped) out.string(field);
  out.end_array();
}

// What a client of the Messages API sent, as the journal keeps it.
void read_client(json::Value value, json::Writer& out) {
  auto parsed = parse_messages_request(value["body"], value["lenient"].boolean().value_or(false));
  if (!parsed) return write_error(out, parsed.error());
  write_request(out.key("request"), parsed->request);
  out.key("left_out").begin_array();
  for (const std::string& field : parsed->left_out) out.string(field);
  out.end_array();
}

std::vector<Delta> deltas_of(const Item& item, size_t piece) {
  Item begun{.kind = item.kind, .id = item.id, .role = item.role};
  begun.call_id = item.call_id;
  begun.name = item.name;
  std::vector<Delta> out = {Delta::item_begin(begun)};
  const auto add_text = [&](std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      size_t end = std::min(i + piece, text.size());
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
      out.push_back(Delta::append(std::string(text.substr(i, end - i))));
      i = end;
    }
  };
  add_text(item.arguments);
  for (const auto* parts : {&item.summary, &item.content}) {
    for (const Part& part : *parts) {
      out.push_back(Delta::part_begin(part.kind));
      add_text(part.text);
      auto annotations = json::Document::parse(part.annotations.empty() ? "[]" : part.annotations);
      for (json::Value one : annotations->root().elements()) out.push_back(Delta::annotation(std::string(one.raw())));
      out.push_back(Delta::part_end());
    }
  }
  if (!item.encrypted.empty()) out.push_back(Delta::opaque_block(item.opaque, item.encrypted, item.issuer));
  out.push_back(Delta::item_end(ItemStatus::kCompleted));
  return out;
}

// What a client of the Messages API is shown of an answer: streamed, and whole. `batch` deltas are one record.
void show(json::Value value, json::Writer& out) {
  const auto count = [](json::Value number) { return number.integer().value_or(0); };
  std::vector<decltype(Record::body)> bodies = {
      ResponseCreated{ResponseId("resp_1"), Request{.model = "m", .dialect = ClientDialect::kMessages}, KeyId()},
      AttemptStarted{}};
  std::vector<Delta> deltas;
  for (json::Value one : value["output"].elements()) {
    auto item = read_item(one);
    if (!item) return write_error(out, item.error());
    for (Delta& delta : deltas_of(*item, static_cast<size_t>(count(value["piece"]))))
      deltas.push_back(std::move(delta));
  }
  for (size_t i = 0, batch = static_cast<size_t>(count(value["batch"])); i < deltas.size(); i += batch) {
    const auto begin = deltas.begin() + static_cast<ptrdiff_t>(i);
    bodies.push_back(Deltas{{begin, begin + static_cast<ptrdiff_t>(std::min(batch, deltas.size() - i))}});
  }
  ResponseEnded ended{.finish = std::string(value["finish"].text())};
  ended.stop_sequence = value["stop_sequence"].text();
  ended.usage = {.input_tokens = count(value["input"]),
                 .cached_tokens = count(value["cached"]),
                 .output_tokens = count(value["output_tokens"]),
                 .reasoning_tokens = count(value["thought"]),
                 .known = true,
                 .cache_write_tokens = count(value["cache_write"])};
  bodies.push_back(AttemptEnded{.outcome = "completed"});
  bodies.push_back(ended);
  MessagesStream stream;
  std::string bytes;
  uint64_t seq = 0;
  for (auto& body : bodies) {
    std::vector<RenderedEvent> events;
    if (auto added = stream.add({.seq = ++seq, .body = std::move(body)}, events); !added)
      return write_error(out, added.error());
    for (const RenderedEvent& event : events) append_sse(bytes, event.type, event.data);
  }
  out.field("stream", bytes);
  write_messages_response(out.key("message"), stream.response());
}

void write_pieces(const std::vector<Piece>& pieces, json::Writer& out) {
  out.key("pieces").begin_array();
  for (const Piece& piece : pieces) {
    out.begin_object().field("kind", static_cast<int>(piece.kind)).field("text", piece.text);
    out.field("index", piece.index).field("call_id", piece.call_id).field("name", piece.name);
    out.field("opaque", static_cast<int>(piece.opaque)).field("finish", name_of(piece.finish));
    out.field("input_tokens", piece.usage.input_tokens).field("cached_tokens", piece.usage.cached_tokens);
    out.field("cache_write_tokens", piece.usage.cache_write_tokens);
    out.field("output_tokens", piece.usage.output_tokens).end_object();
  }
  out.end_array();
}

void stream(const UpstreamDialect& dialect, json::Value value, json::Writer& out) {
  auto parser = dialect.stream_parser();
  std::vector<Piece> pieces;
  Result<void> result;
  for (json::Value bytes : value["pieces"].elements()) {
    if (result = parser->feed(from_hex(bytes.text()), pieces); !result.ok()) break;
  }
  if (result.ok()) result = parser->end();
  write_pieces(pieces, out);
  if (!result) write_error(out, result.error());
}

void answer(json::Value value, json::Writer& out) {
  const std::string_view what = value["op"].text();
  if (what == "client") return read_client(value, out);
  if (what == "show") return show(value, out);
  const auto dialect = dialect_named(value["dialect"].text());
  if (!dialect) return void(out.field("error", "unknown dialect"));
  if (what == "write") return write(*dialect, value, out);
  if (what == "stream") return stream(*dialect, value, out);
  if (what == "whole") {
    auto pieces = dialect->parse_answer(std::string(value["body"].text()));
    pieces.ok() ? write_pieces(*pieces, out) : write_error(out, pieces.error());
    return;
  }
  out.field("error", "unknown op");
}

}  // namespace
}  // namespace perdure

int main() {
  using namespace perdure;
  for (std::string line; std::getline(std::cin, line);) {
    auto document = json::Document::parse(std::move(line));
    if (!document) {
      std::fprintf(stderr, "dialect_judge: %s\n", document.error().message.c_str());
      return 1;
    }
    json::Writer out;
    out.begin_object();
    answer(document->root(), out);
    std::cout << out.end_object().take() << '\n';
  }
  return 0;
}
