#pragma once
// SqliteStore: the embedded default. One file, one writer that commits in groups, one checkpointer (the same), an
// exclusive lock against a second process. See docs/decisions for the layout (a log with lazily written heads).

#include <functional>
#include <memory>
#include <string>

#include "async/job_runner.h"
#include "async/loop.h"
#include "base/log.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

struct SqliteOptions {
  std::string path;                 // the database file; its folder must exist
  std::string vfs = {};             // name of a registered sqlite3_vfs; empty: the system's
  bool read_only = false;           // offline commands: every write is kDenied, no lock is taken
  // read_only: everything that is read is of the moment of the first read, whatever another process writes meanwhile.
  // Until the store is closed that process cannot shorten its log file beyond that moment.
  bool one_moment = false;
  Key256 head_key{};                // keys the set hash of heads (StoreSummary)
  size_t group_records_max = 1024;  // one sync carries at most so many records
  size_t group_bytes_max = 8 << 20;
  size_t queue_bytes_max = 64 << 20;  // waiting for the writer; beyond: kOverloaded
  size_t heads_cached_max = 65'536;
  size_t cache_bytes = 32 << 20;
  // Called when a sync failed with an I/O error: what is durable is unknown, so the process must end. Default: CHECK
  // fails.
  std::function<void(const std::string&)> on_fatal = {};
};

class SqliteStore {
 public:
  // Opens or creates; blocking, for start-up. `writer` runs every write and sync, `reader` the reads; both must outlive
  // the store. kConflict: another process holds the file. kCorrupt: not a Perdure store, a newer format, or damaged.
  static Result<std::unique_ptr<Store>> open(SqliteOptions options, JobRunner& writer, JobRunner& reader, Clock& clock,
                                             Log log);
};

}  // namespace perdure
