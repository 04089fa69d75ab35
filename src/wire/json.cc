#include "wire/json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace perdure::json {

static_assert(std::endian::native == std::endian::little, "plain_run() takes the lowest byte to be the first");

// Nodes in order of appearance. An array's elements follow it; an object's members follow it as key, value, key, value.
struct Tape {
  struct Node {
    Type type;
    bool escaped;    // string: its text is in `unescaped`, not in `source`
    uint32_t begin;  // where in `source`
    uint32_t length;
    uint32_t size;  // elements or members; of an escaped string the bytes of its text
    uint32_t link;  // array and object: the node after the last inside; escaped string: where in `unescaped`
  };

  std::string source;
  std::string unescaped;
  std::vector<Node> nodes;

  uint32_t after(uint32_t index) const {
    const Node& node = nodes[index];
    return node.type == Type::kArray || node.type == Type::kObject ? node.link : index + 1;
  }
  std::string_view raw(uint32_t index) const { return {source.data() + nodes[index].begin, nodes[index].length}; }
  std::string_view text(uint32_t index) const {
    const Node& node = nodes[index];
    if (node.escaped) return {unescaped.data() + node.link, node.size};
    return {source.data() + node.begin + 1, node.length - 2};
  }
};

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr size_t kObjectRoom = 512;  // that a Writer takes first, once it writes an object

constexpr uint64_t kEach = 0x0101010101010101;

#if defined(__SSE2__)
// Of 16 bytes, one bit each: those that a string literal cannot hold as they are, and those beyond ASCII.
struct Marks {
  explicit Marks(const char* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i special = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes));
    not_plain = static_cast<unsigned>(_mm_movemask_epi8(special));
    not_ascii = static_cast<unsigned>(_mm_movemask_epi8(bytes));
  }
  unsigned not_plain, not_ascii;
};
#endif

// The first byte of [p, end) that a string literal cannot hold as it is: a quote, a backslash, a control character.
const char* plain_run(const char* p, const char* end) {
#if defined(__SSE2__)
  for (; end - p >= 16; p += 16)
    if (Marks marks(p); marks.not_plain != 0) return p + std::countr_zero(marks.not_plain);
#endif
  while (end - p >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    // Each term marks the high bit of the bytes looked for. Marks above the lowest may be false, the lowest is exact.
    const uint64_t quote = word ^ (kEach * '"'), backslash = word ^ (kEach * '\\');
    const uint64_t marks =
        (((word - kEach * 0x20) & ~word) | ((quote - kEach) & ~quote) | ((backslash - kEach) & ~backslash)) &
        (kEach * 0x80);
    if (marks != 0) return p + (std::countr_zero(marks) >> 3);
    p += 8;
  }
  while (p != end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
  return p;
}

// Whether eight bytes are ASCII that a string literal can hold as it is.
bool plain_word(uint64_t word) {
  const uint64_t quote = word ^ (kEach * '"'), backslash = word ^ (kEach * '\\');
  return ((word | (word - kEach * 0x20) | ((quote - kEach) & ~quote) | ((backslash - kEach) & ~backslash)) &
          (kEach * 0x80)) == 0;
}

// Whether all of it is.
bool plain_ascii(std::string_view text) {
  const char* p = text.data();
  size_t left = text.size();
#if defined(__SSE2__)
  for (; left >= 16; p += 16, left -= 16)
    if (Marks marks(p); (marks.not_plain | marks.not_ascii) != 0) return false;
#endif
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    if (!plain_word(word)) return false;
  }
  if (left == 0) return true;
  // What is left, in a word: together with bytes that were looked at before, or from both ends.
  uint64_t rest = kEach * 'a';
  if (text.size() >= 8) {
    memcpy(&rest, p + left - 8, 8);
  } else if (left >= 4) {
    uint32_t low, high;
    memcpy(&low, p, 4);
    memcpy(&high, p + left - 4, 4);
    rest = uint64_t{high} << 32 | low;
  } else {
    for (size_t i = 0; i < left; ++i) rest = rest << 8 | static_cast<unsigned char>(p[i]);
  }
  return plain_word(rest);
}

// At least that much room behind what there is; `least` where there was none.
void make_room(std::string& out, size_t more, size_t least = 0) {
  if (out.capacity() - out.size() < more) out.reserve(std::max({out.size() + more, out.capacity() * 2, least}));
}

