#pragma once
// HTTP messages as values: what crosses between the codecs and everybody else.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdure {

// Header fields in order of appearance; names are compared without case (RFC 9110, 5.1). All of them share one text, so
// that a message's fields cost no allocation once there is room. A view of a field is good until the next change.
class Headers {
  struct Span {
    uint32_t at, name_size, value_size;
  };

 public:
  struct Field {
    std::string_view name, value;
    bool operator==(const Field&) const = default;
  };
  class Iterator {
   public:
    Iterator(const Headers& headers, size_t i) : headers_(&headers), i_(i) {}
    Field operator*() const { return headers_->field(i_); }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return i_ == other.i_; }

   private:
    const Headers* headers_;
    size_t i_;
  };
  struct Fields {
    const Headers& headers;
    Iterator begin() const { return {headers, 0}; }
    Iterator end() const { return {headers, headers.size()}; }
  };

  // Neither may be a view of a field of this very object.
  void add(std::string_view name, std::string_view value);
  void set(std::string_view name, std::string_view value);  // in the place of the first of that name
  void remove(std::string_view name);
  void clear();  // keeps the room, which room() tells
  size_t room() const { return text_.capacity(); }
  std::string_view get(std::string_view name) const;  // the first one; empty when absent
  bool has(std::string_view name) const;
  size_t size() const { return spans_.size(); }
  Fields fields() const { return {*this}; }
  std::vector<std::pair<std::string, std::string>> pairs() const;
  bool operator==(const Headers& other) const;

 private:
  Field field(size_t i) const {
    const Span& span = spans_[i];
    std::string_view all(text_);
    return {all.substr(span.at, span.name_size), all.substr(span.at + span.name_size, span.value_size)};
  }
  size_t find(std::string_view name) const;  // size() when absent
  std::string text_;
  std::vector<Span> spans_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace perdure
