#include "store/sqlite/connection.h"

#include <sqlite3.h>

#include "base/check.h"

namespace perdure::sqlite {
namespace {

constexpr int kBusyWaitMs = 5000;

Failure classify(int extended) {
  switch (extended & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return Failure::kNone;
    case SQLITE_FULL:
      return Failure::kFull;
    case SQLITE_IOERR:
      // The shared memory file could not grow; nothing of the transaction has been written then.
      return extended == SQLITE_IOERR_SHMSIZE || extended == SQLITE_IOERR_NOMEM ? Failure::kFull : Failure::kIo;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Failure::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Failure::kBusy;
    default:
      return Failure::kOther;
  }
}

Error to_error(Failure failure, std::string message) {
  switch (failure) {
    case Failure::kFull:
      return {Code::kUnavailable, std::move(message), {}, "storage_full"};
    case Failure::kCorrupt:
      return {Code::kCorrupt, std::move(message)};
    case Failure::kIo:
      return {Code::kUnavailable, std::move(message), {}, "storage_failed"};
    case Failure::kBusy:
      return {Code::kUnavailable, std::move(message), {}, "storage_busy"};
    default:
      return {Code::kInternal, std::move(message)};
  }
}

}  // namespace

Connection::Connection(sqlite3* db) : db_(db) {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, kBusyWaitMs);
  sqlite3_wal_hook(db_, &Connection::count_log_pages, this);  // takes the place of automatic checkpoints
}

Connection::~Connection() {
  int code = sqlite3_close(db_);
  CHECK(code != SQLITE_BUSY, "a statement outlived its connection");
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, const std::string& vfs, Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX |
              (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &db, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    std::string message = "cannot open " + path + ": " + (db != nullptr ? sqlite3_errmsg(db) : "out of memory");
    Failure failure = classify(code);
    sqlite3_close(db);
    if (failure == Failure::kOther) return Error{Code::kUnavailable, std::move(message)};
    return to_error(failure, std::move(message));
  }
  return std::unique_ptr<Connection>(new Connection(db));
}

int Connection::count_log_pages(void* self, sqlite3*, const char*, int pages) {
  static_cast<Connection*>(self)->log_pages_ = pages;
  return SQLITE_OK;
}

Error Connection::failed(std::string_view what, int code) {
  int extended = sqlite3_extended_errcode(db_);
  if (classify(extended) == Failure::kNone) extended = code;
  last_failure_ = classify(extended);
  std::string message = std::string(what) + ": " + sqlite3_errmsg(db_) + " (" + std::to_string(extended) + ")";
  return to_error(last_failure_, std::move(message));
}

Result<void> Connection::execute(const char* sql) {
  int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failed(sql, code);
  return {};
}

Result<std::string> Connection::value(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  if (code != SQLITE_OK) return failed(sql, code);
  std::string out;
  code = sqlite3_step(statement);
  if (code == SQLITE_ROW) {
    const void* bytes = sqlite3_column_blob(statement, 0);
    if (bytes != nullptr)
      out.assign(static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement, 0)));
  }
  std::optional<Error> error;
  if (code != SQLITE_ROW && code != SQLITE_DONE) error = failed(sql, code);
  sqlite3_finalize(statement);
  if (error) return *std::move(error);
  return out;
}

Result<int64_t> Connection::integer(const char* sql) {
  TRY(std::string text, value(sql));
  return static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10));
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

void Connection::roll_back() {
  if (in_transaction()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<bool> Connection::checkpoint(bool truncate) {
  int in_log = 0, copied = 0;
  sqlite3_busy_timeout(db_, 0);  // a reader in the way is no reason to make commits wait
  int code = sqlite3_wal_checkpoint_v2(db_, nullptr, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
                                       &in_log, &copied);
  sqlite3_busy_timeout(db_, kBusyWaitMs);
  if (code == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) return failed("checkpoint", code);
  if (in_log == copied) log_pages_ = 0;  // the next commit starts the log over
  return in_log == copied;
}

void Connection::leave_log_on_close() { sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }

Statement::Statement(Connection& connection, const char* sql) : connection_(connection) {
  int code = sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  CHECK(code == SQLITE_OK, std::string(sql) + ": " + sqlite3_errmsg(connection.handle()));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::bind(int column, int64_t value) { sqlite3_bind_int64(statement_, column, value); }
void Statement::bind(int column, Null) { sqlite3_bind_null(statement_, column); }
void Statement::bind(int column, Blob value) {
  if (value.bytes.empty())
    sqlite3_bind_zeroblob(statement_, column, 0);
  else
    sqlite3_bind_blob64(statement_, column, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
}
void Statement::bind(int column, Text value) {
  const char* text = value.text.empty() ? "" : value.text.data();
  sqlite3_bind_text64(statement_, column, text, value.text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

Result<bool> Statement::next() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_.failed(sqlite3_sql(statement_), code);
}

void Statement::end() { sqlite3_reset(statement_); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
std::string_view Statement::bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(bytes),
          bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}
bool Statement::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

}  // namespace perdure::sqlite
