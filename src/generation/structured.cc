#include "generation/structured.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "generation/seam.h"

namespace perdure {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// What follows `held` in `whole`, where white space outside of strings does not count; nothing when `whole` does not
// begin with it.
std::optional<std::string> suffix_after(std::string_view held, std::string_view whole) {
  bool in_string = false, escaped = false;
  size_t h = 0, w = 0;
  for (;;) {
    if (!in_string) {
      while (h < held.size() && is_space(held[h])) ++h;
      if (h == held.size()) return std::string(whole.substr(w));
      while (w < whole.size() && is_space(whole[w])) ++w;
    } else if (h == held.size()) {
      return std::string(whole.substr(w));
    }
    if (w == whole.size() || held[h] != whole[w]) return std::nullopt;
    char c = held[h];
    if (in_string) {
      if (escaped)
        escaped = false;
      else if (c == '\\')
        escaped = true;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    }
    ++h, ++w;
  }
}

// The JSON within a fence and an announcement, if there are such.
std::string_view bare(std::string_view text) {
  size_t fence = text.find("```");
  if (fence != std::string_view::npos && fence < 200) {
    size_t line = text.find('\n', fence);
    if (line != std::string_view::npos) text.remove_prefix(line + 1);
  }
  if (size_t closing = text.rfind("```"); closing != std::string_view::npos) text = text.substr(0, closing);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<Joined> join_structured(std::string_view held, std::string_view text, const TextFormat& format) {
  std::vector<Joined> readings;
  Seam seam{std::string(held), false};
  Result<std::string> shown = seam.feed(text);
  if (shown.ok()) {
    std::string all = *std::move(shown);
    shown = seam.finish();
    if (shown.ok()) readings.push_back({all + *shown, seam.dropped(), seam.kind()});
  }
  readings.push_back({std::string(text), 0, "exact"});
  // It wrote the object anew, perhaps in a fence or with other white space.
  std::string_view inner = bare(text);
  if (std::optional<std::string> rest = suffix_after(held, inner))
    readings.push_back({*rest, text.size() - rest->size(), "restart"});
  if (size_t brace = text.find_first_of("{["); brace != std::string_view::npos && brace > 0)
    if (std::optional<std::string> rest = suffix_after(held, bare(text.substr(brace))))
      readings.push_back({*rest, text.size() - rest->size(), "restart"});
  readings.push_back({std::string(inner), text.size() - inner.size(), "fence"});
  for (Joined& reading : readings)
    if (keeps_to(std::string(held) + reading.remainder, format.schema)) return std::move(reading);
  return Error{Code::kUnavailable, "what was shown and what the next model said make no valid JSON", "", "seam_schema"};
}

}  // namespace perdure
