#include "store/sqlite/reads.h"

#include <algorithm>
#include <cstring>

#include "store/seal.h"

namespace perdure::sqlite {
namespace {

#define SESSION_COLUMNS \
  "sid, tenant, parent, parent_seq, head, chain, key, created, expires, hold, unfinished, s, head_g"

Result<void> copy_hash(std::string_view bytes, Hash256& out) {
  if (bytes.size() != out.size()) return Error{Code::kCorrupt, "a hash in the store has the wrong length"};
  std::memcpy(out.data(), bytes.data(), out.size());
  return {};
}

Result<SessionRow> session_row(const Statement::Rows& rows) {
  SessionRow out;
  out.id = SessionKey::read(rows.bytes(0));
  out.tenant = TenantId(rows.string(1));
  if (!rows.null(2)) out.parent = SessionKey::read(rows.bytes(2));
  out.parent_seq = rows.number(3);
  out.head = rows.number(4);
  TRY_VOID(copy_hash(rows.bytes(5), out.chain));
  out.wrapped_key = rows.string(6);
  out.created = from_milliseconds(rows.integer(7));
  out.expires = from_milliseconds(rows.integer(8));
  out.legal_hold = rows.integer(9) != 0;
  out.unfinished = rows.integer(10) != 0;
  return out;
}

void bring_forward(SessionRow& row, const Head& newer) {
  if (newer.seq <= row.head) return;
  row.head = newer.seq;
  row.chain = newer.chain;
}

Blob blob_or_lowest(const std::optional<SessionKey>& key) { return key ? key->blob() : Blob{}; }
std::optional<SessionKey> key_of(std::optional<SessionId> id) {
  if (!id) return std::nullopt;
  return SessionKey(*id);
}
int64_t limit_of(size_t limit) { return static_cast<int64_t>(std::min<size_t>(limit, INT64_MAX)); }

}  // namespace

Result<std::unordered_map<SessionId, RowHead>> fold_tail(Connection& connection, int64_t after_g) {
  Statement tail(connection, "SELECT g, s, seq, kind, codec, time, hash, prev_g FROM log WHERE g > ? ORDER BY g");
  Statement session(connection, "SELECT sid, head, head_g, chain FROM session WHERE s = ?");
  struct Folded {
    SessionId id;
    RowHead head;
    bool moved = false;
  };
  std::unordered_map<int64_t, Folded> by_number;
  auto rows = tail.query(after_g);
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) break;
    int64_t s = rows.integer(1);
    auto [at, unseen] = by_number.try_emplace(s);
    Folded& folded = at->second;
    if (unseen) {
      auto row = session.query(s);
      TRY(bool found, row.next());
      if (!found) return Error{Code::kCorrupt, "a record belongs to no session"};
      folded.id = SessionKey::read(row.bytes(0));
      folded.head.now = {s, row.number(1), row.integer(2), {}};
      TRY_VOID(copy_hash(row.bytes(3), folded.head.now.chain));
      folded.head.row_seq = folded.head.now.seq;
      folded.head.row_chain = folded.head.now.chain;
    }
    Head& head = folded.head.now;
    int64_t g = rows.integer(0);
    if (g <= head.g) continue;  // the session row was written after this record
    SealedRecord record{.seq = rows.number(2),
                        .kind = static_cast<uint8_t>(rows.integer(3)),
                        .codec = static_cast<uint8_t>(rows.integer(4)),
                        .time = from_milliseconds(rows.integer(5))};
    if (record.seq != head.seq + 1 || rows.integer(7) != head.g)
      return Error{Code::kCorrupt,
                   "the log of " + folded.id.to_string() + " has a gap before record " + std::to_string(record.seq)};
    TRY_VOID(copy_hash(rows.bytes(6), record.hash));
    head.chain = chain_after(head.chain, folded.id, record);
    head.seq = record.seq;
    head.g = g;
    folded.moved = true;
  }
  std::unordered_map<SessionId, RowHead> out;
  for (const auto& [s, folded] : by_number)
    if (folded.moved) out[folded.id] = folded.head;
  return out;
}

