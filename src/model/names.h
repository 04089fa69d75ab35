#pragma once
// The words of the enumerations, in both directions. Words are stored in journals: a released one never changes.

#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace perdure {

template <class E>
struct Name {
  E value;
  std::string_view word;
};

template <class E>
constexpr std::string_view word_of(std::span<const Name<E>> names, E value) {
  for (const auto& name : names) {
    if (name.value == value) return name.word;
  }
  return "unknown";
}

template <class E>
constexpr std::optional<E> value_of(std::span<const Name<E>> names, std::string_view word) {
  for (const auto& name : names) {
    if (name.word == word) return name.value;
  }
  return std::nullopt;
}

// The enumerator that a stored byte stands for, if it is one.
template <class E>
constexpr std::optional<E> value_of(std::span<const Name<E>> names, uint8_t byte) {
  for (const auto& name : names) {
    if (static_cast<uint8_t>(name.value) == byte) return name.value;
  }
  return std::nullopt;
}

}  // namespace perdure
