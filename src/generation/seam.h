#pragma once
// Seam: where one attempt's text ends and another's goes on. Pure; the new text comes in pieces, and what may be shown
// of it comes out.
//
// A supplier that is asked in words to go on does what it likes: goes on exactly, repeats the last words or everything,
// announces that it will go on, changes white space, opens a code fence again or puts the rest into one, refuses, or
// changes the language. What can be mended is mended; what cannot is an error, and nothing of that text is shown.
//
//   exact       shown from the first byte that rules out everything else
//   overlap     the repetition is dropped (overlap.h)
//   preface     "Sure, here is the rest:" is dropped, and what follows is looked at again
//   fence       an opened fence that the held text is already in, or that wraps a text which is in none, is dropped
//   refusal, language   kUnavailable, reason seam_refused, seam_language
//   a new beginning     kUnavailable, reason seam_new_beginning; one that starts over with a word in front is dropped
//
// White space that a supplier lost or won exactly at a seam without an overlap cannot be known to be wrong.
// Text that is repetitive in itself may be taken for an overlap: such seams are counted as ambiguous.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "generation/language.h"
#include "generation/overlap.h"

namespace perdure {

// What a supplier is given of `held` as the beginning of its own answer: none takes one that ends in white space.
std::string_view given_of(std::string_view held);

class Seam {
 public:
  // `prefill`: the supplier was given the held text as its own beginning, so that its text is the rest and nothing
  // else; only white space that could not be given may come again.
  // `language`: of the conversation, where the held text is too short to tell.
  Seam(std::string held, bool prefill, Language language = Language::kUnknown);

  // What may be shown after `text` has come.
  Result<std::string> feed(std::string_view text);
  // The rest, at the end of a whole answer.
  Result<std::string> finish();
  size_t dropped() const { return dropped_; }  // bytes of text that were not shown
  bool decided() const { return state_ == State::kOpen; }
  // "exact", "overlap", "restart", "preface", "fence", "ambiguous", "prefill"; empty before it is decided.
  std::string_view kind() const { return kind_; }

 private:
  enum class State { kLooking, kOpen };
  Result<std::string> look(bool ended);
  std::string open(std::string text, std::string_view kind);
  std::string without_closing_fence(std::string text, bool ended);

  std::string held_;
  std::string incoming_;  // what has come and is not decided on
  std::unique_ptr<OverlapFinder> overlap_;
  size_t overlap_fed_ = 0;  // of incoming_
  State state_ = State::kLooking;
  Language language_;
  bool prefill_, in_fence_ = false, reworded_ = false, fence_dropped_ = false, wrapped_ = false;
  int prefaces_ = 0;
  std::string tail_;  // of shown text that may turn out to be the closing fence
  std::string_view kind_;
  size_t dropped_ = 0;
};

}  // namespace perdure
