// Removing responses: what becomes unreadable, and when its bytes are destroyed.
//
// A removed response is gone for its owner at once (index entry and timers go in one commit with a tombstone). Its
// payloads are destroyed as soon as nothing alive starts from them: at once when it is the tail of its session and no
// fork starts there; the whole session, key included, when all its responses are removed and every fork of it is
// erased.
//
// In a conversation they are destroyed when it contributed nothing. Otherwise the conversation goes on holding its
// items; those of them that were taken out of it are destroyed, and the others said again in the same commit
// (kItemsMoved).
#include <algorithm>
#include <map>
#include <ranges>
#include <set>

#include "session/host.h"
#include "session/keys_of.h"
#include "store/blob.h"

namespace perdure {
namespace {

struct Span {
  ResponseId id;
  uint64_t first = 0, last = 0;
  bool removed = false;
};

// What is read of a conversation to find out what may go.
struct Holdings {
  struct OfResponse {
    Response response;
    uint64_t first = 0, last = 0;
    bool removed = false, erased = false;
  };
  struct OfItems {
    uint64_t seq = 0;
    std::vector<Item> items;
    bool erased = false;
  };
  std::vector<OfResponse> responses;
  std::map<uint64_t, OfItems> items;  // by position; the latest of each
  std::set<std::string> removed;      // ids of items

