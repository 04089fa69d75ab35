#pragma once
// FaultyStore: a Store in front of another, whose calls fail or take long as a hook decides.

#include <functional>
#include <string_view>

#include "store/store.h"

namespace perdure {

struct StoreFault {
  enum class Kind {
    kNone,
    kFailBefore,  // kUnavailable; the call does not happen
    kFailAfter,   // kUnknown; the call happens
  };
  Kind kind = Kind::kNone;
  Duration delay{};  // before the call
};

class FaultyStore final : public Store {
 public:
  // Called on the caller's Loop with the name of the call: "commit", "read", ...
  using Hook = std::function<StoreFault(std::string_view call)>;
  FaultyStore(Store& inner, Hook hook) : inner_(inner), hook_(std::move(hook)) {}

  Task<Result<Lease>> acquire(uint32_t shard) override;
  Task<Result<Committed>> commit(Lease lease, Batch batch) override;
  Task<Result<void>> append_ledger(std::vector<LedgerEntry> entries) override;
  Task<Result<std::optional<SessionRow>>> session(SessionId id) override;
  Task<Result<std::vector<SealedRecord>>> read(SessionId id, uint64_t first, uint64_t last, size_t bytes_max) override;
  Task<Result<std::optional<std::string>>> blob(Hash256 id) override;
  Task<Result<std::vector<BlobRow>>> blobs(std::optional<Hash256> after, size_t limit) override;
  Task<Result<std::optional<IndexEntry>>> find(IndexKey key) override;
  Task<Result<std::vector<IndexRow>>> list(TenantId tenant, IndexKind kind, uint64_t before, size_t limit) override;
  Task<Result<std::vector<SessionId>>> unfinished(std::optional<SessionId> after, size_t limit) override;
  Task<Result<std::vector<TimerRow>>> due(WallTime until, size_t limit) override;
  Task<Result<std::vector<SessionId>>> children(SessionId parent, size_t limit) override;
  Task<Result<std::vector<SessionRow>>> sessions(std::optional<SessionId> after, size_t limit) override;
  Task<Result<std::vector<LedgerEntry>>> ledger(uint64_t after, size_t limit) override;
  Task<Result<std::optional<std::string>>> setting(std::string name) override;
  Task<Result<void>> put_setting(std::string name, std::string value, bool if_absent) override;
  Task<Result<void>> swap_setting(std::string name, std::optional<std::string> expected, std::string value) override;
  Task<Result<StoreSummary>> summary() override;

 private:
  template <class T>
  Task<Result<T>> through(std::string_view call, Task<Result<T>> task);
  Store& inner_;
  Hook hook_;
};

}  // namespace perdure
