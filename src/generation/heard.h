#pragma once
// What is noted of an attempt for its account, should its supplier not live to count. Pure.

#include <vector>

#include "base/result.h"
#include "model/piece.h"

namespace perdure {

// Of what a model has written: text, reasoning, arguments of tools.
inline int64_t text_bytes(const std::vector<Piece>& pieces) {
  size_t sum = 0;
  for (const Piece& piece : pieces) switch (piece.kind) {
      case Piece::Kind::kText:
      case Piece::Kind::kRefusal:
      case Piece::Kind::kReasoning:
      case Piece::Kind::kSummary:
      case Piece::Kind::kToolArguments:
        sum += piece.text.size();
        break;
      default:
        break;
    }
  return static_cast<int64_t>(sum);
}

// Whether nobody said that there would be no answer: it was waited for until somebody here had enough.
inline bool given_up_waiting(const Error& error) {
  return error.upstream_status == 0 && (error.code == Code::kDeadline || error.code == Code::kCancelled);
}

}  // namespace perdure
