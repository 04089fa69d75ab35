#include "store/sqlite/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace perdure::sqlite {

Result<FileLock> FileLock::take(const std::string& path) {
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return Error{Code::kUnavailable, "cannot open " + path + ": " + std::strerror(errno)};
  FileLock lock(file);
  char holder[32] = {};
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Error{Code::kUnavailable, "cannot lock " + path + ": " + std::strerror(errno)};
    ssize_t n = ::pread(file, holder, sizeof holder - 1, 0);
    std::string pid(holder, n > 0 ? static_cast<size_t>(n) : 0);
    while (!pid.empty() && pid.back() == '\n') pid.pop_back();
    return Error{Code::kConflict, "process " + (pid.empty() ? "?" : pid) + " holds " + path, {}, "store_in_use"};
  }
  std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, pid.data(), pid.size(), 0) < 0)
    return lock;  // the number only informs
  return lock;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace perdure::sqlite
