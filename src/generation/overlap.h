#pragma once
// OverlapTrimmer: finds where a continuation repeats the end of the text it continues, and drops that repetition. Pure.
//
// A model that is asked to go on may go on exactly, repeat the last words first, or start its answer over. All three
// are one case: the new text begins with the last k bytes of the held text (k = 0, some, all). The longest such k wins.
// Overlaps below kOverlapMin are taken for chance ("ha ha " + "ha") unless they are the whole of the held text. Text is
// held back only while a longer overlap is still possible, at most kWindow bytes or, for a restart, the length of the
// held text.

#include <string>
#include <string_view>
#include <vector>

namespace perdure {

class OverlapTrimmer {
 public:
  static constexpr size_t kOverlapMin = 6;
  static constexpr size_t kWindow = 2048;

  explicit OverlapTrimmer(std::string held);
  // What may be shown after `text` has come.
  std::string feed(std::string_view text);
  // What is left at the end of a whole answer.
  std::string finish();
  size_t trimmed() const { return trimmed_; }  // bytes dropped so far
  bool decided() const { return decided_; }

 private:
  std::string decide();
  std::string held_;
  std::string incoming_;
  std::vector<size_t> candidates_;  // overlap lengths that still agree with what has come
  size_t matched_ = 0;              // the longest overlap that has come in full
  size_t trimmed_ = 0;
  bool decided_ = false;
};

}  // namespace perdure
