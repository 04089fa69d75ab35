#pragma once
// AnswerBuilder: turns pieces of one or more attempts into canonical deltas. Pure. Knows what is held, so that an
// attempt that continues adds to the open message, hides later reasoning, and keeps tool calls back until the answer is
// whole.

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "generation/seam.h"
#include "model/delta.h"
#include "model/piece.h"
#include "model/request.h"

namespace perdure {

class AnswerBuilder {
 public:
  AnswerBuilder(const Request& request, AnswerItems held, int64_t held_tokens, Random& random);

  // A new attempt begins; what an earlier one said of tool calls is forgotten. `prefill`: it is given the visible text
  // as its own beginning. `language`: of the conversation.
  void begin_attempt(bool prefill, Language language = Language::kUnknown);
  // The deltas for `pieces`. kCorrupt: pieces that make no answer.
  Result<std::vector<Delta>> add(const std::vector<Piece>& pieces);
  // The attempt was whole: what was held back, the tool calls as one group, and the ends of what is open. kUnavailable,
  // reason seam_...: what it said cannot be joined with what is held; nothing is given then.
  Result<std::vector<Delta>> complete();
  // Closes what is open with `status`, for an answer that ends without being whole.
  std::vector<Delta> close(ItemStatus status);

  bool anything_visible() const { return !answer_.items().empty(); }
  // What is held ends with a message or a call that was closed, so no attempt is missing.
  bool closed() const;
  std::string visible_text() const;  // of its messages so far
  const AnswerItems& answer() const { return answer_; }
  Finish finish() const { return finish_; }
  const std::string& finish_reason() const { return finish_reason_; }
  const std::string& stop_sequence() const { return stop_sequence_; }
  const std::string& upstream_id() const { return upstream_id_; }
  const Usage& usage() const { return usage_; }
  size_t trimmed() const { return dropped_ + (seam_ ? seam_->dropped() : 0); }
  std::string_view seam() const { return seam_ ? seam_->kind() : std::string_view(seam_kind_); }
  int64_t tokens() const { return tokens_; }

 private:
  // One entry of the group that is held back until the answer is whole: a call, or an opaque block before one.
  struct Held {
    int index = -1;  // of the call; -1: an opaque block
    std::string call_id, name, arguments;
    OpaqueKind opaque = OpaqueKind::kNone;
    std::string issuer;
  };
  void emit(std::vector<Delta>& out, Delta delta);
  void show(std::vector<Delta>& out, PartKind part, std::string text);
  Result<void> say(std::vector<Delta>& out, PartKind part, const std::string& text);
  void begin_item(std::vector<Delta>& out, ItemKind kind);
  Result<void> hold(const Piece& piece);
  void reason(std::vector<Delta>& out, const Piece& piece);
  void opaque(std::vector<Delta>& out, const Piece& piece);
  void opaque_item(std::vector<Delta>& out, OpaqueKind kind, std::string block, std::string issuer);
  void close_open(std::vector<Delta>& out, ItemStatus status);
  bool permitted(const std::string& function) const;

  const Request& request_;
  Random& random_;
  AnswerItems answer_;
  std::optional<Seam> seam_;         // of an attempt that goes on with visible text
  std::optional<std::string> held_;  // that text, where the format keeps the remainder back
  std::string remainder_;
  std::string seam_kind_;
  size_t dropped_ = 0;
  std::vector<Held> group_;
  std::optional<Piece> alone_;  // an opaque block whose item has not come yet
  std::string phase_;           // of the message that begins next
  int summary_ = -1;            // the part of the summary that is open
  size_t call_bytes_ = 0;
  Finish finish_ = Finish::kNone;
  std::string finish_reason_, stop_sequence_, upstream_id_;
  Usage usage_;
  int64_t tokens_;
  PartKind part_ = PartKind::kOutputText;  // the open one, or the last
  bool hide_reasoning_ = false;            // an earlier attempt has shown some
};

}  // namespace perdure
