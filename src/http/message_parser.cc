#include "http/message_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "http/message_writer.h"

namespace perdure {
namespace {

constexpr int kEmptyLinesMax = 8;
constexpr size_t kChunkLineMax = 8 << 10;

bool is_target(std::string_view text) {
  bool bad = text.empty();
  for (unsigned char c : text) bad |= c <= 32 || c == 127;
  return !bad;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_http_version(std::string_view text) {
  return text.size() >= 6 && text.starts_with("HTTP/") &&
         std::all_of(text.begin() + 5, text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

void MessageHead::clear() {
  method.clear();
  target.clear();
  status = 0;
  headers.clear();
  http_1_0 = keep_alive = chunked = until_close = false;
  content_length.reset();
}

void MessageParser::restart(Kind kind) {
  kind_ = kind;
  state_ = State::kHead;
  part_ = Part::kStartLine;
  touched_ = close_ = keep_alive_ = false;
  empty_lines_ = hosts_ = lengths_ = encodings_ = 0;
  scanned_ = head_bytes_ = trailer_bytes_ = 0;
  left_ = 0;
  head_.clear();
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

bool MessageParser::fail(int status, std::string_view why) {
  state_ = State::kFailed;
  refusal_ = status;
  problem_ = why;
  return false;
}

// --- the head

size_t MessageParser::put_head(std::string_view input) {
  size_t used = 0;
  while (state_ == State::kHead) {
    std::string_view rest = input.substr(used);
    if (part_ == Part::kStartLine && kind_ == Kind::kRequest) {
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
    if (rest.empty() || (part_ == Part::kStartLine && kind_ == Kind::kRequest && rest == "\r")) return used;
    touched_ = true;
    const void* found = std::memchr(rest.data() + scanned_, '\n', rest.size() - scanned_);
    size_t end = found == nullptr ? rest.size() : static_cast<size_t>(static_cast<const char*>(found) - rest.data());
    // First, so that the verdict does not depend on how the bytes were cut.
    if (head_bytes_ + end >= header_bytes_max_) {
      if (part_ == Part::kStartLine && kind_ == Kind::kRequest)
        fail(414, "the request line is too long");
      else
        fail(431, "the header is too large");
      return used;
    }
    scanned_ = found == nullptr ? end : 0;
    if (found == nullptr) return used;
    used += end + 1;
    head_bytes_ += end + 1;
    if (end == 0 || rest[end - 1] != '\r') {
      fail(400, "a header line ends without CR LF");
      return used;
    }
    std::string_view line = rest.substr(0, end - 1);
    bool good = part_ == Part::kStartLine ? start_line(line) : line.empty() ? end_of_head() : field(line, true);
    if (!good) return used;
  }
  return used;
}

bool MessageParser::start_line(std::string_view line) {
  part_ = Part::kFields;
  if (line.empty()) return fail(400, "an empty start line");
  return kind_ == Kind::kRequest ? request_line(line) : status_line(line);
}

bool MessageParser::request_line(std::string_view line) {
  size_t method_end = line.find(' '), target_end = line.rfind(' ');
  std::string_view version = target_end == std::string_view::npos ? line : line.substr(target_end + 1);
  std::string_view method = line.substr(0, method_end);
  if (!is_token(method) || method_end == target_end) return fail(400, "the request line is malformed");
  std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (!is_target(target)) return fail(400, "the request target is malformed");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (is_http_version(version)) return fail(505, "only HTTP/1.1 is spoken here");
    return fail(400, "the request line has no HTTP version");
  }
  head_.method = method;
  head_.target = target;
  head_.http_1_0 = version == "HTTP/1.0";
  return true;
}

bool MessageParser::status_line(std::string_view line) {
  std::string_view version = line.substr(0, line.find(' '));
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(400, "the status line has no HTTP version");
  line.remove_prefix(version.size());
  // Some leave out the space before a reason that they do not give.
  if (line.size() < 4 || !is_digits(line.substr(1, 3)) || line[1] == '0' || (line.size() > 4 && line[4] != ' '))
    return fail(400, "the status line has no status");
  if (!is_header_value(line)) return fail(400, "a control character in the status line");
  head_.status = (line[1] - '0') * 100 + (line[2] - '0') * 10 + (line[3] - '0');
  head_.http_1_0 = version == "HTTP/1.0";
  return true;
}

bool MessageParser::field(std::string_view line, bool keep) {
  if (is_space(line.front())) return fail(400, "a folded header line");
  size_t colon = line.find(':');
  std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) return fail(400, "a header line has no name");
  std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_header_value(value)) return fail(400, "a control character in a header value");
  if (!keep && is_framing_field(name)) return fail(400, "a field of the trailer says how the message is framed");
  if (!keep) return true;
  if (!framing_field(name, value)) return false;
  head_.headers.add(name, value);
  return true;
}

bool MessageParser::framing_field(std::string_view name, std::string_view value) {
  auto is = [name](std::string_view other) { return equal_ignoring_case(name, other); };
  switch (name.size()) {
    case 4:
      if (is("host")) hosts_ = hosts_ == 0 ? 1 : 2;
      return true;
    case 10:
      if (!is("connection")) return true;
      for (std::string_view rest = value; !rest.empty();) {
        size_t comma = rest.find(',');
        std::string_view word = trimmed(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        if (equal_ignoring_case(word, "close")) close_ = true;
        if (equal_ignoring_case(word, "keep-alive")) keep_alive_ = true;
      }
      return true;
    case 14: {
      if (!is("content-length")) return true;
      if (lengths_++ > 0) return fail(400, "several Content-Length fields");
      uint64_t length = 0;
      if (!is_digits(value) || std::from_chars(value.data(), value.data() + value.size(), length).ec != std::errc())
        return fail(400, "Content-Length is not a number");
      head_.content_length = length;
      return true;
    }
    case 17:
      if (!is("transfer-encoding")) return true;
      if (encodings_++ > 0) return fail(400, "several Transfer-Encoding fields");
      if (!equal_ignoring_case(value, "chunked")) return fail(501, "the only Transfer-Encoding understood is chunked");
      head_.chunked = true;
      return true;
    default:
      return true;
  }
}

bool MessageParser::end_of_head() {
  if (head_.chunked && head_.content_length) return fail(400, "Content-Length beside Transfer-Encoding");
  if (head_.chunked && head_.http_1_0) return fail(400, "Transfer-Encoding in HTTP/1.0");
  if (kind_ == Kind::kRequest && (hosts_ > 1 || (hosts_ == 0 && !head_.http_1_0)))
    return fail(400, "a request must have one Host field");
  bool bodyless = kind_ == Kind::kAnswerWithoutBody ||
                  (kind_ == Kind::kAnswer && (head_.status < 200 || head_.status == 204 || head_.status == 304));
  if (bodyless) {
    state_ = State::kDone;
  } else if (head_.chunked) {
    state_ = State::kBody;
    part_ = Part::kChunkSize;
  } else if (head_.content_length || kind_ == Kind::kRequest) {
    left_ = head_.content_length.value_or(0);
    state_ = left_ > 0 ? State::kBody : State::kDone;
    part_ = Part::kLength;
  } else {
    head_.until_close = true;
    state_ = State::kBody;
    part_ = Part::kUntilClose;
  }
  head_.keep_alive = (head_.http_1_0 ? keep_alive_ && !close_ : !close_) && !head_.until_close;
  return true;
}

// --- the body

size_t MessageParser::put_body(std::string_view input, std::string& body) {
  size_t used = 0;
  while (state_ == State::kBody) {
    std::string_view rest = input.substr(used);
    if (rest.empty()) return used;
    if (part_ == Part::kUntilClose) {
      body += rest;
      return used + rest.size();
    }
    if (part_ == Part::kLength || part_ == Part::kChunkData) {
      size_t n = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
      body += rest.substr(0, n);
      used += n;
      left_ -= n;
      if (left_ > 0) return used;
      if (part_ == Part::kLength) state_ = State::kDone;
      part_ = Part::kChunkEnd;
      continue;
    }
    if (part_ == Part::kChunkEnd) {
      if (rest[0] != '\r' || (rest.size() > 1 && rest[1] != '\n')) {
        fail(400, "a chunk is longer than its size");
        return used;
      }
      if (rest.size() < 2) return used;
      used += 2;
      part_ = Part::kChunkSize;
      continue;
    }
    // A line: a chunk's size, or one of the trailer.
    const bool trailer = part_ == Part::kTrailer;
    const size_t most = trailer ? header_bytes_max_ : std::min(header_bytes_max_, kChunkLineMax);
    const void* found = std::memchr(rest.data() + scanned_, '\n', rest.size() - scanned_);
    size_t end = found == nullptr ? rest.size() : static_cast<size_t>(static_cast<const char*>(found) - rest.data());
    if ((trailer ? trailer_bytes_ : 0) + end >= most) {
      fail(431, "a chunk's head or the trailer is too large");
      return used;
    }
    scanned_ = found == nullptr ? end : 0;
    if (found == nullptr) return used;
    used += end + 1;
    if (end == 0 || rest[end - 1] != '\r') {
      fail(400, "a line of the body's framing ends without CR LF");
      return used;
    }
    std::string_view line = rest.substr(0, end - 1);
    if (!trailer) {
      if (!chunk_size(line)) return used;
    } else if (line.empty()) {
      state_ = State::kDone;
    } else {
      trailer_bytes_ += end + 1;
      if (!field(line, false)) return used;
    }
  }
  return used;
}

bool MessageParser::chunk_size(std::string_view line) {
  uint64_t size = 0;
  auto [behind, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  std::string_view rest = line.substr(static_cast<size_t>(behind - line.data()));
  // Extensions say nothing that is understood here.
  if (error != std::errc() || !is_header_value(rest) || (!rest.empty() && !trimmed(rest).starts_with(';')))
    return fail(400, "a chunk has no size");
  left_ = size;
  part_ = size > 0 ? Part::kChunkData : Part::kTrailer;
  return true;
}

}  // namespace perdure
