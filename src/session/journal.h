#pragma once
// Journal: the writing end of one session. Seals and chains records, commits them with compare-and-swap, and says
// honestly what became of them. One writer at a time: whoever holds the Journal. Lives on one Loop.

#include <vector>

#include "model/record.h"
#include "store/seal.h"
#include "store/store.h"

namespace perdure {

class Journal {
 public:
  // With `blob_key` long strings of what is appended are stored apart, once for the tenant; without, in the records.
  Journal(Store& store, Lease lease, SessionRow row, std::optional<Key256> key, Random& random,
          std::optional<Key256> blob_key = {})
      : store_(store), lease_(lease), row_(std::move(row)), key_(key), blob_key_(blob_key), random_(random) {}

  const SessionRow& row() const { return row_; }
  uint64_t head() const { return row_.head; }
  const std::optional<Key256>& key() const { return key_; }

  // Appends `records` (their seqs are assigned here) together with what `batch` already holds. On success they are
  // durable. kUnknown never comes out: the journal reads the head and finds out. kConflict: another writer was here;
  // the Journal must be given up. kUnavailable: nothing was done, and it may be tried again.
  Task<Result<void>> append(std::vector<Record>& records, Batch batch);

 private:
  Store& store_;
  Lease lease_;
  SessionRow row_;
  std::optional<Key256> key_, blob_key_;
  Random& random_;
};

// Records first..last of a session, opened; fewer of them when they are more than about `bytes_max`, blobs included.
// Erased ones are kNotFound.
Task<Result<std::vector<Record>>> read_records(Store& store, SessionId session, const std::optional<Key256>* key,
                                               uint64_t first, uint64_t last, size_t bytes_max);

}  // namespace perdure