Reads::Reads(Connection& c, int64_t format)
    : session_(c, "SELECT " SESSION_COLUMNS " FROM session WHERE sid = ?"),
      sessions_(c, "SELECT " SESSION_COLUMNS " FROM session WHERE sid > ? ORDER BY sid LIMIT ?"),
      point_(c, "SELECT seq, g FROM seg WHERE s = ? AND seq >= ? ORDER BY seq LIMIT 1"),
      link_(c, "SELECT s, seq, prev_g FROM log WHERE g = ?"),
      record_(c, format < 2 ? "SELECT s, seq, kind, codec, time, hash, salt, body, NULL FROM log WHERE g = ?"
                            : "SELECT s, seq, kind, codec, time, hash, salt, body, blobs FROM log WHERE g = ?"),
      find_(c, "SELECT sid, seq, value, ordinal FROM entry WHERE tenant = ? AND kind = ? AND key = ?"),
      list_(c,
            "SELECT key, sid, seq, value, ordinal FROM entry WHERE tenant = ? AND kind = ? AND ordinal < ? ORDER BY "
            "ordinal DESC LIMIT ?"),
      unfinished_(c, "SELECT sid FROM session WHERE unfinished AND sid > ? ORDER BY sid LIMIT ?"),
      due_(c, "SELECT sid, id, due FROM timer WHERE due <= ? ORDER BY due, sid, id LIMIT ?"),
      children_(c, "SELECT sid FROM session WHERE parent = ? ORDER BY sid LIMIT ?"),
      ledger_(c, "SELECT ordinal, tenant, time, line FROM ledger WHERE ordinal > ? ORDER BY ordinal LIMIT ?"),
      setting_(c, "SELECT value FROM setting WHERE name = ?") {
  if (format < 2) return;
  blob_.emplace(c, "SELECT body FROM blob_body WHERE b = (SELECT b FROM blob WHERE id = ?)");
  references_.emplace(c, "SELECT refs FROM blob WHERE id = ?");
  blobs_.emplace(c, "SELECT id, refs FROM blob WHERE id > ? ORDER BY id LIMIT ?");
}

Result<std::optional<SessionRow>> Reads::session(SessionId id, const std::optional<Head>& newer) {
  SessionKey key(id);
  auto rows = session_.query(key.blob());
  TRY(bool found, rows.next());
  if (!found) return std::optional<SessionRow>{};
  TRY(SessionRow row, session_row(rows));
  if (newer) bring_forward(row, *newer);
  return std::optional<SessionRow>{std::move(row)};
}

Result<std::vector<SealedRecord>> Reads::read(SessionId id, const std::optional<Head>& newer, uint64_t first,
                                              uint64_t last, size_t bytes_max) {
  Head head;
  if (newer) {
    head = *newer;
  } else {
    SessionKey key(id);
    auto rows = session_.query(key.blob());
    TRY(bool found, rows.next());
    if (!found) return Error{Code::kNotFound, "no such session"};
    head = {rows.integer(11), rows.number(4), rows.integer(12), {}};
  }
  std::vector<SealedRecord> out;
  size_t bytes = 0;
  uint64_t seq = std::max<uint64_t>(first, 1);
  last = std::min(last, head.seq);
  while (seq <= last) {
    TRY(Point point, point_at_or_after(head, seq));
    TRY(std::vector<int64_t> places, walk(head.s, point, seq, std::min(last, point.seq)));
    for (int64_t g : places) {
      auto rows = record_.query(g);
      TRY(bool found, rows.next());
      if (!found || rows.integer(0) != head.s || rows.number(1) != seq)
        return Error{Code::kCorrupt, "a record is missing"};
      std::string_view body = rows.bytes(7);
      if (!out.empty() && bytes + body.size() > bytes_max) return out;
      bytes += body.size();
      SealedRecord record{.seq = seq,
                          .kind = static_cast<uint8_t>(rows.integer(2)),
                          .codec = static_cast<uint8_t>(rows.integer(3)),
                          .time = from_milliseconds(rows.integer(4))};
      record.body = body;
      TRY_VOID(copy_hash(rows.bytes(5), record.hash));
      record.salt = rows.bytes(6);
      std::string_view ids = rows.bytes(8);
      for (; !ids.empty(); ids.remove_prefix(sizeof(Hash256))) {
        if (ids.size() < sizeof(Hash256)) return Error{Code::kCorrupt, "a record's list of blobs is damaged"};
        TRY_VOID(copy_hash(ids.substr(0, sizeof(Hash256)), record.blobs.emplace_back()));
      }
      out.push_back(std::move(record));
      ++seq;
    }
  }
  return out;
}

Result<std::vector<int64_t>> Reads::locate(const Head& head, uint64_t first, uint64_t last) {
  std::vector<int64_t> out;
  while (first <= last) {
    TRY(Point point, point_at_or_after(head, first));
    TRY(std::vector<int64_t> places, walk(head.s, point, first, std::min(last, point.seq)));
    out.insert(out.end(), places.begin(), places.end());
    first += places.size();
  }
  return out;
}

Result<Reads::Point> Reads::point_at_or_after(const Head& head, uint64_t seq) {
  auto rows = point_.query(head.s, seq);
  TRY(bool found, rows.next());
  if (!found || rows.number(0) >= head.seq) return Point{head.seq, head.g};
  return Point{rows.number(0), rows.integer(1)};
}

