#include "store/sqlite/schema.h"

#include <cstring>

#include "base/planted.h"

namespace perdure::sqlite {
namespace {

// log      every record in commit order; written at its end only, so that a commit touches few pages. There is no index
//          by (session, seq): prev_g leads to the record before of the same session (0: none), and `seg` names a point
//          every so many records, so that a walk back is short.
// session  head, head_g and chain may be behind the log, by rows after state.last_flush_g alone; the rest is always
//          current.
// entry    the response and idempotency index.
// state    one row, see FileState.
// blob     what records refer to: log.blobs holds their ids, 32 bytes each, and blob.refs counts the records. The
//          bodies are apart, so that counting does not write them anew.
constexpr const char* kTables = R"sql(
CREATE TABLE log(g INTEGER PRIMARY KEY, s INTEGER NOT NULL, seq INTEGER NOT NULL, prev_g INTEGER NOT NULL,
                 kind INTEGER NOT NULL, codec INTEGER NOT NULL, time INTEGER NOT NULL, hash BLOB NOT NULL, salt BLOB, body BLOB,
                 blobs BLOB);
CREATE TABLE session(s INTEGER PRIMARY KEY, sid BLOB NOT NULL UNIQUE, tenant TEXT NOT NULL, parent BLOB, parent_seq INTEGER NOT NULL,
                     head INTEGER NOT NULL, head_g INTEGER NOT NULL, chain BLOB NOT NULL, key BLOB, created INTEGER NOT NULL,
                     expires INTEGER NOT NULL, hold INTEGER NOT NULL, unfinished INTEGER NOT NULL);
CREATE INDEX session_unfinished ON session(sid) WHERE unfinished;
CREATE INDEX session_parent ON session(parent, sid) WHERE parent IS NOT NULL;
CREATE TABLE seg(s INTEGER NOT NULL, seq INTEGER NOT NULL, g INTEGER NOT NULL, PRIMARY KEY(s, seq)) WITHOUT ROWID;
CREATE TABLE entry(tenant TEXT NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL, sid BLOB NOT NULL, seq INTEGER NOT NULL,
                   value BLOB NOT NULL, ordinal INTEGER NOT NULL, PRIMARY KEY(tenant, kind, key)) WITHOUT ROWID;
CREATE UNIQUE INDEX entry_ordinal ON entry(tenant, kind, ordinal);
CREATE TABLE timer(sid BLOB NOT NULL, id TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY(sid, id)) WITHOUT ROWID;
CREATE INDEX timer_due ON timer(due, sid, id);
CREATE TABLE ledger(ordinal INTEGER PRIMARY KEY, tenant TEXT NOT NULL, time INTEGER NOT NULL, line TEXT NOT NULL);
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE shard(shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one = 1), last_flush_g INTEGER NOT NULL, last_ordinal INTEGER NOT NULL,
                   sessions INTEGER NOT NULL, records INTEGER NOT NULL, heads BLOB NOT NULL,
                   key_check BLOB NOT NULL);
)sql";

constexpr const char* kBlobTables =
    "CREATE TABLE blob(id BLOB PRIMARY KEY, b INTEGER NOT NULL, refs INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE blob_body(b INTEGER PRIMARY KEY, body BLOB NOT NULL);";

Result<void> bring_up_to_date(Connection& connection) {
  TRY(int64_t version, format_of(connection));
  if (version >= 2) return {};
  std::string change = std::string("BEGIN IMMEDIATE;ALTER TABLE log ADD COLUMN blobs BLOB;") + kBlobTables +
                       "PRAGMA user_version=2;COMMIT";
  auto changed = connection.execute(change.c_str());
  connection.roll_back();
  return changed;
}

