#pragma once
// Server-sent events (WHATWG HTML, 9.2): a push parser for upstream streams and a writer for ours.

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace perdure {

struct SseEvent {
  std::string_view event;  // empty: "message"
  std::string_view data;   // lines joined by LF
};

// Feed bytes cut anywhere; events come out whole. LF, CRLF and CR line ends, comments, BOM, multi-line data.
class SseParser {
 public:
  explicit SseParser(size_t event_bytes_max = 16 << 20) : event_bytes_max_(event_bytes_max) {}
  // Calls `on_event` for each whole event; its error stops the parse and is returned. kCorrupt: an event beyond the
  // limit.
  Result<void> feed(std::string_view bytes, const std::function<Result<void>(const SseEvent&)>& on_event);
  bool at_rest() const { return line_.empty() && data_.empty() && event_.empty() && !has_data_; }  // nothing half-read

 private:
  Result<void> line(std::string_view text, const std::function<Result<void>(const SseEvent&)>& on_event);
  size_t event_bytes_max_;
  std::string line_, event_, data_;
  bool has_data_ = false, after_cr_ = false, started_ = false;
};

// One event in one string, LF only: `event:` when not empty, `data:`, blank line. Data with line breaks becomes several
// `data:` lines, which a reader joins by LF; `event` holds none.
void append_sse(std::string& out, std::string_view event, std::string_view data);

}  // namespace perdure
