#pragma once
// StoreContract: a Store of some kind under test, and the words that its tests are written in. store_contract.h has the
// tests.

#include <gtest/gtest.h>

#include "store/store.h"
#include "store/testing/store_host.h"

namespace perdure {

class StoreContract : public testing::TestWithParam<HostKind> {
 protected:
  StoreContract() : host(GetParam().make()), store(&host->store()) { lease = must(host->run(store->acquire(1))); }

  template <class T>
  static T must(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  static void must(Result<void> result) {
    if (!result.ok()) throw std::runtime_error(result.error().message);
  }
  Result<Committed> commit(Batch batch) { return host->run(store->commit(lease, std::move(batch))); }
  // A session with `records` records "1", "2", ...
  Writing write(int records, std::string tenant = "acme") {
    Writing writing = Writing::make(random);
    Batch batch = writing.create(std::move(tenant));
    for (int i = 1; i <= records; ++i) writing.add(batch, std::to_string(i), random);
    must(commit(std::move(batch)));
    return writing;
  }
  SessionRow row_of(SessionId id) { return must(host->run(store->session(id))).value(); }
  std::vector<SealedRecord> read(SessionId id, uint64_t first = 1, uint64_t last = UINT64_MAX,
                                 size_t bytes_max = SIZE_MAX) {
    return must(host->run(store->read(id, first, last, bytes_max)));
  }
  std::string text_of(const Writing& writing) {
    std::string out;
    for (const SealedRecord& record : read(writing.id)) out += must(open(&writing.key, writing.id, record)) + " ";
    return out;
  }
  static IndexKey key(std::string name, std::string tenant = "acme") {
    return {TenantId(std::move(tenant)), IndexKind::kResponse, std::move(name)};
  }
  static IndexPut put(const Writing& writing, std::string name, std::string value, bool if_absent = false) {
    return {key(std::move(name)), {writing.id, writing.head, std::move(value)}, if_absent};
  }
  void reopen() {
    host->reopen();
    store = &host->store();
  }
  StoreSummary recomputed() {
    StoreSummary out;
    std::optional<SessionId> after;
    for (;;) {
      auto page = must(host->run(store->sessions(after, 3)));
      if (page.empty()) return out;
      for (const SessionRow& row : page) {
        ++out.sessions;
        out.records += row.head;
        add_mod_2_256(out.heads, head_mac(StoreHost::head_key(), row.id, row.head, row.chain));
      }
      after = page.back().id;
    }
  }
  void expect_true_summary() {
    StoreSummary told = must(host->run(store->summary())), found = recomputed();
    EXPECT_EQ(told.sessions, found.sessions);
    EXPECT_EQ(told.records, found.records);
    EXPECT_EQ(told.heads, found.heads);
  }

  SeededRandom random{11};
  std::unique_ptr<StoreHost> host;
  Store* store;
  Lease lease;
};

inline std::string name_of_kind(const testing::TestParamInfo<HostKind>& info) { return info.param.name; }

}  // namespace perdure
