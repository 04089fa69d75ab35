#pragma once
// MemVfs: a sqlite3_vfs whose files live in memory and whose power can be cut. It tells what was synced from what was
// only written, so that crash() can keep what a disk must keep and a random part of the rest, torn at sectors. For
// tests and deterministic simulation. Locks and shared memory are absent: one connection at a time. Thread-safe.
//
// Creating and deleting files counts as durable at once; their contents do not.

#include <cstdint>
#include <memory>
#include <string>

#include "base/random.h"

namespace perdure {

class MemVfs {
 public:
  explicit MemVfs(std::string name);  // registered under `name` until destruction
  ~MemVfs();                          // every connection must be closed
  MemVfs(const MemVfs&) = delete;
  MemVfs& operator=(const MemVfs&) = delete;
  const std::string& name() const;

  // Loses what was not synced, but for a random part of it. Ends every fault below. Close the connections before.
  void crash(Random& random);
  // As a killed process leaves the files: everything written is there. Ends every fault below.
  void restart();

  // After `n` more writes, syncs, truncations and deletions, every call fails and nothing more reaches the files.
  void power_cut_after(uint64_t n);
  bool power_is_cut() const;
  void set_full(bool full);          // writes fail with SQLITE_FULL
  void fail_sync_after(uint64_t n);  // the n+1-th sync from now fails once with SQLITE_IOERR
  uint64_t changes() const;          // writes, syncs, truncations and deletions so far
  uint64_t syncs() const;

  std::string contents(const std::string& path) const;
  void set_contents(const std::string& path, std::string bytes);  // synced

  struct Disk;  // mem_vfs.cc

 private:
  std::unique_ptr<Disk> disk_;
};

}  // namespace perdure
