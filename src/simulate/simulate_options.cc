#include "simulate/simulate_options.h"

#include <array>
#include <charconv>

namespace perdure::simulate {
namespace {

constexpr std::array<std::string_view, 10> kContinuations = {"exact",      "overlap", "restart",  "mixed",   "preface",
                                                             "whitespace", "fence",   "language", "refusal", "random"};

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

bool* flag_of(SupplierOptions& options, std::string_view name) {
  if (name == "reasoning") return &options.reasoning;
  if (name == "prefill") return &options.prefill;
  if (name == "state") return &options.state;
  if (name == "automatic-cache") return &options.automatic_cache;
  return nullptr;
}

}  // namespace

std::string_view name_of(Continuation continuation) { return kContinuations[static_cast<size_t>(continuation)]; }

Result<Continuation> parse_continuation(std::string_view text) {
  if (text == "partial-overlap") return Continuation::kOverlap;
  std::string all;
  for (size_t i = 0; i < kContinuations.size(); ++i) {
    if (text == kContinuations[i]) return static_cast<Continuation>(i);
    all.append(all.empty() ? "" : ", ").append(kContinuations[i]);
  }
  return wrong("seam", text, "one of " + all);
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
  } else if (name == "seam" || name == "continuation") {
    TRY(options.continuation, parse_continuation(value));
  } else if (bool* flag = flag_of(options, name)) {
    if (value != "true" && value != "false" && value != "yes" && value != "no") return wrong(name, value, "yes or no");
    *flag = value == "true" || value == "yes";
  } else if (name == "account") {
    options.account = value;
  } else if (name == "aws-region") {
    options.aws_region = value;
  } else if (name == "aws-key") {
    const size_t colon = value.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == value.size())
      return wrong(name, "...", "an access key id and a secret, joined by a colon");
    options.aws_key = value;
  } else if (name == "cache-minimum") {
    if (!read_number(value, options.cache_minimum) || options.cache_minimum < 0)
      return wrong(name, value, "a whole number of 0 or more");
  } else if (name == "bodies-kept") {
    if (!read_number(value, options.bodies_kept)) return wrong(name, value, "a whole number of 0 or more");
  } else {
    return Error{.code = Code::kInvalid, .message = "no such option: " + std::string(name), .param = std::string(name)};
  }
  return {};
}

}  // namespace perdure::simulate
