#include "http/message.h"

#include <algorithm>

namespace perdure {
namespace {

constexpr size_t kUsualFields = 12, kUsualText = 512;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

size_t Headers::find(std::string_view name) const {
  size_t i = 0;
  for (; i < spans_.size(); ++i)
    if (spans_[i].name_size == name.size() && equal_ignoring_case(field(i).name, name)) break;
  return i;
}

void Headers::add(std::string_view name, std::string_view value) {
  if (spans_.capacity() == 0) {
    spans_.reserve(kUsualFields);
    text_.reserve(kUsualText);
  }
  spans_.push_back(
      {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
  text_ += name;
  text_ += value;
}

void Headers::set(std::string_view name, std::string_view value) {
  size_t i = find(name);
  if (i == spans_.size()) return add(name, value);
  // The new text goes to the end; what it replaces stays unused.
  Span span{static_cast<uint32_t>(text_.size()), spans_[i].name_size, static_cast<uint32_t>(value.size())};
  std::string field_text(field(i).name);
  field_text += value;
  text_ += field_text;
  spans_[i] = span;
  for (size_t other = i + 1; other < spans_.size();)
    if (equal_ignoring_case(field(other).name, field(i).name))
      spans_.erase(spans_.begin() + static_cast<std::ptrdiff_t>(other));
    else
      ++other;
}

void Headers::remove(std::string_view name) {
  for (size_t i = find(name); i < spans_.size(); i = find(name))
    spans_.erase(spans_.begin() + static_cast<std::ptrdiff_t>(i));
}

void Headers::clear() {
  text_.clear();
  spans_.clear();
}

std::string_view Headers::get(std::string_view name) const {
  size_t i = find(name);
  return i < spans_.size() ? field(i).value : std::string_view();
}

bool Headers::has(std::string_view name) const { return find(name) < spans_.size(); }

std::vector<std::pair<std::string, std::string>> Headers::pairs() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : fields()) out.emplace_back(name, value);
  return out;
}

bool Headers::operator==(const Headers& other) const {
  if (size() != other.size()) return false;
  for (size_t i = 0; i < size(); ++i)
    if (field(i) != other.field(i)) return false;
  return true;
}

}  // namespace perdure
