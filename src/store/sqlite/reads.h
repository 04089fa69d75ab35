#pragma once
// Reads: the queries over one connection. Session rows in the file may be behind the log; `Heads` says what is newer.

#include <unordered_map>

#include "store/sqlite/schema.h"

namespace perdure::sqlite {

struct Head {
  int64_t s = 0;  // the session's number in the file
  uint64_t seq = 0;
  int64_t g = 0;  // the log row of `seq`
  Hash256 chain{};
};
using Heads = std::unordered_map<SessionId, Head>;

struct RowHead {
  Head now;              // after the log
  uint64_t row_seq = 0;  // as the session row has it
  Hash256 row_chain{};
};

// Folds the log rows after `after_g` over the session rows: what the rows lack. Its cost is the rows of that window.
Result<std::unordered_map<SessionId, RowHead>> fold_tail(Connection& connection, int64_t after_g);

class Reads {
 public:
  // `format`: of the file.
  Reads(Connection& connection, int64_t format);

  Result<std::optional<SessionRow>> session(SessionId id, const std::optional<Head>& newer);
  Result<std::vector<SealedRecord>> read(SessionId id, const std::optional<Head>& newer, uint64_t first, uint64_t last,
                                         size_t bytes_max);
  Result<std::optional<std::string>> blob(const Hash256& id);
  // By how many records; nothing: there is no such blob.
  Result<std::optional<uint64_t>> references(const Hash256& id);
  Result<std::vector<BlobRow>> blobs(std::optional<Hash256> after, size_t limit);
  Result<std::optional<IndexEntry>> find(const IndexKey& key);
  Result<std::vector<IndexRow>> list(const TenantId& tenant, IndexKind kind, uint64_t before, size_t limit);
  Result<std::vector<SessionId>> unfinished(std::optional<SessionId> after, size_t limit);
  Result<std::vector<TimerRow>> due(WallTime until, size_t limit);
  Result<std::vector<SessionId>> children(SessionId parent, size_t limit);
  Result<std::vector<SessionRow>> sessions(std::optional<SessionId> after, size_t limit, const Heads& newer);
  Result<std::vector<LedgerEntry>> ledger(uint64_t after, size_t limit);
  Result<std::optional<std::string>> setting(const std::string& name);

  // The log rows of records first..last (1 <= first <= last <= head.seq), ascending.
  Result<std::vector<int64_t>> locate(const Head& head, uint64_t first, uint64_t last);

 private:
  struct Point {
    uint64_t seq;
    int64_t g;
  };
  Result<Point> point_at_or_after(const Head& head, uint64_t seq);
  Result<std::vector<int64_t>> walk(int64_t s, Point from, uint64_t first, uint64_t last);

  Statement session_, sessions_, point_, link_, record_, find_, list_, unfinished_, due_, children_, ledger_, setting_;
  std::optional<Statement> blob_, references_, blobs_;  // from format 2 on
};

}  // namespace perdure::sqlite
