// A file layer that forgets what was not synced, preloaded into a server by crash.py --layer lossy.
//
// Files under $LOSSY_ROOT work as ever, and $LOSSY_MIRROR holds what a disk would hold after the power went: bytes
// reach the mirror when fsync or fdatasync of their file is called; renames, links and removals when their directory is
// synced. After a SIGKILL the campaign puts the mirror in the place of the root. $LOSSY_SYNC_DELAY_US makes a sync take
// at least so long, as that of a slow disk, with nothing mirrored before the time is over.
//
// While the file $LOSSY_FULL exists, the disk is full: writes that would make a file under the root larger fail with
// ENOSPC. Works without a mirror too.
//
// SQLite's shared-memory index (-shm) is rebuilt from the log and is never mirrored.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kDescriptorsMax = 65536;

struct Range {
  off_t begin, end;
};

struct File {
  std::string path;
  std::vector<Range> dirty;
  bool whole = true;  // copied in full at the next sync
};

struct DirectoryChange {
  std::string from, to;     // `to` empty: removal
  bool keeps_from = false;  // a second name for the file, as of link
};

struct State {
  std::string root, mirror, full;
  useconds_t delay_us = 0;
  std::mutex mutex;
  std::map<std::string, File> files;
  std::vector<DirectoryChange> changes;
  File* by_descriptor[kDescriptorsMax] = {};

  State() {
    if (const char* value = getenv("LOSSY_ROOT")) root = value;
    if (const char* value = getenv("LOSSY_MIRROR")) mirror = value;
    if (const char* value = getenv("LOSSY_FULL")) full = value;
    if (const char* value = getenv("LOSSY_SYNC_DELAY_US")) delay_us = static_cast<useconds_t>(atoi(value));
  }

  bool on() const { return !root.empty() && !mirror.empty(); }
  bool inside(const std::string& path) const {
    return !root.empty() && path.size() > root.size() && path.compare(0, root.size(), root) == 0 &&
           path[root.size()] == '/' && !path.ends_with("-shm");
  }
  bool covers(const std::string& path) const {
    return on() && path.size() > root.size() && path.compare(0, root.size(), root) == 0 && path[root.size()] == '/' &&
           !path.ends_with("-shm");
  }
  std::string mirrored(const std::string& path) const { return mirror + path.substr(root.size()); }
};

State& state() {
  static State* it = new State;
  return *it;
}

