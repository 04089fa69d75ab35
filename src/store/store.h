#pragma once
// Store: where session journals live. Memory and SQLite implement it, PostgreSQL is to follow, and
// store/testing/store_contract.h says, as tests, what all of them promise.
//
// A Store is used from any Loop; a Task resumes on the Loop that awaited it. Payloads arrive sealed (store/seal.h): a
// Store never sees content. Sessions are grouped in shards; whoever holds a shard's newest lease may write it, older
// holders are fenced off.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace perdure {

using Hash256 = std::array<unsigned char, 32>;

struct Lease {
  uint32_t shard = 0;
  uint64_t epoch = 0;
};

// One entry of a session's journal as it rests. `hash` is the salted hash of the plain payload; it stays when the
// payload is erased (body and salt empty), so that the chain still verifies.
struct SealedRecord {
  uint64_t seq = 0;   // 1, 2, 3, ... within its session
  uint8_t kind = 0;   // model/record.h RecordKind
  uint8_t codec = 0;  // version of the payload's format
  WallTime time{};
  Hash256 hash{};
  std::string salt;                 // 16 bytes; empty: erased
  std::string body;                 // sealed payload; empty: erased
  std::vector<Hash256> blobs = {};  // what is stored apart of the payload (blob.h), each id once; none when erased
};

struct SessionRow {
  SessionId id;
  TenantId tenant;
  std::optional<SessionId> parent;  // a fork: starts from the parent's journal up to parent_seq
  uint64_t parent_seq = 0;
  uint64_t head = 0;        // seq of the newest record
  Hash256 chain{};          // chain hash after `head`
  std::string wrapped_key;  // the session's key under its tenant's key; empty: erased
  WallTime created{};
  WallTime expires{};  // retention; WallTime::max(): none
  bool legal_hold = false;
  bool unfinished = false;  // has work to do after a restart
};

enum class IndexKind : uint8_t { kResponse = 1, kIdempotency = 2, kConversation = 3 };
struct IndexKey {
  TenantId tenant;
  IndexKind kind = IndexKind::kResponse;
  std::string key;
  auto operator<=>(const IndexKey&) const = default;
};
struct IndexEntry {
  SessionId session;
  uint64_t seq = 0;      // the record it points to
  std::string value;     // small, content-free: the owner's own format
  uint64_t ordinal = 0;  // assigned by the store, growing in commit order, kept when a put replaces; cursor of list()
  bool operator==(const IndexEntry&) const = default;
};
struct IndexPut {
  IndexKey key;
  IndexEntry entry;
  bool if_absent = false;  // kConflict, reason "index_exists", and nothing is done if the key exists
};

struct TimerPut {
  std::string id;  // unique within its session; putting it again moves it
  WallTime due{};
};
struct TimerRow {
  SessionId session;
  std::string id;
  WallTime due{};
};

// One attempt's account: content-free. `line` is JSON (model/ledger.h).
struct LedgerEntry {
  uint64_t ordinal = 0;  // assigned by the store
  TenantId tenant;
  WallTime time{};
  std::string line;
};

// A sealed string that records refer to; see blob.h. A Store counts the records that do.
struct BlobPut {
  Hash256 id{};
  std::string body;
};
struct BlobRow {
  Hash256 id{};
  uint64_t references = 0;
};

struct SeqRange {
  uint64_t first = 0, last = 0;  // inclusive
};

// What is committed together, all or none, and always for one session.
struct Batch {
  SessionId session;
  std::optional<SessionRow> create;  // the session must not exist; head and chain in it are ignored
  uint64_t expected_head = 0;        // ignored when `append` is empty and nothing is created
  std::vector<SealedRecord> append;  // seq expected_head+1, ...
  std::vector<BlobPut> blobs = {};   // all that `append` refers to, there already or not
  Hash256 chain{};                   // after the last appended record; ignored when none
  std::optional<bool> unfinished;
  std::optional<WallTime> expires;
  std::optional<bool> legal_hold;
  std::vector<IndexPut> put;
  std::vector<IndexKey> remove;  // before the puts
  std::vector<TimerPut> timers;
  std::vector<std::string> remove_timers;
  std::vector<SeqRange> erase;  // payloads and salts of these records are destroyed, blobs with their last record
  bool erase_key = false;       // the session's key too
  std::vector<LedgerEntry> ledger;
};

