// The upstream dialects as a filter, for comparison with API descriptions and with other people's parsers: a JSON
// object a line in, the answer as a JSON object a line out. A request is the journal's canonical JSON; bytes are
// hexadecimal.

#include <cstdio>
#include <iostream>
#include <string>

#include "dialect/converse_upstream.h"

namespace perdure {
namespace {

std::unique_ptr<UpstreamDialect> dialect_named(std::string_view name) {
  if (name == "converse") return converse_upstream();
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
  auto message = dialect.write(ask);
  if (!message) return write_error(out, message.error());
  out.field("path", message->path).key("body").raw(message->body).key("dropped").begin_array();
  for (const std::string& field : message->dropped) out.string(field);
  out.end_array();
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
  const auto dialect = dialect_named(value["dialect"].text());
  const std::string_view what = value["op"].text();
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