  Result<void> add(Record record) {
    if (is_of_response(record.kind())) {
      if (record.kind() == RecordKind::kResponseCreated)
        responses.push_back({.response = {}, .first = record.seq, .last = record.seq});
      if (responses.empty() || responses.back().erased) return {};
      responses.back().last = record.seq;
      return apply(responses.back().response, record);
    }
    if (auto* added = std::get_if<ItemsAdded>(&record.body)) items[record.seq] = {record.seq, std::move(added->items)};
    if (auto* moved = std::get_if<ItemsMoved>(&record.body))
      items[moved->position] = {record.seq, std::move(moved->items)};
    if (auto* gone = std::get_if<ItemRemoved>(&record.body)) removed.insert(gone->id);
    if (auto* deleted = std::get_if<ResponseDeleted>(&record.body)) remove_response(deleted->id);
    return {};
  }
  void add_erased(const SealedRecord& sealed) {
    auto kind = static_cast<RecordKind>(sealed.kind);
    if (kind == RecordKind::kResponseCreated)
      responses.push_back({.response = {}, .first = sealed.seq, .last = sealed.seq, .removed = true, .erased = true});
  }
  void remove_response(const ResponseId& id) {
    for (OfResponse& one : responses)
      if (!one.erased && one.response.id == id) one.removed = true;
  }
  // Those of `all` that are still in the conversation; nothing: every one is.
  std::optional<std::vector<Item>> survivors(const std::vector<Item>& all) const {
    std::vector<Item> left;
    for (const Item& item : all)
      if (!removed.contains(item.id)) left.push_back(item);
    if (left.size() == all.size()) return std::nullopt;
    return left;
  }
};

}  // namespace

// Up to which record forks that are alive start from a session; 0: none does.
Task<Result<uint64_t>> ResponsesHost::needed_upto(SessionId session) {
  uint64_t needed = 0;
  CO_TRY(std::vector<SessionId> children, co_await store_.children(session, 100'000));
  for (SessionId child_id : children) {
    CO_TRY(std::optional<SessionRow> child, co_await store_.session(child_id));
    if (child && !child->wrapped_key.empty()) needed = std::max(needed, child->parent_seq);
  }
  co_return needed;
}

// In the conversation `row`, once the response `removed` or the item `removed_item` is gone (either may be empty).
Task<Result<Scrubbed>> ResponsesHost::scrub(SessionRow row, ResponseId removed, std::string removed_item) {
  CO_TRY(std::optional<Key256> key, co_await keys_.open(row));
  Holdings holdings;
  for (uint64_t next = 1; next <= row.head;) {
    CO_TRY(std::vector<SealedRecord> page, co_await store_.read(row.id, next, row.head, 1 << 20));
    if (page.empty()) break;
    for (const SealedRecord& sealed : page) {
      next = sealed.seq + 1;
      if (sealed.body.empty()) {
        holdings.add_erased(sealed);
        continue;
      }
      CO_TRY(std::string plain, co_await open_whole(store_, key ? &*key : nullptr, row.id, sealed));
      CO_TRY(Record record,
             decode_payload(sealed.seq, sealed.time, static_cast<RecordKind>(sealed.kind), sealed.codec, plain));
      CO_TRY_VOID(holdings.add(std::move(record)));
    }
  }
  if (!removed.empty()) holdings.remove_response(removed);
  if (!removed_item.empty()) holdings.removed.insert(std::move(removed_item));
  CO_TRY(uint64_t needed, co_await needed_upto(row.id));
  Scrubbed out;
  for (const auto& [position, holder] : holdings.items) {
    if (position <= needed || holder.seq <= needed) continue;
    std::optional<std::vector<Item>> left = holdings.survivors(holder.items);
    if (!left) continue;
    out.erase.push_back({holder.seq, holder.seq});
    out.moved.push_back({position, std::move(*left)});
  }
  for (const Holdings::OfResponse& one : holdings.responses) {
    // Its last record stays: it says whether something of it must be somewhere else.
    if (!one.removed || one.erased || one.first <= needed || !one.response.ended || one.first >= one.last) continue;
    if (!contributes(one.response.status)) {
      out.erase.push_back({one.first, one.last - 1});
      continue;
    }
    std::vector<Item> items;
    add_to_context(items, one.response);
    std::optional<std::vector<Item>> left = holdings.survivors(items);
    if (!left) continue;
    out.erase.push_back({one.first, one.last - 1});
    out.moved.push_back({one.first, std::move(*left)});
  }
  co_return out;
}

// The ranges of `row` that nobody alive needs once `removed` is gone. Covers everything when the whole session may go.
Task<Result<std::vector<SeqRange>>> ResponsesHost::erasable(SessionRow row, ResponseId removed) {
  std::vector<Span> spans;
  bool conversation = false, deleted = false;
  uint64_t next = 1;
  CO_TRY(std::optional<Key256> key, co_await keys_.open(row));
  while (next <= row.head) {
    CO_TRY(std::vector<SealedRecord> page, co_await store_.read(row.id, next, row.head, 1 << 20));
    if (page.empty()) break;
    for (const SealedRecord& sealed : page) {
      next = sealed.seq + 1;
      auto kind = static_cast<RecordKind>(sealed.kind);
      if (kind == RecordKind::kConversationCreated) conversation = true;
      if (kind == RecordKind::kConversationDeleted) deleted = true;
      if (kind == RecordKind::kResponseCreated) {
        Span span{.first = sealed.seq, .last = sealed.seq};
        if (sealed.body.empty()) {
          span.removed = true;
        } else {
          CO_TRY(std::string plain, co_await open_whole(store_, key ? &*key : nullptr, row.id, sealed));
          CO_TRY(Record record, decode_payload(sealed.seq, sealed.time, kind, sealed.codec, plain));
          span.id = std::get<ResponseCreated>(record.body).id;
          span.removed = span.id == removed;
        }
        spans.push_back(std::move(span));
      } else if (kind == RecordKind::kResponseDeleted) {
        if (sealed.body.empty()) continue;
        CO_TRY(std::string plain, co_await open_whole(store_, key ? &*key : nullptr, row.id, sealed));
        CO_TRY(Record record, decode_payload(sealed.seq, sealed.time, kind, sealed.codec, plain));
        for (Span& span : spans)
          if (span.id == std::get<ResponseDeleted>(record.body).id) span.removed = true;
      } else if (!spans.empty()) {
        spans.back().last = sealed.seq;
      }
    }
  }
  CO_TRY(uint64_t needed, co_await needed_upto(row.id));
  if (conversation && !deleted) co_return std::vector<SeqRange>();  // see scrub()
  if (conversation && needed >= row.head) co_return std::vector<SeqRange>();
  if (conversation) co_return std::vector<SeqRange>{{needed + 1, row.head}};
  std::vector<SeqRange> ranges;
  bool tail = true;
  for (const Span& span : spans | std::views::reverse) {
    tail = tail && span.removed && span.first > needed;
    if (!tail) break;
    ranges.push_back({span.first, span.last});
  }
  if (tail) ranges = {{1, row.head}};
  co_return ranges;
}

Task<Result<bool>> ResponsesHost::remove(TenantId tenant, ResponseId id) {
  CO_TRY(IndexEntry entry, co_await entry_of(tenant, id));
  if (RunPtr run = find(tenant, id)) {
    run->cancel().request();
    while (!run->done) (void)co_await run->changed().wait();
  }
  for (;;) {
    CO_TRY(entry, co_await entry_of(tenant, id));
    Record tombstone{.time = loop_.wall(), .body = ResponseDeleted{id}};
    Batch batch;
    CO_TRY(IndexValue value, IndexValue::decode(entry.value));
    batch.remove.push_back({tenant, IndexKind::kResponse, id.value});
    if (!value.idempotency.empty()) batch.remove.push_back({tenant, IndexKind::kIdempotency, value.idempotency});
    batch.remove_timers.push_back(id.value);
    // A later response of the same session may be in the making: then its run is the session's writer.
    if (auto busy = by_session_.find(entry.session); busy != by_session_.end()) {
      RunPtr run = busy->second;
      if (run->accepts()) {
        run->put(std::move(tombstone), std::move(batch));
        CO_TRY_VOID(co_await run->flush());
        co_return true;
      }
    }
    CO_TRY(Turn turn, co_await turnstiles_.take(entry.session, SIZE_MAX, deadline_in(loop_, limits_.waiting_time)));
    if (by_session_.contains(entry.session)) continue;  // a response began while this one waited
    CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry.session));
    if (!row) co_return Error{Code::kCorrupt, "a response's session is missing"};
    if (row->legal_hold) co_return Error{Code::kConflict, "the response is under legal hold", "", "legal_hold"};
    CO_TRY(std::optional<Key256> key, co_await keys_.open(*row));
    std::vector<Record> records;
    records.push_back(std::move(tombstone));
    CO_TRY(std::vector<SeqRange> ranges, co_await erasable(*row, id));
    bool whole = ranges.size() == 1 && ranges[0].first == 1 && ranges[0].last == row->head;
    if (whole) ranges[0].last = row->head + 1;  // the tombstone too
    if (ranges.empty() && co_await is_conversation(row->id)) {
      CO_TRY(Scrubbed scrubbed, co_await scrub(*row, id, ""));
      ranges = std::move(scrubbed.erase);
      for (ItemsMoved& moved : scrubbed.moved) records.push_back({.time = loop_.wall(), .body = std::move(moved)});
    }
    batch.erase = std::move(ranges);
    batch.erase_key = whole;
    CO_TRY(Key256 blob_key, co_await keys_.blob_key(row->tenant, key.has_value()));
    Journal journal(store_, lease_, *row, key, loop_.random(), blob_key);
    CO_TRY_VOID(co_await journal.append(records, std::move(batch)));
    if (whole && row->parent) co_await erase_ancestors(*row);
    co_return true;
  }
}

Task<bool> ResponsesHost::is_conversation(SessionId session) {
  Result<std::vector<SealedRecord>> first = co_await store_.read(session, 1, 1, 1);
  co_return first.ok() && !first->empty() &&
      static_cast<RecordKind>((*first)[0].kind) == RecordKind::kConversationCreated;
}

// A fork is gone: what its parents kept for it alone may go too.
Task<void> ResponsesHost::erase_ancestors(SessionRow row) {
  while (row.parent) {
    Result<std::optional<SessionRow>> parent = co_await store_.session(*row.parent);
    if (!parent.ok() || !*parent || (*parent)->wrapped_key.empty() || (*parent)->unfinished || (*parent)->legal_hold)
      co_return;
    row = **parent;
    Result<std::vector<SeqRange>> ranges = co_await erasable(row, {});
    bool whole = ranges.ok() && ranges->size() == 1 && (*ranges)[0].first == 1 && (*ranges)[0].last == row.head;
    if (!ranges.ok() || ranges->empty()) co_return;
    Batch batch;
    batch.session = row.id;
    batch.erase = *ranges;
    batch.erase_key = whole;
    Result<Committed> done = co_await store_.commit(lease_, std::move(batch));
    if (!done.ok() || !whole) co_return;
  }
}

}  // namespace perdure
