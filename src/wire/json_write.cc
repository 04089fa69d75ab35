#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "wire/json.h"
#include "wire/json_bytes.h"

namespace perdure::json {
namespace {

constexpr size_t kObjectRoom = 1000;  // that a Writer takes first, once it writes an object
constexpr size_t kLarge = 32 << 10;

// At least that much room behind what there is; `least` where there was none. What has become large is likely to become
// much larger, and is copied seldom.
void make_room(std::string& out, size_t more, size_t least = 0) {
  if (out.capacity() - out.size() >= more) return;
  const size_t times = out.capacity() < kLarge ? 2 : 4;
  out.reserve(std::max({out.size() + more, out.capacity() * times, least}));
}

}  // namespace

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
  bool any = false;  // beyond ASCII: it is known to be valid
  for (;;) {
    const char* stop = plain_run(p, end, any);
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

}  // namespace perdure::json
