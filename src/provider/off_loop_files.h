#pragma once
// Small files that others change (credentials, tokens), read where blocking is allowed.

#include <string>

#include "async/job_runner.h"
#include "async/loop.h"
#include "async/task.h"
#include "base/result.h"

namespace perdure {

class OffLoopFiles {
 public:
  static constexpr size_t kBytesMax = 1 << 20;

  // `loop` and `runner` outlive it. Lives on `loop`.
  OffLoopFiles(Loop& loop, JobRunner& runner) : loop_(loop), runner_(runner) {}
  // The whole file. kNotFound: there is none of this name. kUnavailable: it cannot be read, or is beyond the limit.
  // kDeadline.
  Task<Result<std::string>> read(std::string path, Deadline deadline);

 private:
  Loop& loop_;
  JobRunner& runner_;
};

}  // namespace perdure
