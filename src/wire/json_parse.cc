#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/spare_text.h"
#include "wire/json_bytes.h"
#include "wire/json_tape.h"

namespace perdure::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Nodes of documents that are gone, for the next one of the same thread.
constexpr size_t kSpareNodesMax = 4096;
thread_local std::vector<Tape::Node> spare_nodes;

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

// One pass. It relies on the NUL after the last byte of a std::string: no token goes on past it, so only what may hold
// any byte (strings, literals) looks at `end_`. Each step returns false after fail(). Bytes beyond ASCII can only stand
// in strings, and are taken for valid UTF-8 there: where beyond_ascii(), somebody has to see to it.
class Builder {
 public:
  explicit Builder(Tape& tape)
      : tape_(tape), begin_(tape.source.data()), end_(begin_ + tape.source.size()), p_(begin_) {}

  bool build() { return text(); }
  bool beyond_ascii() const { return beyond_ascii_; }
  Error error() const {
    return {Code::kInvalid, std::string("invalid JSON at byte ") + std::to_string(at_ - begin_) + ": " + what_};
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
    node.next = static_cast<uint32_t>(tape_.nodes.size());
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
    const char* stop = plain_run(p_, end_, beyond_ascii_);
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
      stop = plain_run(p_, end_, beyond_ascii_);
    }
    ++p_;
    add(Type::kString, start);
    Tape::Node& node = tape_.nodes.back();
    node.escaped = true;
    node.size = static_cast<uint32_t>(out.size() - begin);
    node.text = static_cast<uint32_t>(begin);
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
    const auto length = static_cast<uint32_t>(p_ - start);
    tape_.nodes.push_back({.type = type,
                           .escaped = false,
                           .begin = static_cast<uint32_t>(start - begin_),
                           .length = length,
                           .size = type == Type::kString ? length - 2 : 0,
                           .next = static_cast<uint32_t>(tape_.nodes.size()) + 1,
                           .text = 0});
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
  bool beyond_ascii_ = false;  // it may be: of strings
  const char* what_ = nullptr;
  const char* at_ = nullptr;
};

Result<void> check_utf8(std::string_view text) {
  if (valid_utf8(text)) return {};
  size_t at = 0;
  for (Sequence next{0, true}; at < text.size() && next.valid; at += next.valid ? next.length : 0)
    next = utf8_sequence(text.substr(at));
  return Error{Code::kInvalid, "invalid JSON at byte " + std::to_string(at) + ": invalid UTF-8"};
}

}  // namespace

Result<Document> Document::parse(std::string text) {
  if (text.size() >= std::numeric_limits<uint32_t>::max())
    return Error{Code::kInvalid, "invalid JSON: longer than 4 GiB"};
  auto tape = std::make_unique<Tape>();
  tape->source = std::move(text);
  tape->nodes = std::move(spare_nodes);
  tape->nodes.clear();
  tape->nodes.reserve(std::min<size_t>(tape->source.size() / 16, 4096) + 4);
  Builder builder(*tape);
  const bool built = builder.build();
  if (!built || builder.beyond_ascii()) TRY_VOID(check_utf8(tape->source));
  if (!built) return builder.error();
  return Document(std::move(tape));
}

Document::Document(std::unique_ptr<Tape> tape) : tape_(std::move(tape)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() {
  if (tape_ == nullptr) return;
  SpareText::give(std::move(tape_->source));
  if (tape_->nodes.capacity() > spare_nodes.capacity() && tape_->nodes.capacity() <= kSpareNodesMax)
    spare_nodes = std::move(tape_->nodes);
}

Value Document::root() const { return tape_ == nullptr ? Value() : Value(tape_.get(), 0); }

}  // namespace perdure::json
