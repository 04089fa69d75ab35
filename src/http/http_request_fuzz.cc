// A request must mean the same however its bytes are cut, and the same as to a parser that others wrote (Boost.Beast):
// two readings that differ are how requests are smuggled. Ours may refuse more than the judge, never take more.

// Beast 1.81 asserts that a last chunk which it has seen in part comes back at least two bytes longer.
#define BOOST_DISABLE_ASSERTS

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
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

namespace judge = boost::beast::http;

template <bool kIsRequest>
void expect_judge_agrees(const Reading& ours, std::string_view bytes) {
  while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  judge::parser<kIsRequest, judge::string_body> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  parser.eager(true);
  boost::beast::error_code error;
  parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  // Where it is stricter without any doubt about what was meant: signs in a target, the syntax of a chunk's extensions
  // and an answer's line without a reason.
  for (judge::error picky : {judge::error::bad_target, judge::error::bad_chunk_extension, judge::error::bad_status,
                             judge::error::bad_reason})
    if (error == picky) return;
  if (!parser.is_header_done() && !error) return;  // a status line that ends where a reason should begin
  expect(!error);
  expect(parser.is_done() || ours.head.until_close);
  const auto& message = parser.get();
  expect(message.body() == ours.body);
  expect(message.version() == (ours.head.http_1_0 ? 10u : 11u));
  if constexpr (kIsRequest)
    expect(message.method_string() == ours.head.method && message.target() == ours.head.target);
  else
    expect(message.result_int() == static_cast<unsigned>(ours.head.status));
  expect(parser.chunked() == ours.head.chunked);
  // A field that no standard knows.
  if (!ours.head.headers.has("proxy-connection") && message.count("proxy-connection") == 0)
    expect(parser.keep_alive() == ours.head.keep_alive);
  for (const auto& [name, value] : ours.head.headers.fields()) {
    auto [first, last] = message.equal_range(name);
    expect(std::any_of(first, last, [&value](const auto& field) { return field.value() == value; }));
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
    for (const auto& [name, value] : whole.head.headers.fields()) {
      expect(name.find_first_of(std::string_view("\r\n\0 :", 5)) == std::string::npos);
      expect(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    }
    if (whole.state == perdure::MessageParser::State::kDone) {
      kind == perdure::MessageParser::Kind::kRequest ? expect_judge_agrees<true>(whole, bytes)
                                                     : expect_judge_agrees<false>(whole, bytes);
    }
    std::string path;
    std::map<std::string, std::string> query;
    (void)perdure::parse_request_target(whole.head.target, path, query);
  }
  return 0;
}
