#pragma once
// Fields of recorded answers that no reader looks at, each with the reason why that loses nothing.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdure::fidelity {

// The place of a field: "responses item.name". Events that say the same thing several times (an item when it begins,
// when it ends, and in the whole) have one place for it.
std::string place_of(std::string_view dialect, std::string_view event, std::string_view path);

// Empty: not listed.
std::string_view why_unseen(std::string_view place);
// Entries for which `holds` is false: they are there no more, or are read.
std::vector<std::string> stale_reasons(const std::function<bool(std::string_view)>& holds);

}  // namespace perdure::fidelity
