#include "generation/opening.h"

#include <algorithm>

#include "generation/heard.h"

namespace perdure {

std::string Opening::upstream_id() const {
  for (const Piece& piece : pieces)
    if (piece.kind == Piece::Kind::kStarted) return piece.id;
  return {};
}

Usage Opening::usage() const {
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
    if (piece->kind == Piece::Kind::kUsage) return piece->usage;
  return {};
}

bool is_word(const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::kText:
    case Piece::Kind::kRefusal:
    case Piece::Kind::kReasoning:
    case Piece::Kind::kSummary:
      return !piece.text.empty();
    case Piece::Kind::kToolCall:
    case Piece::Kind::kToolArguments:
    case Piece::Kind::kOpaque:
    case Piece::Kind::kFinish:
      return true;
    case Piece::Kind::kStarted:
    case Piece::Kind::kUsage:
    case Piece::Kind::kMessage:
    case Piece::Kind::kAnnotation:
      return false;
  }
  return false;
}

Task<void> open(Opening& opening, UpstreamCall call, OpeningLimits limits, Loop& loop, Notifier& changed) {
  AttemptLease& lease = *opening.lease;
  Result<void> dispatched = lease.dispatch();
  if (!dispatched.ok()) {
    opening.said = std::move(dispatched).error();
    changed.notify_all();
    co_return;
  }
  Deadline open_by = deadline_in(loop, limits.open_time).sooner(limits.deadline);
  Result<std::unique_ptr<UpstreamAnswer>> opened =
      co_await lease.provider().open(std::move(call), open_by, lease.cancel());
  if (opened.ok())
    opening.answer = *std::move(opened);
  else
    opening.said = std::move(opened).error();
  while (!opening.said) {
    size_t before = opening.pieces.size();
    Duration patience = opening.any_pieces ? lease.stall_limit(limits.stall_time) : limits.open_time;
    Instant asked = loop.now();
    Result<bool> more =
        co_await opening.answer->next(opening.pieces, Deadline{asked + patience}.sooner(limits.deadline));
    opening.any_pieces = !opening.pieces.empty();
    opening.heard_bytes = text_bytes(opening.pieces);
    if (opening.pieces.size() > before && !lease.cancel().requested()) {
      lease.came(loop.now() - asked);
      auto fresh = opening.pieces.begin() + static_cast<ptrdiff_t>(before);
      opening.spoke = std::any_of(fresh, opening.pieces.end(), is_word);
      if (opening.spoke) lease.spoke();
    }
    if (opening.spoke || !more.ok() || !*more) opening.said = std::move(more);
  }
  changed.notify_all();
}

}  // namespace perdure
