#pragma once
// What the pieces of a chat answer tell, put together.

#include "dialect/chat_upstream.h"

namespace perdure::chat {

struct Told {
  std::string text, reasoning, refusal, finish;
  std::vector<std::string> calls;  // "id name arguments"
  std::vector<std::string> opaque, annotations;
  std::string summary, model, id, stop_sequence;
  std::vector<std::string> problems;
  Usage usage;
  int starts = 0, finishes = 0;
  bool operator==(const Told&) const = default;
};

inline Told told(const std::vector<Piece>& pieces) {
  Told out;
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        ++out.starts, out.id = piece.id, out.model = piece.model;
        break;
      case Piece::Kind::kText:
        out.text += piece.text;
        break;
      case Piece::Kind::kRefusal:
        out.refusal += piece.text;
        break;
      case Piece::Kind::kReasoning:
        out.reasoning += piece.text;
        break;
      case Piece::Kind::kToolCall:
        if (piece.index != static_cast<int>(out.calls.size())) out.problems.push_back("a call out of order");
        out.calls.push_back(piece.call_id + " " + piece.name + " ");
        break;
      case Piece::Kind::kToolArguments:
        if (piece.index >= static_cast<int>(out.calls.size())) {
          out.problems.push_back("arguments before their call");
        } else {
          out.calls[static_cast<size_t>(piece.index)] += piece.text;
        }
        break;
      case Piece::Kind::kUsage:
        out.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        out.finish = piece.text, ++out.finishes, out.stop_sequence = piece.name;
        break;
      case Piece::Kind::kSummary:
        out.summary += piece.text;
        break;
      case Piece::Kind::kOpaque:
        out.opaque.push_back(std::string(name_of(piece.opaque)) + " " + piece.text);
        break;
      case Piece::Kind::kAnnotation:
        out.annotations.push_back(piece.text);
        break;
      case Piece::Kind::kMessage:
        out.problems.push_back("a piece that this dialect has not");
        break;
    }
  }
  return out;
}

inline Result<std::vector<Piece>> feed(std::string_view bytes, size_t piece_size = 1 << 20) {
  ChatStreamParser parser;
  std::vector<Piece> out;
  for (size_t at = 0; at < bytes.size(); at += piece_size) TRY_VOID(parser.feed(bytes.substr(at, piece_size), out));
  TRY_VOID(parser.end());
  return out;
}

}  // namespace perdure::chat
