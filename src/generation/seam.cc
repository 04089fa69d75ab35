#include "generation/seam.h"

#include "base/planted.h"
#include "generation/new_beginning.h"
#include "generation/preface.h"

namespace perdure {
namespace {

constexpr int kPrefacesMax = 2;
constexpr size_t kFenceLineMax = 40;
constexpr std::string_view kFence = "```";
constexpr std::string_view kClosing = "\n```";

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Whether `text` ends inside a code fence.
bool ends_in_fence(std::string_view text) {
  bool open = false;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (text.substr(at, end - at).starts_with(kFence)) open = !open;
    at = end + 1;
  }
  return open;
}

size_t last_line(std::string_view text) { return text.rfind('\n') + 1; }  // 0 where there is no other

}  // namespace

std::string_view given_of(std::string_view held) {
  while (!held.empty() && is_space(held.back())) held.remove_suffix(1);
  return held;
}

Seam::Seam(std::string held, bool prefill, Language language)
    : held_(std::move(held)), language_(language), prefill_(prefill) {
  in_fence_ = ends_in_fence(held_);
  if (held_.empty())
    (void)open({}, "exact");
  else if (!prefill_)
    overlap_ = std::make_unique<OverlapFinder>(held_);
}

std::string Seam::open(std::string text, std::string_view kind) {
  state_ = State::kOpen;
  if (kind_.empty()) kind_ = kind;
  overlap_.reset();
  incoming_.clear();
  if (planted(PlantedBug::kLostRemainder) && !held_.empty() && !text.empty()) text.erase(0, 1);
  held_.clear();
  return without_closing_fence(std::move(text), false);
}

std::string Seam::without_closing_fence(std::string text, bool ended) {
  if (!wrapped_) return text;
  text.insert(0, tail_);
  tail_.clear();
  if (ended) {
    while (!text.empty() && is_space(text.back()) && text.size() > kClosing.size() &&
           std::string_view(text).substr(0, text.size() - 1).ends_with(kFence))
      text.pop_back();
    if (text.ends_with(kClosing)) {
      text.resize(text.size() - kClosing.size());
      dropped_ += kClosing.size();
    }
    return text;
  }
  // The longest end that may be the beginning of the closing fence, with a line break behind it at most.
  for (size_t keep = std::min(text.size(), kClosing.size() + 1); keep > 0; --keep) {
    std::string_view end = std::string_view(text).substr(text.size() - keep);
    std::string closing = std::string(kClosing) + "\n";
    if (closing.starts_with(end)) {
      tail_ = end;
      text.resize(text.size() - keep);
      break;
    }
  }
  return text;
}

Result<std::string> Seam::feed(std::string_view text) {
  if (state_ == State::kOpen) return without_closing_fence(std::string(text), false);
  incoming_ += text;
  return look(false);
}

Result<std::string> Seam::finish() {
  std::string out;
  if (state_ == State::kLooking) {
    TRY(out, look(true));
    if (state_ == State::kLooking) out += open(std::exchange(incoming_, {}), "exact");
  }
  return out + without_closing_fence({}, true);
}

Result<std::string> Seam::look(bool ended) {
  if (prefill_) {
    // The held text was given without the white space at its end; what comes of it again was shown already.
    std::string_view space = std::string_view(held_).substr(given_of(held_).size());
    size_t run = 0;
    while (run < incoming_.size() && is_space(incoming_[run])) ++run;
    if (run == incoming_.size() && run < space.size() && !ended) return std::string();
    size_t again = std::min(run, space.size());
    dropped_ += again;
    return open(incoming_.substr(again), "prefill");
  }
  for (;;) {
    if (overlap_) {
      overlap_->feed(std::string_view(incoming_).substr(overlap_fed_));
      overlap_fed_ = incoming_.size();
      if (ended) overlap_->end();
      if (!overlap_->decided()) return std::string();
      if (size_t repeated = overlap_->repeated(); repeated > 0) {
        dropped_ += repeated;
        bool restart = repeated >= held_.size() && kind_.empty();
        return open(incoming_.substr(repeated), overlap_->ambiguous() ? "ambiguous" : restart ? "restart" : "overlap");
      }
      overlap_.reset();
    }
    // A fence, once, and only where the text could not well open one.
    if (!fence_dropped_ && (in_fence_ || held_.back() != '\n')) {
      std::string_view start = std::string_view(incoming_).substr(0, kFence.size());
      if (kFence.starts_with(start) && start.size() < kFence.size() && !ended) return std::string();
      if (start == kFence) {
        size_t line = incoming_.find('\n');
        if (line == std::string::npos && incoming_.size() < kFenceLineMax && !ended) return std::string();
        // Within a fence and on a line of its own, bare backquotes close it.
        bool closes = in_fence_ && held_.back() == '\n' && line == kFence.size();
        if (line != std::string::npos && line < kFenceLineMax && !closes) {
          fence_dropped_ = true;
          kind_ = "fence";
          dropped_ += line + 1;
          incoming_.erase(0, line + 1);
          wrapped_ = !in_fence_;
          overlap_ = in_fence_ ? std::make_unique<OverlapFinder>(held_, last_line(held_))
                               : std::make_unique<OverlapFinder>(held_);
          overlap_fed_ = 0;
          continue;
        }
      }
    }
    Preface preface = prefaces_ < kPrefacesMax ? preface_of(incoming_, ended) : Preface{};
    if (preface.kind == Preface::Kind::kUnclear) return std::string();
    if (preface.kind == Preface::Kind::kRefusal)
      return Error{Code::kUnavailable, "the model that was asked to go on refused to", "", "seam_refused"};
    if (preface.kind == Preface::Kind::kPreface) {
      Language before = language_of(held_);
      if (before == Language::kUnknown) before = language_;
      if (before != Language::kUnknown && preface.language != before)
        return Error{Code::kUnavailable, "the model that was asked to go on changed the language", "", "seam_language"};
      ++prefaces_;
      kind_ = "preface";
      dropped_ += preface.size;
      incoming_.erase(0, preface.size);
      overlap_ = std::make_unique<OverlapFinder>(held_);
      overlap_fed_ = 0;
      if (incoming_.empty() && !ended) return std::string();
      continue;
    }
    if (!in_fence_) {
      NewBeginning beginning = new_beginning_of(held_, incoming_, language_, ended);
      if (beginning.kind == NewBeginning::Kind::kUnclear) return std::string();
      if (beginning.kind == NewBeginning::Kind::kEcho || beginning.kind == NewBeginning::Kind::kRunIn)
        return Error{Code::kUnavailable, "the model that was asked to go on began anew", "", "seam_new_beginning"};
      if (beginning.kind == NewBeginning::Kind::kReworded && !reworded_) {
        reworded_ = true;
        dropped_ += beginning.size;
        incoming_.erase(0, beginning.size);
        overlap_ = std::make_unique<OverlapFinder>(held_);
        overlap_fed_ = 0;
        continue;
      }
    }
    return open(std::exchange(incoming_, {}), "exact");
  }
}

}  // namespace perdure
