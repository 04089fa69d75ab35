#pragma once
// The file's layout: see schema.cc. Opening checks that the file is a Perdure store of a format this program can read.

#include "store/seal.h"
#include "store/sqlite/connection.h"

namespace perdure::sqlite {

inline constexpr int64_t kApplicationId = 0x50657264;  // "Perd"
// 2: blobs. A file of format 1 becomes one of format 2 when it is opened for writing, and is read as it is otherwise.
inline constexpr int64_t kFormatVersion = 2;

struct SchemaOptions {
  bool exclusive = false;  // one connection, no shared memory
  size_t cache_bytes = 0;
  Key256 head_key{};
};

// Sets the connection up for writing; creates the tables in an empty file.
Result<void> prepare_writer(Connection& connection, const SchemaOptions& options);
// The format of the file; for what must not be asked of an older one.
Result<int64_t> format_of(Connection& connection);
// kCorrupt: no store, a newer format, or damaged.
Result<void> prepare_reader(Connection& connection, const SchemaOptions& options);

// The one row of table `state`. The sums are over the session rows as they are in the file, in every committed
// transaction; `last_flush_g` says that no session row is behind a log row up to there.
// `key_check` tells a wrong head key from damage.
struct FileState {
  int64_t last_flush_g = 0;
  uint64_t last_ordinal = 0;
  StoreSummary rows;
  std::string key_check;
};
std::string key_check(const Key256& head_key);
Result<FileState> read_state(Connection& connection);

}  // namespace perdure::sqlite