// How much of it is ASCII, in whole words.
size_t ascii_run(std::string_view text) {
  size_t at = 0;
#if defined(__SSE2__)
  for (; text.size() - at >= 16; at += 16)
    if (Marks(text.data() + at).not_ascii != 0) return at;
#endif
  for (; text.size() - at >= 8; at += 8) {
    uint64_t word;
    memcpy(&word, text.data() + at, 8);
    if ((word & (kEach * 0x80)) != 0) return at;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

// Nodes of documents that are gone, for the next one of the same thread.
constexpr size_t kSpareNodesMax = 4096;
thread_local std::vector<Tape::Node> spare_nodes;

// One UTF-8 sequence at the start of `text`, or where there is none the bytes that one U+FFFD stands for (Unicode 3.9,
// D93b).
struct Sequence {
  size_t length;
  bool valid;
};
Sequence utf8_sequence(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return {1, false};
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {i, false};
  }
  return {length, true};
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// One pass over text that is known to be valid UTF-8. It relies on the NUL after the last byte of a std::string: no
// token goes on past it, so only what may hold any byte (strings, literals) looks at `end_`. Each step returns false
// after fail().
class Builder {
 public:
  explicit Builder(Tape& tape)
      : tape_(tape), begin_(tape.source.data()), end_(begin_ + tape.source.size()), p_(begin_) {}

  Result<void> build() {
    if (!text())
      return Error{Code::kInvalid, std::string("invalid JSON at byte ") + std::to_string(at_ - begin_) + ": " + what_};
    return {};
  }

 private:
  struct Open {
    uint32_t index;
    uint32_t size;
    bool object;
  };

  bool text() {
    for (;;) {
      // A value begins here.
      skip_space();
      const char* start = p_;
      switch (*p_) {
        case '{':
        case '[': {
          const bool object = *p_ == '{';
          if (depth_ == Document::kDepthMax) return fail("nested too deeply");
          open_[depth_++] = {static_cast<uint32_t>(tape_.nodes.size()), 0, object};
          add(object ? Type::kObject : Type::kArray, start);
          ++p_;
          skip_space();
          if (*p_ != (object ? '}' : ']')) {
            if (object && !key()) return false;
            continue;
          }
          close();
          break;
        }
        case '"':
          if (!string()) return false;
          break;
        case 't':
          if (!literal("true", Type::kBool)) return false;
          break;
        case 'f':
          if (!literal("false", Type::kBool)) return false;
          break;
        case 'n':
          if (!literal("null", Type::kNull)) return false;
          break;
        default:
          if (*p_ != '-' && !is_digit(*p_)) return fail_here("expected a value");
          if (!number()) return false;
      }
      // A value has ended here, and with it perhaps some that it was the last of.
      for (;;) {
        skip_space();
        if (depth_ == 0) return p_ == end_ || fail("unexpected bytes after the value");
        Open& top = open_[depth_ - 1];
        ++top.size;
        if (*p_ == ',') {
          ++p_;
          if (!top.object) break;
          skip_space();
          if (!key()) return false;
          break;
        }
        if (*p_ != (top.object ? '}' : ']'))
          return fail_here(top.object ? "expected ',' or '}'" : "expected ',' or ']'");
        close();
      }
    }
  }

  void close() {
    const Open& top = open_[--depth_];
    ++p_;
    Tape::Node& node = tape_.nodes[top.index];
    node.length = static_cast<uint32_t>(p_ - begin_) - node.begin;
    node.size = top.size;
    node.link = static_cast<uint32_t>(tape_.nodes.size());
  }

  bool key() {
    if (*p_ != '"') return fail_here("expected a member's name");
    if (!string()) return false;
    skip_space();
    if (*p_ != ':') return fail_here("expected ':'");
    ++p_;
    return true;
  }

  bool string() {
    const char* start = p_++;
    const char* stop = plain_run(p_, end_);
    if (stop != end_ && *stop == '"') [[likely]] {
      p_ = stop + 1;
      add(Type::kString, start);
      return true;
    }
    std::string& out = tape_.unescaped;
    const size_t begin = out.size();
    for (;;) {
      out.append(p_, stop);
      p_ = stop;
      if (p_ == end_) return fail("unexpected end of text in a string");
      if (*p_ == '"') break;
      if (*p_ != '\\') return fail("unescaped control character in a string");
      if (!escape(out)) return false;
      stop = plain_run(p_, end_);
    }
    ++p_;
    add(Type::kString, start);
    Tape::Node& node = tape_.nodes.back();
    node.escaped = true;
    node.size = static_cast<uint32_t>(out.size() - begin);
    node.link = static_cast<uint32_t>(begin);
    return true;
  }

  bool escape(std::string& out) {
    switch (p_[1]) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '/':
        out += '/';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        int32_t code = code_unit(p_);
        if (code < 0) return fail("invalid \\u escape");
        if (code >= 0xDC00 && code <= 0xDFFF) return fail("lone surrogate in a \\u escape");
        if (code >= 0xD800 && code <= 0xDBFF) {
          const int32_t low = p_[6] == '\\' && p_[7] == 'u' ? code_unit(p_ + 6) : -1;
          if (low < 0xDC00 || low > 0xDFFF) return fail("lone surrogate in a \\u escape");
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          p_ += 6;
        }
        append_utf8(out, static_cast<uint32_t>(code));
        p_ += 6;
        return true;
      }
      default:
        return p_ + 1 == end_ ? fail("unexpected end of text in a string") : fail("invalid escape");
    }
    p_ += 2;
    return true;
  }

  // The code unit of the \uXXXX at `p`, or -1.
  static int32_t code_unit(const char* p) {
    int32_t code = 0;
    for (int i = 2; i < 6; ++i) {
      const char c = p[i];
      const char lower = static_cast<char>(c | 0x20);
      if (is_digit(c))
        code = code << 4 | (c - '0');
      else if (lower >= 'a' && lower <= 'f')
        code = code << 4 | (lower - 'a' + 10);
      else
        return -1;
    }
    return code;
  }

  bool number() {
    const char* start = p_;
    if (*p_ == '-') ++p_;
    if (*p_ == '0')
      ++p_;
    else if (!digits())
      return fail_here("expected a digit");
    if (*p_ == '.') {
      ++p_;
      if (!digits()) return fail_here("expected a digit");
    }
    if (*p_ == 'e' || *p_ == 'E') {
      ++p_;
      if (*p_ == '+' || *p_ == '-') ++p_;
      if (!digits()) return fail_here("expected a digit");
    }
    add(Type::kNumber, start);
    return true;
  }

  bool digits() {
    const char* start = p_;
    while (is_digit(*p_)) ++p_;
    return p_ != start;
  }

  bool literal(std::string_view word, Type type) {
    if (!std::string_view(p_, static_cast<size_t>(end_ - p_)).starts_with(word)) return fail("expected a value");
    const char* start = p_;
    p_ += word.size();
    add(type, start);
    return true;
  }

  void add(Type type, const char* start) {
    tape_.nodes.push_back(
        {type, false, static_cast<uint32_t>(start - begin_), static_cast<uint32_t>(p_ - start), 0, 0});
  }

  void skip_space() {
    while (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t') ++p_;
  }

  bool fail(const char* what) {
    what_ = what;
    at_ = p_;
    return false;
  }
  bool fail_here(const char* expected) { return fail(p_ == end_ ? "unexpected end of text" : expected); }

  Tape& tape_;
  const char* const begin_;
  const char* const end_;
  const char* p_;
  std::array<Open, Document::kDepthMax> open_;
  int depth_ = 0;
  const char* what_ = nullptr;
  const char* at_ = nullptr;
};

// A number taken apart: (-1)^negative * digits * 10^exponent, `digits` without leading and trailing zeros; empty for
// zero.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};
Decimal decimal_of(std::string_view raw) {
  constexpr int64_t kExponentMax = 1'000'000'000'000;  // far beyond what any number of digits could make up for
  Decimal out;
  size_t i = 0;
  if (raw[i] == '-') out.negative = true, ++i;
  bool fraction = false;
  for (; i < raw.size() && raw[i] != 'e' && raw[i] != 'E'; ++i) {
    if (raw[i] == '.') {
      fraction = true;
      continue;
    }
    if (fraction) --out.exponent;
    if (raw[i] != '0' || !out.digits.empty()) out.digits += raw[i];
  }
  if (i < raw.size()) {
    const bool down = raw[++i] == '-';
    if (raw[i] == '-' || raw[i] == '+') ++i;
    int64_t exponent = 0;
    for (; i < raw.size(); ++i) exponent = std::min(exponent * 10 + (raw[i] - '0'), kExponentMax);
    out.exponent += down ? -exponent : exponent;
  }
  while (!out.digits.empty() && out.digits.back() == '0') out.digits.pop_back(), ++out.exponent;
  return out;
}

}  // namespace

