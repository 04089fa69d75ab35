#pragma once
// Shared<T>: a value that never changes and is held in many places. Copying one copies nothing but a count; equality is
// that of the values. May be copied and dropped on any thread. A moved-from one may only be assigned to or dropped.

#include <memory>
#include <utility>

namespace perdure {

template <class T>
class Shared {
 public:
  Shared() : value_(nothing()) {}
  // Out of a T without a word: it is one.
  Shared(T&& value) : value_(std::make_shared<const T>(std::move(value))) {}
  Shared(const T& value) : value_(std::make_shared<const T>(value)) {}
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  bool operator==(const Shared& other) const { return value_ == other.value_ || *value_ == *other.value_; }

 private:
  static const std::shared_ptr<const T>& nothing() {
    static const std::shared_ptr<const T> value = std::make_shared<const T>();
    return value;
  }
  std::shared_ptr<const T> value_;
};

}  // namespace perdure
