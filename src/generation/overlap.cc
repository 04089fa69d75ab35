#include "generation/overlap.h"

#include <algorithm>

#include "base/planted.h"

namespace perdure {

OverlapTrimmer::OverlapTrimmer(std::string held) : held_(std::move(held)) {
  size_t window = std::min(held_.size(), kWindow);
  for (size_t k = 1; k <= window; ++k) {
    unsigned char first = static_cast<unsigned char>(held_[held_.size() - k]);
    if ((first & 0xc0) != 0x80) candidates_.push_back(k);  // never inside a UTF-8 sequence
  }
  if (held_.size() > window) candidates_.push_back(held_.size());
  if (held_.empty() || planted(PlantedBug::kDoubleOverlap)) decided_ = true;
}

std::string OverlapTrimmer::feed(std::string_view text) {
  if (decided_) return std::string(text);
  size_t before = incoming_.size();
  incoming_ += text;
  std::erase_if(candidates_, [&](size_t k) {
    size_t until = std::min(k, incoming_.size());
    if (until > before &&
        held_.compare(held_.size() - k + before, until - before, incoming_, before, until - before) != 0)
      return true;
    if (k <= incoming_.size()) {
      if (k >= kOverlapMin || k == held_.size()) matched_ = std::max(matched_, k);
      return true;
    }
    return false;
  });
  return candidates_.empty() ? decide() : std::string();
}

std::string OverlapTrimmer::finish() {
  if (decided_) return {};
  // The answer ended inside a repetition: it had nothing new to say.
  if (!candidates_.empty() && incoming_.size() >= kOverlapMin) matched_ = std::max(matched_, incoming_.size());
  return decide();
}

std::string OverlapTrimmer::decide() {
  decided_ = true;
  trimmed_ = matched_;
  candidates_.clear();
  std::string rest = incoming_.substr(matched_);
  incoming_.clear();
  held_.clear();
  return rest;
}

}  // namespace perdure