std::string_view name_of(Type type) {
  switch (type) {
    case Type::kMissing:
      return "nothing";
    case Type::kNull:
      return "null";
    case Type::kBool:
      return "a boolean";
    case Type::kNumber:
      return "a number";
    case Type::kString:
      return "a string";
    case Type::kArray:
      return "an array";
    case Type::kObject:
      return "an object";
  }
  return "nothing";
}

Type Value::type() const { return tape_ == nullptr ? Type::kMissing : tape_->nodes[index_].type; }

std::string_view Value::raw() const { return missing() ? std::string_view() : tape_->raw(index_); }

std::string_view Value::text() const { return is_string() ? tape_->text(index_) : std::string_view(); }

std::optional<bool> Value::boolean() const {
  if (type() != Type::kBool) return std::nullopt;
  return raw().front() == 't';
}

std::optional<int64_t> Value::integer() const {
  if (type() != Type::kNumber) return std::nullopt;
  const std::string_view number = raw();
  int64_t value = 0;
  if (auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), value);
      rest == number.data() + number.size() && error == std::errc()) {
    return value;
  }
  Decimal decimal = decimal_of(number);
  if (decimal.digits.empty()) return 0;
  if (decimal.exponent < 0 || static_cast<int64_t>(decimal.digits.size()) + decimal.exponent > 19) return std::nullopt;
  decimal.digits.append(static_cast<size_t>(decimal.exponent), '0');
  if (decimal.negative) decimal.digits.insert(0, 1, '-');
  if (std::from_chars(decimal.digits.data(), decimal.digits.data() + decimal.digits.size(), value).ec != std::errc())
    return std::nullopt;
  return value;
}

