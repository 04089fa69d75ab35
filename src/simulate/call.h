#pragma once
// Call: one request for an answer that was understood. It holds what the scripted model is asked, and knows how an
// answer is put on the wire in its dialect, whole and as a stream. Exchange (exchange.h) drives it: pace and faults are
// the same for all.

#include <string>
#include <string_view>
#include <vector>

#include "simulate/scripted_model.h"

namespace perdure::simulate {

struct Usage {
  int64_t prompt = 0;  // all of it, cached or not
  int64_t completion = 0, reasoning = 0;
  int64_t cache_read = 0, cache_write_5m = 0, cache_write_1h = 0;
};

// A token on its way: of the reasoning, of the text, or of a call's arguments.
struct Piece {
  enum class Of { kReasoning, kText, kCall };
  Of of = Of::kText;
  size_t call = 0;
  bool first = false, last = false;  // of its block
  std::string_view text = {};
};

// Each is written at once: an event of a stream, or a frame.
using Frames = std::vector<std::string>;

class Call {
 public:
  Call() = default;
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  virtual std::string_view id() const = 0;
  virtual const Prompt& prompt() const = 0;
  virtual bool streams() const = 0;
  virtual bool shows_reasoning() const { return true; }  // no: its block is one piece, whatever it says

  // The answer is known from the start; frames are made in this order, each once. `whole` alone for a reply that does
  // not stream.
  virtual std::string whole(const Answer& answer, const Usage& usage) = 0;
  virtual std::string_view stream_type() const { return "text/event-stream; charset=utf-8"; }
  virtual Frames opening(const Answer& answer, const Usage& usage) = 0;
  virtual Frames piece(const Answer& answer, const Piece& piece) = 0;
  virtual Frames ending(const Answer& answer, const Usage& usage) = 0;

  // What a stream says when something goes wrong in it.
  virtual std::string broken_frame() = 0;
  virtual Frames error_frames() = 0;
};

}  // namespace perdure::simulate
