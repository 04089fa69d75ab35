#include "generation/overlap.h"

#include <algorithm>

#include "base/planted.h"

namespace perdure {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

size_t space_end(std::string_view text, size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

}  // namespace

OverlapFinder::OverlapFinder(std::string_view held, size_t from) {
  if (held.empty() || planted(PlantedBug::kDoubleOverlap)) return;
  held_ = held;
  size_t run = held_.size();
  while (run > 0 && is_space(held_[run - 1])) --run;
  last_space_ = std::string_view(held_).substr(run);
  if (from < held.size()) {
    least_ = 1;
    starts_.push_back({.begin = from, .at = from});
    return;
  }
  if (from != std::string_view::npos) return;
  size_t window = std::min(held.size(), kWindow);
  for (size_t begin = held.size() - window; begin < held.size(); ++begin)
    if (begins_character(held[begin])) starts_.push_back({.begin = begin, .at = begin});
  if (held.size() > window) starts_.push_back({.begin = 0, .at = 0});
}

void OverlapFinder::matched(size_t begin) {
  if (held_.size() - begin < least_ && begin != 0) return;
  ++found_;
  repeated_ = fed_;
  space_ = last_space_.substr(last_space_.size() - std::min(last_space_.size(), held_.size() - begin));
  at_boundary_ = !space_.empty();
  if (at_boundary_) look_at_boundary();
}

// Other white space stands for the held text's last: all of it belongs to the repetition, unless it begins with just
// what was held.
void OverlapFinder::look_at_boundary() {
  size_t from = fed_ - run_.size();
  if (run_.starts_with(space_)) {
    repeated_ = from + space_.size();
    at_boundary_ = false;
  } else {
    repeated_ = fed_;
  }
}

void OverlapFinder::feed(std::string_view text) {
  for (char c : text) {
    if (decided()) return;
    bool space = is_space(c);
    space ? void(run_ += c) : run_.clear();
    ++fed_;
    if (at_boundary_) space ? look_at_boundary() : void(at_boundary_ = false);
    std::vector<Start> alive;
    alive.reserve(starts_.size());
    for (Start start : starts_) {
      if (space) {
        if (!start.in_space) {
          if (!is_space(held_[start.at])) continue;
          start.at = space_end(held_, start.at);
          start.in_space = true;
        }
      } else {
        if (held_[start.at] != c) continue;
        ++start.at;
        start.in_space = false;
      }
      if (start.at == held_.size()) {
        matched(start.begin);
      } else {
        alive.push_back(start);
      }
    }
    starts_ = std::move(alive);
  }
}

void OverlapFinder::end() {
  // The text ended inside a repetition: it had nothing new to say.
  if (!starts_.empty() && fed_ >= least_) {
    repeated_ = fed_;
    ++found_;
  }
  starts_.clear();
  at_boundary_ = false;
}

}  // namespace perdure