Result<std::vector<int64_t>> Reads::walk(int64_t s, Point from, uint64_t first, uint64_t last) {
  std::vector<int64_t> out;
  for (Point at = from;; --at.seq) {
    auto rows = link_.query(at.g);
    TRY(bool found, rows.next());
    if (!found || rows.integer(0) != s || rows.number(1) != at.seq)
      return Error{Code::kCorrupt, "record " + std::to_string(at.seq) + " is missing from the log"};
    if (at.seq <= last) out.push_back(at.g);
    if (at.seq == first) break;
    at.g = rows.integer(2);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Result<std::optional<std::string>> Reads::blob(const Hash256& id) {
  if (!blob_) return std::optional<std::string>{};
  auto rows = blob_->query(perdure::sqlite::blob(id));
  TRY(bool found, rows.next());
  if (!found) return std::optional<std::string>{};
  return std::optional<std::string>{rows.string(0)};
}

Result<std::optional<uint64_t>> Reads::references(const Hash256& id) {
  if (!references_) return std::optional<uint64_t>{};
  auto rows = references_->query(perdure::sqlite::blob(id));
  TRY(bool found, rows.next());
  if (!found) return std::optional<uint64_t>{};
  return std::optional<uint64_t>{rows.number(0)};
}

Result<std::vector<BlobRow>> Reads::blobs(std::optional<Hash256> after, size_t limit) {
  std::vector<BlobRow> out;
  if (!blobs_) return out;
  auto rows = blobs_->query(after ? perdure::sqlite::blob(*after) : Blob{}, limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    BlobRow row{.references = rows.number(1)};
    TRY_VOID(copy_hash(rows.bytes(0), row.id));
    out.push_back(row);
  }
}

Result<std::optional<IndexEntry>> Reads::find(const IndexKey& key) {
  auto rows = find_.query(Text{key.tenant.value}, static_cast<int>(key.kind), Text{key.key});
  TRY(bool found, rows.next());
  if (!found) return std::optional<IndexEntry>{};
  return std::optional<IndexEntry>{
      IndexEntry{SessionKey::read(rows.bytes(0)), rows.number(1), rows.string(2), rows.number(3)}};
}

Result<std::vector<IndexRow>> Reads::list(const TenantId& tenant, IndexKind kind, uint64_t before, size_t limit) {
  std::vector<IndexRow> out;
  int64_t below = before == 0 ? INT64_MAX : static_cast<int64_t>(std::min<uint64_t>(before, INT64_MAX));
  auto rows = list_.query(Text{tenant.value}, static_cast<int>(kind), below, limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    out.push_back({{tenant, kind, rows.string(0)},
                   {SessionKey::read(rows.bytes(1)), rows.number(2), rows.string(3), rows.number(4)}});
  }
}

Result<std::vector<SessionId>> Reads::unfinished(std::optional<SessionId> after, size_t limit) {
  std::vector<SessionId> out;
  auto key = key_of(after);
  auto rows = unfinished_.query(blob_or_lowest(key), limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    out.push_back(SessionKey::read(rows.bytes(0)));
  }
}

Result<std::vector<TimerRow>> Reads::due(WallTime until, size_t limit) {
  std::vector<TimerRow> out;
  auto rows = due_.query(to_milliseconds(until), limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    out.push_back({SessionKey::read(rows.bytes(0)), rows.string(1), from_milliseconds(rows.integer(2))});
  }
}

Result<std::vector<SessionId>> Reads::children(SessionId parent, size_t limit) {
  std::vector<SessionId> out;
  SessionKey key(parent);
  auto rows = children_.query(key.blob(), limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    out.push_back(SessionKey::read(rows.bytes(0)));
  }
}

Result<std::vector<SessionRow>> Reads::sessions(std::optional<SessionId> after, size_t limit, const Heads& newer) {
  std::vector<SessionRow> out;
  auto key = key_of(after);
  auto rows = sessions_.query(blob_or_lowest(key), limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    TRY(SessionRow row, session_row(rows));
    if (auto at = newer.find(row.id); at != newer.end()) bring_forward(row, at->second);
    out.push_back(std::move(row));
  }
}

Result<std::vector<LedgerEntry>> Reads::ledger(uint64_t after, size_t limit) {
  std::vector<LedgerEntry> out;
  auto rows = ledger_.query(after, limit_of(limit));
  for (;;) {
    TRY(bool more, rows.next());
    if (!more) return out;
    out.push_back({rows.number(0), TenantId(rows.string(1)), from_milliseconds(rows.integer(2)), rows.string(3)});
  }
}

Result<std::optional<std::string>> Reads::setting(const std::string& name) {
  auto rows = setting_.query(Text{name});
  TRY(bool found, rows.next());
  if (!found) return std::optional<std::string>{};
  return std::optional<std::string>{rows.string(0)};
}

}  // namespace perdure::sqlite
