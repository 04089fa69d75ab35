#pragma once
// CHECK(condition, "what it means"): a broken invariant ends the process, in release too. Sessions are journaled, so a
// restart is cheap and going on with broken state is not.

#include <string_view>

namespace perdure {

[[noreturn]] void check_failed(const char* file, int line, const char* condition, std::string_view message);

}  // namespace perdure

#define CHECK(condition, ...)                                                                 \
  do {                                                                                        \
    if (!(condition)) [[unlikely]]                                                            \
      ::perdure::check_failed(__FILE__, __LINE__, #condition, std::string_view{__VA_ARGS__}); \
  } while (false)
