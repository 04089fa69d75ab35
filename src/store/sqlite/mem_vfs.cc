#include "store/sqlite/mem_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "base/check.h"

namespace perdure {
namespace {

constexpr size_t kSectorBytes = 512;
constexpr uint64_t kNever = UINT64_MAX;

struct Change {
  bool truncates = false;  // to `offset` bytes; otherwise writes `bytes` there
  size_t offset = 0;
  std::string bytes;
};

void write_at(std::string& image, size_t offset, std::string_view bytes) {
  if (image.size() < offset + bytes.size()) image.resize(offset + bytes.size(), '\0');
  std::memcpy(image.data() + offset, bytes.data(), bytes.size());
}

struct File {
  std::string now;  // as readers see it
  std::string durable;
  std::vector<Change> unsynced;  // leads from durable to now
  int open = 0;
  bool deleted = false;
};

// Applies the sectors of a write that a coin chooses.
void tear(std::string& image, const Change& change, Random& random) {
  for (size_t at = 0; at < change.bytes.size();) {
    size_t sector_end = ((change.offset + at) / kSectorBytes + 1) * kSectorBytes - change.offset;
    size_t end = std::min(sector_end, change.bytes.size());
    if (random.below(2) == 0) write_at(image, change.offset + at, std::string_view(change.bytes).substr(at, end - at));
    at = end;
  }
}

void survive(File& file, Random& random) {
  std::string image = std::move(file.durable);
  for (const Change& change : file.unsynced) {
    uint64_t fate = random.below(4);
    if (fate < 2) continue;  // lost
    if (change.truncates)
      image.resize(change.offset, '\0');
    else if (fate == 2)
      write_at(image, change.offset, change.bytes);
    else
      tear(image, change, random);
  }
  file.unsynced.clear();
  file.durable = image;
  file.now = std::move(image);
}

}  // namespace

struct MemVfs::Disk {
  std::string name;
  sqlite3_vfs vfs{};
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<File>> files;
  bool cut = false;
  bool full = false;
  uint64_t changes = 0, syncs = 0;
  uint64_t cut_at = kNever, fail_sync_at = kNever;
  uint64_t temporary = 0;
  SeededRandom random{0x70657264};

  // Counts a change; false when the power is gone. Under the mutex.
  bool change() {
    if (changes >= cut_at) cut = true;
    if (cut) return false;
    ++changes;
    return true;
  }
  void end_faults() {
    cut = full = false;
    cut_at = fail_sync_at = kNever;
  }
};

namespace {

struct OpenFile {
  sqlite3_file base;  // first: SQLite's view of this
  MemVfs::Disk* disk;
  std::shared_ptr<File>* file;
  std::string* delete_on_close;
};

OpenFile& self(sqlite3_file* f) { return *reinterpret_cast<OpenFile*>(f); }
MemVfs::Disk& disk_of(sqlite3_vfs* vfs) { return *static_cast<MemVfs::Disk*>(vfs->pAppData); }

int close_file(sqlite3_file* f) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  --(*open.file)->open;
  if (open.delete_on_close != nullptr) open.disk->files.erase(*open.delete_on_close);
  delete open.file;
  delete open.delete_on_close;
  open.file = nullptr;
  return SQLITE_OK;
}

int read_file(sqlite3_file* f, void* to, int n, sqlite3_int64 offset) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  if (open.disk->cut) return SQLITE_IOERR_READ;
  const std::string& image = (*open.file)->now;
  auto at = static_cast<size_t>(offset), want = static_cast<size_t>(n);
  size_t have = at >= image.size() ? 0 : std::min(want, image.size() - at);
  if (have != 0) std::memcpy(to, image.data() + at, have);
  if (have == want) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + have, 0, want - have);
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* f, const void* from, int n, sqlite3_int64 offset) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  if (open.disk->full && !open.disk->cut) return SQLITE_FULL;
  if (!open.disk->change()) return SQLITE_IOERR_WRITE;
  Change change{false, static_cast<size_t>(offset),
                std::string(static_cast<const char*>(from), static_cast<size_t>(n))};
  write_at((*open.file)->now, change.offset, change.bytes);
  (*open.file)->unsynced.push_back(std::move(change));
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  if (!open.disk->change()) return SQLITE_IOERR_TRUNCATE;
  (*open.file)->now.resize(static_cast<size_t>(size), '\0');
  (*open.file)->unsynced.push_back({true, static_cast<size_t>(size), {}});
  return SQLITE_OK;
}

