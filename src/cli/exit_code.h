#pragma once
// Exit codes, for scripts: one per class of what the caller can do. The one place that maps them.

#include "base/result.h"

namespace perdure::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,   // a defect, or a response that ended failed
  kUsage = 2,    // the command line or a configuration file is wrong
  kRefused = 3,  // wrong request, denied, conflict: the same again will fail again
  kNotFound = 4,
  kTryLater = 5,  // overloaded, unavailable, unreachable, too slow
  kProblems = 6,  // a check found problems: journal verify
  kInterrupted = 130,
};

inline int exit_code(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
    case Code::kDenied:
    case Code::kConflict:
      return kRefused;
    case Code::kNotFound:
      return kNotFound;
    case Code::kOverloaded:
    case Code::kUnavailable:
    case Code::kUnknown:
    case Code::kDeadline:
      return kTryLater;
    case Code::kCancelled:
      return kInterrupted;
    case Code::kCorrupt:
      return kProblems;
    case Code::kInternal:
      return kFailed;
  }
  return kFailed;
}

}  // namespace perdure::cli
