// Removing responses: what becomes unreadable, and when its bytes are destroyed.
//
// A removed response is gone for its owner at once (index entry and timers go in one commit with a tombstone). Its
// payloads are destroyed as soon as nothing alive starts from them: at once when it is the tail of its session and no
// fork starts there; the whole session, key included, when all its responses are removed and every fork of it is
// erased.
#include <algorithm>
#include <ranges>

#include "session/host.h"

namespace perdure {
namespace {

struct Span {
  ResponseId id;
  uint64_t first = 0, last = 0;
  bool removed = false;
};

}  // namespace

// The ranges of `row` that nobody alive needs once `removed` is gone. Covers everything when the whole session may go.
Task<Result<std::vector<SeqRange>>> ResponsesHost::erasable(SessionRow row, ResponseId removed) {
  std::vector<Span> spans;
  uint64_t next = 1;
  CO_TRY(std::optional<Key256> key, co_await keys_.open(row));
  while (next <= row.head) {
    CO_TRY(std::vector<SealedRecord> page, co_await store_.read(row.id, next, row.head, 1 << 20));
    if (page.empty()) break;
    for (const SealedRecord& sealed : page) {
      next = sealed.seq + 1;
      auto kind = static_cast<RecordKind>(sealed.kind);
      if (kind == RecordKind::kResponseCreated) {
        Span span{.first = sealed.seq, .last = sealed.seq};
        if (sealed.body.empty()) {
          span.removed = true;
        } else {
          CO_TRY(std::string plain, open(key ? &*key : nullptr, row.id, sealed));
          CO_TRY(Record record, decode_payload(sealed.seq, sealed.time, kind, sealed.codec, plain));
          span.id = std::get<ResponseCreated>(record.body).id;
          span.removed = span.id == removed;
        }
        spans.push_back(std::move(span));
      } else if (kind == RecordKind::kResponseDeleted) {
        if (sealed.body.empty()) continue;
        CO_TRY(std::string plain, open(key ? &*key : nullptr, row.id, sealed));
        CO_TRY(Record record, decode_payload(sealed.seq, sealed.time, kind, sealed.codec, plain));
        for (Span& span : spans)
          if (span.id == std::get<ResponseDeleted>(record.body).id) span.removed = true;
      } else if (!spans.empty()) {
        spans.back().last = sealed.seq;
      }
    }
  }
  uint64_t needed_upto = 0;  // by forks that are alive
  CO_TRY(std::vector<SessionId> children, co_await store_.children(row.id, 100'000));
  for (SessionId child_id : children) {
    CO_TRY(std::optional<SessionRow> child, co_await store_.session(child_id));
    if (child && !child->wrapped_key.empty()) needed_upto = std::max(needed_upto, child->parent_seq);
  }
  std::vector<SeqRange> ranges;
  bool tail = true;
  for (const Span& span : spans | std::views::reverse) {
    tail = tail && span.removed && span.first > needed_upto;
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
  Record tombstone{.time = loop_.wall(), .body = ResponseDeleted{id}};
  Batch batch;
  CO_TRY(IndexValue value, IndexValue::decode(entry.value));
  batch.remove.push_back({tenant, IndexKind::kResponse, id.value});
  if (!value.idempotency.empty()) batch.remove.push_back({tenant, IndexKind::kIdempotency, value.idempotency});
  batch.remove_timers.push_back(id.value);
  // A later response of the same session may be in the making: then its run is the session's writer.
  if (auto busy = by_session_.find(entry.session); busy != by_session_.end()) {
    RunPtr run = busy->second;
    run->put(std::move(tombstone), std::move(batch));
    CO_TRY_VOID(co_await run->flush());
    co_return true;
  }
  CO_TRY(std::optional<SessionRow> row, co_await store_.session(entry.session));
  if (!row) co_return Error{Code::kCorrupt, "a response's session is missing"};
  if (row->legal_hold) co_return Error{Code::kConflict, "the response is under legal hold", "", "legal_hold"};
  CO_TRY(std::optional<Key256> key, co_await keys_.open(*row));
  CO_TRY(std::vector<SeqRange> ranges, co_await erasable(*row, id));
  bool whole = ranges.size() == 1 && ranges[0].first == 1 && ranges[0].last == row->head;
  if (whole) ranges[0].last = row->head + 1;  // the tombstone too
  batch.erase = std::move(ranges);
  batch.erase_key = whole;
  Journal journal(store_, lease_, *row, key, loop_.random());
  std::vector<Record> records;
  records.push_back(std::move(tombstone));
  CO_TRY_VOID(co_await journal.append(records, std::move(batch)));
  if (whole && row->parent) co_await erase_ancestors(*row);
  co_return true;
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
