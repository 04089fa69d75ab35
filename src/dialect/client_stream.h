#pragma once
// ClientStream: what a client sees of one response, derived from records alone, in the dialect that it asked in. A
// stream is therefore the same whether it is followed live, resumed, or read back from the journal. Pure.
// Implementations: responses_render.h, chat_render.h, messages_render.h.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/response.h"

namespace perdure {

struct RenderedEvent {
  uint64_t sequence_number = 0;  // 0, 1, ...: where a resumed stream goes on after
  std::string type;              // of the SSE `event:` line; empty: the dialect has none
  std::string data;              // one line of JSON
};

class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Appends the events that `record` gives rise to. kCorrupt as apply().
  virtual Result<void> add(const Record& record, std::vector<RenderedEvent>& out) = 0;
  virtual const Response& response() const = 0;  // the fold of what was added
  bool finished() const { return is_terminal(response().status); }
  // What stands behind the last event, as bytes: "data: [DONE]\n\n", or nothing.
  virtual std::string_view trailer() const = 0;
  // One frame that keeps an idle connection open.
  virtual std::string_view keep_alive() const { return ": keep-alive\n\n"; }
};

}  // namespace perdure
