#pragma once
// What the pieces of an answer of Gemini's tell, as a line.

#include <gtest/gtest.h>

#include "dialect/gemini_upstream.h"

namespace perdure::gemini {

using Kind = Piece::Kind;

inline Result<std::vector<Piece>> feed(std::string_view bytes, size_t piece_size = 1 << 20) {
  const auto parser = gemini_upstream()->stream_parser();
  std::vector<Piece> out;
  for (size_t at = 0; at < bytes.size(); at += piece_size) TRY_VOID(parser->feed(bytes.substr(at, piece_size), out));
  TRY_VOID(parser->end());
  return out;
}

inline std::string event(std::string_view data) { return "data: " + std::string(data) + "\r\n\r\n"; }
// Texts of one kind that follow each other are one.
inline std::vector<Piece> merged(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (const Piece& piece : pieces) {
    const bool text = piece.kind == Kind::kText || piece.kind == Kind::kSummary;
    if (text && !out.empty() && out.back().kind == piece.kind)
      out.back().text += piece.text;
    else
      out.push_back(piece);
  }
  return out;
}

// "text:a call:0,f,id args:{} ..."
inline std::string told(const std::vector<Piece>& pieces) {
  std::string out;
  for (const Piece& piece : merged(pieces)) {
    if (!out.empty()) out += " ";
    switch (piece.kind) {
      case Kind::kStarted:
        out += "started:" + piece.id + "," + piece.model;
        break;
      case Kind::kText:
        out += "text:" + piece.text;
        break;
      case Kind::kSummary:
        out += "thought:" + piece.text;
        break;
      case Kind::kToolCall:
        out += "call:" + std::to_string(piece.index) + "," + piece.name + "," + piece.call_id;
        break;
      case Kind::kToolArguments:
        out += "args:" + piece.text;
        break;
      case Kind::kOpaque:
        EXPECT_EQ(piece.opaque, OpaqueKind::kSignature);
        EXPECT_EQ(piece.issuer, "") << "the provider sets it";
        out += (piece.index == 0 ? "thought-signature:" : "signature:") + piece.text;
        break;
      case Kind::kAnnotation:
        out += "annotation:" + piece.text;
        break;
      case Kind::kUsage:
        out += "usage";
        break;
      case Kind::kFinish:
        out += "finish:" + std::string(name_of(piece.finish)) + "," + piece.text;
        break;
      default:
        out += "?";
        break;
    }
  }
  return out;
}

inline std::string told(const Result<std::vector<Piece>>& pieces) {
  if (pieces.ok()) return told(*pieces);
  return std::string(to_string(pieces.error().code)) + ": " + pieces.error().message;
}

}  // namespace perdure::gemini
