#include "simulate/simulate_options.h"

#include <charconv>

namespace perdure::simulate {
namespace {

template <class T>
bool read_number(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Error wrong(std::string_view name, std::string_view value, std::string_view wanted) {
  return {.code = Code::kInvalid,
          .message = std::string(name) + ": \"" + std::string(value) + "\" is not " + std::string(wanted),
          .param = std::string(name)};
}

}  // namespace

std::string_view name_of(Continuation continuation) {
  switch (continuation) {
    case Continuation::kExact:
      return "exact";
    case Continuation::kOverlap:
      return "overlap";
    case Continuation::kRestart:
      return "restart";
    case Continuation::kMixed:
      return "mixed";
  }
  return "exact";
}

Result<Continuation> parse_continuation(std::string_view text) {
  for (auto c : {Continuation::kExact, Continuation::kOverlap, Continuation::kRestart, Continuation::kMixed})
    if (text == name_of(c)) return c;
  return wrong("continuation", text, "one of exact, overlap, restart, mixed");
}

Result<void> set_option(SupplierOptions& options, std::string_view name, std::string_view value) {
  if (name == "seed") {
    if (!read_number(value, options.seed)) return wrong(name, value, "a whole number of 0 or more");
  } else if (name == "model") {
    if (value.empty()) return wrong(name, value, "a name");
    options.model = value;
  } else if (name == "tokens-per-second") {
    double rate = 0;
    if (!read_number(value, rate) || !(rate >= 0) || rate > 1e9) return wrong(name, value, "a number of 0 or more");
    options.tokens_per_second = rate;
  } else if (name == "first-token") {
    TRY(options.first_token, parse_time(value));
  } else if (name == "api-key") {
    options.api_key = value;
  } else if (name == "fault") {
    TRY(auto faults, parse_faults(value));
    options.faults.insert(options.faults.end(), faults.begin(), faults.end());
  } else if (name == "continuation") {
    TRY(options.continuation, parse_continuation(value));
  } else if (name == "reasoning") {
    if (value != "true" && value != "false") return wrong(name, value, "true or false");
    options.reasoning = value == "true";
  } else if (name == "bodies-kept") {
    if (!read_number(value, options.bodies_kept)) return wrong(name, value, "a whole number of 0 or more");
  } else {
    return Error{.code = Code::kInvalid, .message = "no such option: " + std::string(name), .param = std::string(name)};
  }
  return {};
}

}  // namespace perdure::simulate
