#pragma once
// Pieces: what a supplier's stream says, free of its dialect and in the order it came. Tool calls may interleave
// (`index`). generation turns pieces into canonical deltas.

#include <cstdint>
#include <string>

#include "model/item.h"
#include "model/usage.h"

namespace perdure {

enum class Finish : uint8_t {
  kNone = 0,
  kStop,
  kLength,
  kToolCalls,
  kContentFilter,  // the supplier withheld or cut the answer
  kOther,
  kRefusal,        // the model declined; what it said is the answer
  kStopSequence,   // Piece::name: which
  kPause,          // the supplier paused a long turn and wants to be asked again
  kContextWindow,  // the model's context is full
};
// "stop", "length", ...: part of the journal's format.
std::string_view name_of(Finish finish);
Finish finish_named(std::string_view name);  // kNone: no such name

struct Piece {
  enum class Kind : uint8_t {
    kStarted = 1,    // id, model: as the supplier names them; may come once or not at all
    kText,           // text
    kRefusal,        // text
    kReasoning,      // text: visible reasoning
    kToolCall,       // index, call_id, name: a call begins
    kToolArguments,  // index, text
    kUsage,          // usage: replaces what was said before
    kFinish,         // finish, text: the supplier's own word; name: the stop sequence that was met
    kMessage,        // a message begins although text came before; text: its phase, or empty
    kSummary,        // text: of the summary of reasoning; index: which of its parts
    kOpaque,         // text, opaque: ends the reasoning that is open, or stands alone where none is
                     // (index 1: in any case)
    kAnnotation,     // text: a JSON object, of the text that came last
  };
  Kind kind = Kind::kText;
  std::string text;
  int index = 0;
  std::string call_id, name;
  std::string id, model;
  OpaqueKind opaque = OpaqueKind::kNone;
  std::string issuer;  // of an opaque block; set by the provider, which knows its account
  Usage usage;
  Finish finish = Finish::kNone;
  bool operator==(const Piece&) const = default;
};

}  // namespace perdure
