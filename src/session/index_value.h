#pragma once
// What a response's index entry holds besides its place: enough for lists, content-free. Pure.

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "wire/json.h"

namespace perdure {

struct IndexValue {
  std::string model, status;
  WallTime created{};
  uint64_t last = 0;        // seq of the response's last record; 0 while it is being made
  std::string idempotency;  // key of its idempotency entry, which goes when the response goes; empty: none

  std::string encode() const {
    json::Writer out;
    out.begin_object()
        .field("model", model)
        .field("status", status)
        .field("created", int64_t{created.time_since_epoch().count()});
    out.field("last", static_cast<int64_t>(last));
    if (!idempotency.empty()) out.field("idempotency", idempotency);
    out.end_object();
    return out.take();
  }
  static Result<IndexValue> decode(const std::string& text) {
    TRY(json::Document document, json::Document::parse(text));
    json::Value root = document.root();
    if (!root.is_object()) return Error{Code::kCorrupt, "an index entry is damaged"};
    return IndexValue{std::string(root["model"].text()), std::string(root["status"].text()),
                      WallTime(std::chrono::milliseconds(root["created"].integer().value_or(0))),
                      static_cast<uint64_t>(root["last"].integer().value_or(0)),
                      std::string(root["idempotency"].text())};
  }
};

// Of a conversation's entry.
struct ConversationValue {
  WallTime created{};
  uint64_t metadata = 1;    // seq of the record that holds what it is now
  std::string idempotency;  // as above

  std::string encode() const {
    json::Writer out;
    out.begin_object()
        .field("created", int64_t{created.time_since_epoch().count()})
        .field("metadata", static_cast<int64_t>(metadata));
    if (!idempotency.empty()) out.field("idempotency", idempotency);
    out.end_object();
    return out.take();
  }
  static Result<ConversationValue> decode(const std::string& text) {
    TRY(json::Document document, json::Document::parse(text));
    json::Value root = document.root();
    if (!root.is_object()) return Error{Code::kCorrupt, "an index entry is damaged"};
    return ConversationValue{WallTime(std::chrono::milliseconds(root["created"].integer().value_or(0))),
                             static_cast<uint64_t>(root["metadata"].integer().value_or(0)),
                             std::string(root["idempotency"].text())};
  }
};

}  // namespace perdure
