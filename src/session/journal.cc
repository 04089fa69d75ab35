#include "session/journal.h"

#include "store/blob.h"

namespace perdure {

Task<Result<void>> Journal::append(std::vector<Record>& records, Batch batch) {
  batch.session = row_.id;
  batch.expected_head = row_.head;
  Hash256 chain = row_.chain;
  uint64_t seq = row_.head;
  for (Record& record : records) {
    record.seq = ++seq;
    const std::string payload = encode_payload(record);
    // Deltas are not JSON; there is nothing in them that comes twice.
    std::vector<BlobSpan> apart;
    if (blob_key_ && payload.size() >= kBlobBytes && record.kind() != RecordKind::kDeltas) apart = blob_spans(payload);
    SealedRecord sealed = seal_apart(key_ ? &*key_ : nullptr, blob_key_.value_or(Key256{}), row_.id, record.seq,
                                     static_cast<uint8_t>(record.kind()), kRecordCodec, record.time, payload, apart,
                                     random_, batch.blobs);
    chain = chain_after(chain, row_.id, sealed);
    batch.append.push_back(std::move(sealed));
  }
  batch.chain = chain;
  Result<Committed> done = co_await store_.commit(lease_, std::move(batch));
  if (!done.ok() && done.error().code == Code::kUnknown) {
    Result<std::optional<SessionRow>> now = co_await store_.session(row_.id);
    if (!now.ok())
      co_return Error{Code::kUnknown, "the store does not say what became of a commit", "", "server_commit_unknown"};
    bool landed = *now && (*now)->head == seq && (*now)->chain == chain;
    if (!landed) {
      uint64_t head = *now ? (*now)->head : 0;
      if (head != row_.head) co_return Error{Code::kConflict, "the journal has moved on"};
      co_return Error{Code::kUnavailable, "the store did not commit"};
    }
  } else if (!done.ok()) {
    co_return std::move(done).error();
  }
  row_.head = seq;
  row_.chain = chain;
  co_return Result<void>();
}

Task<Result<std::vector<Record>>> read_records(Store& store, SessionId session, const std::optional<Key256>* key,
                                               uint64_t first, uint64_t last, size_t bytes_max) {
  CO_TRY(std::vector<SealedRecord> sealed, co_await store.read(session, first, last, bytes_max));
  std::vector<Record> out;
  out.reserve(sealed.size());
  size_t bytes = 0;
  for (const SealedRecord& record : sealed) {
    if (bytes > bytes_max) break;
    CO_TRY(std::string plain, co_await open_whole(store, *key ? &**key : nullptr, session, record));
    bytes += plain.size();
    CO_TRY(Record opened,
           decode_payload(record.seq, record.time, static_cast<RecordKind>(record.kind), record.codec, plain));
    out.push_back(std::move(opened));
  }
  co_return out;
}

}  // namespace perdure
