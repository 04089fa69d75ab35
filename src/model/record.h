#pragma once
// Records: the entries of a session's journal. The journal is the truth; a response, its items and its events are folds
// over its records. Payload formats are versioned by `codec`; every released one stays readable (tests/compat).

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/shared.h"
#include "base/time.h"
#include "model/attempt_cost.h"
#include "model/delta.h"
#include "model/request.h"
#include "model/usage.h"

namespace perdure {

enum class RecordKind : uint8_t {
  kResponseCreated = 1,
  kAttemptStarted = 2,
  kDeltas = 3,
  kAttemptEnded = 4,
  kResponseEnded = 5,
  kResponseDeleted = 6,
  kItemsAdded = 7,
  kItemRemoved = 8,
  kItemsMoved = 9,
  kConversationCreated = 10,
  kConversationUpdated = 11,
  kConversationDeleted = 12,
};
std::string_view name_of(RecordKind kind);
// Whether it is a step of one response, which a Response folds; the others are about the session.
inline bool is_of_response(RecordKind kind) { return kind < RecordKind::kResponseDeleted; }

enum class ResponseStatus : uint8_t { kQueued = 1, kInProgress, kCompleted, kIncomplete, kFailed, kCancelled };
std::string_view name_of(ResponseStatus status);
inline bool is_terminal(ResponseStatus s) { return s != ResponseStatus::kQueued && s != ResponseStatus::kInProgress; }

struct ResponseCreated {
  ResponseId id;
  Shared<Request> request;  // with previous_response_id as the client gave it
  KeyId key;                // who asked
  // Where the context comes from: the records of this very session before this one (the parent is its head), or of a
  // parent session up to a seq (the first record of a fork). Nothing: no previous response.
  bool operator==(const ResponseCreated&) const = default;
};

struct AttemptStarted {
  int64_t number = 1;    // 1, 2, ... within the response
  std::string provider;  // configured name
  std::string model;     // the name sent upstream
  bool continuation = false;
  std::string reason;                // why here: content-free
  std::vector<std::string> dropped;  // what a lenient request lost on this supplier's dialect: fields of the request
  std::string workload;              // whose rules placed it
  AttemptCost expected;              // by the price that was in force then; what is assumed should its end stay unknown
  std::string stand_in;              // the logical model, where it is not the one that was asked for
  int64_t beside = 0;                // the attempt that it races, while nobody has seen anything of that one; 0: none
  bool operator==(const AttemptStarted&) const = default;
};

struct Deltas {
  std::vector<Delta> deltas;
  bool operator==(const Deltas&) const = default;
};

struct AttemptEnded {
  int64_t number = 1;
  std::string outcome;        // "completed", "compacted", "cut", "failed", "cancelled", "withdrawn", "abandoned" (its
                              // server crashed), "hedged_away" (an attempt beside it was quicker)
  std::string finish_reason;  // as the supplier said it
  std::string upstream_id;    // the supplier's id of the answer
  std::string error;          // class and cause, content-free
  int64_t upstream_status = 0;
  int64_t trimmed_bytes = 0;  // overlap that a continuation repeated and that was not shown
  Usage usage;
  std::string finish;         // name_of(Finish); empty: it did not finish
  std::string stop_sequence;  // that was met
  std::string seam;           // how its text was joined with what was shown before; empty: nothing was
  AttemptCost cost;
  bool operator==(const AttemptEnded&) const = default;
};

struct ResponseEnded {
  ResponseStatus status = ResponseStatus::kCompleted;
  std::string incomplete_reason;          // "max_output_tokens", "content_filter", "interrupted"
  std::string error_code, error_message;  // kFailed
  Usage usage;
  std::string finish;         // name_of(Finish); empty: none was said
  std::string stop_sequence;  // that was met
  std::string error_param;    // kFailed: the field of the request at fault; empty: none
  bool operator==(const ResponseEnded&) const = default;
};

struct ResponseDeleted {
  ResponseId id;
  bool operator==(const ResponseDeleted&) const = default;
};

// Items that no response of this session has brought: a client put them there, or they are where it starts from.
struct ItemsAdded {
  std::vector<Item> items;
  bool operator==(const ItemsAdded&) const = default;
};

// An item is no longer part of the conversation. The record that holds it may stay, for a response that still lives.
struct ItemRemoved {
  std::string id;
  bool operator==(const ItemRemoved&) const = default;
};

// What is left of the items of an erased record (`position`, the first of its stretch), in the place where they were.
struct ItemsMoved {
  uint64_t position = 0;
  std::vector<Item> items;
  bool operator==(const ItemsMoved&) const = default;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

// A session is a conversation: its first record. docs/decisions/0019-conversations.md
struct ConversationCreated {
  ConversationId id;
  KeyId key;  // who asked
  Metadata metadata;
  bool operator==(const ConversationCreated&) const = default;
};

struct ConversationUpdated {
  Metadata metadata;
  bool operator==(const ConversationUpdated&) const = default;
};

struct ConversationDeleted {
  ConversationId id;
  bool operator==(const ConversationDeleted&) const = default;
};

struct Record {
  uint64_t seq = 0;
  WallTime time{};
  std::variant<ResponseCreated, AttemptStarted, Deltas, AttemptEnded, ResponseEnded, ResponseDeleted, ItemsAdded,
               ItemRemoved, ItemsMoved, ConversationCreated, ConversationUpdated, ConversationDeleted>
      body;
  RecordKind kind() const { return static_cast<RecordKind>(body.index() + 1); }
  bool operator==(const Record&) const = default;
};

inline constexpr uint8_t kRecordCodec = 1;
// The payload of `record` (without seq and time, which the envelope holds).
std::string encode_payload(const Record& record);
// kCorrupt when the bytes are not a payload of that kind and codec.
Result<Record> decode_payload(uint64_t seq, WallTime time, RecordKind kind, uint8_t codec, std::string_view payload);

}  // namespace perdure
