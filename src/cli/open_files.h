#pragma once
// Every stream takes two descriptors, and the usual soft limit is 1024: what the hard limit allows is used.

#include <sys/resource.h>

namespace perdure::cli {

inline void allow_many_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace perdure::cli
