#include "store/testing/faulty_store.h"

#include "async/loop.h"

namespace perdure {

template <class T>
Task<Result<T>> FaultyStore::through(std::string_view call, Task<Result<T>> task) {
  StoreFault fault = hook_ ? hook_(call) : StoreFault{};
  if (fault.delay > Duration::zero()) co_await sleep_for(*Loop::current(), fault.delay);
  if (fault.kind == StoreFault::Kind::kFailBefore)
    co_return Error{Code::kUnavailable, "a fault before the call", {}, "injected"};
  auto out = co_await std::move(task);
  if (fault.kind == StoreFault::Kind::kFailAfter)
    co_return Error{Code::kUnknown, "a fault after the call", {}, "injected"};
  co_return out;
}

Task<Result<Lease>> FaultyStore::acquire(uint32_t shard) { return through("acquire", inner_.acquire(shard)); }
Task<Result<Committed>> FaultyStore::commit(Lease lease, Batch batch) {
  return through("commit", inner_.commit(lease, std::move(batch)));
}
Task<Result<void>> FaultyStore::append_ledger(std::vector<LedgerEntry> entries) {
  return through("append_ledger", inner_.append_ledger(std::move(entries)));
}
Task<Result<std::optional<SessionRow>>> FaultyStore::session(SessionId id) {
  return through("session", inner_.session(id));
}
Task<Result<std::vector<SealedRecord>>> FaultyStore::read(SessionId id, uint64_t first, uint64_t last,
                                                          size_t bytes_max) {
  return through("read", inner_.read(id, first, last, bytes_max));
}
Task<Result<std::optional<std::string>>> FaultyStore::blob(Hash256 id) { return through("blob", inner_.blob(id)); }
Task<Result<std::vector<BlobRow>>> FaultyStore::blobs(std::optional<Hash256> after, size_t limit) {
  return through("blobs", inner_.blobs(after, limit));
}
Task<Result<std::optional<IndexEntry>>> FaultyStore::find(IndexKey key) {
  return through("find", inner_.find(std::move(key)));
}
Task<Result<std::vector<IndexRow>>> FaultyStore::list(TenantId tenant, IndexKind kind, uint64_t before, size_t limit) {
  return through("list", inner_.list(std::move(tenant), kind, before, limit));
}
Task<Result<std::vector<SessionId>>> FaultyStore::unfinished(std::optional<SessionId> after, size_t limit) {
  return through("unfinished", inner_.unfinished(after, limit));
}
Task<Result<std::vector<TimerRow>>> FaultyStore::due(WallTime until, size_t limit) {
  return through("due", inner_.due(until, limit));
}
Task<Result<std::vector<SessionId>>> FaultyStore::children(SessionId parent, size_t limit) {
  return through("children", inner_.children(parent, limit));
}
Task<Result<std::vector<SessionRow>>> FaultyStore::sessions(std::optional<SessionId> after, size_t limit) {
  return through("sessions", inner_.sessions(after, limit));
}
Task<Result<std::vector<LedgerEntry>>> FaultyStore::ledger(uint64_t after, size_t limit) {
  return through("ledger", inner_.ledger(after, limit));
}
Task<Result<std::optional<std::string>>> FaultyStore::setting(std::string name) {
  return through("setting", inner_.setting(std::move(name)));
}
Task<Result<void>> FaultyStore::put_setting(std::string name, std::string value, bool if_absent) {
  return through("put_setting", inner_.put_setting(std::move(name), std::move(value), if_absent));
}
Task<Result<void>> FaultyStore::swap_setting(std::string name, std::optional<std::string> expected, std::string value) {
  return through("swap_setting", inner_.swap_setting(std::move(name), std::move(expected), std::move(value)));
}
Task<Result<StoreSummary>> FaultyStore::summary() { return through("summary", inner_.summary()); }

}  // namespace perdure
