#pragma once
// Result<T>: a value or an Error. For everything that a correct program meets; bugs are CHECK (base/check.h).
//
// An Error's code is classed by what the caller can do about it. HTTP status, exit code and retry rule are each derived
// from the code in exactly one place (dialect/error_render.h, cli/exit_code.h, generation/retry.h).

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace perdure {

enum class Code {
  kInvalid,      // the request is wrong; the same request will be wrong again
  kDenied,       // the caller may not do this
  kNotFound,     // no such object, or not the caller's
  kConflict,     // the object has moved on: read again, then decide
  kOverloaded,   // a limit is reached: later, with back-off
  kUnavailable,  // something below is down; unless said otherwise, nothing was done
  kUnknown,      // the effect may or may not have happened: read before retrying
  kDeadline,     // time ran out
  kCancelled,    // somebody asked for it to stop
  kCorrupt,      // stored or received bytes are not what they must be
  kInternal,     // a defect that was contained
};

std::string_view to_string(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;       // one sentence for the caller; never holds a credential or content of a conversation
  std::string param = {};    // the field of the request that is at fault, where there is one: "input[2].content"
  std::string reason = {};   // a stable machine word where the code alone is too coarse: "previous_response_not_found"
  int upstream_status = 0;   // HTTP status of the supplier's answer, where one caused this
  long retry_after_ms = -1;  // how long the cause asked to wait; -1: it did not say

  Error with_context(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error& error() & { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error& error() & { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace perdure

#define PERDURE_CONCAT_INNER(a, b) a##b
#define PERDURE_CONCAT(a, b) PERDURE_CONCAT_INNER(a, b)

// TRY(auto row, find(id));  binds the value or returns the error. TRY_VOID(check(x));  for Result<void>. The CO_ forms
// are for coroutines: CO_TRY(auto row, co_await find(id));
#define PERDURE_TRY(tmp, lhs, expr, ret)     \
  auto tmp = (expr);                         \
  if (!tmp.ok()) ret std::move(tmp).error(); \
  lhs = std::move(tmp).value()
#define TRY(lhs, ...) PERDURE_TRY(PERDURE_CONCAT(try_, __LINE__), lhs, (__VA_ARGS__), return)
#define CO_TRY(lhs, ...) PERDURE_TRY(PERDURE_CONCAT(try_, __LINE__), lhs, (__VA_ARGS__), co_return)
#define PERDURE_TRY_VOID(tmp, expr, ret)       \
  do {                                         \
    auto tmp = (expr);                         \
    if (!tmp.ok()) ret std::move(tmp).error(); \
  } while (false)
#define TRY_VOID(...) PERDURE_TRY_VOID(PERDURE_CONCAT(try_, __LINE__), (__VA_ARGS__), return)
#define CO_TRY_VOID(...) PERDURE_TRY_VOID(PERDURE_CONCAT(try_, __LINE__), (__VA_ARGS__), co_return)
