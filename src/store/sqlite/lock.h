#pragma once
// FileLock: one owner of a database file, by flock on a file beside it. Ends with the object or the process.

#include <string>

#include "base/result.h"

namespace perdure::sqlite {

class FileLock {
 public:
  static Result<FileLock> take(const std::string& path);  // kConflict names the process that holds it
  FileLock() = default;
  FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace perdure::sqlite
