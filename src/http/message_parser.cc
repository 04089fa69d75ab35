// Boost.Beast 1.81 asserts that a last chunk which it has seen in part comes back at least two bytes longer. A peer
// that sends "0 CR LF" and then single bytes breaks that assertion, and nothing else: the code behind it copes.
#define BOOST_DISABLE_ASSERTS

#include "http/message_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <variant>

#include "base/check.h"

namespace perdure {
namespace {

namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::beast::error_code;

// Collects what Beast recognizes. Trailer fields come through on_field_impl too, after the body has begun.
template <bool kIsRequest>
class Collector final : public beast_http::basic_parser<kIsRequest> {
 public:
  MessageHead head;
  std::string* body = nullptr;

  Collector() {
    this->body_limit(boost::none);
    this->eager(true);
  }

 private:
  using View = beast::string_view;
  void on_request_impl(beast_http::verb, View method, View target, int version, error_code&) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.http_1_0 = version == 10;
  }
  void on_response_impl(int status, View, int version, error_code&) override {
    head.status = status;
    head.http_1_0 = version == 10;
  }
  void on_field_impl(beast_http::field, View name, View value, error_code&) override {
    if (!in_body_) head.headers.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override { in_body_ = true; }
  std::size_t on_body_impl(View bytes, error_code&) override { return take(bytes); }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override { in_body_ = true; }
  std::size_t on_chunk_body_impl(std::uint64_t, View bytes, error_code&) override { return take(bytes); }
  void on_finish_impl(error_code&) override {}
  std::size_t take(View bytes) {
    body->append(bytes.data(), bytes.size());
    return bytes.size();
  }
  bool in_body_ = false;
};

bool is_http_version(std::string_view line) {
  size_t at = line.rfind(' ');
  std::string_view version = at == std::string_view::npos ? line : line.substr(at + 1);
  return version.size() >= 6 && version.starts_with("HTTP/") &&
         std::all_of(version.begin() + 5, version.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

}  // namespace

struct MessageParser::Impl {
  std::variant<Collector<true>, Collector<false>> collector;
  Kind kind;
  size_t header_bytes_max;
  State state = State::kHead;
  bool touched = false;
  size_t scanned = 0;     // of the head: complete lines seen
  size_t line_first = 0;  // where the line under examination begins
  bool have_start_line = false;
  size_t taken_before_head = 0;  // empty lines ahead of the start line
  std::string start_line;
  int refusal = 0;
  std::string problem;

  template <class F>
  decltype(auto) visit(F f) {
    return std::visit(f, collector);
  }
  Impl(Kind k, size_t limit) : kind(k), header_bytes_max(limit) {
    if (k != Kind::kRequest) collector.emplace<1>();
    visit([this](auto& parser) {
      // The limit is kept here, where the request line and the fields are told apart.
      parser.header_limit(static_cast<std::uint32_t>(std::min<size_t>(header_bytes_max + 16, UINT32_MAX)));
      if (kind == Kind::kAnswerWithoutBody) parser.skip(true);
    });
  }
  MessageHead& head() {
    return visit([](auto& parser) -> MessageHead& { return parser.head; });
  }
  void fail(int status, std::string_view why) {
    state = State::kFailed;
    refusal = status;
    problem = why;
  }

  // Looks at complete lines of the head once each. True: the head ends at `scanned`.
  bool scan(std::string_view input) {
    for (;;) {
      const void* found = std::memchr(input.data() + scanned, '\n', input.size() - scanned);
      if (found == nullptr) break;
      size_t end = static_cast<size_t>(static_cast<const char*>(found) - input.data());
      // First, so that the verdict does not depend on how the bytes were cut.
      if (end >= header_bytes_max) return too_large(), false;
      if (end == 0 || input[end - 1] != '\r' || end - 1 < line_first)
        return fail(400, "a header line ends without CR LF"), false;
      std::string_view line = input.substr(line_first, end - 1 - line_first);
      if (std::memchr(line.data(), '\r', line.size()) != nullptr) return fail(400, "a bare CR in the header"), false;
      if (std::memchr(line.data(), '\0', line.size()) != nullptr) return fail(400, "a NUL in the header"), false;
      if (have_start_line && !line.empty() && (line[0] == ' ' || line[0] == '\t'))
        return fail(400, "a folded header line"), false;
      scanned = line_first = end + 1;
      if (!have_start_line) {
        start_line = line;
        have_start_line = true;
        if (line.empty()) return fail(400, "an empty start line"), false;
      } else if (line.empty()) {
        return true;
      }
    }
    scanned = std::max(line_first, input.empty() ? 0 : input.size());
    if (input.size() > header_bytes_max) too_large();
    return false;
  }
  void too_large() {
    if (!have_start_line && kind == Kind::kRequest) return fail(414, "the request line is too long");
    fail(431, "the header is too large");
  }

  void judge_failure(const error_code& error) {
    if (error == beast_http::error::bad_version && kind == Kind::kRequest && is_http_version(start_line))
      return fail(505, "only HTTP/1.1 is spoken here");
    if (error == beast_http::error::header_limit) return fail(431, "the header is too large");
    fail(400, error.message());
  }

  // What Beast leaves open.
  void judge_head() {
    MessageHead& h = head();
    size_t lengths = 0, encodings = 0, hosts = 0;
    std::string_view encoding;
    for (const auto& [name, value] : h.headers.fields()) {
      if (equal_ignoring_case(name, "content-length")) {
        ++lengths;
        if (value.empty() || !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
          return fail(400, "Content-Length is not a number");
      } else if (equal_ignoring_case(name, "transfer-encoding")) {
        ++encodings;
        encoding = value;
      } else if (equal_ignoring_case(name, "host")) {
        ++hosts;
      }
      if (std::any_of(value.begin(), value.end(), [](char c) { return (c >= 0 && c < 32 && c != '\t') || c == 127; }))
        return fail(400, "a control character in a header value");
    }
    if (encodings > 0 && lengths > 0) return fail(400, "Content-Length beside Transfer-Encoding");
    if (lengths > 1) return fail(400, "several Content-Length fields");
    if (encodings > 1) return fail(400, "several Transfer-Encoding fields");
    if (encodings == 1 && !equal_ignoring_case(encoding, "chunked"))
      return fail(501, "the only Transfer-Encoding understood is chunked");
    if (encodings == 1 && h.http_1_0) return fail(400, "Transfer-Encoding in HTTP/1.0");
    if (kind == Kind::kRequest && (hosts > 1 || (hosts == 0 && !h.http_1_0)))
      return fail(400, "a request must have one Host field");
    visit([&h](auto& parser) {
      h.keep_alive = parser.keep_alive();
      h.chunked = parser.chunked();
      if (auto n = parser.content_length()) h.content_length = *n;
      h.until_close = parser.need_eof();
    });
    bool done = visit([](auto& parser) { return parser.is_done(); });
    state = done ? State::kDone : State::kBody;
  }

  size_t put_head(std::string_view input) {
    size_t skipped = 0;
    // An empty line ahead of a request is an old client's habit (RFC 9112, 2.2).
    if (!have_start_line && kind == Kind::kRequest && scanned == 0) {
      while (input.starts_with("\r\n") && taken_before_head < 16) {
        input.remove_prefix(2);
        skipped += 2;
        taken_before_head += 2;
      }
    }
    if (input.empty() || input == "\r") return skipped;
    touched = true;
    if (kind == Kind::kRequest && input.size() >= 3 && input.starts_with("PRI")) {
      std::string_view preface = "PRI * HTTP/2.0\r\n";
      if (input.starts_with(preface)) return fail(505, "only HTTP/1.1 is spoken here, not HTTP/2"), skipped;
      if (preface.starts_with(input)) return skipped;
    }
    if (!scan(input)) return skipped;
    error_code error;
    size_t used = visit([&](auto& parser) {
      parser.eager(false);
      size_t n = parser.put(boost::asio::const_buffer(input.data(), scanned), error);
      // Without a body nothing is left; with one, Beast stops behind the start line when not eager.
      while (!error && !parser.is_header_done() && n < scanned)
        n += parser.put(boost::asio::const_buffer(input.data() + n, scanned - n), error);
      return n;
    });
    if (error) return judge_failure(error), skipped;
    CHECK(used == scanned, "a head was not taken whole");
    judge_head();
    return skipped + used;
  }

  size_t put_body(std::string_view input, std::string& body) {
    if (input.empty()) return 0;
    error_code error;
    size_t used = visit([&](auto& parser) {
      parser.eager(true);
      parser.body = &body;
      size_t n = parser.put(boost::asio::const_buffer(input.data(), input.size()), error);
      parser.body = nullptr;
      return n;
    });
    if (error && error != beast_http::error::need_more) {
      judge_failure(error);
    } else if (visit([](auto& parser) { return parser.is_done(); })) {
      state = State::kDone;
    } else if (input.size() - used > header_bytes_max) {
      fail(431, "a chunk's head or the trailer is too large");
    }
    return used;
  }
};

MessageParser::MessageParser(Kind kind, size_t header_bytes_max)
    : impl_(std::make_unique<Impl>(kind, header_bytes_max)) {}
MessageParser::~MessageParser() = default;

size_t MessageParser::put(std::string_view input, std::string& body) {
  switch (impl_->state) {
    case State::kHead:
      return impl_->put_head(input);
    case State::kBody:
      return impl_->put_body(input, body);
    default:
      return 0;
  }
}

void MessageParser::put_end() {
  if (impl_->state == State::kDone || impl_->state == State::kFailed) return;
  if (impl_->state == State::kBody && impl_->head().until_close) {
    impl_->state = State::kDone;
    return;
  }
  impl_->fail(400, "the connection ended within the message");
}

MessageParser::State MessageParser::state() const { return impl_->state; }
bool MessageParser::touched() const { return impl_->touched; }
MessageHead& MessageParser::head() { return impl_->head(); }
int MessageParser::refusal() const { return impl_->refusal; }
std::string_view MessageParser::problem() const { return impl_->problem; }

}  // namespace perdure
