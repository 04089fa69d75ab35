#pragma once
// Scorecard: what was measured of one model at one provider, on one day: its capabilities and sizes as far as they
// could be seen, each with what was seen. A value and its file format (JSON); routing/probe.h makes them.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalogue/capabilities.h"

namespace perdure {

struct Scorecard {
  struct Finding {
    std::string what;   // "prefill", "context_tokens", "streaming_usage", ...
    std::string found;  // "yes", "no", "unknown", or a number of tokens
    std::string seen;   // what that was concluded from, in words; content-free
    bool operator==(const Finding&) const = default;
  };
  std::string provider, upstream_model;  // what it is about: the provider's configured name, the model's name there
  std::string dialect, base_url;         // as they were then
  std::string measured_at;               // "2026-08-01T12:00:00Z"
  std::string prefill_form;              // the way in which a chat endpoint takes one ("plain"); empty: the usual
  Capabilities measured;                 // what routing goes by; unknown: could not be seen
  std::vector<Finding> findings;
  int64_t calls = 0, input_tokens = 0, output_tokens = 0;  // that it took
  bool operator==(const Scorecard&) const = default;
};

std::string to_json(const Scorecard& card);
Result<Scorecard> parse_scorecard(std::string text);  // kCorrupt

}  // namespace perdure