int sync_file(sqlite3_file* f, int) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  if (!open.disk->change()) return SQLITE_IOERR_FSYNC;
  if (open.disk->syncs++ == open.disk->fail_sync_at) return SQLITE_IOERR_FSYNC;
  File& file = **open.file;
  for (const Change& change : file.unsynced) {
    if (change.truncates)
      file.durable.resize(change.offset, '\0');
    else
      write_at(file.durable, change.offset, change.bytes);
  }
  file.unsynced.clear();
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* out) {
  OpenFile& open = self(f);
  std::lock_guard lock(open.disk->mutex);
  if (open.disk->cut) return SQLITE_IOERR_FSTAT;
  *out = static_cast<sqlite3_int64>((*open.file)->now.size());
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_lock(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return kSectorBytes; }
// As for files of an ordinary system: bytes outside of a torn write stay what they were.
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 1,  // no shared memory
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = lock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* flags_out) {
  MemVfs::Disk& disk = disk_of(vfs);
  OpenFile& open = self(f);
  open.base.pMethods = nullptr;
  std::lock_guard lock(disk.mutex);
  if (disk.cut) return SQLITE_IOERR;
  std::string path = name != nullptr ? name : "temporary-" + std::to_string(++disk.temporary);
  auto at = disk.files.find(path);
  if (at == disk.files.end()) {
    if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    at = disk.files.emplace(path, std::make_shared<File>()).first;
  }
  ++at->second->open;
  open.disk = &disk;
  open.file = new std::shared_ptr<File>(at->second);
  open.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 ? new std::string(path) : nullptr;
  open.base.pMethods = &kMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int) {
  MemVfs::Disk& disk = disk_of(vfs);
  std::lock_guard lock(disk.mutex);
  if (!disk.change()) return SQLITE_IOERR_DELETE;
  return disk.files.erase(name) != 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int access_file(sqlite3_vfs* vfs, const char* name, int, int* out) {
  MemVfs::Disk& disk = disk_of(vfs);
  std::lock_guard lock(disk.mutex);
  if (disk.cut) return SQLITE_IOERR_ACCESS;
  *out = disk.files.contains(name);
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int room, char* out) {
  sqlite3_snprintf(room, out, "%s", name);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int n, char* out) {
  MemVfs::Disk& disk = disk_of(vfs);
  std::lock_guard lock(disk.mutex);
  disk.random.fill({reinterpret_cast<unsigned char*>(out), static_cast<size_t>(n)});
  return n;
}

int no_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
int fixed_time(sqlite3_vfs*, double* out) {
  *out = 2461000.5;
  return SQLITE_OK;
}
int no_error(sqlite3_vfs*, int, char*) { return SQLITE_OK; }

}  // namespace

MemVfs::MemVfs(std::string name) : disk_(std::make_unique<Disk>()) {
  disk_->name = std::move(name);
  disk_->vfs.iVersion = 1;
  disk_->vfs.szOsFile = sizeof(OpenFile);
  disk_->vfs.mxPathname = 512;
  disk_->vfs.zName = disk_->name.c_str();
  disk_->vfs.pAppData = disk_.get();
  disk_->vfs.xOpen = open_file;
  disk_->vfs.xDelete = delete_file;
  disk_->vfs.xAccess = access_file;
  disk_->vfs.xFullPathname = full_path;
  disk_->vfs.xRandomness = randomness;
  disk_->vfs.xSleep = no_sleep;
  disk_->vfs.xCurrentTime = fixed_time;
  disk_->vfs.xGetLastError = no_error;
  CHECK(sqlite3_vfs_register(&disk_->vfs, 0) == SQLITE_OK, "sqlite3_vfs_register");
}

MemVfs::~MemVfs() { sqlite3_vfs_unregister(&disk_->vfs); }

const std::string& MemVfs::name() const { return disk_->name; }

void MemVfs::crash(Random& random) {
  std::lock_guard lock(disk_->mutex);
  for (auto& [path, file] : disk_->files) {
    CHECK(file->open == 0, "a crash under an open connection");
    survive(*file, random);
  }
  disk_->end_faults();
}

void MemVfs::restart() {
  std::lock_guard lock(disk_->mutex);
  disk_->end_faults();
}

void MemVfs::power_cut_after(uint64_t n) {
  std::lock_guard lock(disk_->mutex);
  disk_->cut_at = disk_->changes + n;
  if (n == 0) disk_->cut = true;
}

bool MemVfs::power_is_cut() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->cut;
}

void MemVfs::set_full(bool full) {
  std::lock_guard lock(disk_->mutex);
  disk_->full = full;
}

void MemVfs::fail_sync_after(uint64_t n) {
  std::lock_guard lock(disk_->mutex);
  disk_->fail_sync_at = disk_->syncs + n;
}

uint64_t MemVfs::changes() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->changes;
}

uint64_t MemVfs::syncs() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->syncs;
}

std::string MemVfs::contents(const std::string& path) const {
  std::lock_guard lock(disk_->mutex);
  auto at = disk_->files.find(path);
  return at == disk_->files.end() ? std::string() : at->second->now;
}

void MemVfs::set_contents(const std::string& path, std::string bytes) {
  std::lock_guard lock(disk_->mutex);
  auto& file = disk_->files[path];
  if (!file) file = std::make_shared<File>();
  file->unsynced.clear();
  file->durable = bytes;
  file->now = std::move(bytes);
}

}  // namespace perdure
