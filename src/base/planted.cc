#include "base/planted.h"

#include <array>
#include <cstdint>
#include <cstdlib>

namespace perdure {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(PlantedBug::kCount)> kNames = {
    "sync-off",          "send-before-commit", "lost-tail",        "double-overlap", "ignore-idempotency",
    "forget-unfinished", "unbounded-reader",   "accept-bad-input", "doubled-text",   "forbidden-placement",
    "ignore-permits",    "forget-withdrawal",  "deaf-to-cuts",     "foreign-opaque", "forget-author",
    "forget-spending",   "ignore-budgets",     "lost-remainder",   "ignore-rates"};

}  // namespace

std::string_view name_of(PlantedBug bug) { return kNames[static_cast<size_t>(bug)]; }

#if defined(PERDURE_PLANTED_BUGS)
namespace {

bool parse(std::string_view names, uint64_t& selection) {
  selection = 0;
  while (!names.empty()) {
    size_t comma = names.find(',');
    std::string_view name = names.substr(0, comma);
    names = comma == std::string_view::npos ? std::string_view{} : names.substr(comma + 1);
    bool known = false;
    for (size_t i = 0; i < kNames.size(); ++i)
      if (kNames[i] == name) selection |= uint64_t{1} << i, known = true;
    if (!known) return false;
  }
  return true;
}

uint64_t& selection() {
  static uint64_t bits = [] {
    uint64_t parsed = 0;
    const char* names = std::getenv("PERDURE_PLANT");
    if (names != nullptr) (void)parse(names, parsed);
    return parsed;
  }();
  return bits;
}

}  // namespace

bool planted(PlantedBug bug) { return (selection() >> static_cast<unsigned>(bug) & 1) != 0; }

bool plant(std::string_view names) { return parse(names, selection()); }
#endif

}  // namespace perdure
