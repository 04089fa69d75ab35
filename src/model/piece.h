#pragma once
// Pieces: what a supplier's stream says, free of its dialect and in the order it came. Tool calls may interleave
// (`index`). generation turns pieces into canonical deltas.

#include <cstdint>
#include <string>

#include "model/usage.h"

namespace perdure {

enum class Finish : uint8_t { kNone = 0, kStop, kLength, kToolCalls, kContentFilter, kOther };

struct Piece {
  enum class Kind : uint8_t {
    kStarted = 1,    // id, model: as the supplier names them; may come once or not at all
    kText,           // text
    kRefusal,        // text
    kReasoning,      // text: visible reasoning
    kToolCall,       // index, call_id, name: a call begins
    kToolArguments,  // index, text
    kUsage,          // usage: replaces what was said before
    kFinish,         // finish, text: the supplier's own word
  };
  Kind kind = Kind::kText;
  std::string text;
  int index = 0;
  std::string call_id, name;
  std::string id, model;
  Usage usage;
  Finish finish = Finish::kNone;
  bool operator==(const Piece&) const = default;
};

}  // namespace perdure
