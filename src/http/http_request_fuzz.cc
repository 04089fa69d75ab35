// A message must mean the same however its bytes are cut: two readings that differ are how requests are smuggled. Beast
// reads them (http/message_parser.h); what is judged here is what was put around it.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "http/message_parser.h"
#include "http/request_target.h"

namespace {

struct Reading {
  perdure::MessageParser::State state;
  int refusal;
  size_t used = 0;
  std::string body;
  perdure::MessageHead head;
};

Reading parse(std::string_view bytes, size_t step, perdure::MessageParser::Kind kind) {
  perdure::MessageParser parser(kind, 64 << 10);
  Reading out;
  size_t shown = 0;
  while (parser.state() != perdure::MessageParser::State::kDone &&
         parser.state() != perdure::MessageParser::State::kFailed) {
    size_t n = parser.put(bytes.substr(out.used, shown - out.used), out.body);
    out.used += n;
    if (n > 0) continue;
    if (shown == bytes.size()) break;
    shown = std::min(bytes.size(), shown + step);
  }
  out.state = parser.state();
  out.refusal = parser.refusal();
  if (out.state == perdure::MessageParser::State::kBody || out.state == perdure::MessageParser::State::kDone)
    out.head = parser.head();
  return out;
}

void expect(bool same) {
  if (!same) std::abort();
}

// What must hold of any message that was taken, whoever reads it.
void expect_sound(const Reading& message, perdure::MessageParser::Kind kind) {
  size_t hosts = 0, lengths = 0, encodings = 0;
  for (const auto& [name, value] : message.head.headers.fields()) {
    expect(!name.empty() && name.find_first_of(std::string_view("\r\n\0\t :", 6)) == std::string::npos);
    expect(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    hosts += perdure::equal_ignoring_case(name, "host");
    lengths += perdure::equal_ignoring_case(name, "content-length");
    encodings += perdure::equal_ignoring_case(name, "transfer-encoding");
  }
  expect(lengths + encodings <= 1);
  expect(message.head.chunked == (encodings == 1));
  expect(message.head.content_length.has_value() == (lengths == 1));
  if (kind == perdure::MessageParser::Kind::kRequest) {
    expect(hosts == 1 || (hosts == 0 && message.head.http_1_0));
    expect(!message.head.until_close);
    if (message.state == perdure::MessageParser::State::kDone && !message.head.chunked)
      expect(message.body.size() == message.head.content_length.value_or(0));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  size_t step = 1 + data[0] % 32;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  for (auto kind : {perdure::MessageParser::Kind::kRequest, perdure::MessageParser::Kind::kAnswer}) {
    Reading whole = parse(bytes, bytes.size() + 1, kind), cut = parse(bytes, step, kind);
    expect(whole.state == cut.state);
    expect(whole.refusal == cut.refusal);
    expect(whole.body == cut.body);
    if (whole.state == perdure::MessageParser::State::kFailed) continue;
    expect(whole.used == cut.used);
    expect(whole.head.method == cut.head.method && whole.head.target == cut.head.target);
    expect(whole.head.headers == cut.head.headers);
    expect(whole.head.keep_alive == cut.head.keep_alive && whole.head.content_length == cut.head.content_length);
    if (whole.state != perdure::MessageParser::State::kHead) expect_sound(whole, kind);
    std::string path;
    std::map<std::string, std::string> query;
    (void)perdure::parse_request_target(whole.head.target, path, query);
  }
  return 0;
}
