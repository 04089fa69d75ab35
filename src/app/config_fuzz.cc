// Any bytes as perdure.yaml: problems have places within the file and words, what has none is a configuration that can
// be used, and secrets of the environment stand in no message.

#include <algorithm>
#include <cstdint>
#include <string>

#include "app/config.h"
#include "base/check.h"

namespace perdure {
namespace {

constexpr std::string_view kSecret = "sk-never-shown-0123456789";

}  // namespace
}  // namespace perdure

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace perdure;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<int>(std::ranges::count(text, '\n')) + 2;
  LoadedConfig loaded = parse_config(text, [](const std::string&) { return std::string(kSecret); });
  for (const ConfigProblem& problem : loaded.problems) {
    CHECK(!problem.message.empty(), "a problem without words");
    CHECK(problem.line >= 0 && problem.line <= lines, "a problem that stands in no line");
    CHECK(problem.to_string("perdure.yaml").find(kSecret) == std::string::npos, "a secret in a message");
  }
  LoadedConfig again = parse_config(text, [](const std::string&) { return std::string(kSecret); });
  CHECK(again.problems.size() == loaded.problems.size(), "the same file read twice");
  return 0;
}
