#include "wire/sse.h"

#include <algorithm>
#include <utility>

namespace perdure {

namespace {
constexpr std::string_view kBom = "\xEF\xBB\xBF";
}

Result<void> SseParser::feed(std::string_view bytes, const std::function<Result<void>(const SseEvent&)>& on_event) {
  size_t at = 0, next_lf = 0, next_cr = 0;
  while (at < bytes.size()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes[at] == '\n') {
        ++at;
        continue;
      }
    }
    // Each is searched for again only once it has been passed, so that a stream with one kind of line end is read once.
    if (next_lf <= at) next_lf = std::min(bytes.find('\n', at), bytes.size());
    if (next_cr <= at) next_cr = std::min(bytes.find('\r', at), bytes.size());
    const size_t stop = std::min(next_lf, next_cr);
    const std::string_view piece = bytes.substr(at, stop - at);
    if (stop == bytes.size()) {
      line_.append(piece);
      if (!started_ && line_.size() >= kBom.size()) {
        started_ = true;
        if (line_.starts_with(kBom)) line_.erase(0, kBom.size());
      }
      if (!started_ && kBom.starts_with(line_)) return {};  // may yet count for nothing
      if (line_.size() + event_.size() + data_.size() > event_bytes_max_)
        return Error{Code::kCorrupt, "server-sent event beyond the limit"};
      return {};
    }
    after_cr_ = bytes[stop] == '\r';
    at = stop + 1;
    if (line_.empty()) {
      TRY_VOID(line(piece, on_event));
    } else {
      line_.append(piece);
      const std::string whole = std::exchange(line_, {});
      TRY_VOID(line(whole, on_event));
    }
  }
  return {};
}

Result<void> SseParser::line(std::string_view text, const std::function<Result<void>(const SseEvent&)>& on_event) {
  if (!started_) {
    started_ = true;
    if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
  }
  if (text.size() + event_.size() + data_.size() > event_bytes_max_)
    return Error{Code::kCorrupt, "server-sent event beyond the limit"};
  if (text.empty()) {
    if (!has_data_) {
      event_.clear();
      return {};
    }
    Result<void> result = on_event({event_, data_});
    event_.clear();
    data_.clear();
    has_data_ = false;
    return result;
  }
  const size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (field == "event") {
    event_ = value;
  }
  // A comment (its field is empty), id, retry and fields to come: of no concern here.
  return {};
}

void append_sse(std::string& out, std::string_view event, std::string_view data) {
  if (!event.empty()) out.append("event: ").append(event) += '\n';
  for (;;) {
    const size_t stop = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, stop)) += '\n';
    if (stop == std::string_view::npos) break;
    data.remove_prefix(stop + (data.substr(stop).starts_with("\r\n") ? 2 : 1));
  }
  out += '\n';
}

}  // namespace perdure
