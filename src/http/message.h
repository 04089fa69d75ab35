#pragma once
// HTTP messages as values: what crosses between the codecs and everybody else.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdure {

// Header fields in order of appearance; names are compared without case (RFC 9110, 5.1).
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  std::string_view get(std::string_view name) const;  // the first one; empty when absent
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace perdure
