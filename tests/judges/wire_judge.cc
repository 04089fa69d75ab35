// The wire codecs as a filter, for comparison with other people's implementations (test_aws_wire.py): a JSON object a
// line in, the answer as a JSON object a line out. Bytes are hexadecimal.

#include <cstdio>
#include <iostream>
#include <string>

#include "wire/aws_event_stream.h"
#include "wire/json.h"
#include "wire/sigv4.h"

namespace perdure {
namespace {

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return out;
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});
  }
  return out;
}

void write_error(json::Writer& out, const Error& error) {
  out.field("error", error.message).field("reason", error.reason);
}

// --- signatures ---

struct Call {
  std::string method, target, body;
  HeaderFields headers;
  AwsKeys keys;
  SigV4Scope scope;
  WallTime now;
  SigV4Request request() const { return {method, target, headers, body}; }
};

Call call_of(json::Value value) {
  Call out;
  out.method = value["method"].text();
  out.target = value["target"].text();
  out.body = from_hex(value["body"].text());
  for (json::Value field : value["headers"].elements())
    out.headers.emplace_back(field.at(0).text(), field.at(1).text());
  out.keys = {std::string(value["id"].text()), std::string(value["secret"].text()), std::string(value["token"].text())};
  out.scope = {std::string(value["region"].text()), std::string(value["service"].text())};
  out.now = WallTime(std::chrono::milliseconds(value["now_ms"].integer().value_or(0)));
  return out;
}

void sign(json::Value value, json::Writer& out) {
  const Call call = call_of(value);
  auto added = sign_v4(call.request(), call.keys, call.scope, call.now);
  if (!added) return write_error(out, added.error());
  out.key("headers").begin_object();
  for (const auto& [name, text] : *added) out.field(name, text);
  out.end_object();
}

void verify(json::Value value, json::Writer& out) {
  const Call call = call_of(value);
  auto verified = verify_v4(call.request(), call.keys, call.scope, call.now);
  verified ? void(out.field("ok", true)) : write_error(out, verified.error());
}

// --- event stream ---

void encode(json::Value value, json::Writer& out) {
  std::vector<std::string> kept;
  std::vector<AwsHeader> headers;
  const auto listed = value["headers"].elements();
  kept.reserve(listed.size());
  for (json::Value one : listed) {
    kept.push_back(from_hex(one["bytes"].text()));
    headers.push_back({.name = one["name"].text(),
                       .type = static_cast<AwsHeader::Type>(one["type"].integer().value_or(255)),
                       .bytes = kept.back(),
                       .integer = one["integer"].integer().value_or(0)});
  }
  std::string bytes;
  auto done = append_aws_message(bytes, headers, from_hex(value["payload"].text()));
  done ? void(out.field("bytes", to_hex(bytes))) : write_error(out, done.error());
}

void decode(json::Value value, json::Writer& out) {
  AwsEventStreamParser parser;
  Result<void> fed;
  out.key("messages").begin_array();
  for (json::Value piece : value["pieces"].elements()) {
    fed = parser.feed(from_hex(piece.text()), [&](const AwsMessage& message) -> Result<void> {
      out.begin_object().key("headers").begin_array();
      for (const AwsHeader& header : message.headers) {
        out.begin_object().field("name", header.name).field("type", static_cast<int>(header.type));
        out.field("bytes", to_hex(header.bytes)).field("integer", header.integer).end_object();
      }
      out.end_array().field("payload", to_hex(message.payload)).end_object();
      return {};
    });
    if (!fed) break;
  }
  out.end_array().field("at_rest", parser.at_rest());
  if (!fed) write_error(out, fed.error());
}

void answer(json::Value value, json::Writer& out) {
  const std::string_view what = value["op"].text();
  if (what == "sign") return sign(value, out);
  if (what == "verify") return verify(value, out);
  if (what == "encode") return encode(value, out);
  if (what == "decode") return decode(value, out);
  if (what == "uri_encode") return void(out.field("text", uri_encode(value["text"].text())));
  out.field("error", "unknown op");
}

}  // namespace
}  // namespace perdure

int main() {
  using namespace perdure;
  for (std::string line; std::getline(std::cin, line);) {
    auto document = json::Document::parse(std::move(line));
    if (!document) {
      std::fprintf(stderr, "wire_judge: %s\n", document.error().message.c_str());
      return 1;
    }
    json::Writer out;
    out.begin_object();
    answer(document->root(), out);
    std::cout << out.end_object().take() << '\n';
  }
  return 0;
}
