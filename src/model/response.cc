#include "model/response.h"

#include <algorithm>

#include "model/strict_reader.h"

namespace perdure {
namespace {

size_t text_bytes(const Item& item) {
  size_t bytes = item.arguments.size();
  for (const auto* parts : {&item.summary, &item.content})
    for (const Part& part : *parts) bytes += part.text.size();
  return bytes;
}

void note(std::vector<WrittenRange>& wrote, WrittenRange range) {
  if (range.from == range.to) return;
  if (!wrote.empty() && wrote.back().item == range.item && wrote.back().to == range.from)
    wrote.back().to = range.to;
  else
    wrote.push_back(range);
}

struct Apply {
  Response& response;
  const Record& record;

  // At most two attempts are open, and two only while nobody has seen anything of either.
  Placement* open_attempt(int64_t number = 0) const {
    for (auto each = response.placements.rbegin(); each != response.placements.rend(); ++each)
      if (each->open() && (number == 0 || each->started.number == number)) return &*each;
    return nullptr;
  }
  int64_t attempts_open() const { return std::ranges::count_if(response.placements, &Placement::open); }

  Result<void> operator()(const ResponseCreated& r) const {
    if (!response.id.empty()) return corrupt("record: a response that exists was created");
    if (r.id.empty()) return corrupt("record: a response without an id was created");
    response.id = r.id;
    response.request = r.request;
    response.key = r.key;
    response.created = record.time;
    response.status = r.request->background ? ResponseStatus::kQueued : ResponseStatus::kInProgress;
    response.first_seq = record.seq;
    return {};
  }
  Result<void> operator()(const AttemptStarted& r) const {
    if (is_terminal(response.status)) return corrupt("record: an attempt after the end");
    if (r.beside != 0 ? attempts_open() != 1 || open_attempt(r.beside) == nullptr : open_attempt() != nullptr)
      return corrupt("record: an attempt within an attempt");
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
    if (attempts_open() > 1) return corrupt("record: output of two attempts at once");
    AnswerItems& answer = response.answer;
    size_t item = answer.items().size(), from = 0;
    if (answer.item_open()) from = text_bytes(answer.items()[--item]);
    TRY_VOID(answer.apply(r.deltas));
    Placement* author = open_attempt();
    if (author == nullptr) author = &response.placements.back();
    for (; item < answer.items().size(); ++item, from = 0)
      note(author->wrote, {.item = item, .from = from, .to = text_bytes(answer.items()[item])});
    return {};
  }
  Result<void> operator()(const AttemptEnded& r) const {
    Placement* attempt = open_attempt(r.number);
    if (attempt == nullptr) return corrupt("record: an attempt that is not open ended");
    attempt->ended = r;
    attempt->finished = record.time;
    return {};
  }
  Result<void> operator()(const ResponseEnded& r) const {
    if (is_terminal(response.status)) return corrupt("record: the end came twice");
    if (!is_terminal(r.status)) return corrupt("record: an end that is none");
    if (open_attempt() != nullptr) return corrupt("record: the end came within an attempt");
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
  for (const Placement& p : placements) {
    if (p.ended && p.ended->outcome == "compacted") continue;  // it wrote of the context, not of the answer
    if (!p.wrote.empty()) return p.started.stand_in.empty() ? request->model : p.started.stand_in;
  }
  return {};
}

std::string text_of(const Item& item) {
  std::string text;
  for (const auto* parts : {&item.summary, &item.content})
    for (const Part& part : *parts) text += part.text;
  return text + item.arguments;
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
