#pragma once
// Response: the fold of one response's records. Pure; apply() is the only way it changes.

#include <optional>
#include <string>
#include <vector>

#include "model/record.h"

namespace perdure {

// What one attempt wrote of one output item: bytes [from, to) of the item's text (text_of()).
struct WrittenRange {
  size_t item = 0;
  size_t from = 0, to = 0;
  bool operator==(const WrittenRange&) const = default;
};
// The texts of all its parts, one after another, the summary's first; of a call its arguments.
std::string text_of(const Item& item);

struct Placement {  // one attempt, as the account shows it
  AttemptStarted started;
  std::optional<AttemptEnded> ended;
  WallTime began{}, finished{};
  size_t output_from = 0;  // bytes of visible text that were there when it began
  std::vector<WrittenRange> wrote;

  bool open() const { return !ended; }
};

struct Response {
  ResponseId id;
  Shared<Request> request;
  KeyId key;
  WallTime created{};
  ResponseStatus status = ResponseStatus::kQueued;
  AnswerItems answer;  // output items
  std::vector<Placement> placements;
  std::optional<ResponseEnded> ended;
  WallTime ended_at{};
  uint64_t first_seq = 0, last_seq = 0;  // its records in the session's journal

  const std::vector<Item>& output() const { return answer.items(); }
  // The logical model whose attempt was the first to show something; empty: nothing was shown yet.
  std::string author() const;
};

// kCorrupt when `record` cannot follow; `response` is unchanged then. kResponseCreated starts a Response.
Result<void> apply(Response& response, const Record& record);

}  // namespace perdure
