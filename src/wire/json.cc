#include "wire/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "wire/json_tape.h"

namespace perdure::json {
namespace {

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
  const uint32_t end = nodes[index_].next;
  uint32_t found = 0;
  for (uint32_t i = index_ + 1; i < end; i = nodes[i + 1].next)
    if (nodes[i].size == key.size() && tape_->text(i) == key) found = i + 1;
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

}  // namespace perdure::json
