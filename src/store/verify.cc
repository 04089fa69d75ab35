#include "store/verify.h"

#include "store/blob.h"

namespace perdure {
namespace {

constexpr size_t kPageBytes = 4 << 20;

class Verifier {
 public:
  Verifier(Store& store, Key256 head_key, KeyOf key_of)
      : store_(store), head_key_(head_key), key_of_(std::move(key_of)) {}

  Task<Result<VerifyReport>> run() {
    Result<StoreSummary> summary = co_await store_.summary();
    if (!summary.ok()) co_return std::move(summary).error();
    std::optional<SessionId> after;
    for (;;) {
      CO_TRY(std::vector<SessionRow> page, co_await store_.sessions(after, 256));
      if (page.empty()) break;
      for (SessionRow& row : page) {
        after = row.id;
        CO_TRY_VOID(co_await session(row));
      }
    }
    // Sessions that a running server changed meanwhile are in one of the two and not in the other.
    CO_TRY_VOID(co_await blobs());
    Result<StoreSummary> now = co_await store_.summary();
    if (!now.ok()) co_return std::move(now).error();
    report_.totals_compared =
        now->sessions == summary->sessions && now->records == summary->records && now->heads == summary->heads;
    if (report_.totals_compared) compare(*now);
    co_return std::move(report_);
  }

 private:
  void compare(const StoreSummary& total) {
    if (report_.sessions != total.sessions)
      problem("the store holds " + std::to_string(report_.sessions) + " sessions, its total says " +
              std::to_string(total.sessions));
    if (heads_ != total.records)
      problem("the store's heads count " + std::to_string(heads_) + " records, its total says " +
              std::to_string(total.records));
    if (sum_ != total.heads) problem("the heads of all sessions do not add up: a session is missing, added or altered");
    if (references_ != counted_)
      problem("the references to blobs do not add up: one is missing, left over or counted wrong");
  }

  // Each blob as often as it says that it is referred to, summed up as the records' references are.
  Task<Result<void>> blobs() {
    std::optional<Hash256> after;
    for (;;) {
      CO_TRY(std::vector<BlobRow> page, co_await store_.blobs(after, 1024));
      if (page.empty()) co_return Result<void>();
      for (const BlobRow& row : page) {
        ++report_.blobs;
        Hash256 term = term_of(row.id);
        for (uint64_t n = row.references; n != 0; n >>= 1) {
          if ((n & 1) != 0) add_mod_2_256(counted_, term);
          add_mod_2_256(term, Hash256(term));
        }
      }
      after = page.back().id;
    }
  }
  Hash256 term_of(const Hash256& blob) const {
    return keyed_hash(head_key_, {reinterpret_cast<const char*>(blob.data()), blob.size()});
  }

  void problem(std::string what) {
    ++report_.problem_count;
    if (report_.problems.size() < VerifyReport::kProblemsMax) report_.problems.push_back(std::move(what));
  }

  Task<Result<void>> session(SessionRow row) {
    ++report_.sessions;
    heads_ += row.head;
    if (row.parent) ++report_.forks;
    std::string name = row.id.to_string();
    add_mod_2_256(sum_, head_mac(head_key_, row.id, row.head, row.chain));
    Result<std::optional<Key256>> key = co_await key_of_(row);
    bool erased = !key.ok() && key.error().code == Code::kNotFound;
    if (!key.ok() && !erased) problem(name + ": its key cannot be opened: " + key.error().message);
    Hash256 chain{};
    uint64_t next = 1;
    while (next <= row.head) {
      Result<std::vector<SealedRecord>> page = co_await store_.read(row.id, next, row.head, kPageBytes);
      if (!page.ok()) {
        problem(name + ": record " + std::to_string(next) + " cannot be read: " + page.error().message);
        co_return Result<void>();
      }
      if (page->empty()) {
        problem(name + ": record " + std::to_string(next) + " is missing, the head is " + std::to_string(row.head));
        co_return Result<void>();
      }
      for (const SealedRecord& record : *page) {
        if (record.seq != next) {
          problem(name + ": record " + std::to_string(record.seq) + " stands where " + std::to_string(next) +
                  " should");
          co_return Result<void>();
        }
        ++next;
        ++report_.records;
        chain = chain_after(chain, row.id, record);
        if (record.body.empty()) {
          ++report_.erased_records;
          continue;
        }
        for (const Hash256& blob : record.blobs) add_mod_2_256(references_, term_of(blob));
        if (!key.ok()) continue;
        Result<std::string> plain = co_await open_whole(store_, *key ? &**key : nullptr, row.id, record);
        if (!plain.ok())
          problem(name + ": record " + std::to_string(record.seq) + " is damaged: " + plain.error().message);
      }
    }
    if (chain != row.chain) problem(name + ": the chain of its records does not end in its head");
    co_return Result<void>();
  }

  Store& store_;
  Key256 head_key_;
  KeyOf key_of_;
  VerifyReport report_;
  Hash256 sum_{}, references_{}, counted_{};
  uint64_t heads_ = 0;
};

}  // namespace

Task<Result<VerifyReport>> verify(Store& store, Key256 head_key, KeyOf key_of) {
  Verifier verifier(store, head_key, std::move(key_of));
  co_return co_await verifier.run();
}

}  // namespace perdure