template <typename F>
F* real(F* /*type*/, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}
#define REAL(name)                         \
  (*[] {                                   \
    static auto* f = real(&::name, #name); \
    return f;                              \
  }())

std::string absolute(const char* path) {
  if (path[0] == '/') return path;
  char here[4096];
  return getcwd(here, sizeof here) ? std::string(here) + "/" + path : path;
}

std::string path_of(int fd) {
  char link[64], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : std::string();
}

void opened(int fd, const std::string& path) {
  if (fd < 0 || fd >= kDescriptorsMax || !state().covers(path)) return;
  std::lock_guard lock(state().mutex);
  File& file = state().files[path];
  file.path = path;
  state().by_descriptor[fd] = &file;
}

void wrote(int fd, off_t at, ssize_t bytes) {
  if (bytes <= 0 || fd < 0 || fd >= kDescriptorsMax || state().by_descriptor[fd] == nullptr) return;
  std::lock_guard lock(state().mutex);
  File* file = state().by_descriptor[fd];
  if (file == nullptr || file->whole) return;
  if (!file->dirty.empty() && file->dirty.back().end == at)
    file->dirty.back().end = at + bytes;
  else
    file->dirty.push_back({at, at + bytes});
}

// Whether the disk has no room for bytes up to `end` of that file.
bool refuses(int fd, off_t end) {
  if (state().full.empty() || access(state().full.c_str(), F_OK) != 0 || !state().inside(path_of(fd))) return false;
  struct stat info{};
  if (fstat(fd, &info) != 0 || end <= info.st_size) return false;
  errno = ENOSPC;
  return true;
}

void make_parents(const std::string& path) {
  for (size_t at = 1; (at = path.find('/', at)) != std::string::npos; ++at) mkdir(path.substr(0, at).c_str(), 0700);
}

void copy(int from, int to, Range range) {
  char buffer[1 << 16];
  while (range.begin < range.end) {
    size_t want = static_cast<size_t>(std::min<off_t>(sizeof buffer, range.end - range.begin));
    ssize_t n = REAL(pread)(from, buffer, want, range.begin);
    if (n <= 0) return;
    if (REAL(pwrite)(to, buffer, static_cast<size_t>(n), range.begin) != n) abort();
    range.begin += n;
  }
}

void mirror_file(const std::string& path) {
  std::lock_guard lock(state().mutex);
  File& file = state().files[path];
  file.path = path;
  int from = REAL(open)(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return;
  std::string target = state().mirrored(path);
  make_parents(target);
  struct stat info{};
  fstat(from, &info);
  int to = REAL(open)(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, info.st_mode & 0777);
  if (to < 0) abort();
  if (file.whole) file.dirty = {{0, info.st_size}};
  for (const Range& range : file.dirty) copy(from, to, range);
  if (REAL(ftruncate)(to, info.st_size) != 0) abort();
  REAL(close)(from);
  REAL(close)(to);
  file.dirty.clear();
  file.whole = false;
  // A file that was made anew under a removed name is there with its own sync.
  std::erase_if(state().changes, [&](const DirectoryChange& c) { return c.to.empty() && c.from == path; });
}

void mirror_directory(const std::string& path) {
  std::lock_guard lock(state().mutex);
  auto inside = [&](const std::string& name) { return name.substr(0, name.rfind('/')) == path; };
  std::erase_if(state().changes, [&](const DirectoryChange& change) {
    if (!inside(change.from) && !inside(change.to)) return false;
    if (change.to.empty())
      REAL(unlink)(state().mirrored(change.from).c_str());
    else if (change.keeps_from)
      REAL(link)(state().mirrored(change.from).c_str(), state().mirrored(change.to).c_str());
    else
      REAL(rename)(state().mirrored(change.from).c_str(), state().mirrored(change.to).c_str());
    return true;
  });
}

void synced(int fd) {
  if (!state().on()) return;
  std::string path = path_of(fd);
  if (path != state().root && !state().covers(path)) return;
  if (state().delay_us > 0) usleep(state().delay_us);
  struct stat info{};
  if (fstat(fd, &info) != 0) return;
  if (S_ISDIR(info.st_mode))
    mirror_directory(path);
  else
    mirror_file(path);
}

void moved(const std::string& from, const std::string& to, bool keeps_from = false) {
  if (!state().covers(from) && !state().covers(to)) return;
  std::lock_guard lock(state().mutex);
  state().changes.push_back({from, to, keeps_from});
  state().files[from].whole = true;
  if (!to.empty()) state().files[to].whole = true;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
  va_end(list);
  int fd = REAL(open)(path, flags, mode);
  if (fd >= 0 && state().on()) opened(fd, absolute(path));
  return fd;
}
int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
  va_end(list);
  return open(path, flags, mode);
}
int openat(int directory, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
  va_end(list);
  int fd = REAL(openat)(directory, path, flags, mode);
  if (fd >= 0 && state().on()) opened(fd, path_of(fd));
  return fd;
}
int close(int fd) {
  if (fd >= 0 && fd < kDescriptorsMax && state().on()) {
    std::lock_guard lock(state().mutex);
    state().by_descriptor[fd] = nullptr;
  }
  return REAL(close)(fd);
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t at) {
  if (refuses(fd, at + static_cast<off_t>(bytes))) return -1;
  ssize_t n = REAL(pwrite)(fd, data, bytes, at);
  wrote(fd, at, n);
  return n;
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t at) { return pwrite(fd, data, bytes, at); }
ssize_t write(int fd, const void* data, size_t bytes) {
  bool watched = fd >= 0 && fd < kDescriptorsMax && state().on() && state().by_descriptor[fd] != nullptr;
  ssize_t n = REAL(write)(fd, data, bytes);
  if (watched && n > 0) wrote(fd, lseek(fd, 0, SEEK_CUR) - n, n);
  return n;
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
  off_t end = at;
  for (int i = 0; i < count; ++i) end += static_cast<off_t>(parts[i].iov_len);
  if (refuses(fd, end)) return -1;
  ssize_t n = REAL(pwritev)(fd, parts, count, at);
  wrote(fd, at, n);
  return n;
}
int ftruncate(int fd, off_t bytes) {  // the length is taken from the file at the next sync
  int status = REAL(ftruncate)(fd, bytes);
  if (status == 0 && fd >= 0 && fd < kDescriptorsMax && state().by_descriptor[fd] != nullptr) {
    std::lock_guard lock(state().mutex);
    if (File* file = state().by_descriptor[fd]) file->whole = true;
  }
  return status;
}
int ftruncate64(int fd, off64_t bytes) { return ftruncate(fd, bytes); }
int fsync(int fd) {
  int status = REAL(fsync)(fd);
  if (status == 0) synced(fd);
  return status;
}
int fdatasync(int fd) {
  int status = REAL(fdatasync)(fd);
  if (status == 0) synced(fd);
  return status;
}
int unlink(const char* path) {
  int status = REAL(unlink)(path);
  if (status == 0 && state().on()) moved(absolute(path), {});
  return status;
}
int rename(const char* from, const char* to) {
  int status = REAL(rename)(from, to);
  if (status == 0 && state().on()) moved(absolute(from), absolute(to));
  return status;
}
int link(const char* from, const char* to) {
  int status = REAL(link)(from, to);
  if (status == 0 && state().on()) moved(absolute(from), absolute(to), true);
  return status;
}

}  // extern "C"