Result<void> check_format(Connection& connection) {
  TRY(int64_t application, connection.integer("PRAGMA application_id"));
  TRY(int64_t version, connection.integer("PRAGMA user_version"));
  if (application != kApplicationId) return Error{Code::kCorrupt, "the file is not a Perdure store", {}, "not_a_store"};
  if (version > kFormatVersion) {
    return Error{Code::kCorrupt,
                 "the store has format " + std::to_string(version) + ", this program reads up to " +
                     std::to_string(kFormatVersion),
                 {},
                 "newer_format"};
  }
  // Touches the root of every table, so that gross damage shows at the start and not in the middle of a request.
  for (const char* sql :
       {"SELECT max(g) FROM log", "SELECT max(s) FROM session", "SELECT sid FROM session ORDER BY sid LIMIT 1",
        "SELECT s FROM seg LIMIT 1", "SELECT key FROM entry LIMIT 1", "SELECT id FROM timer LIMIT 1",
        "SELECT due FROM timer ORDER BY due LIMIT 1", "SELECT max(ordinal) FROM ledger",
        "SELECT name FROM setting LIMIT 1", "SELECT shard FROM shard LIMIT 1", "SELECT id FROM blob LIMIT 1",
        "SELECT max(b) FROM blob_body"}) {
    if (version < 2 && std::string_view(sql).find("FROM blob") != std::string_view::npos) continue;
    auto touched = connection.value(sql);
    if (touched.ok()) continue;
    if (connection.last_failure() == Failure::kOther) return Error{Code::kCorrupt, touched.error().message};
    return std::move(touched).error();
  }
  return {};
}

Result<void> set_cache(Connection& connection, const SchemaOptions& options) {
  std::string cache = "PRAGMA cache_size=-" + std::to_string(options.cache_bytes / 1024);
  return connection.execute(cache.c_str());
}

}  // namespace

Result<void> prepare_writer(Connection& connection, const SchemaOptions& options) {
  if (options.exclusive) TRY_VOID(connection.execute("PRAGMA locking_mode=EXCLUSIVE"));
  TRY(int64_t objects, connection.integer("SELECT count(*) FROM sqlite_schema"));
  TRY(int64_t version, connection.integer("PRAGMA user_version"));
  TRY(int64_t application, connection.integer("PRAGMA application_id"));
  bool empty = objects == 0 && version == 0 && application == 0;
  if (!empty) TRY_VOID(check_format(connection));
  if (empty) TRY_VOID(connection.execute("PRAGMA page_size=8192"));
  TRY(std::string mode, connection.value("PRAGMA journal_mode=WAL"));
  if (mode != "wal")
    return Error{Code::kUnavailable, "the file system does not allow a write-ahead log (journal mode " + mode + ")"};
  TRY_VOID(connection.execute(planted(PlantedBug::kSyncOff) ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL"));
  TRY_VOID(connection.execute(
      "PRAGMA foreign_keys=OFF; PRAGMA secure_delete=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
      "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON"));
  TRY_VOID(set_cache(connection, options));
  if (empty) {
    std::string create = std::string("BEGIN IMMEDIATE;") + kTables + kBlobTables +
                         "INSERT INTO state VALUES(1, 0, 0, 0, 0, zeroblob(32), x'" +
                         to_hex(key_check(options.head_key)) +
                         "');PRAGMA application_id=" + std::to_string(kApplicationId) +
                         ";PRAGMA user_version=" + std::to_string(kFormatVersion) + ";COMMIT";
    auto created = connection.execute(create.c_str());
    connection.roll_back();
    TRY_VOID(std::move(created));
  }
  return bring_up_to_date(connection);
}

Result<void> prepare_reader(Connection& connection, const SchemaOptions& options) {
  TRY_VOID(connection.execute(
      "PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON"));
  TRY_VOID(set_cache(connection, options));
  return check_format(connection);
}

Result<int64_t> format_of(Connection& connection) { return connection.integer("PRAGMA user_version"); }

std::string key_check(const Key256& head_key) {
  Hash256 mac = head_mac(head_key, SessionId{}, 0, Hash256{});
  return std::string(mac.begin(), mac.begin() + 8);
}

Result<FileState> read_state(Connection& connection) {
  Statement select(connection,
                   "SELECT last_flush_g, last_ordinal, sessions, records, heads, key_check FROM state WHERE one = 1");
  auto rows = select.query();
  TRY(bool found, rows.next());
  if (!found || rows.bytes(4).size() != sizeof(Hash256))
    return Error{Code::kCorrupt, "the store's state row is missing"};
  FileState out{rows.integer(0), rows.number(1), {rows.number(2), rows.number(3), {}}, rows.string(5)};
  std::memcpy(out.rows.heads.data(), rows.bytes(4).data(), sizeof(Hash256));
  return out;
}

}  // namespace perdure::sqlite