struct Committed {
  uint64_t head = 0;
};

struct IndexRow {
  IndexKey key;
  IndexEntry entry;
};

// Totals that `journal verify` recomputes from the rows: a keyed set hash over all session heads, kept in every commit.
struct StoreSummary {
  uint64_t sessions = 0;
  uint64_t records = 0;
  Hash256 heads{};  // sum modulo 2^256 of HMAC-SHA256(head_key, sid | head | chain) over all sessions
};

class Store {
 public:
  virtual ~Store() = default;

  // Takes over a shard: epoch + 1. Every earlier lease of it is fenced from then on.
  virtual Task<Result<Lease>> acquire(uint32_t shard) = 0;

  // Commits `batch` and returns once it is durable. Batches of different sessions share a sync.
  // kConflict: the journal has moved on, or the session exists, or reason "index_exists". kDenied with reason "fenced":
  // the lease is an old one. kNotFound: no such session. kUnavailable: nothing was done (full disk: reason
  // "storage_full"). kUnknown: the effect is unknown, re-read before retrying. kInvalid: a record refers to a blob that
  // does not come along.
  virtual Task<Result<Committed>> commit(Lease lease, Batch batch) = 0;

  // Durable with the next commit or within the flush interval; a crash may lose the last window of it.
  virtual Task<Result<void>> append_ledger(std::vector<LedgerEntry> entries) = 0;

  virtual Task<Result<std::optional<SessionRow>>> session(SessionId id) = 0;
  // Records first..last in order; ends early after about `bytes_max` (at least one record when there is one).
  // kNotFound: no such session.
  virtual Task<Result<std::vector<SealedRecord>>> read(SessionId id, uint64_t first, uint64_t last,
                                                       size_t bytes_max) = 0;
  virtual Task<Result<std::optional<std::string>>> blob(Hash256 id) = 0;
  // By ascending id.
  virtual Task<Result<std::vector<BlobRow>>> blobs(std::optional<Hash256> after, size_t limit) = 0;
  virtual Task<Result<std::optional<IndexEntry>>> find(IndexKey key) = 0;
  // By descending ordinal, below `before` (0: from the newest).
  virtual Task<Result<std::vector<IndexRow>>> list(TenantId tenant, IndexKind kind, uint64_t before, size_t limit) = 0;
  virtual Task<Result<std::vector<SessionId>>> unfinished(std::optional<SessionId> after, size_t limit) = 0;
  virtual Task<Result<std::vector<TimerRow>>> due(WallTime until, size_t limit) = 0;
  virtual Task<Result<std::vector<SessionId>>> children(SessionId parent, size_t limit) = 0;
  virtual Task<Result<std::vector<SessionRow>>> sessions(std::optional<SessionId> after, size_t limit) = 0;
  virtual Task<Result<std::vector<LedgerEntry>>> ledger(uint64_t after, size_t limit) = 0;

  // Small named values of the installation (wrapped tenant keys, install id), durable on return. Empty value: remove.
  virtual Task<Result<std::optional<std::string>>> setting(std::string name) = 0;
  virtual Task<Result<void>> put_setting(std::string name, std::string value, bool if_absent) = 0;
  // The same if the setting is what the caller has read (nothing: absent). kConflict, reason "setting_changed": it is
  // not, and nothing was done.
  virtual Task<Result<void>> swap_setting(std::string name, std::optional<std::string> expected, std::string value) = 0;

  virtual Task<Result<StoreSummary>> summary() = 0;
};

}  // namespace perdure