std::optional<double> Value::number() const {
  if (type() != Type::kNumber) return std::nullopt;
  const std::string_view number = raw();
  double value = 0;
  const auto error = std::from_chars(number.data(), number.data() + number.size(), value).ec;
  if (error == std::errc()) return std::isfinite(value) ? std::optional(value) : std::nullopt;
  const Decimal decimal = decimal_of(number);  // too large or too small
  if (static_cast<int64_t>(decimal.digits.size()) + decimal.exponent > 0) return std::nullopt;
  return decimal.negative ? -0.0 : 0.0;
}

size_t Value::size() const { return is_object() || is_array() ? tape_->nodes[index_].size : 0; }

Value Value::operator[](std::string_view key) const {
  if (!is_object()) return {};
  const Tape::Node* const nodes = tape_->nodes.data();
  const uint32_t end = nodes[index_].link;
  uint32_t found = 0;
  for (uint32_t i = index_ + 1; i < end;) {
    const Tape::Node& name = nodes[i];
    const size_t size = name.escaped ? name.size : name.length - 2;
    if (size == key.size() && tape_->text(i) == key) found = i + 1;
    const Tape::Node& value = nodes[i + 1];
    i = value.type == Type::kArray || value.type == Type::kObject ? value.link : i + 2;
  }
  return found == 0 ? Value() : Value(tape_, found);
}

Value Value::at(size_t i) const {
  if (!is_array() || i >= size()) return {};
  const uint32_t end = tape_->after(index_);
  if (end - index_ - 1 == size())
    return Value(tape_, index_ + 1 + static_cast<uint32_t>(i));  // nothing in it is nested
  uint32_t element = index_ + 1;
  while (i-- > 0) element = tape_->after(element);
  return Value(tape_, element);
}

std::vector<Value::Member> Value::members() const {
  std::vector<Member> out;
  if (!is_object()) return out;
  out.reserve(size());
  const uint32_t end = tape_->after(index_);
  for (uint32_t i = index_ + 1; i < end; i = tape_->after(i + 1)) out.push_back({tape_->text(i), Value(tape_, i + 1)});
  return out;
}

