#pragma once
// OverlapFinder: whether a text begins by repeating the end of another. Pure; text comes in pieces.
//
// A model that is asked to go on may repeat the last words first, or start its answer over: its text then begins with
// the last k bytes of the held text (some, all). The longest such k wins. White space counts as equal to other white
// space. Overlaps below kOverlapMin bytes are taken for chance ("ha ha " + "ha") unless they are the whole of the held
// text or begin where `from` says.

#include <string>
#include <string_view>
#include <vector>

namespace perdure {

class OverlapFinder {
 public:
  static constexpr size_t kOverlapMin = 6;
  static constexpr size_t kWindow = 2048;

  // `from` < npos: only a repetition that begins at that byte of `held` counts, however short.
  explicit OverlapFinder(std::string_view held, size_t from = std::string_view::npos);

  void feed(std::string_view text);
  void end();  // no more text comes
  bool decided() const { return starts_.empty() && !at_boundary_; }
  // After that: how many bytes of the text are the repetition; 0: none.
  size_t repeated() const { return repeated_; }
  // More than one repetition would have fitted: the text is repetitive, and the longest was taken.
  bool ambiguous() const { return found_ > 1; }
  // Some repetition is still possible, or was found.
  bool promising() const { return repeated_ > 0 || !starts_.empty(); }

 private:
  struct Start {
    size_t begin, at;       // in held: where the repetition began, and where it is
    bool in_space = false;  // a run of white space of the text has been matched against one of the held
  };
  void matched(size_t begin);
  void look_at_boundary();
  std::string held_;
  std::string_view last_space_;  // the white space that held_ ends with
  std::string_view space_;       // of it, what the last repetition covers
  std::vector<Start> starts_;
  size_t fed_ = 0, repeated_ = 0, least_ = kOverlapMin, found_ = 0;
  std::string run_;           // the white space that the text ends with so far
  bool at_boundary_ = false;  // a repetition ended in white space, and the text's may go on
};

}  // namespace perdure
