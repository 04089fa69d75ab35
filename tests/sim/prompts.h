#pragma once
// Prompts whose whole answer anybody can work out: by hand where it is what was asked to be said, else by asking the
// scripted model directly. Either way without the code under test.

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "model/request.h"
#include "setup.h"

namespace perdure::sim {

struct Prompt {
  enum class Kind { kSay, kCount, kJson, kTools, kResults };
  Kind kind = Kind::kSay;
  bool thinks = false;
  std::string text;                                        // of the user; empty: results of tools
  std::string answer;                                      // the whole text
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
};

// What the tool "get_weather" takes, and what a person is described by.
inline constexpr std::string_view kLocation =
    R"({"type":"object","properties":{"location":{"type":"string"}},"required":["location"],"additionalProperties":false})";
inline constexpr std::string_view kPerson =
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"],"additionalProperties":false})";

// What a client holds of its conversation, as far as the next prompt depends on it.
struct OpenCalls {
  std::vector<std::string> ids;
};

Prompt draw_prompt(const Setup& setup, SeededRandom& random, uint64_t unique);
// After tools were called: their results.
Prompt results_prompt(const OpenCalls& open, uint64_t unique);
// Model, input, tools and format of `prompt`; for kResults `open` names the calls.
Request request_of(const Prompt& prompt, const Identity& who, uint64_t errand, const OpenCalls& open);

}  // namespace perdure::sim