std::vector<Value> Value::elements() const {
  std::vector<Value> out;
  if (!is_array()) return out;
  out.reserve(size());
  const uint32_t end = tape_->after(index_);
  for (uint32_t i = index_ + 1; i < end; i = tape_->after(i)) out.push_back(Value(tape_, i));
  return out;
}

Result<Document> Document::parse(std::string text) {
  if (text.size() >= std::numeric_limits<uint32_t>::max())
    return Error{Code::kInvalid, "invalid JSON: longer than 4 GiB"};
  if (!valid_utf8(text)) {
    size_t at = 0;
    for (Sequence next{0, true}; at < text.size() && next.valid; at += next.valid ? next.length : 0)
      next = utf8_sequence(std::string_view(text).substr(at));
    return Error{Code::kInvalid, "invalid JSON at byte " + std::to_string(at) + ": invalid UTF-8"};
  }
  auto tape = std::make_unique<Tape>();
  tape->source = std::move(text);
  tape->nodes = std::move(spare_nodes);
  tape->nodes.clear();
  tape->nodes.reserve(std::min<size_t>(tape->source.size() / 16, 4096) + 4);
  TRY_VOID(Builder(*tape).build());
  return Document(std::move(tape));
}

Document::Document(std::unique_ptr<Tape> tape) : tape_(std::move(tape)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() {
  if (tape_ != nullptr && tape_->nodes.capacity() > spare_nodes.capacity() && tape_->nodes.capacity() <= kSpareNodesMax)
    spare_nodes = std::move(tape_->nodes);
}

Value Document::root() const { return tape_ == nullptr ? Value() : Value(tape_.get(), 0); }

void Writer::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

Writer& Writer::begin_object() {
  separate();
  out_ += '{';
  comma_ = false;
  return *this;
}

Writer& Writer::end_object() {
  out_ += '}';
  comma_ = true;
  return *this;
}

Writer& Writer::begin_array() {
  separate();
  out_ += '[';
  comma_ = false;
  return *this;
}

Writer& Writer::end_array() {
  out_ += ']';
  comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  if (plain_ascii(name)) [[likely]] {
    make_room(out_, name.size() + 4, kObjectRoom);
    out_.resize_and_overwrite(out_.size() + name.size() + 4, [&](char* text, size_t size) {
      char* p = text + size - name.size() - 4;
      if (comma_) *p++ = ',';
      *p++ = '"';
      p = std::copy(name.begin(), name.end(), p);
      *p++ = '"';
      *p++ = ':';
      return static_cast<size_t>(p - text);
    });
  } else {
    separate();
    append_string(out_, name);
    out_ += ':';
  }
  comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view text) {
  separate();
  append_string(out_, text);
  return *this;
}

Writer& Writer::integer(int64_t value) {
  separate();
  char buffer[24];
  out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  return *this;
}

Writer& Writer::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  char buffer[32];
  out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  return *this;
}

Writer& Writer::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  out_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string Writer::take() {
  comma_ = false;
  return std::exchange(out_, {});
}

namespace {

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const char* p = text.data();
  const char* const end = p + text.size();
  for (;;) {
    const char* stop = plain_run(p, end);
    out.append(p, stop);
    if (stop == end) return;
    switch (*stop) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[static_cast<size_t>(*stop >> 4)];
        out += kHex[static_cast<size_t>(*stop & 0xF)];
    }
    p = stop + 1;
  }
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  if (plain_ascii(text)) [[likely]] {
    make_room(out, text.size() + 2);
    out.resize_and_overwrite(out.size() + text.size() + 2, [&](char* all, size_t size) {
      char* p = all + size - text.size() - 2;
      *p = '"';
      *std::copy(text.begin(), text.end(), p + 1) = '"';
      return size;
    });
    return;
  }
  out += '"';
  if (valid_utf8(text)) {
    append_escaped(out, text);
  } else {
    while (!text.empty()) {
      size_t good = 0;
      Sequence next{0, true};
      while (good < text.size() && (next = utf8_sequence(text.substr(good))).valid) good += next.length;
      append_escaped(out, text.substr(0, good));
      if (!next.valid) {
        out += "\uFFFD";
        good += next.length;
      }
      text.remove_prefix(good);
    }
  }
  out += '"';
}

bool valid_utf8(std::string_view text) {
  text.remove_prefix(ascii_run(text));
  return text.empty() || simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace perdure::json
