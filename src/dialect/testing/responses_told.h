#pragma once
// What the pieces of an answer of the Responses API tell, put together.

#include <gtest/gtest.h>

#include <map>

#include "dialect/responses_upstream.h"

namespace perdure::responses {

struct Told {
  std::string text, refusal, reasoning, summary;
  std::vector<std::string> calls, opaque, annotations, messages;
  Usage usage;
  Finish finish = Finish::kNone;
  std::string id, model, word;
  bool operator==(const Told&) const = default;
};

inline Told told(const std::vector<Piece>& pieces) {
  Told all;
  int starts = 0, finishes = 0;
  std::map<int, std::string> calls;
  for (const Piece& piece : pieces) {
    EXPECT_EQ(finishes, 0) << "something comes after the finish";
    switch (piece.kind) {
      case Piece::Kind::kStarted:
        ++starts;
        all.id = piece.id;
        all.model = piece.model;
        break;
      case Piece::Kind::kText:
        all.text += piece.text;
        break;
      case Piece::Kind::kRefusal:
        all.refusal += piece.text;
        break;
      case Piece::Kind::kReasoning:
        all.reasoning += piece.text;
        break;
      case Piece::Kind::kSummary:
        all.summary += piece.text;
        break;
      case Piece::Kind::kToolCall:
        EXPECT_FALSE(calls.contains(piece.index));
        calls[piece.index] = piece.call_id + " " + piece.name + " ";
        break;
      case Piece::Kind::kToolArguments:
        EXPECT_TRUE(calls.contains(piece.index));
        calls[piece.index] += piece.text;
        break;
      case Piece::Kind::kUsage:
        all.usage = piece.usage;
        break;
      case Piece::Kind::kFinish:
        ++finishes;
        all.finish = piece.finish;
        all.word = piece.text;
        break;
      case Piece::Kind::kMessage:
        all.messages.push_back(piece.text);
        break;
      case Piece::Kind::kOpaque:
        EXPECT_EQ(piece.opaque, OpaqueKind::kEncrypted);
        all.opaque.push_back(piece.text);
        break;
      case Piece::Kind::kAnnotation:
        all.annotations.push_back(piece.text);
        break;
    }
  }
  for (auto& [index, one] : calls) all.calls.push_back(one);
  EXPECT_LE(starts, 1);
  EXPECT_EQ(finishes, 1);
  return all;
}

inline Result<std::vector<Piece>> feed(std::string_view bytes, size_t size = std::string_view::npos) {
  auto parser = responses_stream_parser();
  std::vector<Piece> pieces;
  while (!bytes.empty()) {
    TRY_VOID(parser->feed(bytes.substr(0, size), pieces));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  TRY_VOID(parser->end());
  EXPECT_TRUE(parser->done());
  return pieces;
}

}  // namespace perdure::responses
