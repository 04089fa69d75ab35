// Beast 1.81 asserts that a last chunk which it has seen in part comes back at least two bytes longer. A peer that
// sends "0 CR LF" and then single bytes breaks that assertion, and nothing else: the code behind it copes.
#define BOOST_DISABLE_ASSERTS

#include "http/message_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <variant>

#include "http/message_writer.h"

namespace perdure {
namespace {

namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::beast::error_code;

constexpr int kEmptyLinesMax = 8;

bool is_space(char c) { return c == ' ' || c == '\t'; }

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A version of HTTP that is not one of ours.
bool names_another_version(std::string_view line) {
  std::string_view version = line.substr(line.rfind(' ') + 1);
  return version.size() >= 6 && version.starts_with("HTTP/") && version != "HTTP/1.1" && version != "HTTP/1.0" &&
         std::all_of(version.begin() + 5, version.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// What is not as it should be, beyond what Beast refuses.
struct Refusal {
  int status = 0;
  std::string_view problem;
};

// Where a message's parts go, and what is asked of them beyond what Beast asks.
struct Sink {
  MessageHead* head;
  size_t header_bytes_max;
  std::string* body = nullptr;  // of this call
  const char* mark = nullptr;   // behind the bytes of the body that came last; the framing of the next begins there
  bool in_body = false;
  uint8_t hosts = 0, lengths = 0, encodings = 0;
  Refusal refusal;

  void refuse(error_code& error, int status, std::string_view problem) {
    refusal = {status, problem};
    error = beast_http::error::bad_field;
  }
  void field(beast_http::field known, std::string_view name, std::string_view value, error_code& error) {
    if (in_body) {
      // A folded value is put together elsewhere, or begins behind the end of the name's line.
      const char* behind = name.data() + name.size();
      if (value.data() < behind || value.data() > behind + header_bytes_max ||
          std::memchr(behind, '\n', static_cast<size_t>(value.data() - behind)) != nullptr)
        return refuse(error, 400, "a folded line in the trailer");
      if (is_framing_field(name)) refuse(error, 400, "a field of the trailer says how the message is framed");
      return;
    }
    switch (known) {
      case beast_http::field::host:
        hosts = hosts == 0 ? 1 : 2;
        break;
      case beast_http::field::content_length:
        if (lengths++ > 0) return refuse(error, 400, "several Content-Length fields");
        if (!is_digits(value)) return refuse(error, 400, "Content-Length is not a number");
        break;
      case beast_http::field::transfer_encoding:
        if (encodings++ > 0) return refuse(error, 400, "several Transfer-Encoding fields");
        if (!equal_ignoring_case(value, "chunked"))
          return refuse(error, 501, "the only Transfer-Encoding understood is chunked");
        break;
      default:
        break;
    }
    head->headers.add(name, value);
  }
  void chunk_header(std::string_view extension, error_code& error) {
    if (static_cast<size_t>(extension.data() + extension.size() - mark) > header_bytes_max)
      refuse(error, 431, "a chunk's head is too large");
  }
  size_t take(std::string_view bytes) {
    body->append(bytes);
    mark = bytes.data() + bytes.size();
    return bytes.size();
  }
};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

template <bool kIsRequest>
class Reader final : public beast_http::basic_parser<kIsRequest> {
 public:
  explicit Reader(Sink& sink) : sink_(sink) {
    this->body_limit(boost::none);
    this->header_limit(UINT32_MAX);  // kept by the caller, who tells the request line and the fields apart
  }

 private:
  using View = beast::string_view;
  void on_request_impl(beast_http::verb, View method, View target, int version, error_code&) override {
    sink_.head->method.assign(method.data(), method.size());
    sink_.head->target.assign(target.data(), target.size());
    sink_.head->http_1_0 = version == 10;
  }
  void on_response_impl(int status, View, int version, error_code&) override {
    sink_.head->status = status;
    sink_.head->http_1_0 = version == 10;
  }
  void on_field_impl(beast_http::field known, View name, View value, error_code& error) override {
    sink_.field(known, view(name), view(value), error);
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(View bytes, error_code&) override { return sink_.take(view(bytes)); }
  void on_chunk_header_impl(std::uint64_t, View extension, error_code& error) override {
    sink_.chunk_header(view(extension), error);
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View bytes, error_code&) override { return sink_.take(view(bytes)); }
  void on_finish_impl(error_code&) override {}
  Sink& sink_;
};

}  // namespace

struct MessageParser::Codec {
  Sink sink;
  std::variant<std::monostate, Reader<true>, Reader<false>> reader;

  Codec(MessageHead& head, size_t header_bytes_max) : sink{.head = &head, .header_bytes_max = header_bytes_max} {}
  void restart(Kind kind) {
    sink = Sink{sink.head, sink.header_bytes_max};
    if (kind == Kind::kRequest)
      reader.emplace<1>(sink);
    else
      reader.emplace<2>(sink).skip(kind == Kind::kAnswerWithoutBody);
  }
  template <class F>
  auto with(F f) {
    return reader.index() == 1 ? f(*std::get_if<1>(&reader)) : f(*std::get_if<2>(&reader));
  }
  size_t put(std::string_view input, error_code& error) {
    return with([&](auto& parser) { return parser.put(boost::asio::const_buffer(input.data(), input.size()), error); });
  }
};

void MessageHead::clear() {
  method.clear();
  target.clear();
  status = 0;
  headers.clear();
  http_1_0 = keep_alive = chunked = until_close = false;
  content_length.reset();
}

MessageParser::MessageParser(Kind kind, size_t header_bytes_max)
    : codec_(std::make_unique<Codec>(head_, header_bytes_max)), kind_(kind), header_bytes_max_(header_bytes_max) {
  codec_->restart(kind);
}
MessageParser::~MessageParser() = default;

void MessageParser::restart(Kind kind) {
  kind_ = kind;
  state_ = State::kHead;
  touched_ = started_ = false;
  empty_lines_ = 0;
  scanned_ = line_first_ = head_bytes_ = 0;
  head_.clear();
  codec_->restart(kind);
  refusal_ = 0;
  problem_ = {};
}

size_t MessageParser::put(std::string_view input, std::string& body) {
  if (state_ == State::kHead) return put_head(input);
  if (state_ == State::kBody) return put_body(input, body);
  return 0;
}

void MessageParser::put_end() {
  if (state_ == State::kDone || state_ == State::kFailed) return;
  if (state_ == State::kBody && head_.until_close)
    state_ = State::kDone;
  else
    fail(400, "the connection ended within the message");
}

void MessageParser::fail(int status, std::string_view why) {
  state_ = State::kFailed;
  refusal_ = status;
  problem_ = why;
}

// --- the head

// Beast sees the start line when it is whole, and the fields when they are: so the verdict does not depend on how the
// bytes were cut, and nonsense is refused at its first line.
size_t MessageParser::put_head(std::string_view input) {
  size_t used = 0;
  while (state_ == State::kHead) {
    std::string_view rest = input.substr(used);
    if (!started_ && kind_ == Kind::kRequest) {
      // An empty line ahead of a request is an old client's habit (RFC 9112, 2.2).
      if (empty_lines_ < kEmptyLinesMax && rest.starts_with("\r\n")) {
        used += 2;
        ++empty_lines_;
        continue;
      }
      constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n";
      if (rest.size() >= 3 && rest.starts_with(kPreface.substr(0, std::min(rest.size(), kPreface.size())))) {
        touched_ = true;
        if (rest.size() >= kPreface.size()) fail(505, "only HTTP/1.1 is spoken here, not HTTP/2");
        return used;
      }
    }
    if (rest.empty() || (!started_ && kind_ == Kind::kRequest && rest == "\r")) return used;
    touched_ = true;
    const void* found = std::memchr(rest.data() + scanned_, '\n', rest.size() - scanned_);
    size_t end = found == nullptr ? rest.size() : static_cast<size_t>(static_cast<const char*>(found) - rest.data());
    // First, so that the verdict does not depend on how the bytes were cut.
    if (head_bytes_ + end >= header_bytes_max_) {
      if (!started_ && kind_ == Kind::kRequest)
        fail(414, "the request line is too long");
      else
        fail(431, "the header is too large");
      return used;
    }
    scanned_ = found == nullptr ? end : end + 1;
    if (found == nullptr) return used;
    if (end == 0 || rest[end - 1] != '\r') {
      fail(400, "a header line ends without CR LF");
      return used;
    }
    std::string_view line = rest.substr(line_first_, end - 1 - line_first_);
    line_first_ = scanned_;
    if (!started_) {
      start_line(line);
    } else if (line.empty()) {
      fields(rest.substr(0, end + 1));
    } else {
      if (is_space(line.front())) fail(400, "a folded header line");
      continue;
    }
    used += end + 1;
    head_bytes_ += end + 1;
    scanned_ = line_first_ = 0;
  }
  return used;
}

void MessageParser::start_line(std::string_view line) {
  started_ = true;
  if (line.empty()) return fail(400, "an empty start line");
  std::string_view whole(line.data(), line.size() + 2);
  std::string completed;
  // Some leave out the space before a reason that they do not give.
  if (kind_ != Kind::kRequest && line.size() == 12) {
    completed = std::string(line) + " \r\n";
    whole = completed;
  }
  error_code error;
  if (codec_->put(whole, error) == whole.size() && error == beast_http::error::need_more) {
    if (kind_ != Kind::kRequest && head_.status < 100) fail(400, "the status line has no status");
    return;
  }
  if (kind_ == Kind::kRequest && names_another_version(line)) return fail(505, "only HTTP/1.1 is spoken here");
  if (error == beast_http::error::bad_target) return fail(400, "the request target is malformed");
  fail(400, kind_ == Kind::kRequest ? "the request line is malformed" : "the status line is malformed");
}

void MessageParser::fields(std::string_view lines) {
  const Sink& sink = codec_->sink;
  error_code error;
  size_t used = codec_->put(lines, error);
  if (sink.refusal.status != 0) return fail(sink.refusal.status, sink.refusal.problem);
  if (error == beast_http::error::bad_content_length || error == beast_http::error::multiple_content_length ||
      error == beast_http::error::bad_transfer_encoding)
    return fail(400, "Content-Length or Transfer-Encoding is malformed, repeated, or beside the other");
  if (error || used != lines.size()) return fail(400, "a header line is malformed");
  if (sink.encodings > 0 && sink.lengths > 0) return fail(400, "Content-Length beside Transfer-Encoding");
  if (sink.encodings > 0 && head_.http_1_0) return fail(400, "Transfer-Encoding in HTTP/1.0");
  if (kind_ == Kind::kRequest && (sink.hosts > 1 || (sink.hosts == 0 && !head_.http_1_0)))
    return fail(400, "a request must have one Host field");
  codec_->with([this](auto& parser) {
    head_.keep_alive = parser.keep_alive();
    head_.chunked = parser.chunked();
    if (auto length = parser.content_length()) head_.content_length = *length;
    head_.until_close = parser.need_eof();
    state_ = parser.is_done() ? State::kDone : State::kBody;
    parser.eager(true);
  });
  codec_->sink.in_body = true;
}

// --- the body

size_t MessageParser::put_body(std::string_view input, std::string& body) {
  if (input.empty()) return 0;
  Sink& sink = codec_->sink;
  sink.body = &body;
  sink.mark = input.data();
  error_code error;
  size_t used = codec_->put(input, error);
  sink.body = nullptr;
  bool done = codec_->with([](auto& parser) { return parser.is_done(); });
  // Framing that was shown and not taken, or the last chunk and its trailer, each with its end of line.
  size_t framing = static_cast<size_t>(input.data() + (done ? used : input.size()) - sink.mark);
  if (sink.refusal.status != 0)
    fail(sink.refusal.status, sink.refusal.problem);
  else if (error && error != beast_http::error::need_more)
    fail(400, "a chunk's size, its end or the trailer is malformed");
  else if (head_.chunked && framing > header_bytes_max_ + 2)
    fail(431, "a chunk's head or the trailer is too large");
  else if (done)
    state_ = State::kDone;
  return used;
}

}  // namespace perdure
