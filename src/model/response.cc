#include "model/response.h"

#include "model/strict_reader.h"

namespace perdure {
namespace {

struct Apply {
  Response& response;
  const Record& record;

  bool attempt_open() const { return !response.placements.empty() && !response.placements.back().ended; }

  Result<void> operator()(const ResponseCreated& r) const {
    if (!response.id.empty()) return corrupt("record: a response that exists was created");
    if (r.id.empty()) return corrupt("record: a response without an id was created");
    response.id = r.id;
    response.request = r.request;
    response.key = r.key;
    response.created = record.time;
    response.status = r.request.background ? ResponseStatus::kQueued : ResponseStatus::kInProgress;
    response.first_seq = record.seq;
    return {};
  }
  Result<void> operator()(const AttemptStarted& r) const {
    if (is_terminal(response.status)) return corrupt("record: an attempt after the end");
    if (attempt_open()) return corrupt("record: an attempt within an attempt");
    if (r.number != static_cast<int64_t>(response.placements.size()) + 1)
      return corrupt("record: attempts are not in order");
    response.placements.push_back(
        {.started = r, .ended = {}, .began = record.time, .output_from = response.answer.bytes()});
    response.status = ResponseStatus::kInProgress;
    return {};
  }
  // Also between attempts: what a crash left open is closed before the next attempt or the end.
  Result<void> operator()(const Deltas& r) const {
    if (is_terminal(response.status)) return corrupt("record: output after the end");
    if (response.placements.empty()) return corrupt("record: output before any attempt");
    return response.answer.apply(r.deltas);
  }
  Result<void> operator()(const AttemptEnded& r) const {
    if (!attempt_open() || r.number != response.placements.back().started.number)
      return corrupt("record: an attempt that is not open ended");
    response.placements.back().ended = r;
    response.placements.back().finished = record.time;
    return {};
  }
  Result<void> operator()(const ResponseEnded& r) const {
    if (is_terminal(response.status)) return corrupt("record: the end came twice");
    if (!is_terminal(r.status)) return corrupt("record: an end that is none");
    if (attempt_open()) return corrupt("record: the end came within an attempt");
    if (response.answer.item_open()) return corrupt("record: the end came within an item");
    response.ended = r;
    response.ended_at = record.time;
    response.status = r.status;
    return {};
  }
  Result<void> operator()(const ResponseDeleted& r) const {
    if (r.id != response.id) return corrupt("record: another response was deleted");
    return {};
  }
  Result<void> operator()(const auto&) const { return corrupt("record: of a session, not of a response"); }
};

}  // namespace

std::string Response::author() const {
  for (size_t i = 0; i < placements.size(); ++i) {
    const Placement& p = placements[i];
    if (p.ended && p.ended->outcome == "compacted") continue;  // it wrote of the context, not of the answer
    size_t shown_after = i + 1 < placements.size() ? placements[i + 1].output_from : answer.bytes();
    if (shown_after > p.output_from) return p.started.stand_in.empty() ? request.model : p.started.stand_in;
  }
  return {};
}

Result<void> apply(Response& response, const Record& record) {
  if (response.id.empty()) {
    if (record.kind() != RecordKind::kResponseCreated) return corrupt("record: of a response that was not created");
  } else if (record.seq <= response.last_seq) {
    return corrupt("record: sequence went backwards");
  }
  TRY_VOID(std::visit(Apply{response, record}, record.body));
  response.last_seq = record.seq;
  return {};
}

}  // namespace perdure
