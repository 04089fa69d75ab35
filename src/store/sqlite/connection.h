#pragma once
// A connection to SQLite and its prepared statements, with Results for errors. One thread at a time.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace perdure::sqlite {

// What a failed call means for the transaction it was in.
enum class Failure {
  kNone,
  kFull,     // no room: roll back, go on later
  kIo,       // reading, writing or syncing failed: what is durable is unknown
  kCorrupt,  // the file is damaged
  kBusy,     // another process is in the way
  kOther,
};

class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  static Result<std::unique_ptr<Connection>> open(const std::string& path, const std::string& vfs, Mode mode);
  ~Connection();  // every Statement must be gone; the last connection of a file checkpoints it
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> execute(const char* sql);       // several statements without results
  Result<std::string> value(const char* sql);  // first column of the first row; empty without a row
  Result<int64_t> integer(const char* sql);
  bool in_transaction() const;
  void roll_back();  // if a transaction is open; never fails
  Failure last_failure() const { return last_failure_; }
  void clear_failure() { last_failure_ = Failure::kNone; }

  // Copies the log into the database file. `truncate`: also empties the log file, waiting for readers. True: all of it.
  Result<bool> checkpoint(bool truncate);
  int log_pages() const { return log_pages_; }  // in the write-ahead log after the newest commit
  void leave_log_on_close();                    // close() then writes nothing

  Error failed(std::string_view what, int code);  // also remembers last_failure()
  sqlite3* handle() { return db_; }

 private:
  explicit Connection(sqlite3* db);
  static int count_log_pages(void* self, sqlite3*, const char*, int pages);
  sqlite3* db_;
  int log_pages_ = 0;
  Failure last_failure_ = Failure::kNone;
};

struct Blob {
  std::string_view bytes;
};
struct Text {
  std::string_view text;
};
struct Null {};

// A prepared statement. Bound bytes are borrowed until the next run(), query() or end().
class Statement {
 public:
  Statement(Connection& connection, const char* sql);  // CHECKs that `sql` compiles: the schema is known to be there
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <class... Args>
  Result<void> run(const Args&... args) {
    query_from_start(args...);
    auto row = next();
    end();
    if (!row.ok()) return std::move(row).error();
    return {};
  }
  // Then next() until it says false. Rows ends the query with its scope.
  class Rows {
   public:
    explicit Rows(Statement& statement) : statement_(statement) {}
    ~Rows() { statement_.end(); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;
    Result<bool> next() { return statement_.next(); }
    int64_t integer(int column) const { return statement_.integer(column); }
    uint64_t number(int column) const { return static_cast<uint64_t>(statement_.integer(column)); }
    std::string_view bytes(int column) const { return statement_.bytes(column); }
    std::string string(int column) const { return std::string(statement_.bytes(column)); }
    bool null(int column) const { return statement_.null(column); }

   private:
    Statement& statement_;
  };
  template <class... Args>
  Rows query(const Args&... args) {
    query_from_start(args...);
    return Rows(*this);
  }

 private:
  template <class... Args>
  void query_from_start(const Args&... args) {
    end();
    int column = 0;
    (bind(++column, args), ...);
  }
  void bind(int column, int64_t value);
  void bind(int column, uint64_t value) { bind(column, static_cast<int64_t>(value)); }
  void bind(int column, int value) { bind(column, static_cast<int64_t>(value)); }
  void bind(int column, uint32_t value) { bind(column, static_cast<int64_t>(value)); }
  void bind(int column, bool value) { bind(column, static_cast<int64_t>(value)); }
  void bind(int column, Blob value);
  void bind(int column, Text value);
  void bind(int column, Null);
  template <class T>
  void bind(int column, const std::optional<T>& value) {
    if (value)
      bind(column, *value);
    else
      bind(column, Null{});
  }
  Result<bool> next();
  void end();
  int64_t integer(int column) const;
  std::string_view bytes(int column) const;
  bool null(int column) const;

  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

inline Blob blob(const std::string& bytes) { return {bytes}; }
template <size_t N>
Blob blob(const std::array<unsigned char, N>& bytes) {
  return {{reinterpret_cast<const char*>(bytes.data()), N}};
}

// Session ids are stored as 16 bytes that sort like the ids.
class SessionKey {
 public:
  explicit SessionKey(SessionId id) {
    for (int i = 0; i < 8; ++i) {
      bytes_[static_cast<size_t>(i)] = static_cast<char>(id.hi >> (56 - 8 * i));
      bytes_[static_cast<size_t>(i) + 8] = static_cast<char>(id.lo >> (56 - 8 * i));
    }
  }
  Blob blob() const { return {{bytes_.data(), bytes_.size()}}; }
  static SessionId read(std::string_view bytes) {
    SessionId id;
    if (bytes.size() != 16) return id;
    for (size_t i = 0; i < 8; ++i) {
      id.hi = id.hi << 8 | static_cast<unsigned char>(bytes[i]);
      id.lo = id.lo << 8 | static_cast<unsigned char>(bytes[i + 8]);
    }
    return id;
  }

 private:
  std::array<char, 16> bytes_;
};

inline int64_t to_milliseconds(WallTime time) { return time.time_since_epoch().count(); }
inline WallTime from_milliseconds(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

}  // namespace perdure::sqlite
